#!/usr/bin/env python3
"""dstore's text protocol against a real process: both generations as their pods speak them, what a
put leaves behind and how it is read, clients that do not keep to the rules, and kill -9."""

import base64
import calendar
import json
import os
import re
import socket
import ssl
import subprocess
import tempfile
import threading
import time

import node
from node import expect

WAIT_SECONDS = 120
SAMPLE = (b"eyJrZXkiOiJzYW1wbGVrZXkiLCJ2YWx1ZSI6InNhbXBsZXZhbHVlIiwidGltZXN0YW1wIjoiMDAwMS0wMS0wMVQw"
          b"MDowMDowMFoifQ==")
UUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
UNSUPPORTED = base64.b64encode(b"hedge: not supported")


class Line:
    """A connection, as a pod has one: sends a line, reads a line."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(WAIT_SECONDS)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")

    def send(self, data):
        self.socket.sendall(data)

    def ask(self, line):
        self.send(line + b"\n")
        return self.read()

    def read(self):
        """The next line without its end; None: the node has closed."""
        line = self.file.readline()
        return None if line == b"" else line[:-1]

    def expect_closed(self):
        expect(None, self.read())

    def expect_open(self):
        expect(b"ACK", self.ask(b"LDR"))

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Store:
    """A node with a listener for lines beside the one for everything else."""

    def __init__(self, *options, **more):
        self.folder = tempfile.TemporaryDirectory(prefix="holdfast-dstore-")
        self.path = os.path.join(self.folder.name, "lines")
        options += ("--listen", "unix:%s=dstore" % self.path, "--name", "pod.example:8081")
        self.node = node.Node(*options, folder=self.folder.name, **more)

    def connect(self):
        return Line(self.path)

    def get(self, key, limit=None, table="log"):
        path = "/api/v1/tables/%s/logs/%s" % (table, key)
        answer = self.node.request("GET", path + ("" if limit is None else "?limit=%d" % limit))
        expect(200, answer.status, answer)
        return answer.json()

    def values(self, key, limit=-1):
        return [version["value"] for version in self.get(key, limit)]

    def __enter__(self):
        self.node.__enter__()
        return self

    def __exit__(self, *why):
        self.node.__exit__(*why)
        self.folder.cleanup()


def pair(key, value):
    """As Go's pods encode it, the time being the zero one."""
    text = json.dumps({"key": key, "value": value, "timestamp": "0001-01-01T00:00:00Z"})
    return base64.b64encode(text.encode())


def error(text):
    return b"ACK " + base64.b64encode(text.encode())


# ---- The two generations ----

def test_dstore():
    """Confirmed and written on one connection, and as from v0.1 on two."""
    with Store() as store:
        with store.connect() as line:
            expect(b"ACK", line.ask(b"LEADER"))
            expect(b"ACK", line.ask(b"LEADER"))
            expect(b"ACK", line.ask(b"WRITE " + SAMPLE))
            line.expect_closed()
        expect(["samplevalue"], store.values("samplekey"))
        with store.connect() as line:
            expect(b"ACK", line.ask(b"LEADER"))
        with store.connect() as line:
            expect(b"ACK", line.ask(b"WRITE " + pair("samplekey", "second")))
            line.expect_closed()
        expect(["second", "samplevalue"], store.values("samplekey"))


def test_hedge():
    with Store() as store:
        with store.connect() as line:
            expect(b"ACK", line.ask(b"LDR"))
        with store.connect() as line:
            for i in range(5):
                expect(b"ACK", line.ask(b"PUT " + pair("k", "value %d" % i)))
            line.expect_open()
            expect(b"ACK", line.ask(b"PUT " + pair("k", "a") + b" noappend"))
            expect(b"ACK", line.ask(b"PUT " + pair("k", "b") + b" noappend"))
            expect(b"ACK", line.ask(b"HEY"))
            line.expect_closed()
        expect(["b"] + ["value %d" % i for i in range(4, -1, -1)], store.values("k"))


def test_what_a_put_leaves():
    with Store() as store:
        before = time.time() - 1
        with store.connect() as line:
            expect(b"ACK", line.ask(b"PUT " + pair("k", "appended")))
            expect(b"ACK", line.ask(b"PUT " + pair("k", "replaced") + b" noappend"))
        newest, oldest = store.get("k", -1)
        expect(("k", "replaced", "-", "pod.example:8081"),
               tuple(newest[name] for name in ("key", "value", "id", "author")))
        expect(("k", "appended", "pod.example:8081"),
               tuple(oldest[name] for name in ("key", "value", "author")))
        if not UUID.match(oldest["id"]):
            raise AssertionError("no random UUID: %r" % oldest["id"])
        stamp = time.strptime(oldest["timestamp"][:19], "%Y-%m-%dT%H:%M:%S")
        if not before - 2 < calendar.timegm(stamp) < time.time() + 2:
            raise AssertionError("the time is not that of the put: %r" % oldest)


