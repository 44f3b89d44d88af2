#!/usr/bin/env python3
"""holdfast.v1 against a real node: every method, every operation in its three forms, every status
that a client can provoke with its details, streams, and the data of the other dialects."""

import grpc_client  # first: finds a Python that has grpcio

import queue
import threading
import time

import grpc

import native_cases
from native_client import CALLED, SECONDS, Failure, Native, code_name, plain
from node import Node, expect, for_a_while, run

ONE_PLACE = {"engine": 2, "partition": 2}


# ---- Every operation, in three forms ----


def play_call(native, table, field, method, request):
    try:
        answer = native.call(method, table=table, **request)
    except Failure as failure:
        return failure.code
    if not isinstance(answer, list):
        return plain(answer)
    joined = {}  # the pages of a stream are one answer
    for page in answer:
        for name, value in plain(page).items():
            joined[name] = joined[name] + value if name in joined else value
    return joined


def of_result(result, field):
    if result.WhichOneof("result") == "error":
        return code_name(result.error)
    expect(field, result.WhichOneof("result"))
    return plain(getattr(result, field))


def play_txn(native, table, field, method, request):
    """The part names no table: it has the transaction's."""
    try:
        answer = native.call("KV.Txn", table=table, success=[{field: request}])
    except Failure as failure:
        return failure.code
    expect((True, 1), (answer.succeeded, len(answer.results)))
    return of_result(answer.results[0], field)


def play_batch(native, table, field, method, request):
    request = native.message("BatchRequest", operation={field: dict(request, table=table)})
    answers = list(native.batch([request]))
    expect(1, len(answers))
    return of_result(answers[0].result, field)


def wanted(answer):
    if not isinstance(answer, dict):
        return answer
    return {name: value for name, value in answer.items() if value is not None}


def test_every_operation():
    with Node() as node, Native(node) as native:
        for name, play in (("call", play_call), ("txn", play_txn), ("batch", play_batch)):
            table = native.table("t-" + name, **ONE_PLACE)
            for field, method, request, answer in native_cases.CASES:
                got = play(native, table, field, method, request)
                if isinstance(got, dict) and method in ("Set.Pop", "Set.Random"):
                    got = {k: sorted(v) if k == "members" else v for k, v in got.items()}
                expect(wanted(answer), got, "%s of %s %r" % (name, method, request))
        fields = native.message("Operation").DESCRIPTOR.fields_by_name
        expect(set(fields), {field for field, _, _, _ in native_cases.CASES}, "operations played")


def test_batch_keeps_its_order():
    """All cases at once: later ones need what earlier ones wrote."""
    with Node() as node, Native(node) as native:
        table = native.table("t", partition=2)
        requests = [native.message("BatchRequest", operation={field: dict(request, table=table)})
                    for field, _, request, _ in native_cases.CASES]
        answers = list(native.batch(requests))
        expect(len(requests), len(answers))
        for (field, _, request, answer), got in zip(native_cases.CASES, answers):
            if field not in ("set_pop", "set_random"):
                expect(wanted(answer), of_result(got.result, field), "%s %r" % (field, request))


# ---- Transactions ----


