"""Certificates, nodes and clients for tests of TLS. Standard library only."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import time

import resp
from node import Node, environment, expect, program


class Files:
    """A folder of certificates, each made by the program under test: "a" has a.pem and a.key."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="holdfast-certificates-")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def make(self, *names):
        for name in names:
            where = self.path("of-" + name)
            subprocess.run([program(), "cert", "--self-signed", where], check=True, timeout=120,
                           stdout=subprocess.DEVNULL, env=environment())
            os.rename(os.path.join(where, "cert.pem"), self.path(name + ".pem"))
            os.rename(os.path.join(where, "key.pem"), self.path(name + ".key"))
        return self

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def put(self, name, data):
        """Replaces a file as an operator should: whole or not at all."""
        with open(self.path(name + ".new"), "wb") as file:
            file.write(data)
        os.replace(self.path(name + ".new"), self.path(name))

    def use(self, name, place="server"):
        """The pair of that name is what the node finds from now on; one file after the other."""
        self.put(place + ".pem", self.read(name + ".pem"))
        self.put(place + ".key", self.read(name + ".key"))

    def der(self, name):
        return ssl.PEM_cert_to_DER_cert(self.read(name + ".pem").decode())


class TlsNode(Node):
    """A node that finds its pair under server.pem and server.key of `files`."""

    def __init__(self, files, *options, **more):
        self.files = files
        more.setdefault("data", False)
        super().__init__("--tls-cert", files.path("server.pem"), "--tls-key",
                         files.path("server.key"), "--engine", "memory", *options, **more)

    def metric(self, name):
        with let_in(self, context()) as client:
            client.socket.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n"
                                  b"Connection: close\r\n\r\n")
            text = client.replies.read().decode()
        return int(float(re.search(r"^%s (\S+)$" % re.escape(name), text, re.M).group(1)))

    def wait_metric(self, name, at_least):
        """What happens once a second has happened within a minute, or never."""
        return poll(lambda: self.metric(name) >= at_least, "%s >= %d" % (name, at_least))

    def logged(self, text):
        return [line for line in self.log if text in line]

    def wait_logged(self, text, at_least=1):
        """Those lines, when there are so many: a thread reads them, a little later."""
        poll(lambda: len(self.logged(text)) >= at_least, "%d lines %r" % (at_least, text))
        return self.logged(text)


def poll(is_true, what, seconds=60):
    """Waits in short steps."""
    step = socket.socketpair()
    step[0].settimeout(0.05)
    try:
        for _ in range(int(seconds / 0.05)):
            if is_true():
                return
            try:
                step[0].recv(1)  # nobody writes: it waits
            except TimeoutError:
                pass
        raise AssertionError("not within %d s: %s" % (seconds, what))
    finally:
        step[0].close()
        step[1].close()


def context(*trusted, own=None, version=None, alpn=None):
    """Of a client: trusts the given files, or anybody."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = bool(trusted)
    if not trusted:
        made.verify_mode = ssl.CERT_NONE
    for file in trusted:
        made.load_verify_locations(file)
    if own is not None:
        made.load_cert_chain(own + ".pem", own + ".key")
    if version is not None:
        made.minimum_version = made.maximum_version = version
    if alpn is not None:
        made.set_alpn_protocols(alpn)
    return made


class TlsRedis(resp.Client):
    def __init__(self, node, tls, session=None):
        bare = socket.create_connection(("127.0.0.1", node.port), 60)
        bare.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = tls.wrap_socket(bare, server_hostname="localhost", session=session)
        self.replies = self.socket.makefile("rb")

    def ping(self):
        self.send(("PING",))
        expect(b"PONG", self.read())


def let_in(node, tls, session=None, seconds=120):
    """A client that tries again: who comes while more handshakes are at hand than a loop keeps, and
    none of them waits for its client, is sent away."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return TlsRedis(node, tls, session)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError, ConnectionError):
            if time.monotonic() > deadline:
                raise


def run_client(*command, input_text=""):
    """What a program of the system answers, and how it ends."""
    done = subprocess.run(command, input=input_text, capture_output=True, text=True, timeout=120,
                          check=False, env=environment(), errors="replace")
    return done.returncode, done.stdout + done.stderr


def curl(*arguments):
    return run_client("curl", "-sS", "--noproxy", "*", "--max-time", "120", *arguments)
