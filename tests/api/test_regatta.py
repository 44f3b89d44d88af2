#!/usr/bin/env python3
"""Regatta's KV over gRPC: every row of the tables of its contract - checks in their order with codes
and texts, limits, ranges, counts, revisions, transactions - and one dataset with the native
interface and Redis."""

import regatta_client as rc
from regatta_client import (ALL, EQUAL, GREATER, LESS, NOT_EQUAL, Regatta, fails, keys, pairs,
                            regatta)

from node import Node, expect, run

KEY_TEXT = "key length exceeded max allowed value"
VALUE_TEXT = "value length exceeded max allowed value"
LONG = b"k" * 1024
MIB = 1 << 20


# ---- Checks ----

def range_checks(call):
    """Each check wins against those that come later."""
    fails("INVALID_ARGUMENT", "limit must be a positive number", call, table=b"", limit=-1,
          keys_only=True, count_only=True)
    fails("INVALID_ARGUMENT", "keys_only and count_only must not be set at the same time", call,
          table=b"", keys_only=True, count_only=True)
    fails("INVALID_ARGUMENT", "table must be set", call, table=b"")
    fails("INVALID_ARGUMENT", "key must be set", call, table=b"none")
    fails("INVALID_ARGUMENT", "key must be set", call, table=b"none", range_end=b"\0")
    fails("NOT_FOUND", "table not found", call, table=b"none", key=b"k" * 1025)
    fails("NOT_FOUND", "table not found", call, table=b"kv", key=b"k")  # partition=key
    fails("NOT_FOUND", "table not found", call, table=b"a/b\0", key=b"k")
    fails("FAILED_PRECONDITION", KEY_TEXT, call, key=b"k" * 1025)
    fails("FAILED_PRECONDITION", KEY_TEXT, call, key=b"k", range_end=b"k" * 1025)


def test_checks():
    with regatta() as r:
        range_checks(r.range)
        range_checks(r.iterate)
        for call in (r.put, r.delete_range):
            fails("INVALID_ARGUMENT", "table must be set", call, key=b"", table=b"")
            fails("INVALID_ARGUMENT", "key must be set", call, key=b"", table=b"none")
            fails("NOT_FOUND", "table not found", call, key=b"k" * 1025, table=b"none")
            fails("FAILED_PRECONDITION", KEY_TEXT, call, key=b"k" * 1025)
        fails("FAILED_PRECONDITION", KEY_TEXT, r.delete_range, key=b"k", range_end=b"k" * 1025)
        fails("FAILED_PRECONDITION", VALUE_TEXT, r.put, b"k", b"v" * (2 * MIB + 1))
        fails("FAILED_PRECONDITION", KEY_TEXT, r.put, b"k" * 1025, b"v" * (2 * MIB + 1))
        fails("RESOURCE_EXHAUSTED", None, r.put, b"k", b"v" * (4 * MIB))
        r.put(LONG, b"v" * (2 * MIB))
        expect([(LONG, b"v" * (2 * MIB))], pairs(r.range(key=LONG, range_end=b"l")))
        expect([LONG], keys(r.range(key=b"k", range_end=b"l" * 1024)))


def test_txn_checks():
    def compare(**fields):
        return r.txn([fields])

    def op(**fields):
        return r.txn((), [fields])

    with regatta() as r:
        fails("INVALID_ARGUMENT", "table must be set", r.txn, table=b"")
        fails("NOT_FOUND", "table not found", r.txn, table=b"none")
        fails("FAILED_PRECONDITION", KEY_TEXT, compare, key=b"k" * 1025)
        fails("FAILED_PRECONDITION", KEY_TEXT, compare, key=b"k", range_end=b"k" * 1025)
        for name in ("request_range", "request_put", "request_delete_range"):
            fails("FAILED_PRECONDITION", KEY_TEXT, op, **{name: {"key": b"k" * 1025}})
            if name != "request_put":
                fails("FAILED_PRECONDITION", KEY_TEXT, op,
                      **{name: {"key": b"k", "range_end": b"k" * 1025}})
        fails("FAILED_PRECONDITION", VALUE_TEXT, op,
              request_put={"key": b"k", "value": b"v" * (2 * MIB + 1)})
        fails("INVALID_ARGUMENT", "key must be set", op, request_put={"value": b"v"})
        fails("FAILED_PRECONDITION", KEY_TEXT, r.txn, (), (), [{"request_put": {"key": b"k" * 1025}}])
        fails("INVALID_ARGUMENT", "unknown comparison", compare, key=b"k", result=4)
        fails("INVALID_ARGUMENT", "unknown comparison", compare, key=b"k", target=1)
        fails("INVALID_ARGUMENT", "limit must be a positive number", op,
              request_range={"key": b"k", "limit": -1})
        many = [{"key": b"k", "range_end": b"\0"}] * 33
        fails("FAILED_PRECONDITION", "too many comparisons to the end of the table", r.txn, many)
        expect(False, r.txn(many[:32]).succeeded)
        reads = [{"request_range": {"key": b"k"}}] * 4097
        fails("FAILED_PRECONDITION", "too many reads in a transaction", r.txn, (), reads)
        expect(0, len(r.range(**ALL).kvs))


