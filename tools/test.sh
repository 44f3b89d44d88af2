#!/bin/sh
# Builds every preset and runs every test; prints how long each stage took. Ends with a line
# that counts the tests.
set -eu
cd "$(dirname "$0")/.."
jobs=${JOBS:-$(nproc)}
logs=build/logs
mkdir -p "$logs"
passed=0
began=$(date +%s)

# stage NAME COMMAND...: its output goes to a file, and to the screen when it fails.
stage() {
    name=$1
    shift
    start=$(date +%s)
    if ! "$@" >"$logs/$name.log" 2>&1; then
        tail -n 150 "$logs/$name.log"
        echo "FAILED: $name (see $logs/$name.log)"
        count "$name"
        echo "$passed passed, 1 failed"
        exit 1
    fi
    count "$name"
    echo "$name: $(($(date +%s) - start)) s"
}

# Adds the tests that a ctest stage has counted.
count() {
    n=$(sed -n 's/.*tests passed.*out of \([0-9]*\)$/\1/p' "$logs/$1.log" | tail -n 1)
    passed=$((passed + ${n:-0}))
}

build() {
    cmake --preset "$1" && cmake --build --preset "$1" -j "$jobs"
}

stage build-dev build dev
stage lint ctest --preset dev -L lint -j "$jobs"
stage build-release build release
stage test-release ctest --preset release -LE lint -j "$jobs"
stage build-asan build asan
stage test-asan ctest --preset asan -LE lint -j "$jobs"
stage build-tsan build tsan
stage test-tsan ctest --preset tsan -LE "lint|fuzz" -j "$jobs"
stage fuzz tools/fuzz.sh "${FUZZ_SECONDS:-30}"
echo "all stages: $(($(date +%s) - began)) s"
echo "$passed passed, 0 failed"
