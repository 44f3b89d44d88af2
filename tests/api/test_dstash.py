#!/usr/bin/env python3
"""D-Stash's users against a real node: every method of its three generations with grpcio, streams of
any length, the string search, and discovery by way of Consul's interface."""

import grpc_client
from grpc_client import failure

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time

import grpc

from node import Node, exchange, expect, for_a_while, run

FIRST = ("keymaster", "dstash")
MANY = 30000  # the client in Python is slow; bench/stream_load.c sends a million
CALL_SECONDS = 300


class Client(grpc_client.Client):
    """What the tests call; a service's messages are found by its package."""

    def pair(self, key=b"", value=b"", package="dstash"):
        return self.message(package + ".KVPair", key=key, value=value)

    def named(self, index="", key=b"", value=b""):
        return self.message("dstash.IndexKVPair", indexPath=index, key=key, value=value)

    def empty(self):
        return self.message("google.protobuf.Empty")

    def text(self, text):
        return self.message("google.protobuf.StringValue", value=text)


def lookup_all(stub, requests):
    return [(p.key, p.value) for p in stub.BatchLookup(iter(requests), timeout=CALL_SECONDS)]


def search(stub, client, text):
    found = [v.value for v in stub.Search(client.text(text), timeout=CALL_SECONDS)]
    expect(len(set(found)), len(found), "ids once each")
    return set(found)


# ---- The first two generations ----


def check_first(node, package):
    with Client(node) as c:
        s = c.stub(package + ".DStash")
        expect("OK", s.Status(c.empty()).status)
        s.Put(c.pair(b"a", b"1", package))
        expect((b"a", b"1"), as_pair(s.Lookup(c.pair(b"a", b"ignored", package))))
        expect((b"nosuch", b""), as_pair(s.Lookup(c.pair(b"nosuch", b"", package))))
        s.Put(c.pair(b"a", b"2", package))
        s.Put(c.pair(b"empty", b"", package))
        expect((b"a", b"2"), as_pair(s.Lookup(c.pair(b"a", b"", package))))
        expect((b"empty", b""), as_pair(s.Lookup(c.pair(b"empty", b"", package))))
        for call in (s.Put, s.Lookup):
            expect(("UNKNOWN", "Key must be specified."), failure(call, c.pair(b"", b"v", package)))
        s.BatchPut(iter([c.pair(b"k%d" % i, b"v%d" % i, package) for i in range(100)]))
        wanted = [(b"k%d" % i, b"v%d" % i if i < 100 else b"") for i in range(120)]
        expect(wanted, lookup_all(s, [c.pair(k, b"default!", package) for k, _ in wanted]))
        items = {p.key: p.value for p in s.Items(c.empty())}
        expect({b"a": b"2", b"empty": b"", **dict(wanted[:100])}, items)


def as_pair(message):
    return message.key, message.value


def test_first_generations():
    for engine in ("memory", "disk"):
        for package in FIRST:
            with Node("--engine", engine) as node:
                check_first(node, package)


def test_a_bad_pair_in_a_batch():
    """Pairs before it remain, and the stream ends with the error."""
    with Node() as node, Client(node) as c:
        s = c.stub("keymaster.DStash")
        pairs = [c.pair(b"before", b"1"), c.pair(b"", b"2"), c.pair(b"behind", b"3")]
        expect(("UNKNOWN", "Key must be specified."), failure(s.BatchPut, iter(pairs)))
        expect(b"1", s.Lookup(c.pair(b"before")).value)
        expect(b"", s.Lookup(c.pair(b"behind")).value)
        # Nobody is told of errors by BatchLookup.
        got = lookup_all(s, [c.pair(b""), c.pair(b"x" * 70000), c.pair(b"before")])
        expect([b"", b"", b"1"], [value for _, value in got])


def test_not_served():
    with Node() as node, Client(node) as c:
        query = c.message("dstash.BitmapQuery", query=[{"index": "i", "field": "f"}])
        for service in ("DStash", "BitmapIndex"):
            s = c.stub("dstash." + service)
            expect("UNIMPLEMENTED", failure(s.BatchSetBit, iter([c.named("i", b"k", b"v")]))[0])
            expect("UNIMPLEMENTED", failure(s.Query, query)[0])
        expect("UNIMPLEMENTED", failure(c.raw("/keymaster.DStash/Query"), b"")[0])


# ---- Named indexes ----


