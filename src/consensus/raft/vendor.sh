#!/bin/sh
# Fetches the pinned crates into build/crates, for building without a network afterwards, and with
# Debian 12's cargo (0.66, "1.65"): that one knows the registry only as a git repository, unless
# asked. Then configure again: the raft engine and its tests are built.
set -e
cd "$(dirname "$0")"
cargo=${CARGO:-cargo}
into=$(cd ../../.. && pwd)/build/crates
case "$($cargo --version)" in
"cargo 1.6"[0-7].*)
    RUSTC_BOOTSTRAP=1 $cargo -Z sparse-registry vendor --locked --versioned-dirs "$into" >/dev/null ;;
*)
    $cargo vendor --locked --versioned-dirs "$into" >/dev/null ;;
esac
