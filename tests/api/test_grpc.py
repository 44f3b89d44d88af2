#!/usr/bin/env python3
"""gRPC with a real client (grpcio): all kinds of calls, deadlines, cancellation, compression,
limits, metadata; health, reflection; gRPC-Web with http.client; Strato's services."""

import base64
import concurrent.futures
import http.client
import itertools
import json
import queue
import shutil
import struct
import subprocess
import sys
import threading
import time
import zlib

import grpc_client
from grpc_client import Client, failure, grpc
from node import Node, expect, for_a_while, run

MESSAGE_MAX = 4 << 20
STREAM_MESSAGES = 200000
WATCH_SECONDS = 30


def put(client, key, content):
    client.stub("proto.KV").KVPut(client.message(
        "proto.PutRequest", location={"key": key}, value={"content": content}), timeout=60)


def location(client, key):
    return client.message("proto.Location", key=key)


# ---- Strato ----

def test_strato():
    """Every method under every name, every status that the table of the spec knows."""
    with Node() as node, Client(node) as client:
        kv = client.stub("proto.KV")
        missing = ("NOT_FOUND", "no value found for a")
        expect(missing, failure(kv.KVGet, location(client, "a")))
        put(client, "a", b"\x00\xffvalue")
        expect(b"\x00\xffvalue", kv.KVGet(location(client, "a"), timeout=60).value.content)
        kv.KVDelete(location(client, "a"), timeout=60)
        expect(missing, failure(kv.KVDelete, location(client, "a")))
        expect("INVALID_ARGUMENT", failure(kv.KVPut, client.message("proto.PutRequest"))[0])

        cache = client.stub("proto.Cache")
        request = client.message("proto.CacheSetRequest", key="c", item={"value": "v", "ttl": 1})
        cache.CacheSet(request, timeout=60)
        get = client.message("proto.CacheGetRequest", key="c")
        while failure(cache.CacheGet, get)[0] == "OK":  # the test's own time-out ends this
            pass
        expect(("NOT_FOUND", "no value found for c"), failure(cache.CacheGet, get))
        expect(("INVALID_ARGUMENT", "no item provided"),
               failure(cache.CacheSet, client.message("proto.CacheSetRequest", key="c")))
        expect(("UNKNOWN", "no key provided"), failure(
            cache.CacheSet, client.message("proto.CacheSetRequest", item={"value": "v"})))

        counter = client.stub("proto.Counter")
        add = client.message("proto.IncrementCounterRequest", key="n", amount=2)
        expect([2, 4], [counter.CounterIncrement(add, timeout=60).value,
                        counter.IncrementCounter(add, timeout=60).value])
        ask = client.message("proto.GetCounterRequest", key="n")
        expect([4, 4], [counter.CounterGet(ask, timeout=60).value,
                        counter.GetCounter(ask, timeout=60).value])
        add.amount = 2**63 - 1
        expect("INVALID_ARGUMENT", failure(counter.CounterIncrement, add)[0])
        expect(4, counter.CounterGet(ask, timeout=60).value)

        sets = client.stub("proto.Set")

        def change(item):
            return client.message("proto.ModifySetRequest", set="s", item=item)

        expect(["b"], list(sets.SetAdd(change("b"), timeout=60).items))
        expect(["a", "b"], list(sets.AddToSet(change("a"), timeout=60).items))
        whole = client.message("proto.GetSetRequest", set="s")
        expect(["a", "b"], list(sets.SetGet(whole, timeout=60).items))
        expect(["a", "b"], list(sets.GetSet(whole, timeout=60).items))
        expect(["a"], list(sets.SetRemove(change("b"), timeout=60).items))
        expect([], list(sets.RemoveFromSet(change("a"), timeout=60).items))

        flag = client.stub("proto.Flag")
        ask = client.message("proto.FlagGetRequest", key="f")
        expect(False, flag.FlagGet(ask, timeout=60).value)
        flag.FlagSet(client.message("proto.FlagSetRequest", key="f", value=True), timeout=60)
        expect(True, flag.FlagGet(ask, timeout=60).value)


