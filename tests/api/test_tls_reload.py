#!/usr/bin/env python3
"""Certificates that are replaced while clients are connected and while they come and go, and clients
that never finish their handshake."""

import asyncio
import os
import re
import signal
import socket
import ssl
import sys
import time

from node import expect, may_open, run
from tls import Files, TlsNode, TlsRedis, context, let_in, poll, run_client

CLIENTS = 1000
ACTIVE = 50           # of them at a time, so that no handshake waits long for this slow client
ROUNDS = 6            # of replacing the certificate, one a second
ROUNDS_MAX = 300      # until every certificate was seen
ASKED_AT_ONCE = 20    # commands of one client under way
FILES = 2500          # of a process here, at most
HANDSHAKES_MAX = 1024 # of front/pipe.h
HANDSHAKE_SECONDS = 10  # HANDSHAKE_MS of front/private.h


def certificate_of(node, *trusted, session=None):
    with let_in(node, context(*trusted), session) as client:
        client.ping()
        return client.socket.getpeercert(binary_form=True)


def expiry_of(der, files):
    files.put("shown.pem", ssl.DER_cert_to_PEM_cert(der).encode())
    with os.popen("openssl x509 -noout -enddate -in " + files.path("shown.pem")) as answer:
        return int(ssl.cert_time_to_seconds(answer.read().strip().split("=")[1]))


TAKEN = 'holdfast_tls_reloads_total{result="taken"}'
REFUSED = 'holdfast_tls_reloads_total{result="refused"}'


def test_files_change():
    with Files().make("a", "b") as files:
        files.use("a")
        with TlsNode(files) as node:
            with TlsRedis(node, context(files.path("a.pem"))) as kept:
                kept.ping()
                session = kept.socket.session
                expect(files.der("a"), certificate_of(node, files.path("a.pem")))
                files.use("b")
                node.wait_metric(TAKEN, 1)
                expect(files.der("b"), certificate_of(node, files.path("b.pem")))
                kept.ping()  # with the certificate it began with
                expect(files.der("a"), kept.socket.getpeercert(binary_form=True))
            tls = context(files.path("a.pem"))
            with TlsRedis(node, context()) as client:
                client.ping()
                expect(expiry_of(files.der("b"), files),
                       node.metric("holdfast_tls_certificate_expiry_seconds"))
            del tls, session
            node.wait_logged("TLS certificate read again")


def test_resumption_over_reload():
    """Tickets outlive the certificate: a client that comes back pays for no full handshake."""
    with Files().make("a", "b") as files:
        files.use("a")
        with TlsNode(files, "--threads", "4") as node:
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                tls = context(version=version)
                with TlsRedis(node, tls) as client:
                    client.ping()
                    session = client.socket.session
                taken = node.metric(TAKEN)
                files.use("b" if version == ssl.TLSVersion.TLSv1_2 else "a")
                node.wait_metric(TAKEN, taken + 1)
                keep = []
                for _ in range(8):  # they go to all loops
                    client = TlsRedis(node, tls, session)
                    client.ping()
                    expect(True, client.socket.session_reused)
                    keep.append(client)
                for client in keep:
                    client.close()


def test_sighup():
    with Files().make("a") as files:
        files.use("a")
        with TlsNode(files) as node, TlsRedis(node, context(files.path("a.pem"))) as kept:
            kept.ping()
            for count in (1, 2):
                node.process.send_signal(signal.SIGHUP)
                node.wait_metric(TAKEN, count)
            kept.ping()
            expect(2, len(node.wait_logged("TLS certificate read again", 2)))
            expect(0, node.metric(REFUSED))


