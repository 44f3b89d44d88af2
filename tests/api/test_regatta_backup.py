#!/usr/bin/env python3
"""Backup and restore of Regatta's tables: the file's bytes, its manifest, all or nothing, damage, and
a table of 200,000 records (HOLDFAST_SEED_RECORDS=10000000: more) in bounded memory."""

import regatta_client as rc
from regatta_client import ALL, DELETE, DUMMY, Regatta, fails

import datetime
import hashlib
import itertools
import json
import os
import random
import tempfile
import threading
import time

import grpc
import regatta_file
from node import Node, expect, for_a_while, program, run

RECORDS = int(os.environ.get("HOLDFAST_SEED_RECORDS", "200000"))
MIB = 1 << 20
with open(program(), "rb") as binary:  # a sanitizer keeps what is freed
    PEAK_MIB = 1500 if b"__asan_init" in binary.read() else 400
TEXT_DAMAGED = "the backup is damaged"


def stamp():
    now = datetime.datetime.now(datetime.timezone.utc)
    return now.strftime("%Y-%m-%dT%H:%M:%S.") + "%06d000Z" % now.microsecond


def backup_all(r, folder):
    """What Regatta's backup command does: every table that Status lists, and a manifest."""
    manifest = {"started": stamp(), "tables": []}
    for name in sorted(r.status().tables):
        digest = hashlib.md5()
        with open(os.path.join(folder, name + ".bak"), "wb") as file:
            for piece in r.backup(name.encode()):
                expect((True, piece.len), (len(piece.data) <= MIB, len(piece.data)))
                file.write(piece.data)
                digest.update(piece.data)
        manifest["tables"].append({"name": name, "file_name": name + ".bak",
                                   "md5": digest.hexdigest()})
    manifest["finished"] = stamp()
    with open(os.path.join(folder, "manifest.json"), "w", encoding="utf-8") as file:
        json.dump(manifest, file)


def pieces(path, size=2 * MIB):
    with open(path, "rb") as file:
        while piece := file.read(size):
            yield piece


def md5_of(path):
    digest = hashlib.md5()
    for piece in pieces(path):
        digest.update(piece)
    return digest.hexdigest()


def restore_all(r, folder):
    """What its restore command does."""
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
        tables = json.load(file)["tables"]
    for table in tables:
        if md5_of(os.path.join(folder, table["file_name"])) != table["md5"]:
            raise ValueError("table '%s' file '%s' corrupted (checksum mismatch)"
                             % (table["name"], table["file_name"]))
    for table in tables:
        r.restore(table["name"].encode(), pieces(os.path.join(folder, table["file_name"])))


def file_of(r, table):
    return b"".join(piece.data for piece in r.backup(table))


def command(r, key, value=b"", kind=0, table=b"t"):
    kv = {"key": key, "value": value, "create_revision": 3, "mod_revision": 4}
    return r.message("mvcc.v1.Command", table=table, type=kind, kv=kv).SerializeToString()


def fill(r, table, count, seed):
    random.seed(seed)
    wanted = {}
    for i in range(count):
        key = b"%d-" % i + random.randbytes(random.randrange(30))
        wanted[key] = random.choice([b"", b"text " * random.randrange(100),
                                     random.randbytes(random.randrange(300))])
    puts = [{"request_put": {"key": key, "value": value}} for key, value in wanted.items()]
    for first in range(0, len(puts), 500):
        r.txn((), puts[first:first + 500], table=table)
    return sorted(wanted.items())


def draw_seed():
    seed = int(os.environ.get("HOLDFAST_SEED") or random.SystemRandom().randrange(1 << 30))
    print("HOLDFAST_SEED=%d" % seed)
    return seed


# ---- The file ----

def test_file():
    """Its bytes are those of the format, read without the program."""
    with Node() as node, Regatta(node) as r:
        r.create("t")
        wanted = fill(r, b"t", 2000, draw_seed())
        data = file_of(r, b"t")
        plain = regatta_file.unframe(data)
        found = list(regatta_file.records(plain, r.client.schema.type("mvcc.v1.Command")))
        expect({(b"t", 0, 0)}, {(c.table, c.type, c.kv.mod_revision) for c in found})
        expect(wanted, [(c.kv.key, c.kv.value) for c in found])
        expect(wanted, r.dump())
        r.create("empty")
        expect(regatta_file.IDENTIFIER, file_of(r, b"empty"))