def test_strato_shares_its_data():
    """What came by HTTP or the Redis protocol is there by gRPC, and the other way round; a value of
    another type, or that is no text where the contract says string, is an error."""
    with Node() as node, Client(node) as client:
        expect(204, node.request("PUT", "/kv/a?value=http").status)
        kv = client.stub("proto.KV")
        expect(b"http", kv.KVGet(location(client, "a"), timeout=60).value.content)
        put(client, "b", b"grpc")
        expect({"value": "grpc"}, node.request("GET", "/kv/b").json())
        redis = node.redis()
        expect(b"grpc", redis.ask("GET", "b"))
        redis.ask("SADD", "set", "x")
        expect("FAILED_PRECONDITION", failure(kv.KVGet, location(client, "set"))[0])
        tables = "/api/v1/tables/%s/keys/x"
        node.request("PUT", tables % "cache", b"\xff\xfe")
        get = client.message("proto.CacheGetRequest", key="x")
        expect("INTERNAL", failure(client.stub("proto.Cache").CacheGet, get)[0])
        node.request("PUT", tables % "counters", b"words")
        get = client.message("proto.GetCounterRequest", key="x")
        expect("INVALID_ARGUMENT", failure(client.stub("proto.Counter").CounterGet, get)[0])


# Each method with a request for key `k` of its table.
STRATO = [
    ("cache", "Cache", "CacheGet", "CacheGetRequest", lambda k: {"key": k}),
    ("cache", "Cache", "CacheSet", "CacheSetRequest", lambda k: {"key": k, "item": {"value": "v"}}),
    ("counters", "Counter", "CounterGet", "GetCounterRequest", lambda k: {"key": k}),
    ("counters", "Counter", "GetCounter", "GetCounterRequest", lambda k: {"key": k}),
    ("counters", "Counter", "CounterIncrement", "IncrementCounterRequest", lambda k: {"key": k}),
    ("counters", "Counter", "IncrementCounter", "IncrementCounterRequest", lambda k: {"key": k}),
    ("kv", "KV", "KVGet", "Location", lambda k: {"key": k}),
    ("kv", "KV", "KVPut", "PutRequest", lambda k: {"location": {"key": k}, "value": {}}),
    ("kv", "KV", "KVDelete", "Location", lambda k: {"key": k}),
    ("sets", "Set", "GetSet", "GetSetRequest", lambda k: {"set": k}),
    ("sets", "Set", "SetGet", "GetSetRequest", lambda k: {"set": k}),
    ("sets", "Set", "AddToSet", "ModifySetRequest", lambda k: {"set": k, "item": "i"}),
    ("sets", "Set", "SetAdd", "ModifySetRequest", lambda k: {"set": k, "item": "i"}),
    ("sets", "Set", "RemoveFromSet", "ModifySetRequest", lambda k: {"set": k, "item": "i"}),
    ("sets", "Set", "SetRemove", "ModifySetRequest", lambda k: {"set": k, "item": "i"}),
    ("flags", "Flag", "FlagGet", "FlagGetRequest", lambda k: {"key": k}),
    ("flags", "Flag", "FlagSet", "FlagSetRequest", lambda k: {"key": k, "value": True}),
]
REPLACES_ANY_TYPE = ("CacheSet", "KVPut", "KVDelete", "FlagSet")


def test_strato_refusals():
    """What every method answers to a key that is too long, a deadline that has passed, bytes that
    are no message, no message at all, and a record of another type."""
    with Node() as node, Client(node) as client:
        redis = node.redis()
        for table, service, name, type_name, fields in STRATO:
            path = "/proto.%s/%s" % (service, name)

            def request(key):
                return client.message("proto." + type_name, **fields(key))

            method = getattr(client.stub("proto." + service), name)
            expect(("RESOURCE_EXHAUSTED", "over a limit of this server"),
                   failure(method, request("k" * 65537)), path)
            expect("DEADLINE_EXCEEDED",
                   web_status(node, path, request("k"), {"grpc-timeout": "0n"}), path)
            expect("INTERNAL", failure(client.raw(path), b"\x0a\x05k")[0], path)
            expect("INTERNAL", failure(client.raw(path, "stream_unary"), iter([]))[0], path)
            redis.ask("SELECT", table)
            redis.ask("DEL", "other")
            if table == "sets":
                redis.ask("SET", "other", "a string")
            else:
                redis.ask("SADD", "other", "a member")
            wrong = "OK" if name in REPLACES_ANY_TYPE else "FAILED_PRECONDITION"
            expect(wrong, failure(method, request("other"))[0], path)
        metrics = node.request("GET", "/metrics").body.decode()
        expect(True, 'holdfast_errors_total{dialect="strato",operation="rpc_kv_get",'
                     'error="too_large"} 1' in metrics, metrics)
    with Node("--max-value", "1KiB") as node, Client(node) as client:
        big = client.message("proto.PutRequest", location={"key": "a"},
                             value={"content": b"x" * 1025})
        expect("RESOURCE_EXHAUSTED", failure(client.stub("proto.KV").KVPut, big)[0])