def test_expiry_is_told():
    """A certificate for five days: a warning, once a day; another one: none."""
    with Files().make("later") as files:
        code, text = run_client("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                                "ec_paramgen_curve:P-256", "-nodes", "-days", "5", "-subj",
                                "/CN=localhost", "-keyout", files.path("soon.key"), "-out",
                                files.path("soon.pem"))
        expect(0, code, text)
        files.use("soon")
        with TlsNode(files) as node:
            line = node.wait_logged("the TLS certificate expires soon")[0]
            expect(True, re.search(r" days=[45] ", line) is not None, line)
            files.use("later")
            node.wait_metric(TAKEN, 1)
            files.use("soon")
            node.wait_metric(TAKEN, 2)
            expect(2, len(node.wait_logged("the TLS certificate expires soon", 2)), "again")


def test_bad_pairs_are_refused():
    """Half a file, another's key, nothing at all: the old pair serves on, with one line for each."""
    with Files().make("a", "b") as files:
        files.use("a")
        with TlsNode(files) as node, TlsRedis(node, context(files.path("a.pem"))) as kept:
            whole = files.read("b.pem")
            count = 0
            for name, data in (("server.pem", whole), ("server.pem", whole[:len(whole) // 2]),
                               ("server.pem", b""), ("server.pem", b"\0" * 1000),
                               ("server.key", b"")):
                files.put(name, data)
                count += 1
                node.wait_metric(REFUSED, count)
                expect(files.der("a"), certificate_of(node, files.path("a.pem")))
            os.remove(files.path("server.pem"))
            node.wait_metric(REFUSED, count + 1)
            kept.ping()
            said = "was refused; the one before stays in use"
            node.wait_logged(said, count + 1)
            looks = clock_seconds(3)  # nothing changes: nothing more is logged
            expect(True, looks >= 3)
            expect(count + 1, len(node.logged(said)), node.log[-10:])
            expect(count + 1, node.metric(REFUSED))
            files.use("b")
            node.wait_metric(TAKEN, 1)
            expect(files.der("b"), certificate_of(node, files.path("b.pem")))
            kept.ping()


def clock_seconds(seconds):
    """Lets that time pass; returns how much has."""
    begin = time.monotonic()
    poll(lambda: time.monotonic() - begin >= seconds, "time")
    return time.monotonic() - begin


# ---- a thousand clients ----------------------------------------------------------------------


class Load:
    def __init__(self, node, files):
        self.node = node
        self.known = {files.der("a"): "a", files.der("b"): "b"}
        self.tls = context(files.path("a.pem"), files.path("b.pem"))
        self.is_over = False
        self.answers = 0
        self.handshakes = 0
        self.seen = set()
        self.active = asyncio.Semaphore(ACTIVE)

    def has_seen_all(self):
        return self.seen == {"a", "b"} and self.node.metric(TAKEN) >= 2

    async def client(self, number):
        """Comes, asks, goes, until it is over; any error is an error of the test."""
        for visit in range(1 << 30):
            if self.is_over and visit > 0:
                return
            async with self.active:
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", self.node.port, ssl=self.tls, server_hostname="localhost")
            shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            self.seen.add(self.known[shown])
            self.handshakes += 1
            for burst in range(5):
                await self.ask(reader, writer, b"%d-%d-%d" % (number, visit, burst))
                if self.is_over:
                    break
            writer.close()
            await writer.wait_closed()

    async def ask(self, reader, writer, value):
        key = b"k%d" % (hash(value) % 1000)
        command = b"*2\r\n$4\r\nECHO\r\n$%d\r\n%s\r\n" % (len(value), value)
        write = b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (len(key), key, len(value), value)
        want = (b"$%d\r\n%s\r\n+OK\r\n" % (len(value), value)) * ASKED_AT_ONCE
        async with self.active:
            writer.write((command + write) * ASKED_AT_ONCE)
            expect(want, await reader.readexactly(len(want)))
        self.answers += 2 * ASKED_AT_ONCE
        await asyncio.sleep(0)  # lets the others go on


async def replace_every_second(load, files):
    for i in range(ROUNDS_MAX):
        files.use("b" if i % 2 == 0 else "a")
        await asyncio.sleep(1)  # the period of the replacements, not a wait for something
        if i >= ROUNDS and load.has_seen_all():
            break
    load.is_over = True


async def put_under_load(load, files):
    await asyncio.gather(replace_every_second(load, files),
                         *[load.client(i) for i in range(CLIENTS)])


def test_thousand_clients():
    if not may_open(FILES):
        return
    with Files().make("a", "b") as files:
        files.use("a")
        with TlsNode(files) as node:
            load = Load(node, files)
            asyncio.run(put_under_load(load, files))
            print("  %d handshakes, %d answers" % (load.handshakes, load.answers))
            expect({"a", "b"}, load.seen)
            expect(True, load.handshakes >= CLIENTS, load.handshakes)
            expect(0, node.metric('holdfast_tls_handshakes_total{result="failed"}'))
            expect(True, node.metric(TAKEN) >= 2)


# ---- handshakes that never finish --------------------------------------------------------------


def first_flight():
    """What a client says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def hang(node, count, said):
    made = []
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", node.port), 60)
        connection.sendall(said)
        made.append(connection)
    return made


def has_ended(connection):
    """The node has closed; what it has said before is read."""
    connection.setblocking(False)
    try:
        while connection.recv(65536) != b"":
            pass
        return True
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_unfinished_handshakes():
    """Silent in the middle of the first message, before it, or after the server's: cut off in time,
    and others are answered meanwhile."""
    hello = first_flight()
    with Files().make("server") as files, TlsNode(files) as node:
        begin = time.monotonic()
        hung = []
        for said in (hello[:1], hello[:50], hello):
            hung += hang(node, 100, said)
        certificate_of(node, files.path("server.pem"))
        node.wait_metric("holdfast_tls_connections", 300)
        poll(lambda: all(map(has_ended, hung)), "every one is cut off", 12 * HANDSHAKE_SECONDS)
        expect(True, time.monotonic() - begin >= HANDSHAKE_SECONDS - 1)
        expect(300, node.metric('holdfast_tls_handshakes_total{result="failed"}'))
        for connection in hung:
            connection.close()


def give_way(node, files):
    """True: sooner than the oldest would have been cut off in any case."""
    begin = time.monotonic()
    hung = hang(node, HANDSHAKES_MAX + 100, first_flight())
    poll(lambda: sum(map(has_ended, hung)) >= 100, "some are cut off")
    took = time.monotonic() - begin
    certificate_of(node, files.path("server.pem"))
    for connection in hung:
        connection.close()
    return took < HANDSHAKE_SECONDS


def test_many_unfinished_handshakes():
    """The oldest that is silent gives way, so whoever finishes gets in."""
    if not may_open(FILES):
        return
    with Files().make("server") as files, TlsNode(files, "--threads", "1") as node:
        expect(True, any(give_way(node, files) for _ in range(5)), "one time of five, on any machine")


def resident(node):
    with open("/proc/%d/status" % node.process.pid, encoding="ascii") as file:
        text = file.read()
    size = [int(re.search(name + r":\s+(\d+)", text).group(1)) for name in ("VmRSS", "VmSize")]
    return None if size[1] > 1 << 30 else size[0] << 10  # a sanitizer's shadow is huge


def test_idle_connections():
    """What a connection costs that has shaken hands and is silent."""
    count = 1000
    if not may_open(FILES):
        return
    with Files().make("server") as files, TlsNode(files) as node:
        tls = context()
        warm = [TlsRedis(node, tls) for _ in range(100)]
        for client in warm:
            client.ping()
        before = resident(node)
        idle = [TlsRedis(node, tls) for _ in range(count)]
        for client in idle:
            client.ping()
        after = resident(node)
        if before is not None:
            each = (after - before) // count
            print("  %d bytes each" % each)
            expect(True, each < 40000, each)
        for client in warm + idle:
            client.close()


if __name__ == "__main__":
    os.environ.setdefault("NO_PROXY", "*")
    sys.exit(run([test_files_change, test_resumption_over_reload, test_sighup, test_expiry_is_told,
                  test_bad_pairs_are_refused, test_thousand_clients, test_unfinished_handshakes,
                  test_many_unfinished_handshakes, test_idle_connections]))
