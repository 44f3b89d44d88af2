#!/usr/bin/env python3
"""One dataset: what one dialect wrote the others read. A test goes through each pair of the dialects
that share a table, and through each pair of what they have in common: strings, counters, sets,
flags, histories."""

import native_client  # first: finds a Python that has grpcio
from native_client import Failure, Native

import base64
import contextlib
import json
import os
import socket
import tempfile
import urllib.parse

import grpc

from node import Node, expect, run
from regatta_client import Regatta

CALL_SECONDS = 300
ENGINES = ("disk", "memory")
TEXT = b"text of one line, \xc3\xa4"
BYTES = bytes(range(256))
ORDERED = "ordered"  # made by Regatta: a table that lies in one shard


@contextlib.contextmanager
def world(engine):
    """A node, its native client, and a line of dstore's text protocol."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "lines")
        options = ("--engine", engine, "--listen", "unix:%s=dstore" % path)
        with Node(*options) as node, Native(node) as native:
            yield World(node, native, path)


class World:
    def __init__(self, node, native, lines):
        self.node, self.native, self.lines = node, native, lines

    def stub(self, service):
        return self.native.stub(service)

    def proto(self, name, **fields):
        """A message of any package."""
        return self.native.schema.message(name, **fields)

    def http(self, method, path, body=None, headers=None):
        """The answer to a request that must succeed; None: there is no such thing."""
        answer = self.node.request(method, path, body, headers)
        if answer.status == 404:
            return None
        if answer.status // 100 != 2:
            raise AssertionError("%s %s: %r" % (method, path, answer))
        return answer


def found(call, *arguments):
    """The answer of a gRPC call; None: NOT_FOUND."""
    try:
        return call(*arguments, timeout=CALL_SECONDS)
    except grpc.RpcError as error:
        expect("NOT_FOUND", error.code().name, error.details())
        return None


def quote(key):
    return urllib.parse.quote(key, safe="")


# ---- Strings: each dialect puts, gets (None: missing) and deletes ----


class Redis:
    takes_bytes = True

    def __init__(self, w, table):
        self.redis = w.node.redis()

    def put(self, key, value):
        expect(b"OK", self.redis.ask("SET", key, value))

    def get(self, key):
        return self.redis.ask("GET", key)

    def delete(self, key):
        expect(1, self.redis.ask("DEL", key))


class Estoraje:
    takes_bytes = True

    def __init__(self, w, table):
        self.w = w

    def put(self, key, value):
        self.w.http("POST", "/" + quote(key), value)

    def get(self, key):
        answer = self.w.http("GET", "/" + quote(key))
        return answer and answer.body

    def delete(self, key):
        self.w.http("DELETE", "/" + quote(key))


class StratoHttp:
    takes_bytes = False  # JSON strings

    def __init__(self, w, table):
        self.w = w

    def put(self, key, value):
        self.w.http("PUT", "/kv/" + quote(key), json.dumps({"content": value.decode()}),
                    {"Content-Type": "application/json"})

    def get(self, key):
        answer = self.w.http("GET", "/kv/" + quote(key))
        return answer and answer.json()["value"].encode()

    def delete(self, key):
        self.w.http("DELETE", "/kv/" + quote(key))


class StratoGrpc:
    takes_bytes = True

    def __init__(self, w, table):
        self.w, self.kv = w, w.stub("proto.KV")

    def put(self, key, value):
        self.kv.KVPut(self.w.proto("proto.PutRequest", location={"key": key},
                                   value={"content": value}))

    def get(self, key):
        answer = found(self.kv.KVGet, self.w.proto("proto.Location", key=key))
        return answer and answer.value.content

    def delete(self, key):
        self.kv.KVDelete(self.w.proto("proto.Location", key=key))


class NativeHttp:
    takes_bytes = True

    def __init__(self, w, table):
        self.w, self.keys = w, "/api/v1/tables/%s/keys/" % table

    def put(self, key, value):
        self.w.http("PUT", self.keys + quote(key), value)

    def get(self, key):
        answer = self.w.http("GET", self.keys + quote(key))
        return answer and answer.body

    def delete(self, key):
        self.w.http("DELETE", self.keys + quote(key))


class NativeGrpc:
    takes_bytes = True

    def __init__(self, w, table):
        self.native, self.table = w.native, table

    def put(self, key, value):
        self.native.call("KV.Put", table=self.table, key=key.encode(), value=value)

    def get(self, key):
        try:
            return self.native.call("KV.Get", table=self.table, key=key.encode()).value
        except Failure as failure:
            expect("NOT_FOUND", failure.code)
            return None

    def delete(self, key):
        self.native.call("KV.Delete", table=self.table, key=key.encode())


class DStash:
    """The first two generations, on their own table. A missing value and an empty one are alike."""
    takes_bytes = True
    package = "dstash"

    def __init__(self, w, table):
        self.w, self.stub = w, w.stub(self.package + ".DStash")

    def pair(self, key, value=b""):
        return self.w.proto(self.package + ".KVPair", key=key.encode(), value=value)

    def put(self, key, value):
        self.stub.Put(self.pair(key, value))

    def get(self, key):
        return self.stub.Lookup(self.pair(key)).value or None


class Keymaster(DStash):
    package = "keymaster"

    def put(self, key, value):
        self.stub.BatchPut(iter([self.pair(key, value)]))

    def get(self, key):
        return next(self.stub.BatchLookup(iter([self.pair(key)]))).value or None


class KVStore:
    """The third generation, whose indexes are tables."""
    takes_bytes = True

    def __init__(self, w, table):
        self.w, self.stub, self.table = w, w.stub("dstash.KVStore"), table

    def pair(self, key, value=b""):
        return self.w.proto("dstash.IndexKVPair", indexPath=self.table, key=key.encode(),
                            value=value)

    def put(self, key, value):
        self.stub.Put(self.pair(key, value))

    def get(self, key):
        return self.stub.Lookup(self.pair(key)).value or None


class OfRegatta:
    takes_bytes = True

    def __init__(self, w, table):
        self.regatta, self.table = Regatta(w.node), table.encode()

    def put(self, key, value):
        self.regatta.put(key.encode(), value, table=self.table)

    def get(self, key):
        kvs = self.regatta.range(table=self.table, key=key.encode(), linearizable=True).kvs
        return kvs[0].value if kvs else None

    def delete(self, key):
        expect(1, self.regatta.delete_range(table=self.table, key=key.encode(), count=True).deleted)


STRINGS = {
    "kv": (Redis, Estoraje, StratoHttp, StratoGrpc, NativeHttp, NativeGrpc, KVStore),
    "dstash": (DStash, Keymaster, KVStore, NativeHttp, NativeGrpc),
    ORDERED: (OfRegatta, KVStore, NativeHttp, NativeGrpc),
}


def check_pair(writer, reader, value):
    key = "%d bytes of %s to %s" % (len(value), type(writer).__name__, type(reader).__name__)
    expect(None, reader.get(key), key)
    writer.put(key, value)
    expect(value, reader.get(key), key)
    reader.put(key, value + b"2")
    expect(value + b"2", writer.get(key), key)
    if hasattr(writer, "delete"):
        writer.delete(key)
        expect(None, reader.get(key), key)


def check_strings(table):
    for engine in ENGINES:
        with world(engine) as w:
            if table == ORDERED:
                with Regatta(w.node) as regatta:
                    regatta.create(ORDERED)
            dialects = [dialect(w, table) for dialect in STRINGS[table]]
            for writer in dialects:
                for reader in dialects:
                    check_pair(writer, reader, TEXT)
                    if writer.takes_bytes and reader.takes_bytes:
                        check_pair(writer, reader, BYTES)


def test_strings_of_kv():
    check_strings("kv")


def test_strings_of_dstash():
    check_strings("dstash")


def test_strings_of_an_ordered_table():
    check_strings(ORDERED)


# ---- Counters: each adds (the sum comes back) and reads ----


class Counter:
    """`add` gives what the dialect says the counter is now, `get` what it reads."""

    def __init__(self, add, get):
        self.add, self.get = add, get


def native_counters(w, table):
    http = "/api/v1/tables/%s/keys/" % table
    return {
        "native HTTP": Counter(
            lambda key, n: w.http("POST", "%s%s/increment?amount=%d" % (http, key, n)).json()["value"],
            lambda key: int(w.http("GET", http + key).body)),
        "native gRPC": Counter(
            lambda key, n: w.native.call("Counter.Add", table=table, key=key.encode(),
                                         amount=n).value,
            lambda key: w.native.call("Counter.Get", table=table, key=key.encode()).value),
    }


def strato_counters(w):
    stub = w.stub("proto.Counter")

    def get(call):
        return lambda key: call(w.proto("proto.GetCounterRequest", key=key)).value

    def add(call):
        return lambda key, n: call(w.proto("proto.IncrementCounterRequest", key=key, amount=n)).value

    def of_http(answer):
        return answer.json()["value"]

    return {
        "Strato HTTP": Counter(
            lambda key, n: of_http(w.http("PUT", "/counters/%s?increment=%d" % (key, n))),
            lambda key: of_http(w.http("GET", "/counters/" + key))),
        "Strato gRPC": Counter(add(stub.CounterIncrement), get(stub.CounterGet)),
        "Strato gRPC, early": Counter(add(stub.IncrementCounter), get(stub.GetCounter)),
    }


def check_counters(counters):
    for first_name, first in counters.items():
        for second_name, second in counters.items():
            about = "%s and %s" % (first_name, second_name)
            key = about.replace(" ", "-").replace(",", "")
            expect(5, first.add(key, 5), about)
            expect(3, second.add(key, -2), about)
            expect((3, 3), (first.get(key), second.get(key)), about)


def test_counters():
    for engine in ENGINES:
        with world(engine) as w:
            check_counters({**strato_counters(w), **native_counters(w, "counters")})


def test_counters_of_kv():
    """Redis' counters are strings of kv, for everybody."""
    for engine in ENGINES:
        with world(engine) as w:
            redis = w.node.redis()
            check_counters({
                "Redis": Counter(lambda key, n: redis.ask("INCRBY", key, n),
                                 lambda key: int(redis.ask("GET", key))),
                **native_counters(w, "kv")})
            expect(7, redis.ask("INCRBY", "n", 7))
            expect(b"7", Estoraje(w, "kv").get("n"))
            Estoraje(w, "kv").put("n", b"41")
            expect(42, redis.ask("INCR", "n"))