def test_named_indexes():
    for engine in ("memory", "disk"):
        with Node("--engine", engine) as node, Client(node) as c:
            s = c.stub("dstash.KVStore")
            expect("OK", c.stub("dstash.ClusterAdmin").Status(c.empty()).status)
            got = s.Lookup(c.named("one", b"k", b"x"))
            expect(("one", b"k", b""), (got.indexPath, got.key, got.value))
            expect([], list(s.Items(c.text("one"))))
            s.Put(c.named("one", b"k", b"1"))
            s.BatchPut(iter([c.named("two", b"k", b"2"), c.named("one", b"l", b"3"),
                             c.named("three.x-y_z", b"k", b"4")]))
            got = s.Lookup(c.named("two", b"k"))
            expect(("two", b"k", b"2"), (got.indexPath, got.key, got.value))
            asked = [("one", b"k"), ("nosuch", b"k"), ("three.x-y_z", b"k"), ("", b"k"),
                     ("a/b", b"k"), ("one", b"l")]
            got = [(p.indexPath, p.key, p.value)
                   for p in s.BatchLookup(iter([c.named(*a) for a in asked]))]
            values = [b"1", b"", b"4", b"", b"", b"3"]
            expect([a + (v,) for a, v in zip(asked, values)], got)
            got = sorted((p.indexPath, p.key, p.value) for p in s.Items(c.text("one")))
            expect([("one", b"k", b"1"), ("one", b"l", b"3")], got)
            missing = ("UNKNOWN", "Index must be specified.")
            for call in (s.Put, s.Lookup):
                expect(missing, failure(call, c.named("", b"k", b"v")))
                expect(("UNKNOWN", "Key must be specified."),
                       failure(call, c.named("one", b"", b"v")))
            expect(missing, failure(s.BatchPut, iter([c.named("", b"k", b"v")])))
            expect(missing, failure(s.Items, c.text("")))
            code, text = failure(s.Put, c.named("a/b", b"k", b"v"))
            expect(("UNKNOWN", True), (code, "name of an index" in text), text)


def test_many_make_one_index():
    """Writers that find no index at the same time all get it."""
    with Node("--threads", "2") as node, Client(node) as c:
        s = c.stub("dstash.KVStore")
        for name in ("fresh-1", "fresh-2", "fresh-3"):
            futures = [s.Put.future(c.named(name, b"%d" % i, b"v")) for i in range(50)]
            for future in futures:
                future.result(timeout=CALL_SECONDS)
            expect(50, len(list(s.Items(c.text(name)))))


# ---- Streams ----


def test_long_streams():
    """A hundred thousand puts, then lookups, on one stream each; all are answered, in order."""
    for engine in ("memory", "disk"):
        with Node("--engine", engine) as node, Client(node) as c:
            s = c.stub("dstash.DStash")
            s.BatchPut((c.pair(b"key-%d" % i, b"value-%d" % i) for i in range(MANY)),
                       timeout=CALL_SECONDS)
            wanted = 0
            asked = (c.pair(b"key-%d" % (2 * i)) for i in range(MANY))
            for i, p in enumerate(s.BatchLookup(asked, timeout=CALL_SECONDS)):
                expect((b"key-%d" % (2 * i), b"value-%d" % (2 * i) if 2 * i < MANY else b""),
                       as_pair(p))
                wanted += 1
            expect(MANY, wanted)
            items = sum(1 for _ in s.Items(c.empty(), timeout=CALL_SECONDS))
            expect(MANY, items)


def stream_load(node, kind, count):
    """bench/stream_load.c compares every answer with the pair that must come."""
    path = os.path.join(os.path.dirname(os.path.abspath(grpc_client.program())), "stream_load")
    done = subprocess.run([path, str(node.port), kind, "-n", str(count)], capture_output=True,
                          text=True, timeout=1000)
    return done.stdout or done.stderr


def test_a_million_on_one_stream():
    """Puts, then lookups whose answers come while requests are still sent."""
    with Node("--engine", "memory") as node, Client(node) as c:
        for kind in ("put", "lookup"):
            line = stream_load(node, kind, 1000000)
            expect(True, line.endswith(" ops 1000000 errors 0\n"), (kind, line))
        expect("OK", c.stub("dstash.DStash").Status(c.empty()).status)


