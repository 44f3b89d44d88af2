#!/usr/bin/env python3
"""The documents are true: the examples of the README answer as it says, and docs/operations.md
tells every flag and every metric; ARCHITECTURE.md names what is there."""

import os
import pathlib
import re
import subprocess

from node import Node, environment, expect, program, run

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPERATIONS = (ROOT / "docs/operations.md").read_text()


def examples(text):
    """Pairs of a command and the lines it must answer."""
    for block in re.findall(r"```console\n(.*?)```", text, re.S):
        command, answer = None, []
        for line in block.splitlines():
            if line.startswith("$ "):
                if command:
                    yield command, answer
                command, answer = line[2:], []
            else:
                answer.append(line)
        yield command, answer


def fits(want, got):
    """`…` stands for anything within a line."""
    return re.fullmatch(".*".join(map(re.escape, want.split("…"))), got) is not None


def test_examples():
    with Node() as node:
        for command, want in examples((ROOT / "README.md").read_text()):
            ours = command.replace("127.0.0.1:8080", f"127.0.0.1:{node.port}")
            ours = ours.replace("-p 8080", f"-p {node.port}")
            if "curl " in ours:
                ours = ours.replace("curl ", "curl -sS --noproxy '*' ", 1)
            done = subprocess.run(["sh", "-c", ours], capture_output=True, text=True, timeout=120,
                                  check=False, env=environment())
            got = [line for line in (done.stdout + done.stderr).splitlines() if line]
            if len(want) != len(got) or not all(map(fits, want, got)):
                raise AssertionError(f"{command}\nwant {want}\ngot  {got}")


def test_flags():
    text = subprocess.run([program(), "serve", "--help"], capture_output=True, text=True,
                          check=True, timeout=120).stdout
    flags = re.findall(r"^  (--[a-z-]+)", text, re.M)
    expect(True, len(flags) > 10, text)
    expect([], [f for f in flags if f"| `{f}` |" not in OPERATIONS], "flags without a row")
    told = re.findall(r"^\| `(--[a-z-]+)` \|", OPERATIONS, re.M)
    expect([], [f for f in told if f not in flags], "rows without a flag")
    for flag, default in re.findall(r"^  (--[a-z-]+).*\(default ([^)]+)\)$", text, re.M):
        row = re.search(rf"^\| `{flag}` \| .*", OPERATIONS, re.M).group(0)
        expect(True, default in row, f"the default of {flag}, {default}, in {row}")


def test_metrics():
    with Node() as node:
        text = node.request("GET", "/metrics").body.decode()
    families = re.findall(r"^# TYPE (\S+)", text, re.M)
    expect(True, len(families) > 20, text)
    expect([], [f for f in families if f"| `{f}`" not in OPERATIONS], "metrics without a row")
    told = re.findall(r"^\| `(holdfast_[a-z_]+)`", OPERATIONS, re.M)
    expect([], [f for f in told if f not in families], "rows without a metric")


def test_tour():
    """What the tour names is there: `file`, `file: function`, `name_with_underscores`."""
    text = " ".join((ROOT / "ARCHITECTURE.md").read_text().split())
    sources = {str(p.relative_to(ROOT)): p.read_text()
               for p in (*ROOT.glob("src/**/*.[ch]"), *ROOT.glob("tests/*/*.[ch]"))}
    whole = "\n".join(sources.values())
    for path, name in re.findall(r"`([a-z0-9_/]+\.[ch])(?:: (\w+))?`", text):
        found = [t for p, t in sources.items() if ("/" + p).endswith("/" + path)]
        expect(True, bool(found), path)
        expect(True, not name or any(re.search(rf"\b{name}\(", t) for t in found),
               f"{path}: {name}")
    for name in re.findall(r"`(\w+_\w+)(?:\(\))?`", text):
        expect(True, re.search(rf"\b{name}\b", whole) is not None, name)


if __name__ == "__main__":
    os.environ.setdefault("NO_PROXY", "*")
    run([test_examples, test_flags, test_metrics, test_tour])
