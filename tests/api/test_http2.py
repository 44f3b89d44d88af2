#!/usr/bin/env python3
"""HTTP/2 by prior knowledge against a real node: curl over the routes of all dialects, h2load,
h2spec where it is installed, and the end of a node."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading

import golden
import http2_frames as h2
from node import Node, expect, run

CURL_SECONDS = 300
LOAD_SECONDS = 600
H2SPEC_KNOWN = {
    # It finds that in nghttpd 1.52 as well.
    "Sends stream identifier that is numerically smaller than previous",
    # What does not begin as HTTP/2 is another protocol on our ports, and answered as that.
    "Sends invalid connection preface"}


class CurlResponse:
    def __init__(self, text):
        head, _, self.body = text.partition(b"\r\n\r\n")
        while head.startswith(b"HTTP/2 1"):  # an interim answer
            head, _, self.body = self.body.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        expect("HTTP/2", lines[0].split(" ")[0])
        self.status = int(lines[0].split(" ")[1])
        self.headers = [line.split(": ", 1) for line in lines[1:]]

    def getheaders(self):
        return self.headers

    def read(self):
        return self.body


class CurlConnection:
    """What golden.py and node.py do with http.client's connection, by curl's HTTP/2."""

    def __init__(self, port):
        self.port = port

    def request(self, method, path, body=None, headers=None):
        command = ["curl", "-sS", "-i", "--http2-prior-knowledge", "--path-as-is", "-m",
                   str(CURL_SECONDS), "-H", "User-Agent:", "-H", "Accept:"]
        command += ["--head"] if method == "HEAD" else ["-X", method]
        if body is not None:
            command += ["--data-binary", "@-", "-H", "Content-Type:"]
            body = body if isinstance(body, bytes) else body.encode()
        for name, value in (headers or {}).items():
            command += ["-H", "%s: %s" % (name, value)]
        command.append("http://127.0.0.1:%d%s" % (self.port, path))
        self.answer = subprocess.run(command, input=body, stdout=subprocess.PIPE, check=True).stdout

    def getresponse(self):
        return CurlResponse(self.answer)

    def close(self):
        pass


class Http2Node(Node):
    def connect(self):
        return CurlConnection(self.port)


# ---- Routes ----


def test_estoraje():
    with Http2Node(listen="127.0.0.1:0=estoraje") as node:
        others = ("/_nodes_discovery", "/_cluster_status", "GET /_nodes/", "/_nodes/delete/node1")
        count = golden.play(node, "estoraje.txt",
                            skip=lambda r: any(part in r for part in others))
        expect(True, count > 30, "requests played")


def test_strato():
    with Http2Node(listen="127.0.0.1:0=strato") as node:
        golden.play(node, "strato.txt", skip=lambda request: "/cache/" in request)
        expect(204, node.request("PUT", "/cache/b?ttl=100&value=y").status)
        answer = node.request("GET", "/cache/b")
        expect((200, {"value": "y"}), (answer.status, answer.json()))
        expect(404, node.request("GET", "/cache/none").status)
        head = node.request("HEAD", "/cache/b")
        expect(b"", head.body)


def test_native():
    with Http2Node() as node:
        keys = "/api/v1/tables/kv/keys"
        for i in range(30):
            put = node.request("PUT", "%s/k%02d" % (keys, i), b"value-%d" % i)
            expect(True, put.status in (200, 201, 204), put)
        got = node.request("GET", keys + "/k07")
        expect((200, b"value-7"), (got.status, got.body))
        etag = got.headers["etag"]
        expect(412, node.request("PUT", keys + "/k07", b"x", {"If-None-Match": "*"}).status)
        again = node.request("PUT", keys + "/k07", b"x", {"If-Match": etag})
        expect(True, again.status in (200, 204), again)
        expect(412, node.request("PUT", keys + "/k07", b"y", {"If-Match": etag}).status)
        batch = "".join('{"op":"get","table":"kv","key":"k%02d"}\n' % i for i in range(30)) * 100
        answer = node.request("POST", "/api/v1/tables/kv/batch", batch)
        expect((200, 3000), (answer.status, answer.body.count(b"\n")))
        expect(404, node.request("GET", keys + "/none").status)


def test_admin():
    with Http2Node() as node:
        expect((200, b"ok"), (node.request("GET", "/healthz").status,
                              node.request("GET", "/readyz").body[:2]))
        metrics = node.request("GET", "/metrics").body.decode()
        expect(True, re.search(r'holdfast_\w+\{[^}]*operation="healthz"', metrics) is not None,
               "requests over HTTP/2 are counted")
        expect(421, node.request("GET", "/healthz", headers={"Host": "evil.example"}).status)
        expect(403, node.request("GET", "/healthz",
                                 headers={"Origin": "http://evil.example"}).status)


def test_large():
    """Bodies and answers larger than any window."""
    with Http2Node() as node:
        value = os.urandom(12 << 20)
        expect(200, node.request("POST", "/large", value).status)
        expect(True, node.request("GET", "/large").body == value, "the value comes back")
        expect(413, node.request("POST", "/larger", os.urandom(40 << 20)).status)


def test_clients_at_once():
    """Dialects, versions and clients side by side see the same data."""
    with Node() as node:
        expect(200, node.request("POST", "/k", b"v").status)
        expect((200, b"v"), (CurlAnswer(node, "/k").status, CurlAnswer(node, "/k").body))
        with node.redis() as redis:
            expect(b"v", redis.ask("GET", "k"))


class CurlAnswer:
    def __init__(self, node, path):
        connection = CurlConnection(node.port)
        connection.request("GET", path)
        answer = connection.getresponse()
        self.status, self.body = answer.status, answer.read()


# ---- Other clients ----


def load(node, path, *options):
    if shutil.which("h2load") is None:
        print("  skipped: h2load (nghttp2-client) is not installed")
        return
    command = ["h2load", "-T", "300", *options, "http://127.0.0.1:%d%s" % (node.port, path)]
    out = subprocess.run(command, stdout=subprocess.PIPE, timeout=LOAD_SECONDS, check=True).stdout
    found = re.search(r"requests: (\d+) total, .* (\d+) succeeded, (\d+) failed, (\d+) errored",
                      out.decode())
    total, succeeded, failed, errored = map(int, found.groups())
    expect((total, 0, 0), (succeeded, failed, errored), out.decode())
    codes = re.search(r"status codes: (\d+) 2xx", out.decode())
    expect(total, int(codes.group(1)), out.decode())


def test_load():
    with Node() as node:
        expect(200, node.request("POST", "/k", b"v" * 100).status)
        load(node, "/k", "-n", "20000", "-c", "10", "-m", "10")
        load(node, "/k", "-n", "20000", "-c", "2", "-m", "256")
        load(node, "/k", "-n", "2000", "-c", "100", "-m", "1")
        load(node, "/k", "-n", "5000", "-c", "4", "-m", "32", "-w", "8", "-W", "10")
        with open(os.path.join(node.folder, "body"), "wb") as file:
            file.write(os.urandom(100000))
        load(node, "/body", "-n", "500", "-c", "5", "-m", "20", "-d", file.name)
        load(node, "/body", "-n", "500", "-c", "5", "-m", "20")


def test_h2spec():
    if shutil.which("h2spec") is None:
        print("  skipped: h2spec is not installed")
        return
    with Node("--engine", "memory", data=False) as node:
        expect(200, node.request("POST", "/k", b"a body that needs a window").status)
        out = subprocess.run(["h2spec", "-p", str(node.port), "-h", "127.0.0.1", "-P", "/k"],
                             stdout=subprocess.PIPE, timeout=LOAD_SECONDS).stdout.decode()
        failed = set(re.findall(r"\u00d7 \d+: (.*)", out))
        expect(set(), failed - H2SPEC_KNOWN, out[-5000:])
        expect(True, re.search(r"1\d\d passed", out) is not None, out[-200:])


def answered(stream):
    return lambda f: f.stream == stream and f.flags & h2.END_STREAM and f.kind <= h2.HEADERS


def test_frames():
    """What curl does not show: interim answers, GOAWAY, the codes of streams."""
    with Node() as node, h2.Connection(node.port) as c:
        c.send(h2.request(1, "/k", "POST", is_open=True, expect="100-continue"))
        first = c.frames(until=lambda f: f.kind == h2.HEADERS)[-1]
        expect(0, first.flags & h2.END_STREAM)
        c.send(h2.frame(h2.DATA, h2.END_STREAM, 1, b"hello"))
        c.frames(until=answered(1))
        c.send(h2.request(3, "/k"))
        found = c.frames(until=answered(3))
        expect(b"hello", b"".join(f.payload for f in found if f.kind == h2.DATA))
        c.send(h2.frame(h2.PING, 0, 0, b"12345678"))
        pong = c.frames(until=lambda f: f.kind == h2.PING)[-1]
        expect((h2.ACK, b"12345678"), (pong.flags, pong.payload))
        c.send(h2.request(2, "/k"))  # an even number is not a client's
        expect(h2.PROTOCOL_ERROR, c.goaway()[0])
        expect(True, c.is_closed, "closed")


# ---- The end ----


def is_refused(stream, frame):
    """It came too late, and nothing has happened: this is said as well."""
    return frame.kind == h2.GOAWAY and int.from_bytes(frame.payload[:4], "big") < stream


def test_drain():
    """SIGTERM under load: clients see GOAWAY and no request is lost."""
    with Node() as node:
        expect(200, node.request("POST", "/k", b"v").status)
        connections = [h2.Connection(node.port) for _ in range(20)]
        lost = []

        def ask(c):
            """One request after the other until it is told to stop."""
            stream = 1
            while True:
                c.send(h2.request(stream, "/k"))
                found = c.frames(until=lambda f: f.kind == h2.GOAWAY or answered(stream)(f))
                is_told = any(f.kind == h2.GOAWAY for f in found)
                if is_told and not any(answered(stream)(f) for f in found):
                    found += c.frames(until=answered(stream))
                if not any(answered(stream)(f) or is_refused(stream, f) for f in found):
                    lost.append("stream %d was not answered: %r" % (stream, found))
                if is_told or lost:
                    return
                stream += 2

        threads = [threading.Thread(target=ask, args=(c,)) for c in connections]
        for thread in threads:
            thread.start()
        idle = h2.Connection(node.port)
        idle.frames(until=lambda f: f.kind == h2.SETTINGS)
        node.process.send_signal(signal.SIGTERM)
        expect(h2.NO_ERROR, idle.goaway()[0])
        for thread in threads:
            thread.join()
        for c in connections:
            c.close()
        expect(0, node.process.wait(timeout=120))
        expect([], lost)
        idle.close()
        node.reader.join()
        expect([], [line for line in node.log if "closing connections" in line], "an end in time")


if __name__ == "__main__":
    if shutil.which("curl") is None:
        print("skipped: curl is not installed")
        sys.exit(77)
    sys.exit(run([test_estoraje, test_strato, test_native, test_admin, test_large,
                  test_clients_at_once, test_load, test_h2spec, test_frames, test_drain]))
