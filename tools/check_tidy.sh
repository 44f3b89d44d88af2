#!/bin/sh
# Runs clang-tidy over every source of src/, against the build folder given second: the largest
# first, so that no processor waits for one that began late.
set -eu
cd "$1"
find src -name '*.c' -exec ls -S {} + |
    xargs -P "${JOBS:-$(nproc)}" -n 1 clang-tidy-14 --quiet -p "$2" 2>/dev/null