# ---- Get (section 5.3) ----

def test_get():
    with Store() as store:
        expect([], store.get("missing"))
        for limit in (0, 3, -1, -2, -3):
            expect([], store.get("missing", limit))
        with store.connect() as line:
            for i in range(10):
                expect(b"ACK", line.ask(b"PUT " + pair("k", str(i))))
        expect(["9"], [version["value"] for version in store.get("k")])
        expect(["9"], store.values("k", 0))
        for n in (1, 2, 7, 10, 11, 1000):
            expect([str(9 - i) for i in range(min(n, 10))], store.values("k", n))
        expect([str(9 - i) for i in range(10)], store.values("k", -1))
        expect(["0"], store.values("k", -2))
        for other in (-3, -4, -100):
            expect(["9"], store.values("k", other))


# ---- Every other row of the tables ----

def test_refusals():
    cases = (
        # What the line is, the reply, whether the connection is closed.
        (b"LEADERSHIP\r", b"ACK", False),
        (b"LDR and more", b"ACK", False),
        (b"WRITE *", error("illegal base64 data at input byte 0"), True),
        (b"WRITE YWJjZ", error("illegal base64 data at input byte 4"), True),
        (b"WRITE ", error("unexpected end of JSON input"), True),
        (b"WRITE eyJ2YWx1ZSI6MX0=",
         error("json: cannot unmarshal number into Go struct field KeyValue.value of type string"),
         True),
        (b"WRITE WzFd",
         error("json: cannot unmarshal array into Go value of type dstore.KeyValue"), True),
        (b"WRITE " + pair("a", "b") + b" other words", b"ACK", True),
        (b"WRITE e30=", b"ACK", True),
        (b"WRITE", None, True),
        (b"PUT *", error("unexpected end of JSON input"), False),
        (b"PUT ", error("unexpected end of JSON input"), False),
        (b"PUT e30=\r", b"ACK", False),
        (b"PUT bnVsbA==", b"ACK", False),
        (b"PUT WzFd", error("json: cannot unmarshal array into Go value of type hedge.KeyValue"),
         False),
        (b"PUT", None, True),
        (b"SND " + base64.b64encode(b"hello"), UNSUPPORTED, False),
        (b"SND ", UNSUPPORTED, False),
        (b"SND", None, True),
        (b"ALL " + base64.b64encode(b"hello"), UNSUPPORTED, False),
        (b"MEM e30=", b"ACK " + UNSUPPORTED, False),
        (b"MEM ", b"ACK " + UNSUPPORTED, False),
        (b"SEM name 2 10.0.0.1:8080", b"ACK " + UNSUPPORTED, False),
        (b"SEM ", b"ACK " + UNSUPPORTED, False),
        (b"SEA name 10.0.0.1:8080", error("0:hedge: not supported"), False),
        (b"SER name 10.0.0.1:8080", b"ACK " + UNSUPPORTED, False),
        (b"HEY", b"ACK", True),
        (b"", None, True),
        (b" ", None, True),
        (b"leader", None, True),
        (b"DIR", None, True),
    )
    with Store("--engine", "memory", data=False) as store:
        for text, reply, closes in cases:
            with store.connect() as line:
                expect(reply, line.ask(text), text)
                if not closes:
                    line.expect_open()
                elif reply is not None:
                    line.expect_closed()


def test_members():
    """Pods take the answer to HEY <id> for their members, and break on anything but an object."""
    with Store("--engine", "memory", data=False) as store:
        with store.connect() as line:
            for name in ("10.0.0.1:8080", "a\"\\\u20ac"):
                reply = line.ask(b"HEY " + name.encode())
                expect({name: {}}, json.loads(base64.b64decode(reply, validate=True)))
            line.expect_open()


def test_bytes_and_keys():
    """What is no UTF-8 becomes U+FFFD; keys may be empty; other tables are not touched."""
    with Store("--engine", "memory", data=False) as store:
        with store.connect() as line:
            raw = base64.b64encode(b'{"KEY":"k","value":"a\xff\xc3z\\u00e9"}')
            expect(b"ACK", line.ask(b"PUT " + raw))
            expect(["a\ufffd\ufffdz\u00e9"], store.values("k"))
            expect(b"ACK", line.ask(b"PUT " + pair("", "of no name")))
            expect(b"ACK", line.ask(b"PUT " + pair("wide/key \u20ac", "x" * 100000)))
        expect(["x" * 100000], store.values("wide%2Fkey%20%E2%82%AC"))
        put = store.node.request("PUT", "/api/v1/tables/log/keys/plain", b"text")
        expect(True, put.status in (200, 201), put)
        with store.connect() as line:
            expect(error("the key holds a value of another type"),
                   line.ask(b"PUT " + pair("plain", "x")))
            line.expect_open()


