#!/usr/bin/env python3
"""Clients in other languages, unmodified: ioredis (npm) and go-redis (go).

They are fetched from their registries, so this runs only where it is asked for with
HOLDFAST_CLIENTS=1 and where the tools are; else it says what it has skipped.

    HOLDFAST_CLIENTS=1 test_redis_clients.py BINARY
"""

import os
import shutil
import subprocess
import sys
import tempfile

from node import Node

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients")

# Name, tool, how it is prepared, how it is run.
CLIENTS = [
    ("ioredis", "npm", ["npm", "install", "--silent", "--no-audit", "--no-fund"],
     ["node", "client.js"]),
    ("go-redis", "go", ["go", "mod", "tidy"], ["go", "run", "."]),
]


def run(name, prepare, command, port):
    with tempfile.TemporaryDirectory(prefix="holdfast-clients-") as folder:
        work = os.path.join(folder, name)
        shutil.copytree(os.path.join(HERE, name), work)
        if subprocess.run(prepare, cwd=work, timeout=300).returncode != 0:
            print("skipped: %s, it could not be fetched" % name)
            return True
        return subprocess.run(command + [str(port)], cwd=work, timeout=300).returncode == 0


def main():
    if os.environ.get("HOLDFAST_CLIENTS") != "1":
        print("skipped: ioredis and go-redis, HOLDFAST_CLIENTS is not 1")
        return True
    ok = True
    with Node() as node:
        for name, tool, prepare, command in CLIENTS:
            if shutil.which(tool) is None:
                print("skipped: %s, there is no %s" % (name, tool))
            else:
                ok = run(name, prepare, command, node.port) and ok
    return ok


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