# ---- Range ----

def test_single_key():
    with regatta() as r:
        empty = r.range(key=b"k")
        expect((0, 0, False, True), (len(empty.kvs), empty.count, empty.more,
                                     empty.HasField("header")))
        r.put(b"k", b"v")
        r.put(b"kk", b"v2")
        found = r.range(key=b"k", limit=1)
        expect(([(b"k", b"v")], 1, False), (pairs(found), found.count, found.more))
        found = r.range(key=b"k", keys_only=True)
        expect(([(b"k", b"")], 1), (pairs(found), found.count))
        found = r.range(key=b"k", count_only=True)
        expect(([], 1), (pairs(found), found.count))
        expect(0, r.range(key=b"x", count_only=True).count)
        for linearizable in (False, True):
            expect(b"v", r.range(key=b"k", linearizable=linearizable).kvs[0].value)


def test_forms():
    every = [b"\0", b"\0\0", b"a", b"a\0", b"ab", b"b", b"\xfe", b"\xff", b"\xff\xff"]
    with regatta() as r:
        for key in every:
            r.put(key, key)

        def found(key, end):
            answers = [keys(r.range(key=key, range_end=end)),
                       keys(r.range(key=key, range_end=end, keys_only=True)),
                       [k for part in r.iterate(key=key, range_end=end) for k in keys(part)]]
            expect([answers[0]] * 3, answers)
            expect(len(answers[0]), r.range(key=key, range_end=end, count_only=True).count)
            return answers[0]

        expect(sorted(every), found(b"\0", b"\0"))
        expect(every[2:], found(b"a", b"\0"))
        expect([b"a", b"a\0", b"ab"], found(b"a", b"b"))
        expect([b"a"], found(b"a", b"a\0"))
        expect([], found(b"a", b"a"))
        expect([], found(b"b", b"a"))
        expect([], found(b"a", b""))  # present and empty: nothing lies below it
        expect([b"\xff", b"\xff\xff"], found(b"\xff", b"\0"))
        expect([b"\0", b"\0\0"], found(b"\0", b"a"))
        expect([b"a", b"a\0", b"ab", b"b"], found(b"a", b"\xfe"))


def test_more():
    with regatta() as r:
        for i in range(10):
            r.put(b"k%d" % i, b"v")
        for limit in range(1, 12):
            want = (min(limit, 10), limit < 10)
            answer = r.range(limit=limit, **ALL)
            expect(want, (len(answer.kvs), answer.more), "limit %d" % limit)
            expect(want[0], answer.count)
            answer = r.range(limit=limit, keys_only=True, **ALL)
            expect(want, (len(answer.kvs), answer.more))
            answer = r.range(limit=limit, count_only=True, **ALL)
            expect(want, (answer.count, answer.more))
            parts = list(r.iterate(limit=limit, **ALL))
            expect(want, (sum(len(p.kvs) for p in parts), parts[-1].more))
        expect((10, False), (r.range(**ALL).count, r.range(**ALL).more))


def test_large_answers():
    with regatta() as r:
        for i in range(6):
            r.put(b"k%d" % i, bytes([i]) * MIB)
        first = r.range(**ALL)
        expect(([b"k0", b"k1", b"k2"], 3, True), (keys(first), first.count, first.more))
        expect(True, first.ByteSize() < rc.ANSWER_MAX)
        rest = r.range(key=b"k3", range_end=b"\0")
        expect(([b"k3", b"k4", b"k5"], False), (keys(rest), rest.more))
        expect(6, r.range(keys_only=True, **ALL).count)
        both = r.txn((), [{"request_range": dict(ALL)}]).responses[0].response_range
        expect((True, 3), (both.more, both.count))
        gone = r.delete_range(prev_kv=True, **ALL)  # all go, and as many as fit are shown
        expect((6, [b"k0", b"k1", b"k2"]), (gone.deleted, [kv.key for kv in gone.prev_kvs]))
        expect(0, r.range(**ALL).count)


