#!/usr/bin/env python3
"""/api/v1 against a real node: the golden file's ways, streams, and its own description."""

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.parse

from node import Node, exchange, expect, for_a_while, run

KEYS = "/api/v1/tables/kv/keys"


def quote(key):
    return urllib.parse.quote_from_bytes(key, safe="")


def of_json(value):
    """Bytes as the interface writes them."""
    return value.encode() if isinstance(value, str) else base64.b64decode(value["base64"])


def test_key():
    with Node() as node:
        key = KEYS + "/" + quote(b"any/\x00\xff?")
        put = node.request("PUT", key, b"\x00value")
        expect((201, True), (put.status, put.json()["created"]))
        expect('"%s"' % put.json()["revision"], put.headers["etag"])
        got = node.request("GET", key)
        expect((200, b"\x00value", put.headers["etag"]),
               (got.status, got.body, got.headers["etag"]))
        tag = {"If-Match": got.headers["etag"]}
        expect(200, node.request("PUT", key, b"two", tag).status)
        lost = node.request("PUT", key, b"three", tag)
        expect((412, "CONFLICT"), (lost.status, lost.json()["code"]))
        expect("application/problem+json", lost.headers["content-type"])
        expect(304, node.request("GET", key, None,
                                 {"If-None-Match": node.request("GET", key).headers["etag"]}).status)
        head = node.request("HEAD", key)
        expect((200, b"", "3"), (head.status, head.body, head.headers["content-length"]))
        part = node.request("GET", key, None, {"Range": "bytes=1-1"})
        expect((206, b"w", "bytes 1-1/3"),
               (part.status, part.body, part.headers["content-range"]))
        expect(204, node.request("DELETE", key).status)
        expect(404, node.request("GET", key).status)


def test_idempotency_over_a_restart():
    with Node() as node:
        path = KEYS + "/n/increment?amount=5"
        headers = {"Idempotency-Key": "retry-1"}
        first = node.request("POST", path, None, headers)
        expect(5, first.json()["value"])
        node.kill()
        node.start()
        again = node.request("POST", path, None, headers)
        expect(first.json(), again.json())
        expect(b"5", node.request("GET", KEYS + "/n").body)
        log = "/api/v1/tables/log/logs/l"
        first = node.request("POST", log, b"once", headers)
        node.kill()
        node.start()
        expect(first.json(), node.request("POST", log, b"once", headers).json())
        expect(1, len(node.request("GET", log + "?limit=-1").json()))


def fill(node, count, size):
    """In parts: this client sends all of a body before it reads, and would be stopped otherwise."""
    connection = node.connect()
    for first in range(0, count, 1000):
        numbers = range(first, min(first + 1000, count))
        lines = b"".join(b'{"op":"put","key":"k%07d","value":"%s"}\n' % (i, b"v" * size)
                         for i in numbers)
        answer = exchange(connection, "POST", "/api/v1/tables/kv/batch", lines)
        expect(len(numbers), answer.body.count(b'"created":true'))
    connection.close()


def test_list():
    with Node() as node:
        fill(node, 5000, 100)
        keys = ["k%07d" % i for i in range(5000)]
        whole = node.request("GET", KEYS).json()
        expect((keys, None), ([row["key"] for row in whole["rows"]], whole["next"]))
        back = node.request("GET", KEYS + "?reverse=true&keys_only=true").json()
        expect(keys[::-1], [row["key"] for row in back["rows"]])
        expect({"count": 5000}, node.request("GET", KEYS + "?count_only=true").json())
        for extra in ("", "&reverse=true"):
            got = []
            cursor = ""
            while cursor is not None:
                page = node.request("GET", KEYS + "?keys_only=true&limit=700" + extra + cursor).json()
                got += [row["key"] for row in page["rows"]]
                cursor = page["next"] and "&cursor=" + page["next"]
            expect(keys if extra == "" else keys[::-1], got)
        expect(10, len(node.request("GET", KEYS + "?prefix=k000123").json()["rows"]))
        expect({"deleted": 100}, node.request("DELETE", KEYS + "?from=k0000100&to=k0000200").json())
        expect({"deleted": 4900}, node.request("DELETE", KEYS + "?prefix=k").json())
        expect({"count": 0}, node.request("GET", KEYS + "?count_only=true").json())