# ---- Sets: each adds, removes and lists ----


class NativeHttpSet:
    def __init__(self, w, table):
        self.w, self.sets = w, "/api/v1/tables/%s/sets/" % table

    def add(self, key, member):
        self.w.http("PUT", "%s%s/members/%s" % (self.sets, key, member))

    def remove(self, key, member):
        self.w.http("DELETE", "%s%s/members/%s" % (self.sets, key, member))

    def members(self, key):
        answer = self.w.http("GET", self.sets + key)
        return answer.json()["members"] if answer else []


class NativeGrpcSet:
    def __init__(self, w, table):
        self.native, self.table = w.native, table

    def change(self, method, key, member):
        self.native.call(method, table=self.table, key=key.encode(), members=[member.encode()])

    def add(self, key, member):
        self.change("Set.Add", key, member)

    def remove(self, key, member):
        self.change("Set.Remove", key, member)

    def members(self, key):
        parts = self.native.call("Set.Members", table=self.table, key=key.encode())
        return [member.decode() for part in parts for member in part.members]


class StratoHttpSet:
    def __init__(self, w, table):
        self.w = w

    def add(self, key, member):
        self.w.http("PUT", "/sets/%s?item=%s" % (key, member))

    def remove(self, key, member):
        self.w.http("DELETE", "/sets/%s?item=%s" % (key, member))

    def members(self, key):
        return self.w.http("GET", "/sets/" + key).json()["items"]