def test_iterate():
    with regatta() as r:
        parts = list(r.iterate(**ALL))
        expect((1, 0, False, True), (len(parts), parts[0].count, parts[0].more,
                                     parts[0].HasField("header")))
        for i in range(12):
            r.put(b"k%02d" % i, bytes([i]) * MIB)
        r.put(b"large", b"x" * (2 * MIB))
        parts = list(r.iterate(**ALL))
        expect(13, sum(p.count for p in parts))
        expect([True] * (len(parts) - 1) + [False], [p.more for p in parts])
        for part in parts:
            expect(len(part.kvs), part.count)
            expect(True, part.ByteSize() < rc.ANSWER_MAX and part.HasField("header"))
        parts = list(r.iterate(limit=7, **ALL))
        expect((7, True), (sum(p.count for p in parts), parts[-1].more))
        parts = list(r.iterate(key=b"large"))
        expect([[b"large"]], [keys(p) for p in parts])
        expect(0, list(r.iterate(key=b"none"))[0].count)


def test_iterate_shows_one_state():
    with regatta() as r:
        for i in range(40):
            r.put(b"k%02d" % i, b"old" + b"x" * MIB)
        stream = r.iterate(**ALL)
        seen = pairs(next(stream))
        expect(True, len(seen) < 40)
        for i in range(40):
            r.put(b"k%02d" % i, b"new")
        r.delete_range(key=b"k3", range_end=b"k4")
        r.put(b"k99", b"new")
        for part in stream:
            seen += pairs(part)
        expect([b"k%02d" % i for i in range(40)], [k for k, _ in seen])
        expect({b"old"}, {v[:3] for _, v in seen})


def test_many_small_ranges():
    """They need no state that is kept, of which there are few."""
    with regatta() as r:
        for i in range(300):
            r.put(b"k%03d" % i, b"v" * 100)
        calls = [call for _ in range(100) for call in (
            r.iterate(**ALL), r.iterate(limit=10, **ALL))]
        expect([300, 10] * 100, [sum(p.count for p in call) for call in calls])
        counts = [r.kv.Range.future(r.message("regatta.v1.RangeRequest", table=b"t", **ALL, **more))
                  for _ in range(100) for more in (dict(count_only=True),
                                                   dict(min_mod_revision=1))]
        expect([300] * 200, [call.result().count for call in counts])


def test_iterate_is_cancelled():
    with regatta() as r:
        for i in range(30):
            r.put(b"k%02d" % i, b"x" * MIB)
        for _ in range(40):  # more than there may be states that are kept
            stream = r.iterate(**ALL)
            next(stream)
            stream.cancel()
        expect(30, sum(p.count for p in r.iterate(**ALL)))


# ---- Revisions ----

def test_revisions():
    with regatta() as r:
        first = r.put(b"a", b"1").header.revision
        second = r.put(b"b", b"1").header.revision
        third = r.put(b"a", b"2").header.revision
        expect(True, 0 < first < second < third)
        a, b = r.range(**ALL).kvs
        expect((first, third), (a.create_revision, a.mod_revision))
        expect((second, second), (b.create_revision, b.mod_revision))
        expect(0, r.range(key=b"a").header.revision)
        gone = r.delete_range(key=b"b").header.revision
        expect(True, gone > third)
        expect(True, r.delete_range(key=b"b").header.revision > gone)
        again = r.put(b"b", b"3").header.revision
        expect(again, r.range(key=b"b").kvs[0].create_revision)