def resident_kb(node):
    """0 under a sanitizer, which keeps memory of its own."""
    with open(sys.argv[1], "rb") as file:
        program = file.read()
    if b"__asan_init" in program or b"__tsan_init" in program:
        return 0
    with open("/proc/%d/status" % node.process.pid, encoding="ascii") as file:
        return int([line for line in file if line.startswith("VmRSS")][0].split()[1])


def test_slow_reader():
    """A list larger than any buffer, to a client that does not read: others are served, memory
    does not grow, and the list is whole in the end."""
    with Node("--engine", "memory") as node:
        count = 100000
        fill(node, count, 200)
        before = resident_kb(node)
        slow = socket.create_connection(("127.0.0.1", node.port))
        slow.sendall(b"GET " + KEYS.encode() + b" HTTP/1.1\r\nHost: localhost\r\n"
                     b"Connection: close\r\n\r\n")
        for i in for_a_while(200):
            expect(200, node.request("GET", KEYS + "/k%07d" % i).status)
        expect(True, resident_kb(node) - before < 32 << 10, "memory while the client sleeps")
        slow.settimeout(120)
        data = bytearray()
        while True:
            piece = slow.recv(1 << 20)
            if not piece:
                break
            data += piece
        expect(True, resident_kb(node) - before < 32 << 10, "memory afterwards")
        expect(count, data.count(b'"version":"1"'))
        expect(b"0\r\n\r\n", bytes(data[-5:]))