def test_txn():
    with Node() as node, Native(node) as native:
        def txn(**fields):
            return native.call("KV.Txn", table="kv", **fields)

        first = native.call("KV.Put", table="kv", key=b"{x}a", value=b"5")
        for compare, holds in (
                ({"value": b"5"}, True), ({"value": b"6", "relation": 3}, True),
                ({"value": b"4", "relation": 4}, True), ({"value": b"5", "relation": 2}, False),
                ({"exists": True}, True), ({"exists": False}, False), ({"version": 1}, True),
                ({"revision": first.revision}, True), ({"create_revision": 1}, False)):
            answer = txn(compares=[dict(compare, key=b"{x}a")], success=[{"get": {"key": b"{x}a"}}],
                         failure=[{"stat": {"key": b"{x}a"}}, {"get": {"key": b"{x}no"}}])
            expect(holds, answer.succeeded, repr(compare))
            expect(["get"] if holds else ["stat", "error"],
                   [r.WhichOneof("result") for r in answer.results])
        answer = txn(success=[{"counter_add": {"key": b"{x}n", "amount": 2}},
                              {"counter_add": {"key": b"{x}n", "amount": 3}},
                              {"set_add": {"key": b"{x}n", "members": [b"m"]}},
                              {"put": {"table": "sets", "key": b"{x}other", "value": b"v"}}])
        expect([2, 5], [r.counter_add.value for r in answer.results[:2]])
        expect("WRONG_TYPE", code_name(answer.results[2].error))
        expect(True, answer.results[3].put.created)
        expect(b"v", native.call("KV.Get", table="sets", key=b"{x}other").value)
        for bad, code in (
                ({"success": [{"get": {"key": b"a"}}, {"get": {"key": b"b"}}]}, "CROSS_SHARD"),
                ({"success": [{"get": {"key": b"a", "read_level": 2}}]}, "INVALID"),
                ({"success": [{"put": {"key": b"a", "idempotency_id": b"i"}}]}, "INVALID"),
                ({"success": [{}]}, "INVALID"), ({"compares": [{"key": b"a"}]}, "INVALID"),
                ({"success": [{"range": {}}]}, "CROSS_SHARD"),
                ({"success": [{"get": {"table": "no", "key": b"a"}}]}, "NOT_FOUND"),
                ({"compares": [{"key": b"a", "range_end": b"b", "exists": True}]}, "CROSS_SHARD"),
                ({"success": [{"get": {"table": "cache", "key": b"a"}},
                              {"get": {"key": b"a"}}]}, "CROSS_SHARD")):
            expect(code, native.fails("KV.Txn", table="kv", **bad).code, repr(bad))
        expect("INVALID", native.fails("KV.Txn").code)
        one = native.table("one", **ONE_PLACE)
        answer = native.call("KV.Txn", table=one, compares=[
            {"key": b"a", "range_end": b"z", "exists": True}], failure=[{"count": {}}])
        expect((False, 0), (answer.succeeded, answer.results[0].count.count))
        requests = [native.message("BatchRequest", txn={
            "table": "kv", "success": [{"get": {"key": key}}]}) for key in (b"{x}a", b"no")]
        requests.append(native.message("BatchRequest", txn={
            "success": [{"get": {"table": "kv", "key": b"a"}}, {"get": {"table": "kv"}}]}))
        answers = list(native.batch(requests))
        expect(b"5", answers[0].txn.results[0].get.value)
        expect("NOT_FOUND", code_name(answers[1].txn.results[0].error))
        expect("CROSS_SHARD", code_name(answers[2].result.error))


# ---- Errors ----


