#!/usr/bin/env python3
"""Clients of HTTP/2 that are mean: floods, bombs, windows that stay closed, streams that never end.
Memory stays within bounds, and everybody else is answered within a second more than by a node that
is left alone."""

import os
import random
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "api"))

import http2_frames as h2
from node import Node, expect, run
from test_hostile import MIB, Memory, Others, wait_for_close

# As in src/wire/http2.h and src/front.
STREAMS_MAX = 256
RESETS_MAX = 1000
CHORES_MAX = 50000
SETTINGS_MAX = 100
OUT_MAX = 64 * MIB
VALUE_MAX = 16 * MIB
ATTACKERS = 8


def attack(node, count, work):
    """Runs work(connection) on `count` connections at a time; returns what they return."""
    results = [None] * count

    def one(i):
        with h2.Connection(node.port) as c:
            results[i] = work(c)
    threads = [threading.Thread(target=one, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def send_until_closed(c, pieces):
    """Sends piece after piece; the GOAWAY that ended it."""
    goaway = None
    for piece in pieces:
        if not c.send(piece):
            break
        for frame in c.frames(0):
            if frame.kind == h2.GOAWAY:
                goaway = (int.from_bytes(frame.payload[4:8], "big"), frame.payload[8:].decode())
        if c.is_closed or goaway is not None:
            break
    return c.goaway() or goaway


def expect_calm(results, text=None):
    for result in results:
        expect(True, result is not None, "GOAWAY before the end")
        expect(h2.CALM, result[0], result)
        if text is not None:
            expect(text, result[1])


def flood(node, what, make, text=None, growth=100 * MIB):
    """`make` yields pieces of a flood for each attacker, which has to end in GOAWAY."""
    with Others(node):
        memory = Memory(node)
        for _ in range(3):
            expect_calm(attack(node, ATTACKERS, lambda c: send_until_closed(c, make())), text)
        memory.expect_growth_below(growth, what)


# ---- Floods ----


def test_rapid_reset():
    def resets():
        for i in range(0, 40 * RESETS_MAX, 100):
            yield b"".join(h2.request(2 * k + 1, "/k%d" % k) +
                           h2.frame(h2.RST_STREAM, 0, 2 * k + 1, struct.pack(">I", h2.CANCEL))
                           for k in range(i, i + 100))
    with Node() as node:
        flood(node, "rapid reset", resets, "too many requests that end before answers")


def test_resets_of_bodies():
    """The same with bodies that have begun."""
    def resets():
        for i in range(0, 40 * RESETS_MAX, 100):
            yield b"".join(h2.request(2 * k + 1, "/k", "POST", is_open=True) +
                           h2.frame(h2.DATA, 0, 2 * k + 1, b"x" * 500) +
                           h2.frame(h2.RST_STREAM, 0, 2 * k + 1, struct.pack(">I", h2.CANCEL))
                           for k in range(i, i + 100))
    with Node() as node:
        flood(node, "resets of bodies", resets)


def test_made_resets():
    """Errors of the client by which the node resets streams itself."""
    def errors():
        for i in range(0, 40 * RESETS_MAX, 100):
            yield b"".join(h2.request(2 * k + 1, "/k", "POST", is_open=True) +
                           h2.frame(h2.WINDOW_UPDATE, 0, 2 * k + 1, b"\0\0\0\0")
                           for k in range(i, i + 100))
    with Node() as node, Others(node):
        memory = Memory(node)
        results = attack(node, ATTACKERS, lambda c: send_until_closed(c, errors()))
        expect(True, all(r is not None and r[0] != h2.NO_ERROR for r in results), results)
        memory.expect_growth_below(100 * MIB, "resets that the node is made to send")


def test_pings():
    """Many in a second, or more in one piece than are confirmed one by one."""
    with Node() as node:
        flood(node, "pings", lambda: (h2.frame(h2.PING, 0, 0, b"12345678") * 500
                                      for _ in range(10 * CHORES_MAX // 500)))


def test_pings_unread():
    """Their answers are not read: what waits for the client is bounded."""
    with Node() as node, Others(node):
        memory = Memory(node)
        connections = [h2.Connection(node.port, receive_bytes=4096) for _ in range(ATTACKERS)]
        for c in connections:
            c.socket.settimeout(0.5)
            for _ in range(1000):
                if not c.send(h2.frame(h2.PING, 0, 0, b"12345678") * 1000):
                    break
        memory.expect_growth_below(50 * MIB, "pings whose answers are not read")
        for c in connections:
            c.close()


def test_settings():
    one = h2.settings(INITIAL_WINDOW_SIZE=1000) + h2.settings(INITIAL_WINDOW_SIZE=2000)
    with Node() as node:
        flood(node, "settings", lambda: (one for _ in range(20 * SETTINGS_MAX)),
              "too many settings")


def test_empty_data():
    def frames():
        yield h2.request(1, "/k", "POST", is_open=True)
        for _ in range(10 * CHORES_MAX // 1000):
            yield h2.frame(h2.DATA, 0, 1) * 1000
    with Node() as node:
        flood(node, "empty DATA", frames, "too_many_pings")


def test_small_windows():
    def frames():
        yield h2.request(1, "/k", "POST", is_open=True)
        for _ in range(10 * CHORES_MAX // 1000):
            yield h2.frame(h2.WINDOW_UPDATE, 0, 0, b"\0\0\0\1") * 1000
    with Node() as node:
        flood(node, "small windows", frames, "too_many_pings")


def test_priorities():
    one = b"".join(h2.frame(h2.PRIORITY, 0, 2 * i + 1, struct.pack(">IB", 2 * (i * 7 % 500), 16))
                   for i in range(500))
    with Node() as node:
        flood(node, "priorities", lambda: (one for _ in range(10 * CHORES_MAX // 500)),
              "too_many_pings")


# ---- Heads ----


def test_continuations():
    def frames():
        yield h2.frame(h2.HEADERS, h2.END_STREAM, 1, h2.head())
        for _ in range(20000):
            yield h2.frame(h2.CONTINUATION, 0, 1, h2.field("x", "y" * 1000))
    with Node() as node, Others(node):
        memory = Memory(node)
        results = attack(node, ATTACKERS, lambda c: send_until_closed(c, frames()))
        expect(True, all(r is not None and r[0] != h2.NO_ERROR for r in results), results)
        memory.expect_growth_below(50 * MIB, "CONTINUATION without end")


def test_head_bombs():
    """4 KB in the table of HPACK, named ten thousand times by one byte."""
    bomb = h2.head() + h2.kept_field("x", "v" * 4000) + b"\xbe" * 10000

    def work(c):
        c.send(b"".join(h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 2 * i + 1, bomb)
                        for i in range(200)))
        return c.goaway()
    with Node() as node, Others(node):
        memory = Memory(node)
        expect_calm(attack(node, ATTACKERS, work), "a head without end")
        memory.expect_growth_below(50 * MIB, "header bombs")


def test_large_heads():
    """Each as large as is allowed, on as many streams as are allowed, and none is complete."""
    large = h2.head("/k", "POST") + h2.field("x", "v" * 16000)

    def work(c):
        for i in range(STREAMS_MAX):
            c.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 2 * i + 1, large))
        c.send(h2.frame(h2.PING, 0, 0, b"12345678"))
        return len(c.frames(until=lambda f: f.kind == h2.PING)) > 0
    with Node() as node, Others(node):
        memory = Memory(node)
        expect([True] * ATTACKERS, attack(node, ATTACKERS, work))
        # Two chunks of an arena for each stream: ATTACKERS * STREAMS_MAX * 128 KiB.
        memory.expect_growth_below(300 * MIB, "large heads")


# ---- Windows ----


def test_zero_window():
    """Large answers for windows that stay at zero."""
    with Node("--engine", "memory", data=False) as node:
        expect(200, node.request("POST", "/large", b"l" * MIB).status)
        with Others(node):
            memory = Memory(node)
            start = h2.PREFACE + h2.settings(INITIAL_WINDOW_SIZE=0)
            connections = [h2.Connection(node.port, start) for _ in range(4)]
            for c in connections:
                for i in range(STREAMS_MAX):
                    c.send(h2.request(2 * i + 1, "/large"))
            for c in connections:
                refused = 0
                while refused < STREAMS_MAX - (OUT_MAX + VALUE_MAX) // MIB:
                    found = c.frames(until=lambda f: f.kind == h2.RST_STREAM)
                    expect((h2.RST_STREAM, h2.CALM), (found[-1].kind, found[-1].payload[3]))
                    refused += 1
            memory.expect_growth_below(len(connections) * (OUT_MAX + VALUE_MAX) * 5 // 4 + 50 * MIB,
                                       "answers for closed windows")
            for c in connections:
                c.close()


def test_drips():
    """A window that is opened byte by byte costs frames, not memory; the flood of them ends."""
    with Node("--engine", "memory", data=False) as node:
        expect(200, node.request("POST", "/large", b"l" * MIB).status)

        def frames():
            for i in range(16):
                yield h2.request(2 * i + 1, "/large")
            for _ in range(10 * CHORES_MAX // 1600):
                yield b"".join(h2.frame(h2.WINDOW_UPDATE, 0, 2 * i + 1, b"\0\0\0\1")
                               for i in range(16)) * 100
        start = h2.PREFACE + h2.settings(INITIAL_WINDOW_SIZE=0)
        with Others(node):
            memory = Memory(node)
            with h2.Connection(node.port, start) as c:
                expect_calm([send_until_closed(c, frames())], "too_many_pings")
            memory.expect_growth_below(100 * MIB, "windows opened by bytes")


def test_unread():
    """Wide windows, and a socket that nobody reads."""
    with Node("--engine", "memory", data=False) as node:
        expect(200, node.request("POST", "/large", b"l" * MIB).status)
        start = h2.PREFACE + h2.settings(INITIAL_WINDOW_SIZE=(1 << 31) - 1) + \
            h2.frame(h2.WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 30))
        with Others(node):
            memory = Memory(node)
            connections = [h2.Connection(node.port, start, 4096) for _ in range(4)]
            for c in connections:
                for i in range(STREAMS_MAX):
                    c.send(h2.request(2 * i + 1, "/large"))
            memory.expect_growth_below(len(connections) * (OUT_MAX + VALUE_MAX) * 5 // 4 + 50 * MIB,
                                       "answers that nobody reads")
            for c in connections:
                c.close()


def test_overrun():
    """More of a body than its window allows."""
    with Node() as node, Others(node), h2.Connection(node.port) as c:
        c.send(h2.request(1, "/k", "POST", is_open=True))
        goaway = send_until_closed(c, (h2.frame(h2.DATA, 0, 1, b"x" * 16384)
                                       for _ in range(10000)))
        ended = goaway is not None or any(f.kind == h2.RST_STREAM for f in c.frames(1))
        expect(True, ended or c.is_closed, "it is not taken")


# ---- Streams without end ----


def test_half_open_streams():
    """As many requests as are allowed whose bodies do not go on: refused in time, not kept."""
    with Node() as node, Others(node):
        memory = Memory(node)
        connections = [h2.Connection(node.port) for _ in range(ATTACKERS)]
        for c in connections:
            c.send(b"".join(h2.request(2 * i + 1, "/k%d" % i, "POST", is_open=True) +
                            h2.frame(h2.DATA, 0, 2 * i + 1, b"half")
                            for i in range(STREAMS_MAX)))
        # The next one is refused while they are open.
        c = connections[0]
        c.frames(until=lambda f: f.kind == h2.SETTINGS and f.flags & h2.ACK)
        c.send(h2.request(2 * STREAMS_MAX + 1))
        found = c.frames(until=lambda f: f.kind in (h2.RST_STREAM, h2.GOAWAY))
        expect(True, found[-1].kind in (h2.RST_STREAM, h2.GOAWAY), found)
        found = connections[1].frames(120, until=lambda f: f.kind == h2.HEADERS)
        expect(h2.HEADERS, found[-1].kind, "408 in the end")
        memory.expect_growth_below(200 * MIB, "half-open streams")
        for c in connections:
            c.close()


def test_half_heads():
    """Connections that stop in the middle of preface or head do not stay."""
    starts = [h2.PREFACE[:20], h2.PREFACE, h2.PREFACE + h2.frame(h2.SETTINGS)[:5],
              h2.PREFACE + h2.frame(h2.SETTINGS) + h2.frame(h2.HEADERS, 0, 1, h2.head())]
    with Node() as node, Others(node):
        connections = [h2.Connection(node.port, start) for start in starts * 50]
        left = wait_for_close([c.socket for c in connections], 120)
        expect(0, len(left), "connections are still open")
        for c in connections:
            c.close()


def test_garbage():
    """Frames of any kind, length and flags, and bytes that are none."""
    seed = int(os.environ.get("HOLDFAST_SEED", random.randrange(1 << 32)))
    print("  HOLDFAST_SEED=%d" % seed)
    dice = random.Random(seed)

    def garbage():
        choice = dice.randrange(4)
        stream = dice.choice((0, 1, 1, 3, 5, 7, 2, 1 << 30))
        if choice == 0:
            return h2.frame(dice.randrange(12), dice.randrange(64), stream,
                            dice.randbytes(dice.randrange(40)))
        if choice == 1:
            return h2.request(2 * dice.randrange(200) + 1, "/k", is_open=dice.random() < 0.5)
        if choice == 2:
            return h2.frame(h2.DATA, dice.randrange(2), stream, dice.randbytes(100))
        return dice.randbytes(dice.randrange(20))

    with Node() as node, Others(node):
        memory = Memory(node)
        for _ in range(600):
            with h2.Connection(node.port) as c:
                for _ in range(dice.randrange(20)):
                    c.send(garbage())
                c.drain()
        memory.expect_growth_below(100 * MIB, "600 connections with garbage")


if __name__ == "__main__":
    sys.exit(run([test_rapid_reset, test_resets_of_bodies, test_made_resets, test_pings,
                  test_pings_unread, test_settings, test_empty_data, test_small_windows,
                  test_priorities, test_continuations, test_head_bombs, test_large_heads,
                  test_zero_window, test_drips, test_unread, test_overrun, test_half_open_streams,
                  test_half_heads, test_garbage]))
