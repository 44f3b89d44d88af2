#!/bin/sh
# make bench: see run.py. The etcd of etcd/ is built once where there is Go; without it the peer is
# the one of the PATH.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
etcd="$here/../build/etcd"
if [ -z "${BENCH_ETCD:-}" ] && command -v go >/dev/null 2>&1; then
    [ -x "$etcd" ] || (cd "$here/etcd" && go build -o "$etcd" .) ||
        echo "skipped: the etcd of bench/etcd could not be built"
    [ ! -x "$etcd" ] || export BENCH_ETCD="$etcd"
fi
exec "$here/run.py" "$@"
