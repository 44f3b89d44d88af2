#!/bin/sh
# make bench: see run.py.
set -eu
exec "$(dirname "$0")/run.py" "$@"
