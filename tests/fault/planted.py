#!/usr/bin/env python3
"""Every planted bug must be caught: each is switched on and the tests named for it are run; at
least one must fail. They pass without (ctest runs them so). Use: planted.py BUILD_FOLDER"""
import os
import subprocess
import sys

POWER = ("test_power", {"HOLDFAST_SEEDS": "200"})
CAUGHT_BY = {
    "skip-sync": [POWER],
    "acknowledge-early": [POWER],
    "publish-early": [POWER],
    "half-commit": [POWER, ("test_journal_tear", {})],
    "skip-replay": [POWER],
    "apply-twice": [POWER],
    "reuse-index": [POWER],
    "compact-early": [POWER],
    "forget-ids": [POWER],
    "ignore-expiry": [("test_model_random", {})],
    "stale-reads": [("test_order", {})],
    "newer-pages": [("test_snapshots", {})],
}


def fails(folder, name, test, extra):
    env = dict(os.environ, HOLDFAST_SEED_PLANTED=name, **extra)
    done = subprocess.run([os.path.join(folder, test)], env=env, timeout=1200, check=False,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return done.returncode != 0


missed = [name for name, tests in CAUGHT_BY.items()
          if not any(fails(sys.argv[1], name, test, extra) for test, extra in tests)]
for name in CAUGHT_BY:
    print(f"{name}: {'MISSED' if name in missed else 'caught'}")
sys.exit(1 if missed else 0)