def test_acknowledged_is_kept():
    with Node() as node:
        with Client(node) as client:
            for i in range(100):
                put(client, "k%d" % i, b"v%d" % i)
        node.kill()
        node.start()
        with Client(node) as client:
            kv = client.stub("proto.KV")
            for i in range(100):
                expect(b"v%d" % i, kv.KVGet(location(client, "k%d" % i), timeout=60).value.content)


# ---- Calls ----

def test_unknown():
    with Node() as node, Client(node) as client:
        expect(("UNIMPLEMENTED", "unknown method Nothing for service proto.KV"),
               failure(client.raw("/proto.KV/Nothing"), b""))
        expect(("UNIMPLEMENTED", "unknown service none.Service"),
               failure(client.raw("/none.Service/Method"), b""))
        # Answered as soon as the head is there: this client waits for it and sends nothing.
        blocker = threading.Event()

        def nothing():
            blocker.wait(grpc_client.CALL_SECONDS)
            yield b""

        call = client.raw("/none.Service/Method", "stream_stream")
        expect("UNIMPLEMENTED", failure(call, nothing())[0])
        blocker.set()
    with Node(listen="127.0.0.1:0=estoraje") as node, Client(node) as client:
        expect(("UNIMPLEMENTED", "unknown service proto.KV"),
               failure(client.stub("proto.KV").KVGet, location(client, "a")))
        expect("OK", failure(client.stub("grpc.health.v1.Health").Check,
                             client.message("grpc.health.v1.HealthCheckRequest"))[0])


def test_texts_and_metadata():
    """Status texts may hold anything; what is not a header field's matter is ignored."""
    with Node() as node, Client(node) as client:
        kv = client.stub("proto.KV")
        for key in ("100% \u00fcber\n", " ", "\u0000x", "\u2028", "x" * 1000):
            expect(("NOT_FOUND", "no value found for " + key),
                   failure(kv.KVGet, location(client, key)))
        code, text = failure(kv.KVGet, location(client, "\u00fc" * 30000))
        expect(("NOT_FOUND", True), (code, text.startswith("no value found for \u00fc\u00fc")))
        metadata = (("x-text", "a"), ("x-bytes-bin", b"\x00\xff"), ("x-text", "b"))
        _, call = kv.KVDelete.with_call(location(client, put_key(client)), timeout=60,
                                        metadata=metadata)
        expect(grpc.StatusCode.OK, call.code())


def put_key(client):
    put(client, "key", b"x")
    return "key"