def test_answers_while_the_client_asks():
    """One request at a time on an open stream: each is answered before the next one is sent."""
    with Node() as node, Client(node) as c:
        s = c.stub("dstash.DStash")
        s.Put(c.pair(b"k", b"v"))
        requests = queue.Queue()
        answers = s.BatchLookup(iter(requests.get, None), timeout=CALL_SECONDS)
        for _ in range(100):
            requests.put(c.pair(b"k"))
            expect(b"v", next(answers).value)
        requests.put(None)
        expect([], list(answers))


def resident_bytes(node):
    with open("/proc/%d/status" % node.process.pid) as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS"))


def test_a_client_that_does_not_read():
    """Answers wait in its stream only: the node's memory does not grow with them."""
    value = os.urandom(100000)
    with Node("--engine", "memory") as node, Client(node) as slow, Client(node) as c:
        s = c.stub("dstash.DStash")
        s.Put(c.pair(b"large", value))
        before = resident_bytes(node)
        asked = (slow.pair(b"large") for _ in range(5000))  # 500 MB of answers
        answers = slow.stub("dstash.DStash").BatchLookup(asked, timeout=CALL_SECONDS)
        expect(value, next(answers).value)
        for _ in for_a_while(200):
            expect(value, s.Lookup(c.pair(b"large")).value)  # others are served meanwhile
        expect(True, resident_bytes(node) - before < 150 << 20, "memory grew")
        for i in range(300):
            expect(value, next(answers).value)
        answers.cancel()


def test_cancel_and_deadline():
    with Node() as node, Client(node) as c:
        s = c.stub("dstash.DStash")
        for _ in range(20):
            requests = queue.Queue()
            answers = s.BatchLookup(iter(requests.get, None))
            for i in range(100):
                requests.put(c.pair(b"%d" % i))
            next(answers)
            answers.cancel()
            requests.put(None)
        requests = queue.Queue()
        call = s.BatchPut.future(iter(requests.get, None), timeout=0.3)
        requests.put(c.pair(b"k", b"v"))
        expect(grpc.StatusCode.DEADLINE_EXCEEDED, call.exception(CALL_SECONDS).code())
        requests.put(None)
        expect("OK", s.Status(c.empty()).status)


def test_durable():
    """What BatchPut and BatchIndex have answered survives the end of the process."""
    with Node() as node:
        with Client(node) as c:
            s = c.stub("keymaster.DStash")
            s.BatchPut(iter([c.pair(b"k%d" % i, b"v%d" % i) for i in range(5000)]))
            s.BatchIndex(iter([c.text("word%s common" % word(i)) for i in range(500)]))
            c.stub("dstash.KVStore").BatchPut(
                iter([c.named("mine", b"k%d" % i, b"v") for i in range(500)]))
        node.kill()
        node.start()
        with Client(node) as c:
            s = c.stub("keymaster.DStash")
            got = lookup_all(s, [c.pair(b"k%d" % i) for i in range(5000)])
            expect([(b"k%d" % i, b"v%d" % i) for i in range(5000)], got)
            expect(500, len(search(s, c, "common")))
            expect(1, len(search(s, c, "common word" + word(77))))
            expect(500, len(list(c.stub("dstash.KVStore").Items(c.text("mine")))))


def word(number):
    """Digits part terms, so numbers are spelt."""
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))


# ---- Limits ----


def test_sizes():
    with Node("--max-value", "24MiB") as node, Client(node) as c:
        s = c.stub("dstash.DStash")
        s.Put(c.pair(b"k" * 65535, b"v"))
        expect(b"v", s.Lookup(c.pair(b"k" * 65535)).value)
        expect(("UNKNOWN", "key is too large"), failure(s.Put, c.pair(b"k" * 65536, b"v")))
        expect(("UNKNOWN", "key is too large"), failure(s.BatchPut,
                                                        iter([c.pair(b"k" * 65536, b"v")])))
        s.Put(c.pair(b"large", b"x" * (4 * 1000 * 1000)))
        expect("RESOURCE_EXHAUSTED", failure(s.Put, c.pair(b"large", b"x" * (5 << 20)))[0])
        named = c.stub("dstash.KVStore")
        named.Put(c.named("i", b"large", b"x" * (19 << 20)))
        expect(19 << 20, len(named.Lookup(c.named("i", b"large")).value))
        expect(1, len(list(named.Items(c.text("i")))))
        expect("RESOURCE_EXHAUSTED", failure(named.Put, c.named("i", b"l", b"x" * (21 << 20)))[0])
    with Node("--max-value", "1MiB") as node, Client(node) as c:
        s = c.stub("dstash.DStash")
        expect(("UNKNOWN", "value is too large"), failure(s.Put, c.pair(b"k", b"x" * (2 << 20))))
        s.Put(c.pair(b"k", b"x" * (1 << 20)))


