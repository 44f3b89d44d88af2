#!/usr/bin/env python3
"""Power cuts and failing calls under a real process, RocksDB included: a library in front of libc
writes down what is not synced yet, and after kill -9 that is taken back, wholly or in part.

    test_power_real.py PROGRAM LIBRARY SEEDS

HOLDFAST_SEED=n runs one seed, HOLDFAST_SEEDS=n that many, whatever SEEDS says. A seed repeats what is done to a node, not
when its threads run.
"""

import concurrent.futures
import os
import random
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "api"))

from history import Load
from node import Node, NotReady, expect
from power import ERRORS, Power

SEEDS = int(os.environ.get("HOLDFAST_SEEDS") or sys.argv[3])
ROUNDS = 3
SIDE_BY_SIDE = 3
LIBRARY = os.path.abspath(sys.argv[2])
SANITIZERS = {"ASAN_OPTIONS": "verify_asan_link_order=0"}
PROGRESS_SECONDS = 30


class Run:
    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.load = Load(random.Random(seed + 1), writers=3,
                         big_bytes=self.dice.choice((2000, 20000, 60000)))
        self.folder = tempfile.mkdtemp(prefix="holdfast-power-")
        watched = os.path.join(self.folder, "watched")
        os.mkdir(watched)
        self.power = Power(LIBRARY, watched, os.path.join(self.folder, "side"))
        self.node = Node("--memory", self.dice.choice(("8MiB", "64MiB")), "--shards",
                         self.dice.choice(("1", "2", "5")), "--threads", "2",
                         folder=watched, starts=False)
        self.taken_back = 0
        self.calls = 400

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.node.explain()
        if self.node.process.poll() is None:
            self.node.kill()
        shutil.rmtree(self.folder)

    def start(self, **trouble):
        """False: the node was stopped by what was to happen to it."""
        self.node.env = {**SANITIZERS, **self.power.environment(**trouble)}
        try:
            self.node.start()
        except NotReady:
            if not trouble:
                raise
            return False
        return True

    def kill_and_cut(self):
        self.node.kill()
        lost, names = self.power.cut(self.dice)
        self.taken_back += lost + names

    def use(self, most, may_fail=False):
        """Clients write until so much is acknowledged, or the node is gone."""
        self.load.start(self.node, may_fail)
        goal = self.dice.randint(1, most)
        deadline = time.monotonic() + PROGRESS_SECONDS
        while goal > 0 and self.load.is_running and time.monotonic() < deadline:
            goal -= 10 if self.load.progress.wait_for(10, 0.2) else 0
        expect([], self.load.failures)

    def cut_the_power(self):
        """At a random moment, or at a call: also while the node starts."""
        at = self.dice.choice((0, 0, self.dice.randint(1, 80), self.dice.randint(1, self.calls)))
        if self.start(cut=at):
            self.use(1500)
        self.calls = self.power.calls() + 1
        self.kill_and_cut()
        self.load.join()

    def verify(self, may_refuse=False):
        """With the power cut again, also while it recovers, before it is asked."""
        while self.dice.random() < 0.3:
            self.start(cut=self.dice.randint(1, 120))
            self.kill_and_cut()
        self.start()
        self.load.check(self.node, may_refuse)
        self.kill_and_cut()

    def fail_a_call(self):
        """The node may go on or stop; what it has acknowledged is there."""
        error = self.dice.choice(sorted(ERRORS))
        if self.start(fail=self.dice.randint(1, self.calls), error=error):
            self.use(300, may_fail=True)
        self.kill_and_cut()
        self.load.join()


def run_seed(seed):
    with Run(seed) as run:
        run.start()
        run.use(300)
        run.kill_and_cut()
        run.load.join()
        run.verify()
        for _ in range(ROUNDS):
            run.cut_the_power()
            run.verify()
        run.fail_a_call()
        run.verify(may_refuse=True)
        return run.load.progress.count, run.taken_back


def run_named(seed):
    try:
        return run_seed(seed)
    except BaseException:
        print("HOLDFAST_SEED=%d failed" % seed, flush=True)
        raise


def main():
    one = os.environ.get("HOLDFAST_SEED")
    first = int(one) if one else time.time_ns() % 1000000
    seeds = range(first, first + (1 if one else SEEDS))
    print("HOLDFAST_SEED=%d to %d" % (seeds[0], seeds[-1]), flush=True)
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        results = list(pool.map(run_named, seeds))
    taken_back = sum(lost for _, lost in results)
    print("%d writes acknowledged, %d calls taken back"
          % (sum(more for more, _ in results), taken_back))
    expect(True, taken_back > 0, "the library watches something")


if __name__ == "__main__":
    sys.exit(main())