def test_revision_filters():
    with regatta() as r:
        revisions = [r.put(b"k%d" % i, b"v").header.revision for i in range(10)]
        for i in (2, 5):
            r.put(b"k%d" % i, b"w")
        mods = {kv.key: kv.mod_revision for kv in r.range(**ALL).kvs}
        creates = {kv.key: kv.create_revision for kv in r.range(**ALL).kvs}
        every = sorted(mods)

        def expect_filtered(wanted, **fields):
            for limit in (0, 2):
                some = wanted[:limit] if limit else wanted
                answer = r.range(limit=limit, **ALL, **fields)
                expect((some, len(some), len(some) < len(wanted)),
                       (keys(answer), answer.count, answer.more), fields)
                parts = list(r.iterate(limit=limit, **ALL, **fields))
                expect(some, [k for p in parts for k in keys(p)])
                expect(len(some) < len(wanted), parts[-1].more)
                answer = r.range(limit=limit, count_only=True, **ALL, **fields)
                expect((len(some), len(some) < len(wanted)), (answer.count, answer.more))

        for bound in [1] + revisions + [max(mods.values()), max(mods.values()) + 1]:
            expect_filtered([k for k in every if mods[k] >= bound], min_mod_revision=bound)
            expect_filtered([k for k in every if mods[k] <= bound], max_mod_revision=bound)
            expect_filtered([k for k in every if creates[k] >= bound], min_create_revision=bound)
            expect_filtered([k for k in every if creates[k] <= bound], max_create_revision=bound)
        expect_filtered([k for k in every if creates[k] < mods[k]],
                        min_mod_revision=revisions[-1] + 1, max_create_revision=revisions[-1])
        expect_filtered(every, min_mod_revision=-5)  # as if it were not set
        expect([b"k2"], keys(r.range(key=b"k2", min_mod_revision=revisions[-1])))
        expect((0, []), (r.range(key=b"k2", max_mod_revision=revisions[-1]).count, []))
        expect([], keys(list(r.iterate(key=b"k2", max_mod_revision=revisions[-1]))[0]))


# ---- Writes ----

def test_put():
    with regatta() as r:
        first = r.put(b"k", b"1", prev_kv=True)
        expect(False, first.HasField("prev_kv"))
        second = r.put(b"k", b"2", prev_kv=True)
        expect((b"k", b"1", first.header.revision),
               (second.prev_kv.key, second.prev_kv.value, second.prev_kv.mod_revision))
        expect(False, r.put(b"k", b"3").HasField("prev_kv"))
        expect(b"3", r.range(key=b"k").kvs[0].value)
        r.put(b"empty")
        r.put(b"number", b"00012")
        r.put(b"integer", b"-12")
        expect([(b"empty", b""), (b"integer", b"-12"), (b"k", b"3"), (b"number", b"00012")],
               pairs(r.range(**ALL)))


def test_delete():
    with regatta() as r:
        def fill():
            for i in range(5):
                r.put(b"k%d" % i, b"v%d" % i)
        fill()
        expect(0, r.delete_range(key=b"none").deleted)
        expect(0, r.delete_range(key=b"none", count=True).deleted)
        expect((0, 0), (r.delete_range(key=b"k0").deleted, r.range(key=b"k0").count))
        expect(1, r.delete_range(key=b"k1", count=True).deleted)
        gone = r.delete_range(key=b"k2", prev_kv=True)
        expect((1, [(b"k2", b"v2")]), (gone.deleted, [(kv.key, kv.value) for kv in gone.prev_kvs]))
        expect([b"k3", b"k4"], keys(r.range(**ALL)))
        gone = r.delete_range(key=b"none", prev_kv=True)
        expect((0, 0), (gone.deleted, len(gone.prev_kvs)))
        fill()
        expect(0, r.delete_range(key=b"k1", range_end=b"k1").deleted)
        expect(0, r.delete_range(key=b"k1", range_end=b"", count=True).deleted)
        expect(2, r.delete_range(key=b"k1", range_end=b"k3", count=True).deleted)
        gone = r.delete_range(key=b"k", range_end=b"\0", prev_kv=True)
        expect((3, [b"k0", b"k3", b"k4"]), (gone.deleted, [kv.key for kv in gone.prev_kvs]))
        expect(True, all(kv.mod_revision > 0 for kv in gone.prev_kvs))
        fill()
        expect(0, r.delete_range(**ALL).deleted)
        expect(0, r.range(count_only=True, **ALL).count)


# ---- Transactions ----

def holds(r, *compares):
    return r.txn(compares).succeeded