# ---- Clients that do not keep to the rules ----

def test_pipelined():
    """Better than the original: nothing that comes in one packet is lost."""
    with Store() as store:
        with store.connect() as line:
            line.send(b"".join(b"PUT " + pair("k", str(i)) + b"\nLDR\n" for i in range(2000)))
            for _ in range(4000):
                expect(b"ACK", line.read())
            line.send(b"LEADER\nLEADER\nWRITE " + pair("k", "last") + b"\nPUT " +
                      pair("k", "never") + b"\n")
            for _ in range(3):
                expect(b"ACK", line.read())
            line.expect_closed()
        expect(["last"] + [str(i) for i in range(1999, -1, -1)], store.values("k"))


def test_pieces():
    with Store("--engine", "memory", data=False) as store:
        with store.connect() as line:
            line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
            for byte in b"LDR\r\nPUT " + pair("k", "v") + b"\r\nLDR\n":
                line.send(bytes([byte]))
            for _ in range(3):
                expect(b"ACK", line.read())
        expect(["v"], store.values("k"))


def test_half_closed():
    with Store() as store:
        with store.connect() as line:
            line.send(b"".join(b"PUT " + pair("k", str(i)) + b"\n" for i in range(500)))
            line.send(b"PUT " + pair("k", "no end"))
            line.socket.shutdown(socket.SHUT_WR)
            for _ in range(500):
                expect(b"ACK", line.read())
            line.expect_closed()
        expect(500, len(store.values("k")))


def test_long_lines():
    with Store("--engine", "memory", "--max-value", "64KiB", data=False) as store:
        with store.connect() as line:
            expect(b"ACK", line.ask(b"PUT " + pair("k", "x" * 65536)))
            expect(error("over a limit of this server"), line.ask(b"PUT " + pair("k", "x" * 65537)))
            line.expect_open()
        for begin in (b"PUT ", b"WRITE "):
            with store.connect() as line:
                try:
                    line.send(begin + b"A" * (4 << 20))
                except (BrokenPipeError, ConnectionResetError):
                    pass # it does not wait for all of it
                expect(error("the line is too long"), line.read())
        with store.connect() as line:
            try:
                line.send(b"LDR" * (2 << 20))
                line.expect_closed()
            except (BrokenPipeError, ConnectionResetError):
                pass
        expect(["x" * 65536], store.values("k"))


def test_largest_value():
    with Store() as store:
        value = "x" * (16 << 20)
        with store.connect() as line:
            expect(b"ACK", line.ask(b"PUT " + pair("k", value)))
            line.expect_open()
        expect([value], store.values("k"))


def test_garbage():
    with Store("--engine", "memory", data=False) as store:
        smuggled = b"PUT " + pair("smuggled", "x") + b"\n"
        for first in (b"GET / HTTP/1.1\r\n", b"POST /x HTTP/1.1\r\n", b"PUT / HTTP/1.1\r\n",
                      b"*1\r\n$4\r\nPING\r\n", b"PRI * HTTP/2.0\r\n", b"\0\n", b"\xff" * 100 + b"\n",
                      os.urandom(1000) + b"\n", b"\r\n"):
            with store.connect() as line:
                line.send(first + b"Host: localhost\r\nContent-Type: text/plain\r\n\r\n" + smuggled)
                while line.read() is not None:
                    pass
        expect([], store.values("smuggled"))
        with store.connect() as line:
            line.expect_open()


def test_shared_port():
    """Lines are spoken where the listener says so, and nothing else is spoken there."""
    with Store("--engine", "memory", data=False) as store:
        with socket.create_connection(("127.0.0.1", store.node.port), WAIT_SECONDS) as shared:
            shared.sendall(b"LEADER\n")
            expect(b"-ERR", shared.recv(4))
    with node.Node("--engine", "memory", data=False, listen="127.0.0.1:0=dstore") as only:
        with socket.create_connection(("127.0.0.1", only.port), WAIT_SECONDS) as tcp:
            tcp.sendall(b"LEADER\n")
            expect(b"ACK\n", tcp.recv(100))
    with node.Node("--engine", "memory", "--listen", "127.0.0.1:0", data=False,
                   listen="127.0.0.1:0=dstore") as second: # the log tells of the other one
        expect(200, second.request("GET", "/healthz").status)
    command = [node.program(), "serve", "--engine", "memory", "--listen",
               "127.0.0.1:0=dstore,redis"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=120,
                             env=node.environment(), check=False)
    expect(1, refused.returncode)
    expect(True, "a listener of its own" in refused.stderr, refused.stderr)


