#!/bin/sh
# Runs every fuzzer for a number of seconds, as many side by side as there are processors. What it
# finds new goes to build/corpus; a crash is kept and fails.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-30}
jobs=${JOBS:-$(nproc)}
cmake --preset fuzz
cmake --build --preset fuzz -j "$jobs"
mkdir -p build/corpus build/crashes
one() {
    name=$(basename "$1")
    mkdir -p "build/corpus/$name"
    "$1" -max_total_time="$2" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="build/crashes/$name-" \
        "build/corpus/$name" "tests/fuzz/seeds/$name" >"build/logs/$name.log" 2>&1 ||
        { tail -n 40 "build/logs/$name.log"; echo "FAILED: $name"; exit 1; }
    echo "$name: $(sed -n 's/^Done \([0-9]*\) runs.*/\1 runs/p' "build/logs/$name.log")"
}
if [ "${2:-}" = one ]; then
    one "$3" "$seconds"
    exit 0
fi
mkdir -p build/logs
find build/fuzz -maxdepth 1 -type f -name 'fuzz_*' -perm -u+x | sort |
    xargs -P "$jobs" -n 1 "$0" "$seconds" one