def test_files_of_others():
    """Chunks of any size and kind, a stream without records, one of a follower with its DUMMY."""
    with Node() as node, Regatta(node) as r:
        wanted = [(b"k%03d" % i, b"v" * (i * 7)) for i in range(60)]
        plain = regatta_file.join([command(r, k, v, table=b"another") for k, v in wanted])
        data = regatta_file.frame(plain)
        for size in (1, 7, 1000, len(data)):
            r.restore(b"t", (data[at:at + size] for at in range(0, len(data), size)))
            expect(wanted, r.dump())
        r.restore(b"t", [data, b"", b""])
        expect(wanted, r.dump())
        follower = regatta_file.join([command(r, *pair) for pair in wanted[:3]] +
                                     [r.message("mvcc.v1.Command", table=b"t", type=DUMMY,
                                                leader_index=5).SerializeToString()])
        r.restore(b"t", [regatta_file.frame(follower)])
        expect(wanted[:3], r.dump())
        padded = data[:10] + b"\xfe\x04\0\0\0\0\0\0" + data[10:]  # padding, as snappy allows
        r.restore(b"t", [padded])
        expect(wanted, r.dump())
        for nothing in ([], [b""], [regatta_file.IDENTIFIER]):
            r.restore(b"t", nothing)
            expect([], r.dump())
        # Twenty records of 200 KiB each, which lie across many blocks; two of 2 MiB.
        large = [(b"%02d" % i, bytes([i]) * (200 << 10)) for i in range(20)] + \
                [(b"x%d" % i, b"x" * (2 * MIB)) for i in range(2)]
        for key, value in large:
            r.put(key, value)
        data = file_of(r, b"t")
        r.restore(b"u", [data])
        expect(large, r.dump(b"u"))


def test_manifest():
    with Node() as node, Regatta(node) as r, tempfile.TemporaryDirectory() as folder:
        wanted = {}
        for number, name in enumerate(("b", "a", "empty")):
            r.create(name)
            wanted[name] = fill(r, name.encode(), 100 * number, 7) if name != "empty" else []
        backup_all(r, folder)
        with Node() as other, Regatta(other) as o:
            o.create("a")
            o.put(b"old", b"value", table=b"a")
            ids = o.names()
            restore_all(o, folder)
            expect(wanted, {name: o.dump(name.encode()) for name in wanted})
            expect(True, o.names()["a"] > ids["a"])  # it has a new id
            with tempfile.TemporaryDirectory() as again:
                backup_all(o, again)
                for name in wanted:
                    expect(md5_of(os.path.join(folder, name + ".bak")),
                           md5_of(os.path.join(again, name + ".bak")), name)
            other.stop()
            other.start()
            with Regatta(other) as after:
                expect(wanted, {name: after.dump(name.encode()) for name in wanted})
        with open(os.path.join(folder, "a.bak"), "r+b") as file:
            file.seek(50)
            file.write(b"!")
        try:
            restore_all(r, folder)
            raise AssertionError("a damaged file was restored")
        except ValueError as error:
            expect("table 'a' file 'a.bak' corrupted (checksum mismatch)", str(error))


# ---- All or nothing ----

def test_refusals():
    with Node() as node, Regatta(node) as r:
        fails("UNKNOWN", "table not found", r.backup, b"none")
        fails("UNKNOWN", "table not found", r.backup, b"kv")
        message = r.message

        def restore(*messages):
            return r.maintenance.Restore(iter(messages))

        info = message("maintenance.v1.RestoreMessage", info={"table": b"t"})
        chunk = message("maintenance.v1.RestoreMessage", chunk={"data": b"x", "len": 1})
        nothing = message("maintenance.v1.RestoreMessage")
        fails("UNKNOWN", "first message should contain info", restore)
        fails("UNKNOWN", "first message should contain info", restore, chunk)
        fails("UNKNOWN", "first message should contain info", restore, nothing)
        fails("UNKNOWN", "chunk expected", restore, info, info)
        fails("UNKNOWN", "chunk expected", restore, info, nothing)
        fails("INVALID_ARGUMENT", "table must be set", r.restore, b"", [])
        fails("FAILED_PRECONDITION", None, r.restore, b"kv", [])
        fails("INVALID_ARGUMENT", "a table's name is 1 to 128 of A-Z a-z 0-9 . _ -", r.restore,
              b"a/b", [])
        expect({}, r.names())


