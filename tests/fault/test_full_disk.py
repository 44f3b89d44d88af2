#!/usr/bin/env python3
"""A node on a small disk that runs full: writes are refused with a clear error, reads and deletes
go on, writes resume by themselves, and nothing acknowledged is lost, also after kill -9."""

import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "api"))

import resp
from history import Load
from node import Node, expect, run
from small_disk import SmallDisk, enter_namespace, skip

DISK = 600 << 20
OPTIONS = ("--disk-reserve", "160MiB", "--memory", "64MiB", "--shards", "4")
RESUME_SECONDS = 120
VALUE = 64 << 10


def value_of(i):
    return b"%d;" % i + random.Random(i).randbytes(VALUE)


def is_refused(reply):
    """Or, for what was under way when the disk became full, UNKNOWN."""
    if not isinstance(reply, resp.Error):
        return False
    expect(True, reply.word in ("MISCONF", "UNKNOWN"), repr(reply))
    return True


def fill(client, first, most=100000):
    """Writes until refused. Returns the numbers of the keys that were acknowledged."""
    there = []
    for at in range(first, first + most, 20):
        numbers = range(at, at + 20)
        replies = client.pipeline([("SET", "fill%d" % i, value_of(i)) for i in numbers])
        there += [i for i, reply in zip(numbers, replies) if not is_refused(reply)]
        if len(there) < at + 20 - first:
            return there
    raise AssertionError("the disk does not become full")


def expect_values(client, numbers):
    for i in numbers:
        found = client.ask("GET", "fill%d" % i)
        if found != value_of(i):
            raise AssertionError("fill%d: %r" % (i, found and found[:40]))


def expect_refusals(node, client, known):
    """In the words of each dialect; what does not grow goes on."""
    problem = node.request("PUT", "/api/v1/tables/kv/keys/no", b"x" * 1000)
    expect((507, "NO_SPACE"), (problem.status, problem.json()["code"]))
    expect(507, node.request("POST", "/no", b"x" * 1000).status)
    expect(True, is_refused(client.pipeline([("SET", "no", b"x" * 1000)])[0]), "SET")
    for command in (("SADD", "noset", "m"), ("APPEND", "no", "x"), ("INCR", "nocounter")):
        expect(True, is_refused(client.pipeline([command])[0]), command[0])
    expect(None, client.ask("GET", "no"))
    expect_values(client, known[:20])
    expect(200, node.request("GET", "/healthz").status)
    expect(200, node.request("GET", "/metrics").status)


def wait_until_written(node, seconds):
    """Asks until every shard takes a write; returns how long it took."""
    begin = time.monotonic()
    with node.redis() as client:
        writes = [("SET", "resumed%d" % i, b"x" * 1000) for i in range(20)]
        while any([is_refused(reply) for reply in client.pipeline(writes)]):
            if time.monotonic() - begin > seconds:
                raise AssertionError("writes are refused %d s after there was room" % seconds)
    return time.monotonic() - begin


def wait_until_refused(node, disk, leaves, seconds):
    begin = time.monotonic()
    with node.redis() as client:
        while not is_refused(client.pipeline([("SET", "refused", b"x" * 1000)])[0]):
            if time.monotonic() - begin > seconds:
                raise AssertionError("writes are taken %d s after the disk was full" % seconds)
            disk.put_ballast(leaves)  # again: the node may just have given a file back


def delete_all(client, numbers):
    replies = client.pipeline([("DEL", "fill%d" % i) for i in numbers])
    expect([1] * len(numbers), replies, "deletes on a full disk")


def check_disk(kind):
    with SmallDisk(kind, DISK) as disk:
        if not disk.is_there:
            return False
        with Node(*OPTIONS, folder=disk.path) as node:
            check_other_file(disk, node)
            check_own_data(disk, node)
        with Node(*OPTIONS, folder=disk.path) as node:
            check_load(disk, node)
    return True


def check_other_file(disk, node):
    """Somebody else takes the room, and gives it back."""
    with node.redis() as client:
        expect([b"OK"] * 50, client.pipeline([("SET", "fill%d" % i, value_of(i))
                                              for i in range(50)]))
        client.ask("SADD", "aset", "a", "b", "c")
        for leaves in (120 << 20, 2 << 20, 0):
            disk.put_ballast(leaves)
            wait_until_refused(node, disk, leaves, RESUME_SECONDS)
            expect_refusals(node, client, range(50))
            if leaves > 100 << 20:  # with nothing left, not even a delete can be made to last
                expect(1, client.ask("SREM", "aset", "a"))
            disk.remove_ballast()
            took = wait_until_written(node, RESUME_SECONDS)
            print("  writes go on %.1f s after %d MiB were all that was left"
                  % (took, leaves >> 20))
            client.ask("SADD", "aset", "a")
        delete_all(client, range(50))


def check_own_data(disk, node):
    """The node's own data fill the disk; deleting them makes room."""
    with node.redis() as client:
        there = fill(client, 0)
        print("  full with %d MiB of values, %d MiB left" % (len(there) * VALUE >> 20,
                                                             disk.free() >> 20))
        expect_refusals(node, client, there)
    node.kill()
    node.start()
    with node.redis() as client:
        expect_values(client, there)
        gone = there[: len(there) // 2]
        delete_all(client, gone)
    node.kill()
    node.start()
    with node.redis() as client:
        expect_values(client, there[len(gone):])
        expect([None] * len(gone), client.pipeline([("GET", "fill%d" % i) for i in gone]))
        delete_all(client, there[len(gone):])
    print("  writes go on %.1f s after all was deleted" % wait_until_written(node, RESUME_SECONDS))


def check_load(disk, node):
    """Many clients, a full disk, and kill -9 in it."""
    load = Load(random.Random(5), writers=4, big_bytes=100000)
    load.start(node)
    expect(True, load.progress.wait_for(500, RESUME_SECONDS), "writes go on")
    for leaves in (2 << 20, 140 << 20):
        disk.put_ballast(leaves)
        refused = load.refused
        deadline = time.monotonic() + RESUME_SECONDS
        while load.refused < refused + 100 and load.is_running:
            load.progress.wait_for(1, 1)
            disk.put_ballast(leaves)  # again: the node may just have given a file back
            expect(True, time.monotonic() < deadline, "writes are refused")
            expect([], load.failures)
        node.kill()
        load.join()
        node.start()
        load.check(node, may_refuse=True)
        load.start(node)
        expect(True, load.progress.wait_for(50, RESUME_SECONDS), "clients go on")
        disk.remove_ballast()
        wait_until_written(node, RESUME_SECONDS)
        expect(True, load.progress.wait_for(500, RESUME_SECONDS), "writes go on")
    node.kill()
    load.join()
    node.start()
    load.check(node, may_refuse=True)


def test_tmpfs():
    if not check_disk("tmpfs"):
        skip("nothing can be mounted here")


def test_ext4():
    if not check_disk("ext4"):
        print("  skipped: no ext4 in a file here")


if __name__ == "__main__":
    enter_namespace()
    sys.exit(run([test_tmpfs, test_ext4]))