def test_broken_requests():
    with Node() as node, Client(node) as client:
        get = client.raw("/proto.KV/KVGet")
        expect(("INTERNAL", "grpc: error unmarshalling request: proto: cannot parse invalid "
                            "wire-format data"), failure(get, b"\x0a\x7f"))
        expect(("INTERNAL", "grpc: error unmarshalling request: proto: field proto.Location.key "
                            "contains invalid UTF-8"), failure(get, b"\x0a\x02\xff\xff"))
        expect("NOT_FOUND", failure(get, b"\x9a\x06\x00")[0])  # a field that is not known
        reflect = client.raw("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                             "stream_stream")
        expect("INTERNAL", failure(reflect, iter([b"\x0a\x7f"]))[0])
        stream = client.raw("/proto.KV/KVGet", "stream_unary")
        one = location(client, "a").SerializeToString()
        for messages in ([], [one, one]):
            code, text = failure(stream, iter(messages))
            expect(("INTERNAL", True), (code, "cardinality violation" in text), text)
        expect("NOT_FOUND", failure(stream, iter([one]))[0])


def test_sizes():
    """Up to the limit of a message; beyond it the sizes are told."""
    with Node() as node, Client(node) as client:
        kv = client.stub("proto.KV")
        for size in (0, 1, 4090, 16380, 16384, 65535, 65536, 1 << 20, MESSAGE_MAX - 100):
            content = bytes(i % 251 for i in range(min(size, 1000))) * (size // 1000 + 1)
            put(client, "big", content[:size])
            answer = kv.KVGet(location(client, "big"), timeout=60).value.content
            expect(True, content[:size] == answer, size)
        request = client.message("proto.PutRequest", location={"key": "big"},
                                 value={"content": bytes(MESSAGE_MAX)})
        expect(("RESOURCE_EXHAUSTED", "grpc: received message larger than max (%d vs. %d)" % (
            request.ByteSize(), MESSAGE_MAX)), failure(kv.KVPut, request))
        expect(MESSAGE_MAX - 100, len(kv.KVGet(location(client, "big"), timeout=60).value.content))


def test_deadlines():
    with Node() as node, Client(node) as client:
        kv = client.stub("proto.KV")
        expect("NOT_FOUND", failure(kv.KVGet, location(client, "a"), timeout=3600 * 24 * 365)[0])
        watch = client.stub("grpc.health.v1.Health").Watch
        began = time.monotonic()
        request = client.message("grpc.health.v1.HealthCheckRequest")
        expect("DEADLINE_EXCEEDED", failure(watch, request, timeout=0.3)[0])
        expect(True, time.monotonic() - began < WATCH_SECONDS)
        # The node ends it by itself.
        expect("DEADLINE_EXCEEDED", web_status(node, "/grpc.health.v1.Health/Watch", request,
                                               {"grpc-timeout": "100m"}))
        # Past its deadline when it arrives: nothing is ordered.
        sent = client.message("proto.PutRequest", location={"key": "late"}, value={"content": b"x"})
        expect("DEADLINE_EXCEEDED",
               web_status(node, "/proto.KV/KVPut", sent, {"grpc-timeout": "0n"}))
        expect(("NOT_FOUND", "no value found for late"),
               failure(kv.KVGet, location(client, "late")))
        expect("OK", web_status(node, "/proto.KV/KVPut", sent, {"grpc-timeout": "1H"}))


def test_slow_requests():
    """Streams that are as long as their clients want are not called slow."""
    with Node("--slow", "0") as node, Client(node) as client:
        put(client, "a", b"1")
        watch = client.message("grpc.health.v1.HealthCheckRequest")
        expect("DEADLINE_EXCEEDED", web_status(node, "/grpc.health.v1.Health/Watch", watch,
                                               {"grpc-timeout": "3S"}))
        expect(1, len(list(reflect(client, [{"list_services": ""}], "v1"))))
        batch = client.stub("holdfast.v1.KV").Batch(iter(()), timeout=9)
        expect(0, len(list(batch)))
        node.request("POST", "/api/v1/tables/kv/batch", b'{"op":"get","key":"a"}\n')
        node.request("GET", "/a")
    names = [line for line in node.log if "slow request" in line]
    expect(True, any("operation=rpc_kv_put " in line for line in names), names)
    expect(True, any("operation=get " in line for line in names), names)
    for name in ("health_watch", "reflection", "grpc_batch", "batch"):
        expect(False, any("operation=%s " % name in line for line in names), name)


def test_cancel():
    """A stream that is cancelled ends at once, and so does the node's part in it."""
    with Node() as node, Client(node) as client:
        watch = client.stub("grpc.health.v1.Health").Watch
        calls = [watch(client.message("grpc.health.v1.HealthCheckRequest")) for _ in range(50)]
        for call in calls:
            expect(1, next(call).status)
            call.cancel()
            expect(grpc.StatusCode.CANCELLED, call.code())
        kv = client.stub("proto.KV")
        for i in range(200):
            future = kv.KVPut.future(client.message("proto.PutRequest", location={"key": "k%d" % i},
                                                    value={"content": b"x"}))
            future.cancel()
        put(client, "after", b"alive")
        expect(b"alive", kv.KVGet(location(client, "after"), timeout=60).value.content)
        node.stop()  # nothing is left that it would wait for


def test_many_streams():
    """100 calls at a time on one connection."""
    with Node() as node, Client(node) as client:
        kv = client.stub("proto.KV")
        counter = client.stub("proto.Counter")
        add = client.message("proto.IncrementCounterRequest", key="c", amount=1)
        for _ in range(10):
            sums = [counter.CounterIncrement.future(add, timeout=60) for _ in range(100)]
            expect(100, len({future.result().value for future in sums}))
        ask = client.message("proto.GetCounterRequest", key="c")
        expect(1000, counter.CounterGet(ask, timeout=60).value)
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            list(pool.map(lambda i: put(client, "k%d" % i, b"%d" % i), range(1000)))
            found = pool.map(lambda i: kv.KVGet(location(client, "k%d" % i),
                                                timeout=60).value.content, range(1000))
            expect([b"%d" % i for i in range(1000)], list(found))


# ---- Streams ----

def reflect(client, requests, version="v1"):
    stub = client.stub("grpc.reflection.%s.ServerReflection" % version)
    type_name = "grpc.reflection.%s.ServerReflectionRequest" % version
    return stub.ServerReflectionInfo(
        (client.message(type_name, **request) for request in requests), timeout=600)


def test_long_stream():
    """200,000 requests and answers on one stream (a million takes grpcio a minute), both ways at
    once, in order."""
    with Node() as node, Client(node) as client:
        requests = ({"host": str(i), "file_by_filename": "x"} for i in range(STREAM_MESSAGES))
        count = 0
        for answer in reflect(client, requests):
            if answer.valid_host != str(count):
                raise AssertionError("answer %d is for %s" % (count, answer.valid_host))
            count += 1
        expect(STREAM_MESSAGES, count)


def test_stream_answers_at_once():
    """Each answer comes before the next request is sent."""
    with Node() as node, Client(node) as client:
        sent = queue.Queue()
        answers = reflect(client, iter(sent.get, None))
        for i in range(100):
            sent.put({"host": str(i), "list_services": ""})
            expect(str(i), next(answers).valid_host)
        sent.put(None)
        expect([], list(answers))


def test_slow_reader():
    """A client that asks and does not read stops being read; it gets all when it does."""
    with Node() as node, Client(node) as client:
        asked = itertools.count()

        def requests():
            for i in range(3000):
                next(asked)
                yield {"host": str(i), "file_containing_symbol": "proto.KV"}

        answers = reflect(client, requests())
        put(client, "a", b"a neighbour on the same connection")
        kv = client.stub("proto.KV")
        for _ in for_a_while(100):
            kv.KVGet(location(client, "a"), timeout=60)
        expect([str(i) for i in range(3000)], [answer.valid_host for answer in answers])


# ---- Compression ----

def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def snappy_frame(data):
    """The framed format with one chunk that is not compressed."""
    crc = crc32c(data)
    crc = ((crc >> 15 | crc << 17) + 0xa282ead8) & 0xffffffff
    return b"\xff\x06\x00\x00sNaPpY\x01" + struct.pack("<I", len(data) + 4)[:3] + \
        struct.pack("<I", crc) + data


def gzip_of(data):
    coder = zlib.compressobj(wbits=31)
    return coder.compress(data) + coder.flush()


def zstd_raw(data):
    """A zstd frame of one raw block; its length is known."""
    return b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", len(data)) + \
        struct.pack("<I", len(data) << 3 | 1)[:3] + data


def test_gzip():
    """grpcio's own compression, in both directions."""
    with Node() as node, Client(node) as client:
        kv = client.stub("proto.KV")
        content = b"compress me, " * 50000
        request = client.message("proto.PutRequest", location={"key": "a"},
                                 value={"content": content})
        kv.KVPut(request, compression=grpc.Compression.Gzip, timeout=60)
        answer, call = kv.KVGet.with_call(location(client, "a"), timeout=60,
                                          compression=grpc.Compression.Gzip)
        expect(True, answer.value.content == content)
        expect("OK", call.code().name)
        # deflate is not among ours
        expect("UNIMPLEMENTED", failure(kv.KVGet, location(client, "a"),
                                        compression=grpc.Compression.Deflate)[0])


def test_encodings():
    """Every encoding by hand, over gRPC-Web, which frames messages the same way."""
    with Node() as node:
        body = b"\x0a\x03\x0a\x01a\x12\x84\x02\x0a\x81\x02" + b"x" * 257
        for name, encode in (("gzip", gzip_of), ("snappy", snappy_frame), ("zstd", zstd_raw)):
            headers = {"grpc-encoding": name, "grpc-accept-encoding": "identity," + name}
            packed = encode(body)
            frame = b"\x01" + struct.pack(">I", len(packed)) + packed
            answer = web_call(node, "/proto.KV/KVPut", frame, headers)
            expect("0", answer.trailers["grpc-status"], name)
            packed = encode(b"\x0a\x01a")
            frame = b"\x01" + struct.pack(">I", len(packed)) + packed
            answer = web_call(node, "/proto.KV/KVGet", frame, headers)
            expect(("0", name), (answer.trailers["grpc-status"], answer.headers["grpc-encoding"]))
            expect(1, answer.flags[0], "257 times the same byte are compressed")
            for broken in (packed[:-1], packed[:4], b"none of this"):
                frame = b"\x01" + struct.pack(">I", len(broken)) + broken
                answer = web_call(node, "/proto.KV/KVGet", frame, headers)
                expect("13", answer.trailers["grpc-status"], (name, broken))
        bomb = gzip_of(bytes(64 << 20))
        frame = b"\x01" + struct.pack(">I", len(bomb)) + bomb
        answer = web_call(node, "/proto.KV/KVPut", frame, {"grpc-encoding": "gzip"})
        expect(("8", "grpc: received message after decompression larger than max 4194304"),
               (answer.trailers["grpc-status"], answer.trailers["grpc-message"]))


# ---- gRPC-Web ----

class WebAnswer:
    def __init__(self, response, is_text):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        body = response.read()
        if is_text:
            body = b"".join(base64.b64decode(part + b"=" * (-len(part) % 4))
                            for part in body.replace(b"=", b" ").split())
        self.messages, self.flags, self.trailers = [], [], {}
        while body:
            flag, size = struct.unpack(">BI", body[:5])
            content, body = body[5:5 + size], body[5 + size:]
            if flag & 0x80:
                fields = content.decode().split("\r\n")
                self.trailers = dict(field.split(":", 1) for field in fields if field)
            else:
                self.messages.append(content)
                self.flags.append(flag)


def web_call(node, path, frame, headers=None, is_text=False, connection=None):
    kept = connection or http.client.HTTPConnection("127.0.0.1", node.port, timeout=60)
    kind = "application/grpc-web-text" if is_text else "application/grpc-web+proto"
    kept.request("POST", path, body=base64.b64encode(frame) if is_text else frame,
                 headers={"Content-Type": kind, **(headers or {})})
    answer = WebAnswer(kept.getresponse(), is_text)
    if connection is None:
        kept.close()
    return answer


def framed(message):
    data = message.SerializeToString()
    return b"\x00" + struct.pack(">I", len(data)) + data


def web_status(node, path, message, headers=None):
    answer = web_call(node, path, framed(message), headers)
    code = int(answer.trailers["grpc-status"])
    return next(c.name for c in grpc.StatusCode if c.value[0] == code)


def test_web():
    schema = grpc_client.Schema()
    with Node() as node:
        kept = http.client.HTTPConnection("127.0.0.1", node.port, timeout=60)
        request = schema.message("proto.PutRequest", location={"key": "a"},
                                 value={"content": b"web"})
        get, missing = [framed(schema.message("proto.Location", key=key)) for key in ("a", "b")]
        for is_text in (False, True):
            answer = web_call(node, "/proto.KV/KVPut", framed(request), None, is_text, kept)
            expect((200, "0"), (answer.status, answer.trailers["grpc-status"]))
            answer = web_call(node, "/proto.KV/KVGet", get, None, is_text, kept)
            value = schema.type("proto.GetResponse").FromString(answer.messages[0]).value
            expect(b"web", value.content)
            answer = web_call(node, "/proto.KV/KVGet", missing, None, is_text, kept)
            said = answer.trailers["grpc-status"], answer.trailers["grpc-message"]
            expect((200, ("5", "no value found for b")), (answer.status, said))
        # a stream of answers
        asked = b"".join(framed(schema.message("grpc.reflection.v1.ServerReflectionRequest",
                                               host=str(i), list_services="")) for i in range(5))
        answer = web_call(node, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", asked)
        expect((5, "0"), (len(answer.messages), answer.trailers["grpc-status"]))


def test_web_over_http2():
    """The same over HTTP/2, which browsers use where there is TLS."""
    if shutil.which("curl") is None:
        print("  skipped: curl is not installed")
        return
    with Node() as node, Client(node) as client:
        put(client, "a", b"web")
        answer = subprocess.run(
            ["curl", "-sS", "-m", "300", "--http2-prior-knowledge", "--data-binary", "@-",
             "-H", "Content-Type: application/grpc-web-text", "-w", "%{http_version} %{http_code}",
             "http://127.0.0.1:%d/proto.KV/KVGet" % node.port],
            input=base64.b64encode(framed(location(client, "a"))), check=True,
            capture_output=True).stdout
        value = client.message("proto.GetResponse", value={"content": b"web"})
        expect(base64.b64encode(framed(value)) +
               base64.b64encode(b"\x80\x00\x00\x00\x0fgrpc-status:0\r\n") + b"2 200", answer)


def test_web_origins():
    """A page of this server may call it, and ask before; a page of another must not."""
    schema = grpc_client.Schema()
    with Node() as node:
        frame = framed(schema.message("proto.Location", key="a"))
        own = "http://127.0.0.1:%d" % node.port
        asking = {"Origin": own, "Access-Control-Request-Method": "POST",
                  "Access-Control-Request-Headers": "content-type,x-grpc-web"}
        answer = node.request("OPTIONS", "/proto.KV/KVGet", headers=asking)
        expect((204, own, "POST", "content-type,x-grpc-web"), (
            answer.status, answer.headers["access-control-allow-origin"],
            answer.headers["access-control-allow-methods"],
            answer.headers["access-control-allow-headers"]))
        expect("5", web_call(node, "/proto.KV/KVGet", frame,
                             {"Origin": own}).trailers["grpc-status"])
        for method in ("OPTIONS", "POST"):
            answer = node.request(method, "/proto.KV/KVGet",
                                  headers={**asking, "Origin": "http://elsewhere.example"})
            expect(403, answer.status)
            expect(None, answer.headers.get("access-control-allow-origin"))


def test_over_http1():
    """gRPC itself needs HTTP/2; other content types are told what is taken."""
    with Node() as node:
        for kind, status in (("application/grpc", 505), ("application/json", 415),
                             ("application/grpc+json", 415)):
            answer = node.request("POST", "/proto.KV/KVGet", b"", {"Content-Type": kind})
            expect(status, answer.status, kind)


# ---- Health and reflection ----

def test_health():
    with Node() as node, Client(node) as client:
        health = client.stub("grpc.health.v1.Health")

        def request(service):
            return client.message("grpc.health.v1.HealthCheckRequest", service=service)

        for service in [""] + client.schema.services():
            expect(1, health.Check(request(service), timeout=60).status, service)
        expect(("NOT_FOUND", "unknown service"), failure(health.Check, request("none")))
        listed = health.List(client.message("grpc.health.v1.HealthListRequest"), timeout=60)
        expect([""] + client.schema.services(), sorted(listed.statuses))
        expect({1}, {listed.statuses[name].status for name in listed.statuses})


def test_health_follows_a_drain():
    """Watch says so when the node drains, ends, and does not keep it from stopping."""
    with Node() as node, Client(node) as client:
        health = client.stub("grpc.health.v1.Health")
        calls = [health.Watch(client.message("grpc.health.v1.HealthCheckRequest", service=service))
                 for service in ("", "proto.KV", "none")]
        expect([1, 1, 3], [next(call).status for call in calls])
        stopping = threading.Thread(target=node.stop)
        stopping.start()
        for call, want in zip(calls, ([2], [2], [])):
            said = []
            try:
                said.extend(answer.status for answer in call)
            except grpc.RpcError as error:
                expect("UNAVAILABLE", error.code().name)
            expect(True, said in (want, []), said)
        stopping.join()
        expect(0, node.process.returncode)


def test_reflection():
    """The descriptors that reflection gives are enough to build every service and call it."""
    for version in ("v1", "v1alpha"):
        with Node() as node, Client(node) as client:
            listed = next(reflect(client, [{"list_services": "*"}], version))
            names = [s.name for s in listed.list_services_response.service]
            expect(client.schema.services(), sorted(names))
            files = {}
            for answer in reflect(client, [{"file_containing_symbol": n} for n in names], version):
                for data in answer.file_descriptor_response.file_descriptor_proto:
                    file = grpc_client.descriptor_pb2.FileDescriptorProto.FromString(data)
                    files[file.name] = file
            expect(sorted(f.name for f in client.schema.files.file if is_needed(f, names, client)),
                   sorted(files))
            pool = grpc_client.descriptor_pool.DescriptorPool()
            add_files(pool, files)
            for name in names:
                expect(name, pool.FindServiceByName(name).full_name)
            by_name = next(reflect(client, [{"file_by_filename": "strato/strato.proto"}], version))
            expect(1, len(by_name.file_descriptor_response.file_descriptor_proto))
            for symbol in ("proto.KV", "proto.KV.KVGet", "proto.Location", "proto.Location.key",
                           "grpc.health.v1.HealthCheckResponse.ServingStatus",
                           "grpc.health.v1.HealthCheckResponse.SERVING"):
                answer = next(reflect(client, [{"file_containing_symbol": symbol}], version))
                expect("file_descriptor_response", answer.WhichOneof("message_response"), symbol)
                expect(symbol, answer.original_request.file_containing_symbol)
            for symbol in ("proto.KV.None", "proto.Loc", "proto", "", ".", "proto.Location.key.x"):
                answer = next(reflect(client, [{"file_containing_symbol": symbol}], version))
                expect(5, answer.error_response.error_code, symbol)


def test_grpcurl():
    """Lists and describes every service, and calls one."""
    if shutil.which("grpcurl") is None:
        print("  skipped: grpcurl is not installed")
        return
    with Node() as node:
        address = "127.0.0.1:%d" % node.port

        def grpcurl(*arguments, data=None):
            options = ["-plaintext"] + (["-d", data] if data else [])
            return subprocess.run(["grpcurl"] + options + [address] + list(arguments), check=True,
                                  capture_output=True, text=True, timeout=60).stdout

        names = grpcurl("list").split()
        expect(grpc_client.Schema().services(), sorted(names))
        for name in names:
            expect(True, name in grpcurl("describe", name))
        grpcurl("proto.KV/KVPut", data='{"location":{"key":"a"},"value":{"content":"aGVsbG8="}}')
        expect({"value": {"content": "aGVsbG8="}},
               json.loads(grpcurl("proto.KV/KVGet", data='{"key":"a"}')))


def add_files(pool, files):
    """In the order of their imports."""
    added = set()

    def add(name):
        if name not in added:
            added.add(name)
            for dependency in files[name].dependency:
                add(dependency)
            pool.Add(files[name])

    for name in files:
        add(name)


def is_needed(file, services, client):
    """Whether a file declares a service, or is imported by one that does."""
    if file.service:
        return True
    wanted, todo = set(), [f for f in client.schema.files.file if f.service]
    by_name = {f.name: f for f in client.schema.files.file}
    while todo:
        for dependency in todo.pop().dependency:
            if dependency not in wanted:
                wanted.add(dependency)
                todo.append(by_name[dependency])
    return file.name in wanted


if __name__ == "__main__":
    sys.exit(run([
        test_strato, test_strato_shares_its_data, test_strato_refusals, test_acknowledged_is_kept,
        test_unknown, test_texts_and_metadata, test_broken_requests, test_sizes, test_deadlines,
        test_slow_requests, test_cancel, test_many_streams, test_long_stream, test_stream_answers_at_once,
        test_slow_reader, test_gzip, test_encodings, test_web, test_web_over_http2,
        test_web_origins, test_over_http1, test_health, test_health_follows_a_drain,
        test_reflection, test_grpcurl]))