def test_tls():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([node.program(), "cert", "--self-signed", folder], check=True, timeout=120,
                       capture_output=True)
        files = {name: os.path.join(folder, name) for name in os.listdir(folder)}
        cert = next(path for name, path in files.items() if "key" not in name)
        key = next(path for name, path in files.items() if "key" in name)
        options = ("--engine", "memory", "--tls-cert", cert, "--tls-key", key)
        for only in ((), ("--tls-only",)):
            with node.Node(*options, *only, data=False, listen="127.0.0.1:0=dstore") as store:
                context = ssl.create_default_context(cafile=cert)
                context.check_hostname = False
                tcp = socket.create_connection(("127.0.0.1", store.port), WAIT_SECONDS)
                with context.wrap_socket(tcp) as tls:
                    tls.sendall(b"LDR\nPUT " + SAMPLE + b"\n")
                    got = b""
                    while len(got) < 8:
                        got += tls.recv(100)
                    expect(b"ACK\nACK\n", got)
                with socket.create_connection(("127.0.0.1", store.port), WAIT_SECONDS) as plain:
                    plain.sendall(b"LDR\n")
                    expect(b"" if only else b"ACK\n", plain.recv(100))


# ---- What is left afterwards ----

def test_drain():
    """An orderly stop answers what was sent."""
    with Store() as store:
        with store.connect() as line:
            line.send(b"".join(b"PUT " + pair("k", str(i)) + b"\n" for i in range(200)))
            expect(b"ACK", line.read())
            store.node.stop()
            acknowledged = 1
            while line.read() == b"ACK":
                acknowledged += 1
        store.node.start()
        expect(True, len(store.values("k")) >= acknowledged)


class Writer(threading.Thread):
    """Puts one number after the other and remembers what was acknowledged."""

    def __init__(self, path, key):
        super().__init__()
        self.path = path
        self.key = key
        self.acknowledged = []
        self.is_busy = threading.Event()

    def run(self):
        try:
            with Line(self.path) as line:
                for i in range(1000000):
                    if line.ask(b"PUT " + pair(self.key, str(i))) != b"ACK":
                        return
                    self.acknowledged.append(str(i))
                    if i == 50:
                        self.is_busy.set()
        except OSError:
            pass


def test_kill():
    """kill -9: every acknowledged put is there, in its order, once."""
    with Store() as store:
        for round_ in range(3):
            writers = [Writer(store.path, "%d-%d" % (round_, i)) for i in range(4)]
            for writer in writers:
                writer.start()
            for writer in writers:
                expect(True, writer.is_busy.wait(WAIT_SECONDS), writer.key)
            store.node.kill()
            for writer in writers:
                writer.join()
            store.node.start()
            for writer in writers:
                there = store.values(writer.key)[::-1]
                sent = len(writer.acknowledged)
                expect(writer.acknowledged, there[:sent], writer.key)
                expect(True, len(there) <= sent + 1, "one may have been under way")


def test_metrics():
    with Store("--engine", "memory", data=False) as store:
        with store.connect() as line:
            line.ask(b"LEADER")
            line.ask(b"PUT " + SAMPLE)
            line.ask(b"PUT *")
            line.ask(b"SND YQ==")
        text = store.node.request("GET", "/metrics").body.decode()
        for want in ('holdfast_request_seconds_count{dialect="dstore",operation="leader"} 1',
                     'holdfast_request_seconds_count{dialect="dstore",operation="put"} 2',
                     'holdfast_errors_total{dialect="dstore",operation="put",error="invalid"} 1',
                     'holdfast_errors_total{dialect="dstore",operation="snd",'
                     'error="unimplemented"} 1'):
            expect(True, want in text, want)


def test_slow_log():
    with Store("--slow", "0", data=True) as store:
        with store.connect() as line:
            expect(b"ACK", line.ask(b"PUT " + SAMPLE))
        store.node.stop()
        store.node.reader.join(WAIT_SECONDS)
        slow = [one for one in store.node.log if "slow request" in one and "module=dstore" in one]
        expect(1, len(slow), store.node.log)
        expect(True, "operation=put" in slow[0] and "samplekey" not in slow[0], slow)


if __name__ == "__main__":
    node.run([test_dstore, test_hedge, test_what_a_put_leaves, test_get, test_refusals,
              test_members, test_bytes_and_keys, test_pipelined, test_pieces, test_half_closed,
              test_long_lines, test_largest_value, test_garbage, test_shared_port, test_tls, test_drain, test_kill,
              test_metrics, test_slow_log])
