#!/bin/sh
# Runs every fuzzer for a number of seconds, three times as many side by side as there are
# processors, so that all of them take no longer than the other tests. What it finds new goes to
# build/corpus; an input that fails is kept in build/crashes. One that takes a minute hangs: a
# machine that stands still for ten seconds under its load was taken for that.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-30}
jobs=${JOBS:-$(nproc)}
one() {
    name=$(basename "$1")
    log=build/logs/$name.log
    mkdir -p "build/corpus/$name"
    "$1" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=2048 \
        -artifact_prefix="build/crashes/$name-" \
        "build/corpus/$name" "tests/fuzz/seeds/$name" >"$log" 2>&1 ||
        { tail -n 40 "$log"; echo "FAILED: $name"; exit 1; }
    echo "$name: $(sed -n 's/^Done \([0-9]* runs in [0-9]* second\).*/\1s/p' "$log")"
}
if [ "${2:-}" = one ]; then
    one "$3"
    exit 0
fi
mkdir -p build/logs build/corpus build/crashes
cmake --preset fuzz >build/logs/configure-fuzz.log || { cat build/logs/configure-fuzz.log; exit 1; }
cmake --build --preset fuzz --target fuzzers -j "$jobs"
fuzzers=$(find build/fuzz -maxdepth 1 -type f -name 'fuzz_*' -perm -u+x | sort)
echo "$(echo "$fuzzers" | wc -l) fuzzers"
echo "$fuzzers" | xargs -P "$((3 * jobs))" -n 1 "$0" "$seconds" one
