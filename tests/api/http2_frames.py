"""HTTP/2 by hand: frames as bytes, for what no good client sends. Standard library only."""

import select
import socket
import struct
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = 0, 1, 2, 3, 4
PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4

NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, CANCEL, CALM = 0, 1, 7, 8, 11
INITIAL_WINDOW_SIZE = 4

READ_BYTES = 1 << 20


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(**values):
    """settings(INITIAL_WINDOW_SIZE=0)"""
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", globals()[name], value)
                                          for name, value in values.items()))


def hpack_number(value, bits, first):
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    out, value = bytearray([first | most]), value - most
    while value >= 128:
        out.append(128 | value & 127)
        value >>= 7
    out.append(value)
    return bytes(out)


def hpack_text(text):
    text = text if isinstance(text, bytes) else text.encode()
    return hpack_number(len(text), 7, 0) + text


def field(name, value):
    """A literal that nobody keeps."""
    return b"\0" + hpack_text(name) + hpack_text(value)


def kept_field(name, value):
    """A literal that goes into the table: b"\\xbe" names it, until another one does."""
    return b"\x40" + hpack_text(name) + hpack_text(value)


def head(path="/healthz", method="GET", host="localhost", **more):
    fields = [(":method", method), (":scheme", "http"), (":authority", host), (":path", path)]
    fields += [(name.replace("_", "-"), value) for name, value in more.items()]
    return b"".join(field(name, value) for name, value in fields)


def request(stream, path="/healthz", method="GET", is_open=False, **more):
    flags = END_HEADERS | (0 if is_open else END_STREAM)
    return frame(HEADERS, flags, stream, head(path, method, **more))


class Frame:
    def __init__(self, kind, flags, stream, payload):
        self.kind, self.flags, self.stream, self.payload = kind, flags, stream, payload

    def __repr__(self):
        return "<%d %d %d %r>" % (self.kind, self.flags, self.stream, self.payload[:80])


class Connection:
    """Sends bytes and reads frames; the first SETTINGS are sent at once."""

    def __init__(self, port, start=PREFACE + frame(SETTINGS), receive_bytes=None):
        self.socket = socket.socket()
        if receive_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.is_closed = False
        self.send(start)

    def send(self, data):
        """False: the node has closed."""
        try:
            self.socket.sendall(data)
            return True
        except OSError:
            return False

    def has_input(self, seconds):
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def frames(self, seconds=60, until=None):
        """All frames until one is `until(frame)`, the node closes, or time is over."""
        found = []
        deadline = time.monotonic() + seconds
        while True:
            while len(self.buffer) >= 9:
                size = int.from_bytes(self.buffer[:3], "big")
                if len(self.buffer) < 9 + size:
                    break
                kind, flags, stream = struct.unpack(">BBI", self.buffer[3:9])
                found.append(Frame(kind, flags, stream, self.buffer[9:9 + size]))
                self.buffer = self.buffer[9 + size:]
                if until is not None and until(found[-1]):
                    return found
            left = deadline - time.monotonic()
            if self.is_closed or left <= 0 or not self.has_input(left):
                return found
            try:
                piece = self.socket.recv(READ_BYTES)
            except OSError:
                piece = b""
            self.is_closed = piece == b""
            self.buffer += piece

    def drain(self):
        """Reads what is there, and forgets it."""
        while not self.is_closed and self.has_input(0):
            try:
                self.is_closed = self.socket.recv(READ_BYTES) == b""
            except OSError:
                self.is_closed = True

    def goaway(self, seconds=60):
        """(code, text) of the GOAWAY that the connection ends with; None: there was none."""
        last = None
        for one in self.frames(seconds):
            if one.kind == GOAWAY:
                last = (int.from_bytes(one.payload[4:8], "big"), one.payload[8:].decode())
        return last

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
