"""Plays a golden file (tests/golden/*.txt) against a real node: the bytes that clients see.

Headers that the file does not name may be there, but only Date, Content-Length and what belongs to
the connection.
"""

import os
import time

from node import exchange

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden")
OURS = {"date", "content-length", "connection", "transfer-encoding", "keep-alive", "server"}


def unescape(text):
    out = bytearray()
    data = text.encode("latin-1", "strict") if text.isascii() else text.encode()
    i = 0
    while i < len(data):
        if data[i:i + 2] == b"\\n":
            out += b"\n"
            i += 2
        elif data[i:i + 2] == b"\\x":
            out.append(int(data[i + 2:i + 4], 16))
            i += 4
        else:
            out.append(data[i])
            i += 1
    return bytes(out)


def escape(data):
    """As the file writes an answer's body."""
    return "".join("\\n" if b == 10 else chr(b) if 0x20 <= b < 0x7f else "\\x%02x" % b for b in data)


def read(name):
    """Yields (line number, seconds) for pauses, else (line number, request, answer)."""
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        blocks = file.read().split("\n\n")
    number = 1
    for block in blocks:
        lines = [line for line in block.split("\n") if line and not line.startswith("#")]
        if lines and lines[0].startswith("* wait "):
            yield number, int(lines[0][7:]) / 1000
        elif lines:
            yield number, lines
        number += block.count("\n") + 2


def play(node, name, skip=lambda request: False):
    """Returns how many requests were played."""
    count = 0
    connection = node.connect()
    for number, lines in read(name):
        if isinstance(lines, float):
            time.sleep(lines)  # a real clock: what the file waits for is a lifetime
            continue
        request = [line[2:] for line in lines if line.startswith("> ")]
        if skip(request[0]):
            continue
        count += 1
        play_one(connection, "%s:%d %s" % (name, number, request[0]), request, lines)
    connection.close()
    return count


def play_one(connection, about, request, lines):
    method, path = request[0].split(" ", 1)
    headers = dict(line.split(": ", 1) for line in request[1:])
    body = [unescape(line[3:]) for line in lines if line.startswith(">> ")]
    answer = exchange(connection, method, path, body[0] if body else None, headers)
    wanted = [line[2:] for line in lines if line.startswith("< ")]
    wanted_headers = {n.lower(): v for n, v in (line.split(": ", 1) for line in wanted[1:])}
    wanted_body = "".join(line[3:] for line in lines if line.startswith("<< "))
    got_headers = {n: v for n, v in answer.headers.items() if n not in OURS}
    for what, want, got in (("status", int(wanted[0]), answer.status),
                            ("headers", wanted_headers, got_headers),
                            ("body", wanted_body, escape(answer.body))):
        if want != got:
            raise AssertionError("%s: %s: want %r, got %r" % (about, what, want, got))
