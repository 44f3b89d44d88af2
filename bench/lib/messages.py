"""The few protobuf messages of the bench, written and read by hand, and one gRPC call with curl."""
import subprocess
import tempfile


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out) + bytes([number])


def message(fields):
    """{1: b"text", 3: 50}: bytes, strings and messages as they are, whole numbers as varints."""
    out = b""
    for number, value in fields.items():
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            out += varint(number << 3 | 2) + varint(len(value)) + value
    return out


def take_varint(data, at):
    number, shift = 0, 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at


def fields_of(data):
    """{field number: [values]} of a message of varints and byte strings."""
    out, at = {}, 0
    while at < len(data):
        tag, at = take_varint(data, at)
        value, at = take_varint(data, at)
        if tag & 7 == 2:
            value, at = data[at:at + value], at + value
        elif tag & 7 != 0:
            raise ValueError(f"wire type {tag & 7}")
        out.setdefault(tag >> 3, []).append(value)
    return out


def framed(data):
    return b"\0" + len(data).to_bytes(4, "big") + data


def unframed(body):
    """The messages of a gRPC body."""
    out, at = [], 0
    while at < len(body):
        size = int.from_bytes(body[at + 1:at + 5], "big")
        if body[at] != 0 or at + 5 + size > len(body):
            raise ValueError("the body is not whole messages without compression")
        out.append(body[at + 5:at + 5 + size])
        at += 5 + size
    return out


class Refused(Exception):
    """A call that did not end with status 0."""

    def __init__(self, status, text):
        super().__init__(f"status {status}: {text}")
        self.status = status


def fetch(url, *options):
    """(status, fields, body) of curl over HTTP/2, by prior knowledge or ALPN; fields of trailers too."""
    with tempfile.NamedTemporaryFile() as heads:
        done = subprocess.run(["curl", "-sSk", "--max-time", "30", "--http2-prior-knowledge", "-D",
                               heads.name, *options, url], capture_output=True, check=False)
        lines = heads.read().decode("latin-1").splitlines()
    if done.returncode != 0 or not lines:
        raise Refused("missing", done.stderr.decode().strip())
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    return lines[0].split()[1], fields, done.stdout


def call(port, path, request, tls=False):
    """The messages of the answer to a gRPC call; raises Refused."""
    with tempfile.NamedTemporaryFile() as body:
        body.write(framed(request))
        body.flush()
        _, fields, answer = fetch(f"{'https' if tls else 'http'}://127.0.0.1:{port}{path}", "-H",
                                  "content-type: application/grpc", "-H", "te: trailers",
                                  "--data-binary", f"@{body.name}")
    if fields.get("grpc-status") != "0":
        raise Refused(fields.get("grpc-status", "missing"), fields.get("grpc-message", ""))
    return unframed(answer)
