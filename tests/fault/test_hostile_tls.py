#!/usr/bin/env python3
"""Clients that abuse the handshake of TLS: they begin and never go on, begin with the largest message
there is, or begin again and again. Memory stays within bounds, and everybody else is answered within
a second more than by a node that is left alone, in plain text and through TLS."""

import os
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "api"))

from node import expect, may_open, run
from test_hostile import MIB, Memory, Others
from test_tls_reload import first_flight, hang, has_ended
from tls import Files, TlsNode, TlsRedis, context, let_in, poll

HANDSHAKES_MAX = 1024  # of front/pipe.h, for each loop
HELLO_MAX = 131396     # OpenSSL takes no longer first message
FILES = 2500           # of a process here, at most
ATTACKERS = 8
ROUNDS = 400           # of each of them


class TlsOthers(Others):
    """The same through TLS, with a new connection for each question."""

    def ask(self, node, client, number):
        if node is self.node:
            with let_in(node, context()) as secure:
                secure.ping()
        super().ask(node, client, number)


def large_beginning():
    """The first record of a message that says it has HELLO_MAX bytes, all but its last byte."""
    message = b"\x01" + HELLO_MAX.to_bytes(3, "big") + b"\x03\x03" + bytes(16378)
    return b"\x16\x03\x01\x40\x00" + message[:16383]


def test_hung_handshakes():
    hello = first_flight()
    with Files().make("server") as files, TlsNode(files, "--threads", "1") as node:
        with TlsRedis(node, context()) as client:
            client.ping()
        for what, said, limit in (("a byte", hello[:1], 100 * MIB),
                                  ("half a message", hello[:len(hello) // 2], 100 * MIB),
                                  ("a whole message", hello, 150 * MIB),
                                  ("a large message", large_beginning(), 300 * MIB)):
            memory = Memory(node)
            with TlsOthers(node):
                hung = hang(node, HANDSHAKES_MAX + 100, said)
                poll(lambda: sum(map(has_ended, hung)) >= 100, "the oldest give way")
                memory.expect_growth_below(limit, what)
                for connection in hung:
                    connection.close()
            poll(lambda: node.metric("holdfast_tls_connections") <= 1, "all are gone")


def begin_again(node, hello):
    """Lets the node sign, and goes away: costs the node more than the client."""
    for _ in range(ROUNDS):
        with socket.create_connection(("127.0.0.1", node.port), 60) as connection:
            connection.sendall(hello)
            if connection.recv(1) == b"":
                raise AssertionError("no answer to a first message")


def test_handshake_flood():
    hello = first_flight()
    with Files().make("server") as files, TlsNode(files) as node:
        with TlsRedis(node, context()) as client:
            client.ping()
        memory = Memory(node)
        with TlsOthers(node):
            attackers = [threading.Thread(target=begin_again, args=(node, hello))
                         for _ in range(ATTACKERS)]
            for attacker in attackers:
                attacker.start()
            for attacker in attackers:
                attacker.join()
        poll(lambda: node.metric("holdfast_tls_connections") <= 1, "all are gone")
        memory.expect_growth_below(60 * MIB, "handshakes that were left")
        expect(ATTACKERS * ROUNDS, node.metric('holdfast_tls_handshakes_total{result="failed"}'))


def test_garbage_after_the_first_byte():
    """It looks like TLS and is not: an alert, and what follows is dropped."""
    with Files().make("server") as files, TlsNode(files) as node:
        memory = Memory(node)
        with TlsOthers(node):
            for connection in hang(node, 200, b"\x16\x03\x01\x00\x05hello"):
                try:
                    for _ in range(100):
                        connection.sendall(b"x" * 65536)
                except ConnectionError:
                    pass
                connection.close()
        memory.expect_growth_below(40 * MIB, "garbage")


if __name__ == "__main__":
    if not may_open(FILES):
        sys.exit(77)
    sys.exit(run([test_hung_handshakes, test_handshake_flood, test_garbage_after_the_first_byte]))
