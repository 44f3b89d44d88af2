"""A small Redis client whose replies are Python values: bytes, int, list, None, or an Error.

Requests and replies are separate calls, so that a test can pipeline and knows, when the
connection breaks, which replies it has seen.
"""

import socket


class Closed(ConnectionError):
    """The other side ended the connection."""


class Error(Exception):
    """An error reply. Returned, not raised, but by ask()."""

    @property
    def word(self):
        return str(self).split(" ", 1)[0]


def encode(*arguments):
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        if isinstance(argument, int):
            argument = b"%d" % argument
        elif isinstance(argument, str):
            argument = argument.encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(argument), argument))
    return b"".join(parts)


class Client:
    def __init__(self, address, timeout=60):
        """`address`: (host, port), or the path of a Unix socket."""
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(address, timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.replies = self.socket.makefile("rb")

    def close(self):
        self.replies.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, *commands):
        """Each command is a tuple; all go out at once."""
        self.socket.sendall(b"".join(encode(*command) for command in commands))

    def read(self):
        line = self.replies.readline()
        if not line.endswith(b"\r\n"):
            raise Closed("connection closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            return Error(rest.decode(errors="replace"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return self.read_bytes(int(rest))
        if kind == b"*":
            return None if rest == b"-1" else [self.read() for _ in range(int(rest))]
        raise AssertionError("not a reply: %r" % line)

    def read_bytes(self, size):
        if size < 0:
            return None
        data = self.replies.read(size + 2)
        if len(data) != size + 2:
            raise Closed("connection closed")
        return data[:-2]

    def pipeline(self, commands):
        """Sends all, returns all replies. In pieces, so that neither side waits for the other."""
        replies = []
        for i in range(0, len(commands), 500):
            piece = commands[i:i + 500]
            self.send(*piece)
            replies += [self.read() for _ in piece]
        return replies

    def ask(self, *command):
        self.send(command)
        reply = self.read()
        if isinstance(reply, Error):
            raise reply
        return reply
