#!/usr/bin/env python3
"""A real node under load is killed at random moments, twenty times. Whatever was acknowledged is
there after each start, and what was not is there whole or not at all.

HOLDFAST_SEED=n repeats a run, as far as threads and the disk allow; HOLDFAST_KILLS=n kills.
"""

import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "api"))

from history import Load
from node import Node

KILLS = int(os.environ.get("HOLDFAST_KILLS", "20"))
PROGRESS_SECONDS = 240


def start(node, dice):
    """Sometimes it is killed while it starts."""
    while dice.random() < 0.25:
        node.launch()
        deadline = time.monotonic() + dice.uniform(0, 0.15)
        while time.monotonic() < deadline and node.process.poll() is None:
            pass
        node.kill()
        node.process.stderr.close()
    begin = time.monotonic()
    node.start()
    return time.monotonic() - begin


def main():
    seed = int(os.environ.get("HOLDFAST_SEED", time.time_ns() % 1000000))
    print("HOLDFAST_SEED=%d" % seed, flush=True)
    dice = random.Random(seed)
    load = Load(random.Random(seed + 1), big_bytes=dice.choice((2000, 20000, 200000)))
    options = ("--memory", dice.choice(("16MiB", "64MiB", "1GiB")), "--shards",
               dice.choice(("1", "3", "16")), "--threads", dice.choice(("1", "2", "4")))
    starts = []
    survived = 0
    with Node(*options) as node:
        for number in range(KILLS):
            load.start(node)
            if not load.progress.wait_for(dice.randint(1, 6000), PROGRESS_SECONDS):
                raise AssertionError("writes do not go on: %r" % load.failures)
            if load.failures:
                raise load.failures[0]
            node.kill()
            load.join()
            starts.append(start(node, dice))
            survived += load.check(node)
    starts.sort()
    print("%d kills, %d writes acknowledged, %d more survived; ready after a kill: median %.0f ms, "
          "at most %.0f ms" % (KILLS, load.progress.count, survived,
                               1000 * starts[len(starts) // 2], 1000 * starts[-1]))


if __name__ == "__main__":
    sys.exit(main())