def test_compares():
    with regatta() as r:
        r.put(b"a", b"5")
        r.put(b"b", b"6")
        r.put(b"c", b"6")
        table = {EQUAL: (False, True, False), NOT_EQUAL: (True, False, True),
                 GREATER: (True, False, False), LESS: (False, False, True)}
        for operator, wanted in table.items():
            for given, want in zip((b"4", b"5", b"50"), wanted):  # the stored value on the left
                expect(want, holds(r, dict(key=b"a", result=operator, value=given)),
                       "%d %r" % (operator, given))
            expect(False, holds(r, dict(key=b"none", result=operator, value=b"5")))
            expect(True, holds(r, dict(key=b"a", result=operator)))  # does it exist?
            expect(False, holds(r, dict(key=b"none", result=operator)))
            expect(False, holds(r, dict(key=b"x", range_end=b"\0", result=operator, value=b"5")))
            expect(False, holds(r, dict(key=b"a", range_end=b"", result=operator, value=b"5")))
            expect(False, holds(r, dict(key=b"x", range_end=b"y", result=operator)))
            expect(True, holds(r, dict(key=b"a", range_end=b"\0", result=operator)))
        expect(True, holds(r, dict(key=b"b", range_end=b"\0", value=b"6")))
        expect(False, holds(r, dict(key=b"a", range_end=b"\0", value=b"6")))
        expect(True, holds(r, dict(key=b"a", range_end=b"b", value=b"5")))
        expect(True, holds(r, dict(key=b"a", range_end=b"\0", result=NOT_EQUAL, value=b"7")))
        expect(False, holds(r, dict(key=b"a", range_end=b"\0", result=NOT_EQUAL, value=b"6")))
        expect(True, holds(r, dict(key=b"\0", range_end=b"\0", result=GREATER, value=b"4")))
        expect(False, holds(r, dict(key=b"a", value=b"")))  # an empty value is a value
        expect(True, holds(r))
        expect(False, holds(r, dict(key=b"a"), dict(key=b"none")))


def test_txn():
    with regatta() as r:
        r.put(b"a", b"1")
        answer = r.txn([dict(key=b"a", value=b"1")], [
            {"request_put": {"key": b"a", "value": b"2", "prev_kv": True}},
            {},
            {"request_range": {"key": b"a"}},
            {"request_put": {"key": b"b", "value": b"3"}},
            {"request_range": dict(ALL, limit=1)},
            {"request_range": dict(ALL, count_only=True)},
            {"request_range": dict(ALL, keys_only=True)},
            {"request_delete_range": {"key": b"a", "range_end": b"b", "prev_kv": True}},
            {"request_delete_range": {"key": b"none", "count": True}},
            {"request_delete_range": {"key": b"b"}},
            {"request_range": {"key": b"a"}},
        ], [{"request_put": {"key": b"wrong"}}])
        expect((True, 10), (answer.succeeded, len(answer.responses)))
        put, one, bare, part, count, names, gone, none, quiet, last = answer.responses
        expect((b"a", b"1"), (put.response_put.prev_kv.key, put.response_put.prev_kv.value))
        expect([(b"a", b"2")], pairs(one.response_range))
        expect(answer.header.revision, one.response_range.kvs[0].mod_revision)
        expect((True, False), (bare.HasField("response_put"),
                               bare.response_put.HasField("prev_kv")))
        expect(([(b"a", b"2")], True, 1),
               (pairs(part.response_range), part.response_range.more, part.response_range.count))
        expect((2, 0), (count.response_range.count, len(count.response_range.kvs)))
        expect([(b"a", b""), (b"b", b"")], pairs(names.response_range))
        deleted = gone.response_delete_range
        expect((1, b"2"), (deleted.deleted, deleted.prev_kvs[0].value))
        expect(0, none.response_delete_range.deleted)
        expect((True, 0), (quiet.HasField("response_delete_range"),
                           quiet.response_delete_range.deleted))
        expect((True, 0), (last.HasField("response_range"), last.response_range.count))
        expect(0, r.range(**ALL).count)
        answer = r.txn([dict(key=b"a")], [{"request_put": {"key": b"x"}}],
                       [{"request_put": {"key": b"y", "value": b"1"}}])
        expect((False, 1), (answer.succeeded, len(answer.responses)))
        expect([(b"y", b"1")], pairs(r.range(**ALL)))


def test_large_txn():
    with regatta() as r:
        def puts(count):
            return [{"request_put": {"key": b"%06d" % i}} for i in range(count)]
        answer = r.txn([dict(key=b"none")], (), puts(100000))
        expect(100000, len(answer.responses))
        expect(100000, r.range(count_only=True, **ALL).count)
        expect({answer.header.revision}, {kv.mod_revision for kv in r.range(limit=50, **ALL).kvs})
        fails("FAILED_PRECONDITION", "too many operations in a transaction", r.txn, (),
              puts((1 << 17) + 1))
        expect(100000, r.delete_range(count=True, **ALL).deleted)