class StratoGrpcSet:
    def __init__(self, w, table):
        self.w, self.stub = w, w.stub("proto.Set")

    def change(self, call, key, member):
        call(self.w.proto("proto.ModifySetRequest", set=key, item=member))

    def add(self, key, member):
        self.change(self.stub.SetAdd, key, member)

    def remove(self, key, member):
        self.change(self.stub.SetRemove, key, member)

    def members(self, key):
        return list(self.stub.SetGet(self.w.proto("proto.GetSetRequest", set=key)).items)


class RedisSet:
    def __init__(self, w, table):
        self.redis = w.node.redis()

    def add(self, key, member):
        self.redis.ask("SADD", key, member)

    def remove(self, key, member):
        self.redis.ask("SREM", key, member)

    def members(self, key):
        return [member.decode() for member in self.redis.ask("SMEMBERS", key)]


SETS = {
    "sets": (StratoHttpSet, StratoGrpcSet, NativeHttpSet, NativeGrpcSet),
    "kv": (RedisSet, NativeHttpSet, NativeGrpcSet),
}


def check_sets(table):
    for engine in ENGINES:
        with world(engine) as w:
            dialects = [dialect(w, table) for dialect in SETS[table]]
            for first in dialects:
                for second in dialects:
                    about = "%s-%s" % (type(first).__name__, type(second).__name__)
                    first.add(about, "a")
                    second.add(about, "b")
                    first.add(about, "c")
                    second.remove(about, "c")
                    expect((["a", "b"], ["a", "b"]),
                           (sorted(first.members(about)), sorted(second.members(about))), about)


def test_sets():
    check_sets("sets")


def test_sets_of_kv():
    check_sets("kv")


