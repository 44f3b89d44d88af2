"""Starts a holdfast process for a test and speaks HTTP and RESP to it. Standard library only.

The path of the program is the first argument of every test, or HOLDFAST_BIN; --engine and the like
are the Node's.
"""

import faulthandler
import http.client
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import resp

# Bounds for what hangs, not measures: machines may be slow, and have more to do.
READY_SECONDS = 120
STOP_SECONDS = 120
ANSWER_SECONDS = 120
HANG_SECONDS = 1100  # then each thread tells where it is; ctest ends the test a little later

faulthandler.dump_traceback_later(HANG_SECONDS)


def may_open(count):
    """Whether so many files may be open, here and in the nodes that are started from now on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != soft < count:
        soft = count
    if resource.RLIM_INFINITY != hard < soft:
        hard = soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    except (ValueError, OSError):
        print("  skipped: %d files may not be open here" % count)
        return False
    return True


class NotReady(RuntimeError):
    """The process ended, or took too long; its text is what it logged."""


def program():
    return os.environ.get("HOLDFAST_BIN") or sys.argv[1]


def environment(**more):
    """Ours for a node: what is set for tests (HOLDFAST_...) would be settings of it."""
    ours = {k: v for k, v in os.environ.items() if not k.startswith("HOLDFAST_")}
    return {**ours, **more}


class Node:
    """One process with its own data folder, on a port of the system's choice."""

    def __init__(self, *options, listen="127.0.0.1:0", data=True, folder=None, env=None,
                 starts=True):
        """`folder`: where the data folder is made; the caller's, and not removed."""
        self.is_folder_ours = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="holdfast-test-")
        self.options = list(options)
        self.listen = listen
        self.data = data
        self.env = env or {}
        self.process = None
        self.reader = None
        if starts:
            self.start()

    @property
    def data_folder(self):
        return os.path.join(self.folder, "data")

    def launch(self):
        """Starts the process and does not wait for it."""
        command = [program(), "serve", "--listen", self.listen] + self.options
        if self.data:
            command += ["--data", self.data_folder]
        self.log = []
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                        text=True, errors="replace", env=environment(**self.env))

    def start(self):
        self.launch()
        self.address = self.wait_ready()

    def wait_ready(self):
        """Reads the log up to the line that says ready; the rest is read by a thread."""
        timer = threading.Timer(READY_SECONDS, self.process.kill)
        timer.start()
        for line in self.process.stderr:
            self.log.append(line)
            match = re.search(r"\bready\b.*\blisten=\"?([^ \"]+)", line)
            if match:
                timer.cancel()
                self.reader = threading.Thread(target=self.read_log, daemon=True)
                self.reader.start()
                return match.group(1)
        timer.cancel()
        self.process.wait()
        raise NotReady("the node did not become ready:\n" + "".join(self.log))

    def read_log(self):
        log = self.log  # of this process: the next one has its own
        for line in self.process.stderr:
            log.append(line)

    @property
    def port(self):
        return int(self.address.rsplit(":", 1)[1])

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """An orderly stop; the data folder stays."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=STOP_SECONDS)
        if code != 0:
            raise RuntimeError("the node ended with %d:\n%s" % (code, "".join(self.log[-50:])))

    def close(self):
        try:
            if self.process is not None and self.process.poll() is None:
                self.stop()
        finally:
            if self.process is not None and self.process.poll() is None:
                self.kill()
            if self.is_folder_ours:
                shutil.rmtree(self.folder)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.explain()
        self.close()

    def explain(self):
        """A test has failed: what had the node to say?"""
        if self.reader is not None:
            self.reader.join(2)
        ended = self.process and self.process.poll()
        sys.stderr.write("the node (exit code %r) logged:\n%s" % (ended, "".join(self.log[-30:])))

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS)

    def redis(self, timeout=ANSWER_SECONDS):
        return resp.Client(("127.0.0.1", self.port), timeout)

    def request(self, method, path, body=None, headers=None):
        """One request on a connection of its own."""
        connection = self.connect()
        try:
            return exchange(connection, method, path, body, headers)
        finally:
            connection.close()


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return "%d %r %r" % (self.status, self.headers, self.body[:500])


def exchange(connection, method, path, body=None, headers=None):
    connection.request(method, path, body=body, headers=headers or {})
    return Answer(connection.getresponse())


def for_a_while(count, seconds=10):
    """Numbers below `count`, but none later than that: a node gives up clients that take nothing."""
    until = time.monotonic() + seconds
    for number in range(count):
        if number > 0 and time.monotonic() > until:
            return
        yield number


def expect(want, got, about=""):
    if want != got:
        raise AssertionError("%.2000s: want %.2000r, got %.2000r" % (about, want, got))


def run(tests):
    """Runs functions that take nothing: all, or those named behind the program."""
    chosen = [t for t in tests if t.__name__ in sys.argv[2:]] or tests
    for test in chosen:
        print(test.__name__, flush=True)
        test()
    print("%d passed" % len(chosen))