def test_statuses():
    with Node("--max-value", "64KiB") as node, Native(node) as native:
        native.call("KV.Put", table="kv", key=b"s", value=b"text")
        native.call("Set.Add", table="kv", key=b"set", members=[b"a"])
        native.table("mine")
        for status, code, method, fields in (
                ("NOT_FOUND", "NOT_FOUND", "KV.Get", {"table": "kv", "key": b"no"}),
                ("NOT_FOUND", "NOT_FOUND", "KV.Put", {"table": "no", "key": b"no"}),
                ("NOT_FOUND", "NOT_FOUND", "Tables.Get", {"table": "no"}),
                ("NOT_FOUND", "NOT_FOUND", "Tables.Drop", {"table": "no"}),
                ("NOT_FOUND", "NOT_FOUND", "Tables.Empty", {"table": "no"}),
                ("NOT_FOUND", "NOT_FOUND", "KV.Range", {"table": "no"}),
                ("ALREADY_EXISTS", "ALREADY_EXISTS", "Tables.Create", {"table": "mine"}),
                ("PERMISSION_DENIED", "DENIED", "Tables.Drop", {"table": "kv"}),
                ("FAILED_PRECONDITION", "WRONG_TYPE", "KV.Get", {"table": "kv", "key": b"set"}),
                ("FAILED_PRECONDITION", "WRONG_TYPE", "Set.Members", {"table": "kv", "key": b"s"}),
                ("FAILED_PRECONDITION", "WRONG_TYPE", "Log.Range", {"table": "kv", "key": b"s"}),
                ("ABORTED", "CONFLICT", "KV.Put",
                 {"table": "kv", "key": b"s", "condition": {"absent": True}}),
                ("INVALID_ARGUMENT", "INVALID", "KV.Get", {"key": b"s"}),
                ("INVALID_ARGUMENT", "INVALID", "KV.Get", {"table": "kv", "read_level": 9}),
                ("INVALID_ARGUMENT", "INVALID", "KV.Put", {"table": "kv", "expiry": {}}),
                ("INVALID_ARGUMENT", "INVALID", "KV.Put", {"table": "kv", "condition": {}}),
                ("INVALID_ARGUMENT", "INVALID", "KV.Put",
                 {"table": "kv", "expiry": {"ttl_ms": 10 ** 12}}),
                ("INVALID_ARGUMENT", "INVALID", "KV.Put", {"table": "kv", "expiry": {"at_ms": 0}}),
                ("INVALID_ARGUMENT", "INVALID", "KV.Append",
                 {"table": "kv", "expiry": {"keep": True}}),
                ("INVALID_ARGUMENT", "INVALID", "KV.Put",
                 {"table": "kv", "idempotency_id": b"x" * 129}),
                ("INVALID_ARGUMENT", "INVALID", "KV.Expire",
                 {"table": "kv", "expiry": {"ttl_ms": 1}, "condition": 9}),
                ("INVALID_ARGUMENT", "INVALID", "Tables.Create", {"table": "a b"}),
                ("INVALID_ARGUMENT", "INVALID", "Tables.Create", {"table": "a\0b"}),
                ("INVALID_ARGUMENT", "INVALID", "Tables.Create",
                 {"table": "x", "options": {"evict": 2}}),
                ("INVALID_ARGUMENT", "INVALID", "Tables.Create",
                 {"table": "x", "options": {"engine": 3}}),
                ("INVALID_ARGUMENT", "NOT_A_NUMBER", "Counter.Add", {"table": "kv", "key": b"s"}),
                ("OUT_OF_RANGE", "OVERFLOW", "Counter.AddFloat",
                 {"table": "kv", "key": b"f", "amount": "inf"}),
                ("RESOURCE_EXHAUSTED", "TOO_LARGE", "KV.Put",
                 {"table": "kv", "key": b"s", "value": b"x" * 65537}),
                ("RESOURCE_EXHAUSTED", "TOO_LARGE", "KV.Get",
                 {"table": "kv", "key": b"x" * 65537}),
                ("INVALID_ARGUMENT", "CROSS_SHARD", "KV.Rename",
                 {"table": "kv", "key": b"a", "destination": b"b"}),
                ("INVALID_ARGUMENT", "CROSS_SHARD", "KV.DeleteRange",
                 {"table": "kv", "all": True, "idempotency_id": b"x"})):
            failure = native.fails(method, **fields)
            expect((status, code), (failure.status, failure.code), "%s %.99r" % (method, fields))
            expect((str(failure), False, 0), (failure.detail.message,
                                              failure.detail.may_have_happened,
                                              failure.detail.retry_after_ms))
            expect(["holdfast.v1.ErrorDetail"], failure.types)
        metrics = node.request("GET", "/metrics").body.decode()
        for operation, error in (("grpc_get", "wrong_type"), ("grpc_put", "conflict"),
                                 ("grpc_rename", "cross_shard"), ("grpc_range", "not_found")):
            line = 'holdfast_errors_total{dialect="native",operation="%s",error="%s"} ' % (
                operation, error)
            expect(True, line in metrics, line)
        expect(("UNIMPLEMENTED", "unknown method Gone for service holdfast.v1.KV"),
               grpc_client.failure(native.raw("/holdfast.v1.KV/Gone"), b""))
        expect("INTERNAL", grpc_client.failure(native.raw("/holdfast.v1.KV/Get"), b"\xff")[0])


