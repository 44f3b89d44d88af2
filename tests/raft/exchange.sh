#!/bin/sh
# exchange.sh FIRST SECOND - two builds of exchange.c take turns on one directory, also several
# turns of the same one.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
round=0
for turn in "$1" "$2" "$1" "$1" "$2" "$2" "$2" "$1" "$2"; do
    "$turn" "$folder" "$round"
    round=$((round + 1))
done
