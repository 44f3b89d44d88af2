#!/usr/bin/env python3
"""Checks proto/holdfast as `buf lint` would by proto/buf.yaml, as far as lines can tell, and runs buf
itself where there is one: every message, field, enum, value, service and method has a comment; names
are written as they should be; a method's messages are called after it."""
import pathlib
import re
import shutil
import subprocess
import sys

root = pathlib.Path(sys.argv[1])
bad = 0
NAMED = re.compile(r"(message|enum|service|oneof) (\w+) \{")
FIELD = re.compile(r"(?:repeated )?[\w.]+ (\w+) = \d+;")
VALUE = re.compile(r"([A-Z]\w*) = (\d+);")
METHOD = re.compile(r"rpc (\w+)\((?:stream )?(\w+)\) returns \((?:stream )?(\w+)\);")
LAYOUT = re.compile(r"(//.*|\}|\{|syntax .*|package .*|import .*|reserved .*|)$")


def complain(file, number, what):
    global bad
    print(f"{file.relative_to(root)}:{number}: {what}")
    bad += 1


def snake(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()


def is_named_well(line, service, enum):
    """True: the name on this line is good; None: it has none."""
    named, field = NAMED.match(line), FIELD.match(line)
    value, method = VALUE.match(line), METHOD.match(line)
    if named:
        pattern = r"[a-z][a-z0-9_]*$" if named[1] == "oneof" else r"[A-Z][A-Za-z0-9]*$"
        return re.match(pattern, named[2]) is not None
    if method:
        stems = (method[1], service + method[1])
        return any((stem + "Request", stem + "Response") == (method[2], method[3])
                   for stem in stems)
    if value:
        return value[1].startswith(snake(enum) + "_") and \
            (value[2] != "0" or value[1] == snake(enum) + "_UNSPECIFIED")
    return re.match(r"[a-z][a-z0-9_]*$", field[1]) is not None if field else None


def check(file):
    service = enum = before = ""
    package = str(file.parent.relative_to(root / "proto")).replace("/", ".")
    if f"package {package};" not in file.read_text().splitlines():
        complain(file, 1, f"the package of this folder is {package}")
    for number, full in enumerate(file.read_text().splitlines(), 1):
        line = full.strip()
        named = NAMED.match(line)
        if named:
            service = named[2] if named[1] == "service" else service
            enum = named[2] if named[1] == "enum" else enum
        good = is_named_well(line, service, enum)
        if good is None and not LAYOUT.match(line):
            complain(file, number, "not understood")
        if good is False:
            complain(file, number, "not named by the rules")
        if good is not None and not before.startswith("//"):
            complain(file, number, "no comment")
        before = line


for proto in sorted((root / "proto/holdfast").rglob("*.proto")):
    check(proto)
if shutil.which("buf"):
    bad += subprocess.run(["buf", "lint"], cwd=root / "proto", check=False).returncode
sys.exit(1 if bad else 0)
