#!/bin/sh
# Builds what the tests need and runs every test; prints how long each stage took and what was
# left out. A failed test does not end the run, a failed build does. The last line counts.
#
# What runs where: dev (gcc, -Werror) carries the planted bugs and is what the lints look at;
# release runs every test, asan all but what ends processes and fills disks for long (label crash),
# tsan those with threads.
set -eu
cd "$(dirname "$0")/.."
JOBS=${JOBS:-$(nproc)}
export JOBS
export PYTHONUNBUFFERED=1 # what a test has said is known even if it is ended from outside
logs=build/logs
mkdir -p "$logs"
passed=0
failed=0
began=$(date +%s)

end() {
    echo "all stages: $(($(date +%s) - began)) s"
    cat build/*/Testing/Temporary/LastTest.log "$logs"/build-*.log 2>/dev/null |
        sed -n 's/^ *\(skipped: .*\)/\1/p; s/^-- \(skipped: .*\)/\1/p' | sort -u
    tell_failed
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ]
    exit
}

# Every failed test once more, behind all else: where only the end of what a run prints is kept, the
# reason is in it. First how each ended (Failed, Timeout, SegFault, Not Run), then what each said
# last, and before that what a sanitizer has found, which is far from the end of its report.
tell_failed() {
    for log in "$logs"/lint.log "$logs"/test-*.log; do
        [ ! -e "$log" ] || sed -n '/\*\*\*Skipped/d
            s|^ *[0-9]*/[0-9]* Test *#[0-9]*: \(.*\*\*\*.*\)|FAILED: \1 ('"$log"')|p' "$log"
    done
    for log in build/*/Testing/Temporary/LastTest.log; do
        [ ! -e "$log" ] || awk -v path="$log" '
            / Testing: / { name = $3 }
            /^Output:$/ { size = found = is_over = 0; next }
            /^<end of output>/ { is_over = 1 }
            /^Test Failed/ {
                print "the end of " name " (" path "):"
                for (i = 0; i < found; i++) print "    " reports[i]
                for (i = size > 12 ? size - 12 : 0; i < size; i++) print "    " lines[i]
            }
            is_over { next }
            found < 5 && /Sanitizer: |runtime error: / { reports[found++] = substr($0, 1, 300) }
            { lines[size++] = substr($0, 1, 300) }
        ' "$log"
    done
    grep -h '^FAILED: fuzz_' "$logs/fuzz.log" 2>/dev/null || true
}

# stage NAME COMMAND...: its output goes to a file, and the end of it to the screen if it fails.
stage() {
    name=$1
    shift
    start=$(date +%s)
    status=0
    before=$failed
    "$@" >"$logs/$name.log" 2>&1 || status=$?
    count "$logs/$name.log"
    if [ "$status" != 0 ]; then
        [ "$failed" != "$before" ] || failed=$((failed + 1)) # a build, or it did not come to its end
        grep -v '^ *Start \| Passed ' "$logs/$name.log" | tail -n 150
        echo "FAILED: $name (see $logs/$name.log)"
    fi
    echo "$name: $(($(date +%s) - start)) s"
    return "$status"
}

# Adds what a log says of tests (ctest) or of fuzzers (fuzz.sh).
count() {
    all=$(sed -n 's/.*tests failed out of \([0-9]*\)$/\1/p; s/^\([0-9]*\) fuzzers$/\1/p' "$1")
    bad=$(sed -n 's/.*, \([0-9]*\) tests failed out of.*/\1/p' "$1")
    bad=$((${bad:-0} + $(grep -c '^FAILED: fuzz_' "$1" || true)))
    passed=$((passed + ${all:-0} - bad))
    failed=$((failed + bad))
}

# build PRESET [TARGET]
build() {
    cmake --preset "$1" && cmake --build --preset "$1" -j "$JOBS" --target "${2:-all}" -- --quiet
}

must() {
    stage "$@" || end
}

rm -rf build/*/Testing "$logs"/*.log
must build-dev build dev
stage lint ctest --preset dev -L 'lint|planted' -j "$JOBS" || true
must build-release build release
stage test-release ctest --preset release -LE lint -j "$JOBS" || true
must build-asan build asan
stage test-asan ctest --preset asan -LE 'lint|crash' -j "$JOBS" || true
must build-tsan build tsan threaded
stage test-tsan ctest --preset tsan -L threads -j "$JOBS" || true
must build-fuzz build fuzz fuzzers
stage fuzz tools/fuzz.sh "${FUZZ_SECONDS:-30}" || true
end