def test_large_values():
    """The largest value goes both ways; what is larger is refused with the node's own sentence."""
    with Node("--max-value", "24MiB") as node, Native(node) as native:
        table = native.table("m", engine=2)
        value = bytes(24 << 20)
        native.call("KV.Put", table=table, key=b"k", value=value)
        expect(value, native.call("KV.Get", table=table, key=b"k").value)
        failure = native.fails("KV.Put", table=table, key=b"k", value=value + b"x")
        expect(("TOO_LARGE", "a value is larger than 25165824 bytes"),
               (failure.code, str(failure)))
        answers = list(native.batch(native.message("BatchRequest", operation={
            "append": {"table": table, "key": b"k", "value": b"x"}}) for _ in range(2)))
        expect(["TOO_LARGE"] * 2, [code_name(a.result.error) for a in answers])
        pages = native.call("KV.Range", table=table)
        expect(value, pages[0].records[0].value)


def test_conflict_tells_what_is_there():
    with Node() as node, Native(node) as native:
        def conflict():
            return native.fails("KV.Put", table="kv", key=b"k", value=b"new",
                                condition={"absent": True}, return_previous=True).detail

        put = native.call("KV.Put", table="kv", key=b"k", value=b"old")
        expect((put.revision, b"old", True),
               (conflict().revision, conflict().previous_value,
                conflict().HasField("previous_value")))
        put = native.call("KV.Put", table="kv", key=b"k", value=b"x" * 4097)
        expect((put.revision, False), (conflict().revision, conflict().HasField("previous_value")))


def test_no_space():
    with Node("--memory", "16MiB", "--engine", "memory", data=False) as node, Native(node) as native:
        table = native.table("m", engine=2)
        for i in range(1000):
            try:
                native.call("KV.Put", table=table, key=b"%d" % i, value=b"x" * 100000)
            except Failure as failure:
                expect(("RESOURCE_EXHAUSTED", "NO_SPACE"), (failure.status, failure.code))
                return
    raise AssertionError("100 MB fit into 16 MiB")


def test_stop_is_unavailable():
    """A node that stops refuses what is new, and says that nothing has happened."""
    with Node() as node, Native(node) as native:
        native.call("KV.Put", table="kv", key=b"a", value=b"1")
        node.stop()
        expect("UNAVAILABLE", native.fails("KV.Put", table="kv", key=b"a", value=b"2").status)


# ---- Retries, expiry, tables ----


def test_idempotency():
    with Node() as node:
        with Native(node) as native:
            def add(amount=5):
                return native.call("Counter.Add", table="kv", key=b"n", amount=amount,
                                   idempotency_id=b"\xffonce")

            expect((5, add().revision), (add().value, add().revision))
            expect("INVALID", native.fails("Counter.Add", table="kv", key=b"n", amount=6,
                                           idempotency_id=b"\xffonce").code)
            made = [native.call("Log.Append", table="log", key=b"l", value=b"v",
                                idempotency_id=b"v1") for _ in range(2)]
            expect((made[0], 36), (made[1], len(made[0].version_id)))
            txns = [native.call("KV.Txn", idempotency_id=b"t", success=[
                {"counter_add": {"table": "kv", "key": b"t", "amount": 1}}]) for _ in range(2)]
            expect(txns[0], txns[1])
        node.kill()
        node.start()
        with Native(node) as native:
            again = native.call("Counter.Add", table="kv", key=b"n", amount=5,
                                idempotency_id=b"\xffonce")
            expect(5, again.value)
            expect(5, native.call("Counter.Get", table="kv", key=b"n").value)
            expect(1, native.call("Counter.Get", table="kv", key=b"t").value)


def until_gone(native, **place):
    try:
        while True:  # the test's own time-out ends this
            native.call("KV.Get", **place)
    except Failure as failure:
        expect("NOT_FOUND", failure.code)


