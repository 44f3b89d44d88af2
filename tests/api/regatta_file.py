"""Regatta's backup files, read and written here without the program: snappy's framed format and
the records in it. For small ones: nothing here is fast."""

import struct

IDENTIFIER = b"\xff\x06\x00\x00sNaPpY"
TABLE = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
    TABLE.append(n)


def masked_crc(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 255]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def frame(plain):
    """The bytes as a framed stream of chunks that are not compressed."""
    out = IDENTIFIER
    for at in range(0, len(plain), 65536):
        block = plain[at:at + 65536]
        out += b"\x01" + (len(block) + 4).to_bytes(3, "little")
        out += struct.pack("<I", masked_crc(block)) + block
    return out


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            return value, at
        shift += 7


def decompress(data):
    """A block of snappy."""
    size, at = varint(data, 0)
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        if tag & 3 == 0:
            length = tag >> 2
            if length >= 60:
                extra = length - 59
                length = int.from_bytes(data[at:at + extra], "little")
                at += extra
            out += data[at:at + length + 1]
            at += length + 1
            continue
        if tag & 3 == 1:
            length, offset = (tag >> 2 & 7) + 4, tag >> 5 << 8 | data[at]
            at += 1
        else:
            length, width = (tag >> 2) + 1, 2 if tag & 3 == 2 else 4
            offset = int.from_bytes(data[at:at + width], "little")
            at += width
        if offset == 0:
            raise ValueError("a copy of what is not there yet")
        for _ in range(length):
            out.append(out[-offset])
    if len(out) != size:
        raise ValueError("a block of %d bytes says %d" % (len(out), size))
    return bytes(out)


def chunks(data):
    """(offset, bytes) of each."""
    at = 0
    while at < len(data):
        size = 4 + int.from_bytes(data[at + 1:at + 4], "little")
        yield at, data[at:at + size]
        at += size


def plain_of(chunk):
    """What is in it; the identifier is itself."""
    if chunk == IDENTIFIER:
        return chunk
    plain = decompress(chunk[8:]) if chunk[0] == 0 else chunk[8:]
    if chunk[0] > 1 or len(chunk) != 4 + int.from_bytes(chunk[1:4], "little") or \
            masked_crc(plain) != int.from_bytes(chunk[4:8], "little"):
        raise ValueError("a chunk of kind %d: size or checksum" % chunk[0])
    if len(plain) > 65536:
        raise ValueError("a chunk is too large")
    return plain


def unframe(data):
    if not data.startswith(IDENTIFIER):
        raise ValueError("no stream identifier")
    return b"".join(plain_of(chunk) for at, chunk in chunks(data) if at > 0)


def records(plain, command):
    """The commands of a stream; `command` is the class of the message."""
    at = 0
    while at < len(plain):
        size = struct.unpack_from("<Q", plain, at)[0]
        yield command.FromString(plain[at + 8:at + 8 + size])
        at += 8 + size
    if at != len(plain):
        raise ValueError("cut short")


def join(commands):
    return b"".join(struct.pack("<Q", len(c)) + c for c in commands)