def is_same(good, data):
    """A bit that makes a copy begin elsewhere may give the same bytes: then nothing is damaged."""
    at, chunk = next((at, chunk) for at, chunk in regatta_file.chunks(good)
                     if data[at:at + len(chunk)] != chunk)
    try:
        return regatta_file.plain_of(data[at:at + len(chunk)]) == regatta_file.plain_of(chunk)
    except (IndexError, ValueError):
        return False


def test_damage():
    """Nothing of a damaged backup is seen, and the table stays as it was."""
    with Node() as node, Regatta(node) as r:
        r.create("t")
        old = fill(r, b"t", 50, 1)
        r.create("source")
        fill(r, b"source", 3000, 2)
        good = file_of(r, b"source")

        def refused(text, data):
            fails("DATA_LOSS", text, r.restore, b"t", [data[at:at + 100000] for at in
                                                       range(0, len(data), 100000)])

        for size in (1, 9, 12, 100, len(good) // 2, len(good) - 1):
            refused("the backup is cut short", good[:size])
        random.seed(draw_seed())
        for _ in range(30):
            at = random.randrange(len(good))
            data = bytearray(good)
            data[at] ^= 1 << random.randrange(8)
            if not is_same(good, bytes(data)):
                refused(None, bytes(data))
        refused(TEXT_DAMAGED, b"no backup at all, but long enough")
        refused(TEXT_DAMAGED, regatta_file.frame(regatta_file.join([command(r, b"k", kind=DELETE)])))
        refused(TEXT_DAMAGED, regatta_file.frame(regatta_file.join([b"\xff\xff"])))
        refused(TEXT_DAMAGED, regatta_file.frame(regatta_file.join([b""])))
        refused(TEXT_DAMAGED, regatta_file.frame(b"\xff" * 8))
        refused("the backup is cut short",
                regatta_file.frame(regatta_file.join([command(r, b"k")])[:-1]))
        refused("the backup is cut short", regatta_file.frame(b"\1"))
        expect(old, r.dump())
        r.restore(b"t", [good])
        expect(r.dump(b"source"), r.dump())
        fails("FAILED_PRECONDITION", None, r.restore, b"t", [regatta_file.frame(
            regatta_file.join([command(r, b"k" * 70000)]))])


def restore_soon(r, table, data):
    """As clients do: again while as many tables as may be are on their way out."""
    until = time.monotonic() + 60
    while True:
        try:
            return r.restore(table, [data])
        except grpc.RpcError as error:
            if error.code().name != "UNAVAILABLE" or time.monotonic() > until:
                raise


def test_clients_that_leave():
    """What they began is gone: more of them than tables may be filled at a time."""
    with Node() as node, Regatta(node) as r:
        r.create("t")
        old = fill(r, b"t", 50, 1)
        data = file_of(r, b"t")
        for i in range(40):
            def messages():
                yield from r.restore_messages(b"t", [data[:i * 10]])
                raise RuntimeError("the client gives up")
            call = r.maintenance.Restore.future(messages())
            try:
                call.result()
                raise AssertionError("it was restored")
            except grpc.RpcError:
                pass
        expect(old, r.dump())
        restore_soon(r, b"t", data)
        expect(old, r.dump())


def test_killed_meanwhile():
    """The old table is there after it, and nothing of the new one."""
    with Node() as node:
        with Regatta(node) as r:
            r.create("t")
            old = fill(r, b"t", 50, 1)
            r.create("source")
            fill(r, b"source", 3000, 2)
            data = file_of(r, b"source")
        for size in (0, 100, len(data) // 2, len(data) - 1):
            kill_restore(node, data[:size])
            with Regatta(node) as r:
                expect(old, r.dump())
                r.restore(b"t", [data])
                expect(r.dump(b"source"), r.dump())
                r.delete_range(**ALL)
                expect(old, fill(r, b"t", 50, 1))


def kill_restore(node, piece):
    """Kills the node when a restore has sent this piece, and starts it again."""
    reached = threading.Event()
    process = node.process

    def messages():
        yield from r.restore_messages(b"t", [piece])
        reached.set()
        process.wait()

    with Regatta(node) as r:
        call = r.maintenance.Restore.future(messages())
        expect(True, reached.wait(60))
        node.kill()
        expect("UNAVAILABLE", call.exception().code().name)
    node.start()


def test_readers_see_all_or_nothing():
    with Node() as node, Regatta(node) as r:
        r.create("t")
        files = []
        for value in (b"one", b"two"):
            r.txn((), [{"request_put": {"key": b"%03d" % i, "value": value}} for i in range(500)])
            files.append(file_of(r, b"t"))
        for turn in range(6):
            call = r.maintenance.Restore.future(r.restore_messages(b"t", [files[turn % 2]]))
            while not call.done():
                answer = r.range(**ALL)
                expect((500, 1), (answer.count, len({kv.value for kv in answer.kvs})))
            call.result()
            expect({(b"one", b"two")[turn % 2]}, {kv.value for kv in r.range(**ALL).kvs})


def test_streams_of_a_table_that_is_replaced():
    """They end so that their clients begin again; of one that is gone, with that."""
    with Node() as node, Regatta(node) as r:
        r.create("t")
        for i in range(40):
            r.put(b"%02d" % i, os.urandom(MIB))
        streams = [r.iterate(**ALL), r.backup(b"t")]
        for stream in streams:
            next(stream)
        r.restore(b"t", [])
        for stream in streams:
            fails("UNAVAILABLE", None, list, stream)
        expect([], r.dump())
        for i in range(40):
            r.put(b"%02d" % i, os.urandom(MIB))
        stream = r.iterate(**ALL)
        next(stream)
        r.delete("t")
        fails("NOT_FOUND", "table not found", list, stream)


# ---- A large table ----

def load(node, table, count):
    """Through Redis' protocol, which is the quickest way in from here."""
    redis = node.redis()
    redis.ask("SELECT", table)
    for first in range(0, count, 10000):
        redis.pipeline([["MSET"] + [text for i in range(at, min(at + 200, count)) for text in
                                    ("key-%012d" % i,
                                     "value %d of %d " % (i * 7919 % count, count) * 3)]
                        for at in range(first, min(first + 10000, count), 200)])
    redis.close()


def peak_mib(node):
    with open("/proc/%d/status" % node.process.pid, encoding="ascii") as file:
        lines = dict(line.split(":", 1) for line in file if ":" in line)
    return int(lines["VmHWM"].split()[0]) >> 10


def forget_peak(node):
    with open("/proc/%d/clear_refs" % node.process.pid, "w", encoding="ascii") as file:
        file.write("5")


def test_large_table():
    """Byte for byte into an empty node. The memory limit covers caches and write buffers, which fill
    up; what the streams hold besides is a few messages."""
    options = ("--memory", "64MiB")
    with Node(*options) as node, Regatta(node) as r, tempfile.TemporaryDirectory() as folder:
        r.create("t")
        load(node, "t", RECORDS)
        expect(RECORDS, r.range(count_only=True, **ALL).count)
        forget_peak(node)
        backup_all(r, folder)
        print("%d MiB; the node's peak while backing up: %d MiB"
              % (os.path.getsize(os.path.join(folder, "t.bak")) >> 20, peak_mib(node)))
        expect(True, peak_mib(node) < PEAK_MIB)
        with Node(*options) as other, Regatta(other) as o, \
                tempfile.TemporaryDirectory() as again:
            restore_all(o, folder)
            print("the other node's peak while restoring: %d MiB" % peak_mib(other))
            expect(True, peak_mib(other) < PEAK_MIB)
            expect(RECORDS, o.range(count_only=True, **ALL).count)
            backup_all(o, again)
            expect(md5_of(os.path.join(folder, "t.bak")), md5_of(os.path.join(again, "t.bak")))


def test_slow_client():
    """A client that does not read stops the node's reading, too."""
    with Node("--engine", "memory", "--memory", "2GiB", data=False) as node, Regatta(node) as r:
        r.create("t")
        for i in range(100):
            r.put(b"%d" % i, random.randbytes(MIB))
        forget_peak(node)
        before = peak_mib(node)
        streams = [r.backup(b"t") for _ in range(4)]
        for stream in streams:
            next(stream)
        for i in for_a_while(200):  # time for the node to do too much, if it would
            r.range(key=b"%d" % (i % 100))
        expect(True, peak_mib(node) - before < PEAK_MIB // 6, "grown by %d MiB" % (peak_mib(node) - before))
        sizes = [0] * len(streams)
        for parts in itertools.zip_longest(*streams):  # in turn: none waits for the end of another
            sizes = [size + len(p.data if p else b"") for size, p in zip(sizes, parts)]
        expect(True, min(sizes) > 95 * MIB, sizes)


run([test_file, test_files_of_others, test_manifest, test_refusals, test_damage,
     test_clients_that_leave, test_killed_meanwhile, test_readers_see_all_or_nothing,
     test_streams_of_a_table_that_is_replaced, test_slow_client, test_large_table])