def test_full():
    with Node("--engine", "memory", "--memory", "16MiB") as node, Client(node) as c:
        s = c.stub("dstash.DStash")
        pairs = (c.pair(b"%d" % i, b"x" * 100000) for i in range(1000))
        expect(("UNKNOWN", "database is full"), failure(s.BatchPut, pairs))
        expect(("UNKNOWN", "database is full"), failure(s.Put, c.pair(b"k", b"x" * 100000)))
        expect(100000, len(s.Lookup(c.pair(b"0")).value))


# ---- One dataset ----


def test_one_dataset():
    with Node() as node, Client(node) as c, node.redis() as redis:
        s = c.stub("keymaster.DStash")
        s.Put(c.pair(b"from-dstash", b"1"))
        c.stub("dstash.KVStore").Put(c.named("mine", b"k", b"2"))
        expect(b"OK", redis.ask("SELECT", "dstash"))
        expect(b"1", redis.ask("GET", "from-dstash"))
        redis.ask("SET", "from-redis", "41")
        redis.ask("INCR", "from-redis")
        redis.ask("SADD", "a-set", "m")
        expect(b"42", s.Lookup(c.pair(b"from-redis")).value)
        expect({b"from-dstash": b"1", b"from-redis": b"42"},
               {p.key: p.value for p in s.Items(c.empty())}, "sets are no items")
        expect("FAILED_PRECONDITION", failure(s.Lookup, c.pair(b"a-set"))[0])
        expect([b""], [v for _, v in lookup_all(s, [c.pair(b"a-set")])])
        expect(b"OK", redis.ask("SELECT", "mine"))
        expect(b"2", redis.ask("GET", "k"))
        answer = node.request("GET", "/api/v1/tables/dstash/keys/from-dstash")
        expect((200, b"1"), (answer.status, answer.body))
        node.request("PUT", "/api/v1/tables/dstash/keys/from-http", b"3")
        expect(b"3", s.Lookup(c.pair(b"from-http")).value)
        expect((200, b"2"), (lambda a: (a.status, a.body))(
            node.request("GET", "/api/v1/tables/mine/keys/k")))


# ---- Strings ----

FOX = 1530270488
HELLO = 1151865881
FOO = 2414502773


def test_search():
    for engine in ("memory", "disk"):
        with Node("--engine", engine) as node, Client(node) as c:
            for service in ("keymaster.DStash", "dstash.StringSearch"):
                check_search(c, c.stub(service))


def check_search(c, s):
    for _ in range(2):  # once more changes nothing
        s.BatchIndex(iter([c.text(t) for t in ("hello world", "The quick brown fox", "foo")]))
    expect({HELLO}, search(s, c, "World"))
    expect({FOX}, search(s, c, "<b>FOX</b>, the brown"))
    expect({FOO}, search(s, c, "foo"))
    expect(set(), search(s, c, "foo world"))
    expect(set(), search(s, c, "nosuch"))
    expect({HELLO, FOX, FOO}, search(s, c, "the 42"))
    expect(("UNKNOWN", "Search string must not be empty"), failure(s.Search, c.text("")))
    expect(("UNKNOWN", "String value must not be empty"),
           failure(s.BatchIndex, iter([c.text("")])))
    long = c.text("x" * (2 << 20))
    expect("UNKNOWN", failure(s.Search, long)[0])
    expect("UNKNOWN", failure(s.BatchIndex, iter([long]))[0])


def test_search_of_many():
    with Node() as node, Client(node) as c:
        s = c.stub("dstash.StringSearch")
        s.BatchIndex((c.text("every number %s %s" % (word(i), "twofold" if i % 2 else "single"))
                      for i in range(20000)), timeout=CALL_SECONDS)
        expect(10000, len(search(s, c, "twofold number")))
        expect(20000, len(search(s, c, "number")))
        expect(20000, len(search(s, c, "the")))
        expect(1, len(search(s, c, "number " + word(12345))))
        for _ in range(10):
            answers = s.Search(c.text("number"))
            next(answers)
            answers.cancel()


# ---- Consul ----


def health(node, name="dstash", query="passing=1", connection=None):
    path = "/v1/health/service/%s?%s" % (name, query)
    answer = exchange(connection, "GET", path) if connection else node.request("GET", path)
    expect(200, answer.status, answer)
    return answer.json(), int(answer.headers["x-consul-index"])