def test_expiry():
    with Node() as node, Native(node) as native:
        table = native.table("short", engine=2, default_ttl_ms=100)
        native.call("KV.Put", table=table, key=b"a", value=b"1")
        native.call("KV.Put", table=table, key=b"b", value=b"1", expiry={"ttl_ms": 0})
        native.call("KV.Put", table="kv", key=b"c", value=b"1", expiry={"ttl_ms": 100})
        until_gone(native, table=table, key=b"a")
        until_gone(native, table="kv", key=b"c")
        expect((0, 0), (native.call("KV.Get", table=table, key=b"b").ttl_ms,
                        native.call("KV.Get", table=table, key=b"b").expire_at_ms))
        at = int(time.time() * 1000) + 1000000
        native.call("KV.Put", table="kv", key=b"d", value=b"1", expiry={"at_ms": at})
        native.call("KV.Append", table="kv", key=b"d", value=b"2")
        got = native.call("KV.Get", table="kv", key=b"d")
        expect((at, True), (got.expire_at_ms, 0 < got.ttl_ms < 1001000))
        native.call("KV.Expire", table="kv", key=b"d", expiry={"at_ms": 1})
        expect("NOT_FOUND", native.fails("KV.Get", table="kv", key=b"d").code)


def test_tables():
    with Node() as node, Native(node) as native:
        made = native.call("Tables.Create", table="t.1", options={
            "engine": 2, "partition": 2, "evict": 2, "default_ttl_ms": 7}).table
        expect({"name": "t.1", "options": {"engine": 2, "partition": 2, "evict": 2,
                                           "default_ttl_ms": 7}},
               {k: v for k, v in plain(made).items() if k != "created_ms"})
        native.call("KV.Put", table="t.1", key=b"a", value=b"1", expiry={"ttl_ms": 0})
        expect(1, native.call("Tables.Get", table="t.1").table.records)
        names = [t.name for t in native.call("Tables.List").tables]
        expect((sorted(names), True), (names, {"kv", "cache", "t.1"} <= set(names)))
        native.call("Tables.Empty", table="t.1")
        expect(0, native.call("Tables.Get", table="t.1").table.records)
        native.call("Tables.Drop", table="t.1")
        expect("NOT_FOUND", native.fails("Tables.Get", table="t.1").code)
        status = native.call("Status.Get")
        expect((True, "ready", 40, 16), (status.ready, status.state, len(status.node_id),
                                         status.shards))


def test_all_shards():
    """What is about a whole table finds keys wherever they lie."""
    with Node() as node, Native(node) as native:
        keys = [b"%04d" % i for i in range(1000)]
        list(native.batch(native.message("BatchRequest", operation={
            "put": {"table": "kv", "key": key, "value": key}}) for key in keys))
        expect(1000, native.call("KV.Count", table="kv").count)
        drawn = {native.call("KV.RandomKey", table="kv").key for _ in range(100)}
        expect((True, True), (drawn <= set(keys), len(drawn) > 20))
        pages = native.call("KV.Range", table="kv", limit=300)
        expect(keys[:300], [r.key for p in pages for r in p.records])
        expect((True, keys[299]), (pages[-1].more, pages[-1].resume_after))
        back = native.call("KV.Range", table="kv", reverse=True, **{"from": b"0500"})
        expect(keys[:499:-1], [r.key for p in back for r in p.records])
        counts = native.call("KV.Range", table="kv", prefix=b"01", count_only=True)
        expect([100], [p.count for p in counts])
        expect(50, native.call("KV.DeleteRange", table="kv", prefix=b"00", limit=50).deleted)
        expect(50, native.call("KV.DeleteRange", table="kv", prefix=b"00").deleted)
        expect(900, native.call("KV.DeleteRange", table="kv", all=True).deleted)
        expect("NOT_FOUND", native.fails("KV.RandomKey", table="kv").code)


# ---- Streams ----