def test_read_only_txn():
    with regatta() as r:
        r.put(b"a", b"1")
        before = r.put(b"b", b"2").header.revision
        answer = r.txn([dict(key=b"a", value=b"1")], [{"request_range": dict(ALL)}],
                       [{"request_range": {"key": b"a"}}])
        expect((True, 0), (answer.succeeded, answer.header.revision))
        expect([(b"a", b"1"), (b"b", b"2")], pairs(answer.responses[0].response_range))
        expect((True, 0), (r.txn().succeeded, r.txn().header.revision))
        expect(before + 1, r.put(b"c", b"3").header.revision)  # nothing was ordered
        expect(True, r.txn([dict(key=b"a")], (), [{"request_put": {"key": b"x"}}])
               .header.revision > before)


# ---- Other dialects ----

def test_one_dataset():
    with Node() as node, Regatta(node) as r:
        r.create("t")
        r.put(b"from-regatta", b"1")
        answer = node.request("GET", "/api/v1/tables/t/keys/from-regatta")
        expect((200, b"1"), (answer.status, answer.body))
        expect(True, node.request("PUT", "/api/v1/tables/t/keys/from-http",
                                  b"2").status in (200, 201, 204))
        redis = node.redis()
        redis.ask("SELECT", "t")
        expect(b"1", redis.ask("GET", "from-regatta"))
        redis.ask("SET", "from-redis", "3")
        expect([(b"from-http", b"2"), (b"from-redis", b"3"), (b"from-regatta", b"1")],
               pairs(r.range(**ALL)))
        expect(201, node.request("PUT", "/api/v1/tables/made", b'{"partition":"table"}').status)
        r.put(b"k", b"v", table=b"made")
        # The index of D-Stash's search lies in one shard, too, but is none of these tables.
        expect(201, node.request("PUT", "/api/v1/tables/dstash.search",
                                 b'{"partition":"table"}').status)
        expect(["made", "t"], sorted(r.names()))
        expect(["made", "t"], sorted(r.status().tables))
        fails("NOT_FOUND", "table not found", r.range, table=b"dstash.search", key=b"k")
        redis.ask("SADD", "set", "x")  # not for these clients: said, never converted
        fails("FAILED_PRECONDITION", None, r.range, key=b"set")
        fails("FAILED_PRECONDITION", None, r.range, **ALL)
        fails("FAILED_PRECONDITION", None, r.iterate, **ALL)
        fails("FAILED_PRECONDITION", None, r.txn, (), [{"request_range": {"key": b"set"}}])
        fails("FAILED_PRECONDITION", None, r.backup, b"t")
        expect(4, r.range(count_only=True, **ALL).count)
        expect(b"set", keys(r.range(keys_only=True, **ALL))[-1])
        expect(1, r.delete_range(key=b"set", count=True).deleted)
        expect(3, r.range(**ALL).count)
        redis.close()


def test_values_of_others():
    """Larger than these clients may put: each comes in a message of its own, and none is lost."""
    with Node() as node, Regatta(node) as r:
        r.create("t")
        wanted = [(b"k%02d" % i, bytes([i]) * (size * MIB // 4))
                  for i, size in enumerate((0, 1, 20, 1, 1, 24, 24, 0, 18, 1))]
        for key, value in wanted:
            expect(200, node.request("PUT", "/api/v1/tables/t/keys/" + key.decode(),
                                     value).status // 10 * 10)
        expect(wanted, r.dump())
        expect(wanted[2:3], pairs(r.range(key=b"k02", range_end=b"\0")))
        expect(True, r.range(key=b"k02", range_end=b"\0").more)
        expect(wanted[5:6], pairs(r.range(key=b"k05")))
        data = b"".join(piece.data for piece in r.backup(b"t"))
        r.restore(b"u", [data[at:at + 2 * MIB] for at in range(0, len(data), 2 * MIB)])
        expect(wanted, r.dump(b"u"))


def test_listener():
    """A listener of its own serves Regatta and nothing else of HTTP."""
    with Node(listen="127.0.0.1:0=regatta") as node, Regatta(node) as r:
        r.create("t")
        r.put(b"k", b"v")
        expect([(b"k", b"v")], r.dump())
        expect(404, node.request("GET", "/api/v1/tables").status)


run([test_checks, test_txn_checks, test_single_key, test_forms, test_more, test_large_answers,
     test_iterate, test_iterate_shows_one_state, test_many_small_ranges, test_iterate_is_cancelled,
     test_revisions, test_revision_filters, test_put, test_delete, test_compares, test_txn,
     test_large_txn, test_read_only_txn, test_one_dataset, test_values_of_others, test_listener])
