#!/bin/sh
# Installs the Debian packages that are missing, for: build | test | bench. Asks nothing.
set -eu

build="gcc cmake ninja-build pkg-config python3 librocksdb-dev libuv1-dev libjansson-dev
    libnghttp2-dev libssl-dev libprotobuf-c-dev libprotobuf-dev protobuf-c-compiler protobuf-compiler
    zlib1g-dev libzstd-dev libsnappy-dev libutf8proc-dev"
test="clang clang-format clang-tidy libclang-rt-14-dev llvm curl redis-tools redis-server python3-redis prometheus
    python3-grpcio python3-protobuf nghttp2-client openssl"
bench="nginx-light linux-perf etcd-server etcd-client"

case "${1:-build}" in
build) wanted=$build ;;
test) wanted="$build $test" ;;
bench) wanted="$build $test $bench" ;;
*) echo "use: install.sh build|test|bench" >&2; exit 2 ;;
esac

missing=""
for package in $wanted; do
    state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    case "$state" in
    *"ok installed") ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    as_root=""
elif command -v sudo >/dev/null 2>&1; then
    as_root="sudo"
else
    echo "These packages are missing:$missing" >&2
    echo "Install them as root (apt-get install$missing), or install sudo." >&2
    exit 1
fi
echo "installing:$missing"

# Debian starts the services that it installs; a policy file that says no keeps it from that.
policy=/usr/sbin/policy-rc.d
made_policy=no
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod 755 "$policy"
    made_policy=yes
fi
finish() {
    [ "$made_policy" = no ] || $as_root rm -f "$policy"
}
trap finish EXIT

log=$(mktemp)
install() {
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >"$log" 2>&1
}
$as_root apt-get update >"$log" 2>&1 || { cat "$log" >&2; echo "apt-get update failed" >&2; exit 1; }
install || { cat "$log" >&2; echo "apt-get install failed" >&2; exit 1; }
rm -f "$log"