def test_reader_who_leaves():
    with Node("--engine", "memory") as node:
        fill(node, 50000, 200)
        for _ in range(20):
            leaver = socket.create_connection(("127.0.0.1", node.port))
            leaver.sendall(b"GET " + KEYS.encode() + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
            leaver.recv(100)
            leaver.close()
        expect({"count": 50000}, node.request("GET", KEYS + "?count_only=true").json())


def test_batch_stream():
    """Answers come while the request is still being sent."""
    with Node() as node:
        connection = socket.create_connection(("127.0.0.1", node.port))
        connection.settimeout(120)
        connection.sendall(b"POST /api/v1/tables/kv/batch HTTP/1.1\r\nHost: localhost\r\n"
                           b"Transfer-Encoding: chunked\r\n\r\n")
        received = b""
        for i in range(100):
            line = b'{"op":"increment","key":"n"}\n'
            connection.sendall(b"%x\r\n%s\r\n" % (len(line), line))
            while b'"value":%d,' % (i + 1) not in received:
                received += connection.recv(4096)
        connection.sendall(b"0\r\n\r\n")
        while not received.endswith(b"0\r\n\r\n"):
            received += connection.recv(4096)


def test_batch_that_nobody_reads():
    """A client that sends without reading is stopped, not buffered without end."""
    with Node("--engine", "memory") as node:
        fill(node, 1, 1000)
        before = resident_kb(node)
        connection = socket.create_connection(("127.0.0.1", node.port))
        connection.sendall(b"POST /api/v1/tables/kv/batch HTTP/1.1\r\nHost: localhost\r\n"
                           b"Transfer-Encoding: chunked\r\n\r\n")
        connection.setblocking(False)
        line = b'{"op":"get","key":"k0000000"}\n' * 1000
        chunk = b"%x\r\n%s\r\n" % (len(line), line)
        pending = b""
        sent = 0
        while sent < 200 << 20:
            pending = pending or chunk
            try:
                done = connection.send(pending)
            except BlockingIOError:
                if sent > 0 and node.request("GET", "/healthz").status == 200:
                    break
            else:
                sent += done
                pending = pending[done:]
        expect(True, sent < 200 << 20, "the client was stopped")
        expect(True, resident_kb(node) - before < 64 << 10, "memory")
        connection.close()


def test_txn():
    with Node() as node:
        txn = {"compare": [{"key": "{a}x", "target": "exists", "value": False}],
               "then": [{"op": "put", "key": "{a}x", "value": {"base64": "/w=="}},
                        {"op": "increment", "key": "{a}n"}],
               "else": [{"op": "get", "key": "{a}x"}]}
        path = "/api/v1/tables/kv/txn"
        first = node.request("POST", path, json.dumps(txn)).json()
        expect((True, 1), (first["succeeded"], first["results"][1]["value"]))
        second = node.request("POST", path, json.dumps(txn)).json()
        expect((False, {"base64": "/w=="}), (second["succeeded"], second["results"][0]["value"]))


def test_tables():
    with Node() as node:
        names = [t["name"] for t in node.request("GET", "/api/v1/tables").json()["tables"]]
        for name in ("kv", "cache", "counters", "sets", "flags", "log"):
            expect(True, name in names, name)
        for i in range(20):
            name = "/api/v1/tables/t%d" % i
            options = {"engine": "memory" if i % 2 else "disk", "partition": "table"}
            expect(201, node.request("PUT", name, json.dumps(options)).status)
            expect(201, node.request("PUT", name + "/keys/a", b"x").status)
            expect(409, node.request("PUT", name, json.dumps(options)).status)
        node.stop()
        node.start()
        for i in range(20):
            name = "/api/v1/tables/t%d" % i
            expect(404 if i % 2 else 200, node.request("GET", name + "/keys/a").status)
            expect(204, node.request("DELETE", name).status)
            expect(404, node.request("GET", name + "/keys/a").status)


def test_logs():
    with Node() as node:
        path = "/api/v1/tables/log/logs/l"
        for i in range(300):
            expect(201, node.request("POST", path, b"v%d" % i).status)
        versions = node.request("GET", path + "?limit=-1").json()
        expect(["v%d" % i for i in reversed(range(300))], [v["value"] for v in versions])
        expect(300, len({v["id"] for v in versions}))
        expect("v0", node.request("GET", path + "?limit=-2").json()[0]["value"])
        expect(["v299", "v298"], [v["value"] for v in node.request("GET", path + "?limit=2").json()])


def test_sets():
    with Node() as node:
        path = "/api/v1/tables/sets/sets/s"
        members = sorted(os.urandom(3) for _ in range(500))
        for member in members:
            node.request("PUT", path + "/members/" + quote(member))
        got = []
        cursor = ""
        while cursor is not None:
            page = node.request("GET", path + "?limit=90" + cursor).json()
            got += [of_json(member) for member in page["members"]]
            cursor = page["next"] and "&cursor=" + page["next"]
        expect(sorted(set(members)), got)


def test_methods_and_bad_requests():
    with Node() as node:
        for method, path, status in (("POST", KEYS + "/a", 405), ("PATCH", KEYS, 405),
                                     ("GET", "/api/v1/nothing", 404), ("GET", KEYS + "/", 400),
                                     ("GET", KEYS + "?limit=x", 400), ("GET", KEYS + "?x=1", 400)):
            answer = node.request(method, path)
            expect((status, "application/problem+json"),
                   (answer.status, answer.headers["content-type"]), path)
            expect(status, answer.json()["status"])
        expect("GET, HEAD, PUT, DELETE", node.request("POST", KEYS + "/a").headers["allow"])


def test_description():
    """Every path and method of the description exists, and it is a description."""
    with Node() as node:
        document = node.request("GET", "/api/v1/openapi.json").json()
        expect("3.1.0", document["openapi"])
        for path, item in document["paths"].items():
            path = path.replace("{table}", "kv").replace("{key}", "k").replace("{member}", "m")
            allowed = node.request("OPTIONS", path).headers["allow"].split(", ")
            described = [m.upper() for m in item if m != "parameters"]
            expect(sorted(described), sorted(allowed), path)


def test_schemathesis():
    """Nothing undocumented, no 5xx, no bad input accepted. Not asked: that every request of the
    right form succeeds, since many depend on the state (If-Match, one shard for a transaction)."""
    tool = shutil.which("schemathesis") or shutil.which("st")
    if tool is None:
        print("  skipped: schemathesis is not installed (pip install schemathesis)")
        return
    with Node("--engine", "memory") as node:
        base = "http://127.0.0.1:%d" % node.port
        config = os.path.join(node.folder, "schemathesis.toml")
        with open(config, "w", encoding="ascii") as file:
            file.write('[parameters]\n"path.table" = "kv"\n')
        done = subprocess.run([tool, "--config-file", config, "run",
                               base + "/api/v1/openapi.json", "--url", base, "--max-examples", "50",
                               "--seed", "1", "--exclude-checks", "positive_data_acceptance"],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            print(done.stdout[-20000:])
            raise AssertionError("schemathesis has found something")


if __name__ == "__main__":
    sys.exit(run([test_key, test_idempotency_over_a_restart, test_list, test_slow_reader,
                  test_reader_who_leaves, test_batch_stream, test_batch_that_nobody_reads, test_txn,
                  test_tables, test_logs, test_sets, test_methods_and_bad_requests,
                  test_description, test_schemathesis]))