def test_batch_of_100000():
    count = 50000
    with Node() as node, Native(node) as native:
        table = native.table("m", engine=2)

        def requests():
            for i in range(count):
                key = b"%d" % (i % 1000)
                yield native.message("BatchRequest", operation={
                    "put": {"table": table, "key": key, "value": b"%d" % i}})
                yield native.message("BatchRequest", operation={
                    "get": {"table": table, "key": key}})

        at = 0
        for answer in native.batch(requests()):
            if at % 2 == 0:
                expect(at < 2000, answer.result.put.created)
            else:
                expect(b"%d" % (at // 2), answer.result.get.value)
            at += 1
        expect(2 * count, at)


def test_batch_answers_at_once():
    """Like a conversation: the next request is made of the answer before."""
    with Node() as node, Native(node) as native:
        requests = queue.Queue()
        answers = native.batch(iter(requests.get, None))
        for value in range(1, 20):
            requests.put(native.message("BatchRequest", operation={
                "counter_add": {"table": "kv", "key": b"n", "amount": 1}}))
            expect(value, next(answers).result.counter_add.value)
        requests.put(native.message("BatchRequest"))
        expect("INVALID", code_name(next(answers).result.error))
        requests.put(None)
        expect([], list(answers))


def fill(native, table, count, size):
    list(native.batch(native.message("BatchRequest", operation={
        "put": {"table": table, "key": b"%08d" % i, "value": b"v" * size}}) for i in range(count)))


def test_slow_reader():
    """60 MB at the reader's pace: the node keeps none of it, and others are served."""
    with Node("--threads", "1") as node, Native(node) as native:
        table = native.table("m", engine=2)
        fill(native, table, 3000, 20000)
        before = native.call("Status.Get").resident_bytes
        slow = native.method("KV.Range")(native.request("KV.Range", table=table), timeout=SECONDS)
        keys = [r.key for r in next(slow).records]
        for i in for_a_while(200):
            native.call("KV.Put", table="kv", key=b"%d" % i, value=b"x")
        grown = native.call("Status.Get").resident_bytes - before
        expect(True, grown < 16 << 20, "%d bytes kept" % grown)
        for page in slow:
            keys += [r.key for r in page.records]
        expect([b"%08d" % i for i in range(3000)], keys)


def test_large_collections():
    with Node() as node, Native(node) as native:
        members = [b"%06d" % i for i in range(20000)]
        native.call("Set.Add", table="sets", key=b"s", members=members)
        pages = native.call("Set.Members", table="sets", key=b"s")
        expect((members, True), ([m for p in pages for m in p.members], len(pages) > 1))
        part = native.call("Set.Members", table="sets", key=b"s", limit=10000)
        rest = native.call("Set.Members", table="sets", key=b"s",
                           resume_after=part[-1].resume_after)
        expect(members, [m for p in part + rest for m in p.members])
        list(native.batch(native.message("BatchRequest", operation={"log_append": {
            "table": "log", "key": b"l", "value": b"%d" % i}}) for i in range(3000)))
        pages = native.call("Log.Range", table="log", key=b"l")
        expect(list(range(3000, 0, -1)), [v.number for p in pages for v in p.versions])


def test_cancel():
    with Node("--threads", "1") as node, Native(node) as native:
        table = native.table("m", engine=2)
        fill(native, table, 1000, 20000)
        for _ in range(20):
            stream = native.method("KV.Range")(native.request("KV.Range", table=table),
                                               timeout=SECONDS)
            next(stream)
            stream.cancel()
            requests = queue.Queue()
            answers = native.batch(iter(requests.get, None))
            requests.put(native.message("BatchRequest", operation={
                "put": {"table": table, "key": b"a", "value": b"b"}}))
            next(answers)
            answers.cancel()
            requests.put(None)
            future = native.method("KV.DeleteRange").future(
                native.request("KV.DeleteRange", table=table, prefix=b"nothing"))
            future.cancel()
        expect(1001, native.call("KV.Count", table=table).count)


def test_deadline():
    with Node() as node, Native(node) as native:
        table = native.table("m", engine=2)
        fill(native, table, 3000, 20000)
        stream = native.method("KV.Range")(native.request("KV.Range", table=table), timeout=0.5)
        try:
            next(stream)
            threading.Event().wait(1)
            list(stream)
            raise AssertionError("a deadline has passed, and nothing happened")
        except grpc.RpcError as error:
            expect("DEADLINE_EXCEEDED", error.code().name)
        expect(3000, native.call("KV.Count", table=table).count)


def test_compression_and_many_at_once():
    with Node() as node, Native(node) as native:
        put = native.method("KV.Put")
        calls = [put.future(native.request("KV.Put", table="kv", key=b"%d" % i,
                                           value=b"text " * 1000),
                            compression=grpc.Compression.Gzip, timeout=SECONDS)
                 for i in range(100)]
        for call in calls:
            expect(True, call.result().created)
        expect(b"text " * 1000, native.method("KV.Get")(
            native.request("KV.Get", table="kv", key=b"7"), compression=grpc.Compression.Gzip,
            timeout=SECONDS).value)


# ---- One dataset ----


def test_one_dataset():
    with Node() as node, Native(node) as native:
        redis = node.redis()
        keys = "/api/v1/tables/kv/keys/"
        native.call("KV.Put", table="kv", key=b"a", value=b"\x00grpc")
        expect(b"\x00grpc", redis.ask("GET", "a"))
        expect(b"\x00grpc", node.request("GET", keys + "a").body)
        expect("\x00grpc", node.request("GET", "/kv/a").json()["value"])
        expect(b"\x00grpc", node.request("GET", "/a").body)
        redis.ask("SET", "r", "redis")
        node.request("PUT", keys + "h", b"http")
        node.request("PUT", "/kv/s", b'{"content":"strato"}',
                     {"Content-Type": "application/json"})
        node.request("POST", "/e", b"estoraje")
        for key, value in ((b"r", b"redis"), (b"h", b"http"), (b"s", b"strato"),
                           (b"e", b"estoraje")):
            expect(value, native.call("KV.Get", table="kv", key=key).value)
        native.call("Counter.Add", table="counters", key=b"c", amount=4)
        expect(4, node.request("GET", "/counters/c").json()["value"])
        redis.ask("INCR", "n")
        expect(2, native.call("Counter.Add", table="kv", key=b"n", amount=1).value)
        redis.ask("SADD", "set", "b")
        expect(1, native.call("Set.Add", table="kv", key=b"set", members=[b"a", b"b"]).added)
        expect([b"a", b"b"], sorted(redis.ask("SMEMBERS", "set")))
        native.call("Set.Add", table="sets", key=b"s", members=[b"x"])
        expect(["x"], node.request("GET", "/sets/s").json()["items"])
        native.call("KV.Put", table="flags", key=b"f", value=b"true")
        expect(True, node.request("GET", "/flags/f").json()["value"])
        native.call("Log.Append", table="log", key=b"l", value=b"v", author=b"me")
        versions = node.request("GET", "/api/v1/tables/log/logs/l").json()
        expect("v", (versions["versions"] if isinstance(versions, dict) else versions)[0]["value"])


def test_listener():
    """`native` names both forms of the interface, and others do not have it."""
    with Node(listen="127.0.0.1:0=native") as node, Native(node) as native:
        native.call("KV.Put", table="kv", key=b"a", value=b"1")
        expect(200, node.request("GET", "/api/v1/tables/kv/keys/a").status)
    with Node(listen="127.0.0.1:0=strato") as node, Native(node) as native:
        expect("UNIMPLEMENTED", native.fails("KV.Get", table="kv", key=b"a").status)


def test_all_methods_were_called():
    schema = grpc_client.Schema()
    methods = {"%s.%s" % (service.split(".")[-1], method.name)
               for service in schema.services() if service.startswith("holdfast.v1.")
               for method in schema.service(service).methods}
    if len(CALLED) > 20:  # all tests ran
        expect(methods, CALLED)


if __name__ == "__main__":
    run([test_every_operation, test_batch_keeps_its_order, test_txn, test_statuses, test_large_values,
         test_conflict_tells_what_is_there, test_no_space, test_stop_is_unavailable,
         test_idempotency, test_expiry, test_tables, test_all_shards, test_batch_of_100000,
         test_batch_answers_at_once, test_slow_reader, test_large_collections, test_cancel,
         test_deadline, test_compression_and_many_at_once, test_one_dataset, test_listener,
         test_all_methods_were_called])
