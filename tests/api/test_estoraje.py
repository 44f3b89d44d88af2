#!/usr/bin/env python3
"""Estoraje's users against a real node: its acceptance script, curl, the golden file."""

import json
import os
import shutil
import subprocess
import sys

import golden
from node import Node, exchange, expect, run


def is_about_nodes(request):
    """The golden file's node is another one."""
    return any(part in request for part in ("/_nodes_discovery", "/_cluster_status", "GET /_nodes/",
                                            "/_nodes/delete/node1"))


def test_golden():
    for engine in ("disk", "memory"):
        with Node("--engine", engine, listen="127.0.0.1:0=estoraje") as node:
            count = golden.play(node, "estoraje.txt",
                                skip=lambda r: is_about_nodes(r) and not r.endswith("foo/"))
            expect(True, count > 30, "requests played")


def test_nodes():
    with Node() as node:
        nodes = node.request("GET", "/_nodes_discovery").json()
        expect(["ApiHost", "Host", "Id", "Status"], sorted(nodes[0]))
        expect(("127.0.0.1:%d" % node.port, "127.0.0.1:9000", 1),
               (nodes[0]["ApiHost"], nodes[0]["Host"], nodes[0]["Status"]))
        plain = node.request("GET", "/_nodes_discovery_plain")
        expect(b"127.0.0.1:%d\n" % node.port, plain.body)
        expect(["127.0.0.1:9000"], node.request("GET", "/_nodes/any").json())
        status = node.request("GET", "/_cluster_status").json()
        member = status["members"]["members"][0]
        expect(nodes[0]["Id"], member["ID"])
        expect(1, status["keys"]["count"])
        answer = node.request("DELETE", "/_nodes/delete/" + member["name"])
        expect(409, answer.status)
        answer = node.request("DELETE", "/_nodes/delete/nobody")
        expect((404, b"The node was not found"), (answer.status, answer.body))


def test_acceptance_script():
    """GET of a missing key, POST then GET, DELETE then GET, on one connection."""
    with Node() as node:
        connection = node.connect()
        for i in range(200):
            key = "/key-%d" % i
            value = os.urandom(i * 50)
            expect(b"", exchange(connection, "GET", key).body)
            expect(200, exchange(connection, "POST", key, value).status)
            got = exchange(connection, "GET", key)
            expect((200, value, "raw"), (got.status, got.body, got.headers["content-type"]))
            expect(200, exchange(connection, "DELETE", key).status)
            expect((404, b""), (exchange(connection, "GET", key).status, b""))


def test_large_values():
    with Node("--max-value", "8MiB") as node:
        value = os.urandom(8 << 20)
        expect(200, node.request("POST", "/big", value).status)
        expect(True, node.request("GET", "/big").body == value, "8 MiB")
        expect(413, node.request("POST", "/bigger", value + b"x").status)
        expect(404, node.request("GET", "/bigger").status)


def test_restart():
    with Node() as node:
        for i in range(100):
            expect(200, node.request("POST", "/k%d" % i, b"v%d" % i).status)
        node.kill()
        node.start()
        for i in range(100):
            expect(b"v%d" % i, node.request("GET", "/k%d" % i).body)


def test_pipeline():
    """Requests behind each other on one socket are answered in their order."""
    with Node() as node:
        connection = node.connect()
        connection.connect()
        request = b"".join(b"POST /p HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%d"
                           b"GET /p HTTP/1.1\r\nHost: localhost\r\n\r\n" % (len(str(i)), i)
                           for i in range(100))
        connection.sock.sendall(request + b"GET /end HTTP/1.1\r\nHost: localhost\r\n"
                                          b"Connection: close\r\n\r\n")
        data = b""
        while True:
            piece = connection.sock.recv(1 << 16)
            if not piece:
                break
            data += piece
        answers = data.split(b"HTTP/1.1 ")[1:]
        expect(201, len(answers), "answers")
        for i in range(100):
            expect(b"%d" % i, answers[2 * i + 1].split(b"\r\n\r\n", 1)[1])


def test_curl():
    if shutil.which("curl") is None:
        print("  skipped: curl is not installed")
        return
    with Node() as node:
        base = "http://127.0.0.1:%d" % node.port

        def curl(*arguments):
            return subprocess.run(["curl", "-sS", "-m", "300"] + list(arguments), check=True,
                                  capture_output=True).stdout

        expect(b"", curl("-X", "POST", "-d", "world", base + "/hello"))
        expect(b"world", curl(base + "/hello"))
        expect(b"", curl("-X", "DELETE", base + "/hello"))
        expect(b"", curl(base + "/hello"))
        expect(1, len(json.loads(curl(base + "/_nodes_discovery"))))


if __name__ == "__main__":
    sys.exit(run([test_golden, test_nodes, test_acceptance_script, test_large_values, test_restart,
                  test_pipeline, test_curl]))
