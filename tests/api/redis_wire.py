"""RESP as seen by a client that wants to know every byte: replies keep their types.

A reply becomes one line of text: "+OK", "-ERR no", ":1", "$hello" (bytes escaped), "nil",
"*[...]", "~[...]", "%[...]", "_" and so on, so that two servers can be compared by ==.
"""

import shlex
import socket


def escape(data):
    return "".join(
        chr(b) if 32 <= b < 127 and b != 92 else "\\x%02x" % b for b in data
    )


def unescape(text):
    out = bytearray()
    at = 0
    while at < len(text):
        two = text[at : at + 2]
        if two == "\\x":
            out.append(int(text[at + 2 : at + 4], 16))
            at += 4
        elif two in ("\\r", "\\n", "\\\\"):
            out += {"\\r": b"\r", "\\n": b"\n", "\\\\": b"\\"}[two]
            at += 2
        else:
            out += text[at].encode()
            at += 1
    return bytes(out)


def split(line):
    """A command line as redis-cli reads it: words, or "quoted" ones with escapes."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = ""
    lexer.escape = ""
    return [unescape(word) for word in lexer]


def encode(args):
    out = b"*%d\r\n" % len(args)
    for arg in args:
        arg = arg if isinstance(arg, bytes) else str(arg).encode()
        out += b"$%d\r\n%s\r\n" % (len(arg), arg)
    return out


class Closed(Exception):
    pass


class Wire:
    """One connection."""

    def __init__(self, address):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(120)
        self.socket.connect(address)
        if family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.bytes = b""

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise Closed()
        self.bytes += data

    def line(self):
        while b"\r\n" not in self.bytes:
            self.more()
        line, self.bytes = self.bytes.split(b"\r\n", 1)
        return line

    def exactly(self, size):
        while len(self.bytes) < size + 2:
            self.more()
        data, self.bytes = self.bytes[:size], self.bytes[size + 2 :]
        return data

    def read(self):
        line = self.line()
        kind, rest = chr(line[0]), line[1:]
        if kind in "+-:,#":
            return kind + escape(rest)
        if kind == "_":
            return "_"
        size = int(rest)
        if size < 0:
            return kind + "nil"
        if kind in "$=":
            return kind + escape(self.exactly(size))
        if kind == "%":
            size *= 2
        return kind + "[" + " ".join(self.read() for _ in range(size)) + "]"

    def ask(self, *args):
        self.send(encode(args))
        return self.read()
