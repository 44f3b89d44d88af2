#!/usr/bin/env python3
"""The clients in examples/ against a real node: code is generated as their readers would, and their
tours must print what examples/tour.txt says. Go is skipped where it is absent, and where the modules
that its client is built on are; with HOLDFAST_CLIENTS=1 they are fetched."""

import os
import shutil
import subprocess
import sys
import tempfile

import grpc_client  # pylint: disable=unused-import  # finds a Python that has grpcio

from node import Node, expect, run

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FETCH_SECONDS = 200
RUN_SECONDS = 200


def environment():
    """Without HOLDFAST_CLIENTS=1 Go sees only what it has fetched before."""
    if os.environ.get("HOLDFAST_CLIENTS") == "1" or shutil.which("go") is None:
        return os.environ
    cache = subprocess.run(["go", "env", "GOMODCACHE"], check=True, stdout=subprocess.PIPE,
                           text=True).stdout.strip()
    return dict(os.environ, GOPROXY="file://%s/cache/download" % cache, GONOSUMDB="*")


class Folder:
    """A copy of examples/ and proto/, so that nothing is generated into the tree."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="holdfast-examples-")
        for name in ("examples", "proto"):
            shutil.copytree(os.path.join(ROOT, name), os.path.join(self.folder, name))
        return self

    def __exit__(self, *_):
        subprocess.run(["chmod", "-R", "u+w", self.folder], check=True)
        shutil.rmtree(self.folder)

    def run(self, language, *command, seconds=RUN_SECONDS):
        return subprocess.run(command, cwd=os.path.join(self.folder, "examples", language),
                              env=environment(), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=seconds)

    def tour(self, language, node, *settings):
        done = self.run(language, "make", "--silent", "all", *settings)
        expect(0, done.returncode, done.stdout)
        done = self.run(language, "make", "--silent", "run", "ADDRESS=" + node.address, *settings)
        expect(0, done.returncode, done.stdout)
        with open(os.path.join(ROOT, "examples", "tour.txt")) as file:
            expect(file.read(), done.stdout, language)


def test_python():
    with Folder() as folder, Node() as node:
        folder.tour("python", node, "PYTHON=" + sys.executable)


def has_modules(folder):
    """What Go needs is there, or can be fetched."""
    try:
        for target in ("bin/protoc-gen-go", "bin/protoc-gen-go-grpc"):
            where = os.path.join(folder.folder, "examples", "go", target)
            if folder.run("go", "make", where, seconds=FETCH_SECONDS).returncode != 0:
                return False
        return folder.run("go", "go", "mod", "download",
                          seconds=FETCH_SECONDS).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def test_go():
    if shutil.which("go") is None:
        print("skipped: the Go client, there is no go")
        return
    with Folder() as folder, Node() as node:
        if has_modules(folder):
            folder.tour("go", node)
        else:
            print("skipped: the Go client, its modules are not here; HOLDFAST_CLIENTS=1 fetches them")


if __name__ == "__main__":
    run([test_python, test_go])
