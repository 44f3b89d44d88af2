#!/usr/bin/env python3
"""Clients that are slow, broken or mean. Memory stays within bounds, nothing leaks (the node is
stopped in order, so a sanitizer can tell), and everybody else is answered within a second more than
by a node that is left alone."""

import os
import random
import re
import select
import socket
import struct
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "api"))

import resp
from node import Node, expect, may_open, run

MIB = 1 << 20
ANSWER_SECONDS = 1.0 # longer than a node that is left alone
SLOW_SECONDS = 10.0  # the same for a build that a sanitizer slows down
HEAD_SECONDS = 10    # HEAD_MS of front/private.h
IDLE_CONNECTIONS = 10000


def status_of(node, name):
    with open("/proc/%d/status" % node.process.pid, encoding="ascii") as file:
        for line in file:
            if line.startswith(name + ":"):
                return int(line.split()[1]) << 10
    raise AssertionError(name)


def is_sanitized(node):
    """Its shadow memory makes a process huge."""
    return status_of(node, "VmSize") > 1 << 40


class Memory:
    """Watches how much the process grows."""

    def __init__(self, node):
        self.node = node
        self.before = status_of(node, "VmRSS")
        self.is_watched = not is_sanitized(node)

    def expect_growth_below(self, limit, what):
        grown = status_of(self.node, "VmRSS") - self.before
        if self.is_watched:
            print("  %s: %d MiB more, at most %d" % (what, grown // MIB, limit // MIB))
            expect(True, grown < limit, "%s: %d MiB more" % (what, grown // MIB))


def delayed(folder):
    """Seconds for which a thread (its folder of /proc) wanted a processor and had none."""
    try:
        with open(folder + "/schedstat", encoding="ascii") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, IndexError):  # it has ended, or the kernel does not count
        return 0


def delays(node):
    """Of this thread and all of the node's."""
    folder = "/proc/%d/task/" % node.process.pid
    return delayed("/proc/thread-self") + sum(delayed(folder + name) for name in os.listdir(folder))


class Others:
    """A client beside the hostile ones: how long does it wait for the node, at worst? What both wait
    for because the machine does something else is left out, and a node that nobody attacks is asked
    the same: it waits for a slow disk as well."""

    def __init__(self, node):
        self.node = node
        self.calm = None
        self.ends = threading.Event()
        self.worst = {}
        self.failures = []
        self.threads = []

    def __enter__(self):
        options = () if self.node.data else ("--engine", "memory")
        self.calm = Node(*options, data=self.node.data)
        self.threads = [threading.Thread(target=self.run, args=(node,))
                        for node in (self.node, self.calm)]
        for thread in self.threads:
            thread.start()
        return self

    def run(self, node):
        try:
            number = 0
            with node.redis() as client:
                while number == 0 or not self.ends.wait(0.02):
                    begin, delay = time.monotonic(), delays(node)
                    self.ask(node, client, number)
                    waited = time.monotonic() - begin - (delays(node) - delay)
                    self.worst[node] = max(self.worst.get(node, 0), waited)
                    number += 1
        except Exception as failure:
            self.failures.append(failure)

    def ask(self, node, client, number):
        client.ask("SET", "others", "%d" % number)
        expect(b"%d" % number, client.ask("GET", "others"))
        expect(200, node.request("GET", "/healthz").status)

    def __exit__(self, kind, *_):
        self.ends.set()
        for thread in self.threads:
            thread.join()
        self.calm.close()
        if kind is None:
            if self.failures:
                raise self.failures[0]
            worst, calm = self.worst[self.node], self.worst[self.calm]
            limit = calm + (SLOW_SECONDS if is_sanitized(self.node) else ANSWER_SECONDS)
            print("  others waited %.3f s at most, those of a calm node %.3f s" % (worst, calm))
            expect(True, worst < limit, "%f s, at most %f s" % (worst, limit))


def open_socket(node, data=b""):
    connection = socket.create_connection(("127.0.0.1", node.port), 120)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if data:
        send_some(connection, data)
    return connection


def send_some(connection, data):
    """As much as the node wants; it may close at any time."""
    try:
        connection.sendall(data)
    except OSError:
        pass


def read_all(connection, seconds=120):
    """Until the node closes, or (with what came so far) resets."""
    connection.settimeout(seconds)
    data = b""
    try:
        while True:
            piece = connection.recv(MIB)
            if not piece:
                return data
            data += piece
    except ConnectionResetError:
        return data


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def wait_for_close(connections, seconds, most=0):
    """Returns those that are still open when so many are left, or then."""
    deadline = time.monotonic() + seconds
    poll = select.poll()
    left = {connection.fileno(): connection for connection in connections}
    for number in left:
        poll.register(number, select.POLLIN)
    while len(left) > most and time.monotonic() < deadline:
        for number, _ in poll.poll(1000 * max(0, deadline - time.monotonic())):
            try:
                is_closed = left[number].recv(MIB) == b""
            except OSError:
                is_closed = True
            if is_closed:
                poll.unregister(number)
                del left[number]
    return list(left.values())


# ---- Slow ones ----


def test_slow_heads():
    """A byte now and then does not keep a connection open for ever."""
    with Node() as node, Others(node):
        begin = time.monotonic()
        starts = (b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ", b"G", b"POST /k HTTP/1.1\r\nContent-Le")
        connections = [open_socket(node, starts[i % 3]) for i in range(300)]
        done = threading.Event()

        def trickle():
            while not done.wait(0.5):
                for connection in connections:
                    send_some(connection, b"a")
        thread = threading.Thread(target=trickle)
        thread.start()
        left = wait_for_close(connections, 12 * HEAD_SECONDS)
        done.set()
        thread.join()
        expect(0, len(left), "connections are still open")
        took = time.monotonic() - begin
        expect(True, took > HEAD_SECONDS / 2, "not too soon: %f" % took)
        for connection in connections:
            connection.close()


def store_values(node, count, size):
    with node.redis() as client:
        for i in range(count):
            client.ask("SET", "big%d" % i, random.Random(i).randbytes(size))


def test_slow_readers():
    """They ask for gigabytes and read nothing."""
    with Node("--memory", "64MiB") as node:
        store_values(node, 32, MIB)
        with Others(node):
            memory = Memory(node)
            one = [resp.encode("GET", "big%d" % (i % 32)) for i in range(2000)]
            many = [resp.encode("MGET", *["big%d" % i for i in range(30)])] * 100
            http = [b"GET /api/v1/tables/kv/keys?prefix=big HTTP/1.1\r\nHost: localhost\r\n\r\n"] * 200
            connections = []
            for requests in (one, many, http, one):
                connection = open_socket(node)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.setblocking(False)
                try:
                    connection.send(b"".join(requests))
                except OSError:
                    pass
                connections.append(connection)
            with node.redis() as client:
                for _ in range(200):
                    client.ask("GET", "big1")
            memory.expect_growth_below(500 * MIB, "four readers who do not read")
            for connection in connections:
                reset(connection)
            with node.redis() as client:
                expect(MIB, client.ask("STRLEN", "big1"))


def test_listing_whose_reader_stops():
    with Node() as node:
        count = 200000
        with node.redis() as client:
            client.pipeline([("SET", "key%06d" % i, "value %d" % i) for i in range(count)])
        with Others(node):
            memory = Memory(node)
            connections = []
            for path in ("/api/v1/tables/kv/keys?prefix=key", "/api/v1/tables/kv/keys?prefix=key&reverse=true"):
                connection = open_socket(node, b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: "
                                               b"close\r\n\r\n" % path.encode())
                connections.append((connection, connection.recv(1000)))
            with node.redis() as client:
                client.pipeline([("SET", "after%06d" % i, "x" * 100) for i in range(20000)])
            memory.expect_growth_below(150 * MIB, "two listings whose readers stop")
            for connection, begin in connections:  # they go on: everything is there
                body = begin + read_all(connection)
                found = {body[m:m + 9] for m in find_all(body, b"key0") + find_all(body, b"key1")}
                expect(count, len(found), "keys")
                connection.close()


def find_all(data, what):
    places = []
    at = data.find(what)
    while at >= 0:
        places.append(at)
        at = data.find(what, at + 1)
    return places


def test_half_closed():
    """Who has said everything gets the answers."""
    with Node() as node:
        for request, answer in (
                (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", b"HTTP/1.1 200"),
                (b"POST /half HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc",
                 b"HTTP/1.1 200"),
                (resp.encode("PING"), b"+PONG\r\n"),
                (resp.encode("SET", "half", "v") * 100, b"+OK\r\n" * 100),
                (b"PING\r\n", b"+PONG\r\n")):
            connection = open_socket(node, request)
            connection.shutdown(socket.SHUT_WR)
            got = read_all(connection)
            expect(answer, got[:len(answer)], request)
            connection.close()
        for unfinished in (b"GET /healthz HT", b"POST /half HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc",
                           b"*2\r\n$3\r\nGET\r\n$5\r\nha", b"*", b"", b"PIN"):
            connection = open_socket(node, unfinished)
            connection.shutdown(socket.SHUT_WR)
            read_all(connection)
            connection.close()
        with node.redis() as client:
            expect(b"v", client.ask("GET", "half"))


def test_lines():
    """The listener for lines: they never end, or their replies are not read."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "lines")
        with Node("--max-value", "1MiB", "--listen", "unix:%s=dstore" % path) as node, Others(node):
            def connect():
                connection = socket.socket(socket.AF_UNIX)
                connection.settimeout(120)
                connection.connect(path)
                return connection
            memory = Memory(node)
            endless = [connect() for _ in range(100)]
            for connection in endless:  # less than a line may have
                send_some(connection, b"PUT " + b"A" * (3 * MIB // 2))
            memory.expect_growth_below(500 * MIB, "a hundred lines that do not end")
            for connection in endless:
                send_some(connection, b"A" * MIB)
                data = read_all(connection)
                expect(b"ACK ", data[:4], data)
                connection.close()
            deaf = [connect() for _ in range(10)]
            for connection in deaf:
                connection.setblocking(False)
                try:
                    while True:
                        connection.send(b"SND YQ==\nPUT e30=\n" * 1000)
                except OSError:
                    pass
            memory.expect_growth_below(500 * MIB, "ten who do not read their replies")
            half = [connect() for _ in range(100)]
            for connection in half:
                send_some(connection, b"LDR\nPUT e30=")
                reset(connection)
            for connection in deaf:
                connection.close()
            with connect() as connection:
                connection.sendall(b"LDR\n")
                expect(b"ACK\n", connection.recv(100))


# ---- Many ----


def test_cold_reads():
    """Long pipelines of reads that all wait for the disk, right after a start."""
    count = 2000
    with Node("--shards", "1", "--memory", "64MiB") as node:
        with node.redis() as client:
            client.pipeline([("SADD", "set%d" % i, "member") for i in range(count)])
        node.stop()
        node.start()
        clients = [node.redis() for _ in range(8)]
        for client in clients:
            client.send(*[("SMEMBERS", "set%d" % i) for i in range(count)])
        for client in clients:
            for _ in range(count):
                expect([b"member"], client.read())
            client.close()


def test_idle_connections():
    if not may_open(IDLE_CONNECTIONS + 2000):
        return
    with Node() as node:
        memory = Memory(node)
        with Others(node):
            connections = [open_socket(node) for _ in range(IDLE_CONNECTIONS)]
            for connection in connections[::10]:
                connection.sendall(b"PING\r\n")
            for connection in connections[::10]:
                expect(b"+PONG\r\n", connection.recv(100))
            memory.expect_growth_below(100 * MIB, "%d idle connections" % IDLE_CONNECTIONS)
            for connection in connections[::2]:
                reset(connection)
            for connection in connections[1::2]:
                connection.close()


def test_too_many_connections():
    with Node("--max-connections", "50") as node:
        connections = [open_socket(node) for _ in range(300)]
        left = wait_for_close(connections, 120, 50)
        expect(50, len(left), "connections that are kept of 300")
        for connection in left:  # those are answered, so nobody waits for a refusal
            connection.sendall(b"PING\r\n")
            expect(b"+PONG\r\n", connection.recv(100))
        for connection in connections:
            connection.close()
        until = time.monotonic() + 120
        while True:  # the places are free again
            try:
                with node.redis() as client:
                    expect(b"PONG", client.ask("PING"))
                    return
            except (OSError, resp.Error):
                expect(True, time.monotonic() < until, "still refused")


# ---- Absurd ----


def test_absurd_resp():
    with Node() as node, Others(node):
        memory = Memory(node)
        for request in (b"*2147483648\r\n", b"*99999999999999999999\r\n", b"*1048577\r\n",
                        b"*1\r\n$999999999999\r\n", b"*1\r\n$2147483648\r\n", b"*1\r\n$-5\r\n",
                        b"*1\r\n$536870913\r\n", b"*1\r\n:5\r\n", b"*1\r\n$\r\n", b"*x\r\n",
                        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$999999999\r\n", b"*1\r\n$4\r\nPINGxx\r\n",
                        b"A" * (2 * MIB), b"\x00" * MIB):
            connection = open_socket(node, request)
            answer = read_all(connection)
            expect(b"-ERR", answer[:4], request[:40])
            connection.close()
        waiting = [open_socket(node, b"*1000000\r\n" + b"$1\r\na\r\n" * 1000) for _ in range(50)]
        waiting += [open_socket(node, b"*2\r\n$3\r\nGET\r\n$60000000\r\n" + b"x" * 1000)
                    for _ in range(50)]
        with node.redis() as client:
            expect(b"PONG", client.ask("PING"))
        memory.expect_growth_below(200 * MIB, "promises of large requests")
        for connection in waiting:
            connection.close()


def first_statuses(answer):
    return [int(number) for number in re.findall(rb"HTTP/1\.1 (\d\d\d) ", answer)]


def test_absurd_http():
    with Node() as node, Others(node):
        memory = Memory(node)
        head = b"POST /absurd HTTP/1.1\r\nHost: localhost\r\n"
        for request in (head + b"Content-Length: 1000000000000000000\r\n\r\n",
                        head + b"Content-Length: 99999999999999999999999\r\n\r\n",
                        head + b"Content-Length: 100000000\r\n\r\n" + b"x" * 100,
                        head + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
                        head + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
                        head + b"X-Long: " + b"a" * MIB + b"\r\n\r\n",
                        head + b"".join(b"X-%d: y\r\n" % i for i in range(100000)) + b"\r\n",
                        b"GET /" + b"a" * MIB + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
                        b"GET " + b"/a" * MIB + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"):
            connection = open_socket(node, request)
            statuses = first_statuses(read_all(connection))
            expect(True, len(statuses) <= 1 and all(400 <= s < 500 for s in statuses),
                   "%r: %r" % (request[:100], statuses))
            connection.close()
        memory.expect_growth_below(100 * MIB, "absurd requests")
        with node.redis() as client:
            expect(None, client.ask("GET", "absurd"))


SMUGGLED = b"POST /smuggled HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx"
LENGTHS = (
    b"Content-Length: 5\r\nContent-Length: 6", b"Content-Length: 5\r\nContent-Length: 5",
    b"Content-Length: 5, 6", b"Content-Length: +5", b"Content-Length: -5", b"Content-Length: 0x5",
    b"Content-Length: 5 5", b"Content-Length: ", b"Content-Length: 5a", b"Content-Length : 5",
    b"Content-Length\t: 5", b" Content-Length: 5", b"Content-Length: 5\r\n ,6", b"Content\xadLength: 5",
    b"Content-Length: 5\nX: y", b"Content-Length: 5\rX: y", b"Content-Length:\x0b5",
    b"Content-Length: 5\x00", b"Content-Length: 0\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nContent-Length: 5",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: identity", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: chunked, gzip",
    b"Transfer-Encoding: xchunked", b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding : chunked",
    b"Transfer-Encoding:\x00chunked", b"Transfer-Encoding: \"chunked\"", b"Transfer-Encoding: 'chunked'",
    b"Transfer-Encoding: chunked;x=y", b"Transfer-Encoding: chunked\x20\x00", b"Transfer-Encoding: ,chunked",
    b"X: y\r\n Transfer-Encoding: chunked", b"X: y\nTransfer-Encoding: chunked",
    b"X: y\rTransfer-Encoding: chunked", b"Transfer-Encoding\r\n: chunked", b": chunked", b"NoColon",
    b"Transfer-\xc5\xbfEncoding: chunked\r\nTransfer-Encoding: x", b"Host: other",
)
CHUNKS = (b"5;\n", b"0x5\r\nabcde\r\n", b"5 \r\nabcde\r\n", b" 5\r\nabcde\r\n", b"+5\r\nabcde\r\n",
          b"-5\r\nabcde\r\n", b"5\nabcde\r\n", b"5\rabcde\r\n", b"5\r\nabcdef\r\n", b"5\r\nabcde\n",
          b"5\r\nabcdeX", b"\r\n", b"g\r\n", b"5;a=\x00\r\nabcde\r\n", b"00000000000000005\r\nabcde\r\n",
          b"0\r\nContent-Length: 5\n\r\n", b"0\r\n: x\r\n\r\n", b"0\r\nX: y\rz\r\n\r\n", b"0\r\n \r\n\r\n")
LINES = (b"GET  / HTTP/1.1", b"GET / HTTP/1.1 ", b"GET /\tHTTP/1.1", b"GET / HTTP/2.0",
         b"GET / HTTP/1.10", b"GET / http/1.1", b"GET /a b HTTP/1.1", b"G\x00T / HTTP/1.1",
         b"GET /\x00 HTTP/1.1", b"GET /\x7f HTTP/1.1", b"GET /\r HTTP/1.1", b"GET / HTTP/1.1\r")


def expect_refused(node, request):
    """One answer, a refusal, and the connection is closed: what stands behind is no request."""
    connection = open_socket(node, request + SMUGGLED)
    answer = read_all(connection)
    connection.close()
    statuses = first_statuses(answer)
    is_refused = len(statuses) == 1 and 400 <= statuses[0] < 600
    is_resp = not statuses and answer[:4] == b"-ERR"  # it did not look like HTTP at all
    expect(True, is_refused or is_resp, "%r: %r" % (request, answer[:300]))


def test_smuggling():
    with Node() as node:
        for lines in LENGTHS:
            expect_refused(node, b"POST /cover HTTP/1.1\r\nHost: localhost\r\n" + lines
                           + b"\r\n\r\n0\r\n\r\n")
        for chunks in CHUNKS:
            expect_refused(node, b"POST /cover HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
                                 b"chunked\r\n\r\n" + chunks)
        for line in LINES:
            expect_refused(node, line + b"\r\nHost: localhost\r\n\r\n")
        expect_refused(node, b"GET / HTTP/1.1\r\n\r\n")
        expect_refused(node, b"GET / HTTP/1.1\nHost: localhost\n\n")
        with node.redis() as client:
            expect(None, client.ask("GET", "smuggled"))
        # And what is right goes through, as chunks too.
        connection = open_socket(node, b"POST /cover HTTP/1.1\r\nHost: localhost\r\ntransfer-ENCODING: "
                                       b"CHUNKED\r\n\r\n5;a=b\r\nabcde\r\n0\r\nX: y\r\n\r\n" + SMUGGLED)
        connection.shutdown(socket.SHUT_WR)
        expect([200, 200], first_statuses(read_all(connection)))
        connection.close()
        with node.redis() as client:
            expect(b"abcde", client.ask("GET", "cover"))
            expect(b"x", client.ask("GET", "smuggled"))


def test_browser_pages():
    """Cross-protocol: a page in a browser that posts commands to a port."""
    with Node() as node:
        for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
            answer = node.request("POST", "/page", b"SET page x\r\n", headers)
            expect(True, answer.status in (403, 421), answer)
        with node.redis() as client:
            expect(None, client.ask("GET", "page"))


# ---- Broken ----


def test_garbage_and_resets():
    seed = int(os.environ.get("HOLDFAST_SEED", time.time_ns() % 1000000))
    print("  HOLDFAST_SEED=%d" % seed)
    dice = random.Random(seed)
    good = (resp.encode("SET", "k", "v" * 1000), resp.encode("GET", "big0"), b"PING\r\n",
            resp.encode("MULTI") + resp.encode("INCR", "n") + resp.encode("EXEC"),
            b"GET /big0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc",
            b"GET /api/v1/tables/kv/keys?prefix= HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"POST /api/v1/tables/kv/batch HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked"
            b"\r\n\r\n5\r\n{\"op\"")
    with Node() as node:
        store_values(node, 2, MIB)
        with Others(node):
            memory = Memory(node)
            for _ in range(600):
                data = b"".join(dice.choice(good) for _ in range(dice.randint(1, 30)))
                if dice.random() < 0.5:
                    broken = bytearray(data)
                    for _ in range(dice.randint(1, 20)):
                        broken[dice.randrange(len(broken))] = dice.randrange(256)
                    data = bytes(broken)
                elif dice.random() < 0.3:
                    data = dice.randbytes(dice.randint(1, 100000))
                connection = open_socket(node)
                connection.setblocking(False)
                try:
                    connection.send(data[:dice.randint(1, len(data))])
                    if dice.random() < 0.5:
                        select.select([connection], [], [], 0.01)
                        connection.recv(dice.randint(1, 100000))
                except OSError:
                    pass
                if dice.random() < 0.7:
                    reset(connection)
                else:
                    connection.close()
            memory.expect_growth_below(200 * MIB, "600 broken connections")


if __name__ == "__main__":
    sys.exit(run([test_slow_heads, test_slow_readers, test_listing_whose_reader_stops, test_lines,
                  test_half_closed, test_cold_reads, test_idle_connections, test_too_many_connections,
                  test_absurd_resp, test_absurd_http, test_smuggling, test_browser_pages,
                  test_garbage_and_resets]))