def test_discovery():
    with Node(listen="127.0.0.1:0=dstash") as node:
        for name in ("dstash", "keymaster"):
            entries, index = health(node, name)
            expect(1, len(entries))
            expect("127.0.0.1", entries[0]["Node"]["Address"])
            expect((name, node.port), (entries[0]["Service"]["Service"],
                                       entries[0]["Service"]["Port"]))
            expect(True, index > 0 and isinstance(entries[0]["Checks"], list))
            expect((entries, index), health(node, name), "stable")
        ids = health(node)[0][0]["Service"]["ID"], health(node, "keymaster")[0][0]["Service"]["ID"]
        expect(ids[0], ids[1])
        expect([], health(node, "nosuch")[0])
        registration = json.dumps({"ID": "data", "Name": "dstash", "Check": {}}).encode()
        expect(200, node.request("PUT", "/v1/agent/service/register", registration).status)
        expect(200, node.request("PUT", "/v1/agent/service/deregister/data").status)
        expect(404, node.request("GET", "/v1/agent/service/register").status)
        expect(404, node.request("GET", "/api/v1/tables").status)
        node.stop()
        node.start()
        expect(ids[0], health(node)[0][0]["Service"]["ID"], "as before")
        with Client(node) as c:
            expect("OK", c.stub("dstash.DStash").Status(c.empty()).status)


def test_two_listeners():
    """As the README says: one is dialled, the other asked for addresses."""
    with Node("--listen", "127.0.0.1:0=dstash", listen="127.0.0.1:0=dstash") as node:
        entry = health(node)[0][0]
        with Client("%s:%d" % (entry["Node"]["Address"], node.port)) as c:
            expect("OK", c.stub("keymaster.DStash").Status(c.empty()).status)


def test_blocking_queries():
    with Node() as node:
        entries, index = health(node)
        began = time.monotonic()
        expect((entries, index), health(node, query="index=%d&wait=1s&passing=1" % index))
        expect(True, 0.9 < time.monotonic() - began < 20, "waited")
        expect((entries, index), health(node, query="index=%d&wait=60s" % (index + 1)))
        for query in ("index=x", "wait=soon"):
            expect(400, node.request("GET", "/v1/health/service/dstash?" + query).status)
        # Many wait, some leave, and the node's end releases the others at once.
        connections = [node.connect() for _ in range(50)]
        for connection in connections:
            connection.request("GET", "/v1/health/service/dstash?index=%d" % index)
        for connection in connections[::2]:
            connection.close()
        answers = []
        threads = [threading.Thread(target=lambda c=c: answers.append(c.getresponse().status))
                   for c in connections[1::2]]
        for thread in threads:
            thread.start()
        began = time.monotonic()
        node.stop()
        for thread in threads:
            thread.join(CALL_SECONDS)
        expect([200] * 25, answers)
        expect(True, time.monotonic() - began < 10, "released")


def test_curl():
    if shutil.which("curl") is None:
        print("  skipped: curl is not installed")
        return
    with Node() as node:
        url = "http://127.0.0.1:%d/v1/health/service/keymaster?passing=1" % node.port
        for version in ("--http1.1", "--http2-prior-knowledge"):
            out = subprocess.run(["curl", "-sS", "-m", "300", version, url], check=True,
                                 capture_output=True).stdout
            expect("127.0.0.1", json.loads(out)[0]["Node"]["Address"])


def test_metrics():
    with Node() as node, Client(node) as c:
        s = c.stub("dstash.DStash")
        s.Put(c.pair(b"k", b"v"))
        failure(s.Put, c.pair(b"", b"v"))
        health(node)
        text = node.request("GET", "/metrics").body.decode()
        for line in ('dialect="dstash",operation="put"', 'dialect="dstash",operation="consul_health"'):
            expect(True, line in text, line)


if __name__ == "__main__":
    sys.exit(run([test_first_generations, test_a_bad_pair_in_a_batch, test_not_served,
                  test_named_indexes, test_many_make_one_index, test_long_streams,
                  test_a_million_on_one_stream, test_answers_while_the_client_asks,
                  test_a_client_that_does_not_read, test_cancel_and_deadline, test_durable,
                  test_sizes, test_full, test_one_dataset, test_search, test_search_of_many,
                  test_discovery, test_two_listeners, test_blocking_queries, test_curl,
                  test_metrics]))
