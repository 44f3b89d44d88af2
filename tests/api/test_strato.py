#!/usr/bin/env python3
"""Strato's HTTP clients against a real node: the golden file, curl, and what only sockets show."""

import shutil
import subprocess
import sys
import time

import golden
from node import Node, exchange, expect, run


def test_golden():
    """Waits are real here, so the cache's are left to the simulated world."""
    for engine in ("disk", "memory"):
        with Node("--engine", engine, listen="127.0.0.1:0=strato") as node:
            count = golden.play(node, "strato.txt", skip=lambda request: "/cache/" in request)
            expect(True, count > 80, "requests played")


def test_cache_expires():
    with Node() as node:
        while True:  # until it is asked within its second, which a slow machine may not manage
            began = time.monotonic()
            expect(204, node.request("PUT", "/cache/a?ttl=1&value=x").status)
            answer = node.request("GET", "/cache/a")
            if answer.status == 200 or time.monotonic() - began < 1:
                break
        expect({"value": "x"}, answer.json())
        expect(204, node.request("PUT", "/cache/b?ttl=100&value=y").status)
        answer = node.request("GET", "/cache/a")
        while answer.status == 200:  # the test's own time-out ends this
            answer = node.request("GET", "/cache/a")
        expect((404, b""), (answer.status, answer.body))
        expect({"value": "y"}, node.request("GET", "/cache/b").json())


def test_client_session():
    """What the Go HTTP client does: one connection, in its order."""
    with Node() as node:
        connection = node.connect()

        def call(method, path, body=None):
            headers = {"Content-Type": "application/json"} if body else {}
            return exchange(connection, method, path, body, headers)

        expect(200, call("GET", "/ping").status)
        expect(204, call("PUT", "/kv/user", '{"content":"aGVsbG8="}').status)
        expect({"value": "aGVsbG8="}, call("GET", "/kv/user").json())
        expect(200, call("PUT", "/counters/visits?increment=3").status)
        expect({"key": "visits", "value": 3}, call("GET", "/counters/visits").json())
        expect({"items": ["a"], "set": "s"}, call("PUT", "/sets/s?item=a").json())
        expect({"items": ["a", "b"], "set": "s"}, call("PUT", "/sets/s?item=b").json())
        expect({"items": ["b"], "set": "s"}, call("DELETE", "/sets/s?item=a").json())
        expect(204, call("PUT", "/flags/f?value=true").status)
        expect({"value": True}, call("GET", "/flags/f").json())
        expect(204, call("DELETE", "/kv/user").status)
        expect(404, call("GET", "/kv/user").status)


def test_counters_are_atomic():
    with Node() as node:
        connections = [node.connect() for _ in range(16)]
        for _ in range(20):
            for connection in connections:
                connection.request("PUT", "/counters/c?increment=1")
            for connection in connections:
                connection.getresponse().read()
        expect({"key": "c", "value": 320}, node.request("GET", "/counters/c").json())


def test_restart():
    """What was acknowledged is there after kill -9; the cache is volatile by contract."""
    with Node() as node:
        for i in range(50):
            expect(204, node.request("PUT", "/kv/k%d?value=v%d" % (i, i)).status)
        expect(200, node.request("PUT", "/counters/c?increment=7").status)
        expect(200, node.request("PUT", "/sets/s?item=x").status)
        expect(204, node.request("PUT", "/cache/a?ttl=100&value=x").status)
        node.kill()
        node.start()
        for i in range(50):
            expect({"value": "v%d" % i}, node.request("GET", "/kv/k%d" % i).json())
        expect({"key": "c", "value": 7}, node.request("GET", "/counters/c").json())
        expect({"items": ["x"], "set": "s"}, node.request("GET", "/sets/s").json())
        expect(404, node.request("GET", "/cache/a").status)


def test_curl():
    if shutil.which("curl") is None:
        print("  skipped: curl is not installed")
        return
    with Node() as node:
        base = "http://127.0.0.1:%d" % node.port

        def curl(*arguments):
            return subprocess.run(["curl", "-sS", "-m", "300"] + list(arguments), check=True,
                                  capture_output=True).stdout

        curl("-X", "PUT", base + "/kv/curl", "-d", "Content=from a form")
        expect(b'{"value":"from a form"}', curl(base + "/kv/curl"))
        curl("-X", "PUT", base + "/kv/curl", "-F", "Content=in parts")
        expect(b'{"value":"in parts"}', curl(base + "/kv/curl"))
        curl("-X", "PUT", base + "/kv/curl", "-d", "Content=from a form")
        expect(b'{"value":"from a form"}', curl("-L", base + "/kv/curl/"))
        expect(b"404", curl("-o", "/dev/null", "-w", "%{http_code}", "-I", base + "/kv/curl"))


def test_only_strato_on_its_port():
    with Node(listen="127.0.0.1:0=strato") as node:
        expect(200, node.request("GET", "/ping").status)
        for path in ("/key", "/api/v1/status", "/metrics"):
            answer = node.request("GET", path)
            expect((404, b"404 page not found", "text/plain"),
                   (answer.status, answer.body, answer.headers["content-type"]), path)


if __name__ == "__main__":
    sys.exit(run([test_golden, test_cache_expires, test_client_session, test_counters_are_atomic,
                  test_restart, test_curl, test_only_strato_on_its_port]))
