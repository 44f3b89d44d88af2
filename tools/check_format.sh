#!/bin/sh
# Fails when clang-format would change a file.
set -eu
cd "$1"
git ls-files '*.c' '*.h' | grep -v '^src/consensus/consensus.h$' |
    xargs clang-format-14 --dry-run --Werror