# ---- What is left of Strato: flags and the cache ----


def test_flags():
    """A flag is the text true or false."""
    with world("disk") as w:
        stub = w.stub("proto.Flag")
        flags = {
            "HTTP": (lambda key, on: w.http("PUT", "/flags/%s?value=%s" % (key, str(on).lower())),
                     lambda key: w.http("GET", "/flags/" + key).json()["value"]),
            "gRPC": (lambda key, on: stub.FlagSet(w.proto("proto.FlagSetRequest", key=key, value=on)),
                     lambda key: stub.FlagGet(w.proto("proto.FlagGetRequest", key=key)).value),
        }
        for dialect in (NativeHttp, NativeGrpc):
            native = dialect(w, "flags")
            flags[dialect.__name__] = (lambda key, on, n=native: n.put(key, str(on).lower().encode()),
                                       lambda key, n=native: n.get(key) == b"true")
        for writer, (put, _) in flags.items():
            for reader, (_, get) in flags.items():
                for is_on in (True, False):
                    put("flag", is_on)
                    expect(is_on, get("flag"), "%s to %s" % (writer, reader))


def test_cache():
    """With the same time to live for everybody."""
    with world("disk") as w:
        stub = w.stub("proto.Cache")
        w.http("PUT", "/cache/http?value=1&ttl=1000")
        stub.CacheSet(w.proto("proto.CacheSetRequest", key="grpc", item={"value": "2", "ttl": 1000}))
        w.native.call("KV.Put", table="cache", key=b"native", value=b"3",
                      expiry={"ttl_ms": 1000000})
        for key, value in (("http", "1"), ("grpc", "2"), ("native", "3")):
            expect(value, w.http("GET", "/cache/" + key).json()["value"], key)
            expect(value, stub.CacheGet(w.proto("proto.CacheGetRequest", key=key)).value, key)
            got = w.native.call("KV.Get", table="cache", key=key.encode())
            expect((value.encode(), True), (got.value, 900000 < got.ttl_ms <= 1000000), key)


# ---- Histories: each appends and reads the newest first ----


class Lines:
    """dstore, by its text protocol; it does not read over it."""

    def __init__(self, w):
        self.path = w.lines

    def append(self, key, value):
        pair = {"key": key, "value": value, "timestamp": "0001-01-01T00:00:00Z"}
        with socket.socket(socket.AF_UNIX) as s, s.makefile("rb") as replies:
            s.settimeout(CALL_SECONDS)
            s.connect(self.path)
            s.sendall(b"PUT " + base64.b64encode(json.dumps(pair).encode()) + b"\n")
            expect(b"ACK\n", replies.readline())


class HttpLog:
    def __init__(self, w):
        self.w, self.logs = w, "/api/v1/tables/log/logs/"

    def append(self, key, value):
        self.w.http("POST", self.logs + key, value)

    def read(self, key):
        return [v["value"] for v in self.w.http("GET", self.logs + key + "?limit=-1").json()]


class GrpcLog:
    def __init__(self, w):
        self.native = w.native

    def append(self, key, value):
        self.native.call("Log.Append", table="log", key=key.encode(), value=value.encode())

    def read(self, key):
        answer = self.native.call("Log.Read", table="log", key=key.encode(), all=True)
        return [v.value.decode() for v in answer.versions]


def test_histories():
    for engine in ENGINES:
        with world(engine) as w:
            dialects = [Lines(w), HttpLog(w), GrpcLog(w)]
            for first in dialects:
                for second in dialects:
                    key = "%s-%s" % (type(first).__name__, type(second).__name__)
                    first.append(key, "one")
                    second.append(key, "two")
                    first.append(key, "three")
                    for reader in dialects[1:]:
                        expect(["three", "two", "one"], reader.read(key), key)


# ---- All at once ----


def test_a_restart():
    """What each dialect wrote all others read after kill -9."""
    with world("disk") as w:
        writers = [dialect(w, "kv") for dialect in STRINGS["kv"]]
        for i, writer in enumerate(writers):
            writer.put("k%d" % i, TEXT)
        w.node.kill()
        w.node.start()
        with Native(w.node) as native:
            again = World(w.node, native, w.lines)
            for dialect in STRINGS["kv"]:
                reader = dialect(again, "kv")
                for i in range(len(writers)):
                    expect(TEXT, reader.get("k%d" % i), dialect.__name__)


run([test_strings_of_kv, test_strings_of_dstash, test_strings_of_an_ordered_table, test_counters,
     test_counters_of_kv, test_sets, test_sets_of_kv, test_flags, test_cache, test_histories,
     test_a_restart])
