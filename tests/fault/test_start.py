#!/usr/bin/env python3
"""Starts that must be refused, with a sentence that helps; and starts and stops that must work."""

import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "api"))

import resp
from node import STOP_SECONDS, Node, environment, expect, program, run

REFUSE_SECONDS = 120


def serve(*options, env=None, **more):
    """A start that must end by itself. Returns its exit code and what it said."""
    done = subprocess.run([program(), "serve"] + list(options), capture_output=True, text=True,
                          timeout=REFUSE_SECONDS, env=environment(**(env or {})), check=False,
                          **more)
    return done.returncode, done.stdout + done.stderr


def expect_refused(words, *options, **more):
    code, said = serve(*options, **more)
    expect(1, code, said)
    last = said.strip().split("\n")[-1]
    expect(True, last.startswith("holdfast: "), said)
    for word in words:
        expect(True, word in last, "%r in %r" % (word, last))


def check(folder):
    done = subprocess.run([program(), "check", folder], capture_output=True, text=True,
                          timeout=REFUSE_SECONDS, check=False, env=environment())
    return done.returncode, done.stdout + done.stderr


class Folder:
    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="holdfast-start-")
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path)


def test_settings():
    with Folder() as folder:
        data = os.path.join(folder, "data")
        usual = ["--data", data, "--listen", "127.0.0.1:0"]
        for words, options in (
                (["frobnicate"], ["--frobnicate", "7"]),
                (["frobnicate"], ["--frobnicate"]),
                (["settings begin with --", "serve"], ["serve"]),
                (["max-value", "enormous"], ["--max-value", "enormous"]),
                (["max-value", "25MiB"], ["--max-value=25MiB"]),
                (["max-value"], ["--max-value"]),
                (["shards", "0"], ["--shards", "0"]),
                (["shards", "-1"], ["--shards", "-1"]),
                (["threads", "65"], ["--threads", "65"]),
                (["engine", "paper", "disk|memory"], ["--engine", "paper"]),
                (["fsync", "sometimes"], ["--fsync", "sometimes"]),
                (["fsync", "interval:0"], ["--fsync", "interval:0"]),
                (["log-level", "loud"], ["--log-level", "loud"]),
                (["memory", "99999999999999999999"], ["--memory", "99999999999999999999"]),
                (["stop-timeout", "1h"], ["--stop-timeout", "1h"]),
                (["max-connections"], ["--max-connections", "0"]),
                (["config", "no/such/file"], ["--config", "no/such/file"]),
                (["listen"], ["--listen", ""]),
        ):
            expect_refused(words, *usual, *options)
        expect_refused(["--data"], "--listen", "127.0.0.1:0")
        expect_refused(["frobnicate"], *usual, env={"HOLDFAST_FROBNICATE": "1"})
        expect_refused(["max-value", "tall"], *usual, env={"HOLDFAST_MAX_VALUE": "tall"})
        expect(False, os.path.exists(data), "a refused start makes no folder")


def test_config_file():
    with Folder() as folder:
        file = pathlib.Path(folder, "holdfast.conf")
        usual = ["--data", os.path.join(folder, "data"), "--listen", "127.0.0.1:0",
                 "--config", str(file)]
        for text, words in ((b"# fine\n\nshards = many\n", ["line 3", "shards", "many"]),
                            (b"shards\n", ["line 1"]),
                            (b"colour = red\n", ["line 1", "colour"]),
                            (b"config = other\n", ["line 1"]),
                            (b"shards = 4\0\n", ["line 1"]),
                            (b"x" * 100000, ["line 1"])):
            file.write_bytes(text)
            expect_refused(words, *usual)
        file.write_bytes(b"  shards = 4 \n#c\nmax-value=1KiB")
        with Node("--config", str(file), "--max-value", "2KiB",
                  env={"HOLDFAST_MAX_VALUE": "3KiB", "HOLDFAST_SLOW": "7s"}) as node:
            said = "".join(node.log)
            for setting in ("name=shards value=4", "name=max-value value=2048",
                            "name=slow value=7000ms"):
                expect(True, setting in said, said)


def test_listeners():
    with Folder() as folder, socket.create_server(("127.0.0.1", 0)) as taken:
        data = ["--data", os.path.join(folder, "data")]
        port = taken.getsockname()[1]
        expect_refused([str(port), "in use"], *data, "--listen", "127.0.0.1:%d" % port)
        for address in ("0.0.0.0:0", ":0", "[::]:0"):
            expect_refused(["--insecure"], *data, "--listen", address)
        for address in ("127.0.0.1", "127.0.0.1:http", "127.0.0.1:65536", "nonsense", "unix:"):
            expect_refused([address], *data, "--listen", address)
        expect_refused(["example.org", "numeric"], *data, "--listen", "example.org:0")
        expect_refused(["gopher"], *data, "--listen", "127.0.0.1:0=gopher")
        expect_refused(["dialect"], *data, "--listen", "127.0.0.1:0=")
        missing = "unix:%s/no/such/socket" % folder
        expect_refused(["no/such/socket"], *data, "--listen", missing)
        with Node("--insecure", listen="0.0.0.0:0") as node:
            expect(200, node.request("GET", "/healthz").status)
        path = os.path.join(folder, "socket")
        with Node(listen="unix:" + path):
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(120)
            client.connect(path)
            client.sendall(b"PING\r\n")
            expect(b"+PONG\r\n", client.recv(100))
            client.close()


def test_data_folder():
    with Folder() as folder:
        file = pathlib.Path(folder, "file")
        file.write_text("")
        listen = ["--listen", "127.0.0.1:0"]
        expect_refused([str(file)], "--data", str(file), *listen)
        expect_refused([str(file)], "--data", str(file) + "/data", *listen)
        closed = os.path.join(folder, "closed")
        os.mkdir(closed, 0o500)
        if os.geteuid() == 0:  # whom nothing is closed to; another user may not reach the program
            os.chmod(folder, 0o755)
            expect_refused(["closed", "ermission"], "--data", closed, *listen, user=65534,
                           group=65534, extra_groups=[], executable=shutil.copy(program(), folder))
        else:
            expect_refused(["closed", "ermission"], "--data", closed, *listen)


def test_failed_start_with_a_journal_to_replay():
    """What is under way when a start fails is waited for; nothing breaks."""
    with Node("--memory", "2GiB") as node, socket.create_server(("127.0.0.1", 0)) as taken:
        with node.redis() as client:
            client.pipeline([("SET", "key%d" % i, "x" * 500) for i in range(50000)])
        node.kill()
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        for _ in range(3):
            expect_refused([address, "in use"], "--data", node.data_folder, "--listen", address)
        node.start()
        with node.redis() as client:
            expect(50000, client.ask("DBSIZE"))


def test_one_process():
    with Node() as node:
        usual = ["--data", node.data_folder, "--listen", "127.0.0.1:0"]
        expect_refused([node.data_folder, "in use", str(node.process.pid)], *usual)
        code, said = check(node.data_folder)
        expect(1, code)
        expect(True, "in use" in said, said)
        with node.redis() as client:  # and the first one has not noticed
            client.ask("SET", "k", "v")
            node.kill()
            node.start()
        with node.redis() as client:
            expect(b"v", client.ask("GET", "k"))


def test_other_settings_of_the_folder():
    with Node("--shards", "4") as node:
        mode = os.stat(node.data_folder).st_mode & 0o777
        expect(0o700, mode, "of the data folder")
        node.stop()
        usual = ["--data", node.data_folder, "--listen", "127.0.0.1:0"]
        expect_refused(["--shards 4", "5"], *usual, "--shards", "5")
        expect_refused(["--engine disk"], *usual, "--shards", "4", "--engine", "memory")
        identity = pathlib.Path(node.data_folder, "holdfast")
        good = identity.read_text()
        identity.write_text(good.replace("version 1", "version 2"))
        expect_refused(["newer", "2"], *usual, "--shards", "4")
        for bad in ("", "version 1\n", good.replace("shards 4", "shards x"), good[:-20], "\0" * 50,
                    "version 1\nunknown 7\n"):
            identity.write_text(bad)
            expect_refused(["holdfast"], *usual, "--shards", "4")
        identity.write_text(good)
        layout = pathlib.Path(node.data_folder, "engine", "layout")
        text = layout.read_text()
        layout.write_text(text.replace("format 1", "format 2"))
        expect_refused(["layout", "newer"], *usual, "--shards", "4")
        layout.write_text(text)
        node.start()


# ---- The journal ----

HEADER = 4096
HEAD = struct.Struct("<IIQQQIBBH")


def records(data):
    """(offset, size, commit) of each record of a segment."""
    at = HEADER
    while at + HEAD.size <= len(data):
        crc, size, commit, *_ = HEAD.unpack_from(data, at)
        if crc == 0 or commit == 0:
            return
        whole = (HEAD.size + size + 7) & ~7
        yield at, whole, commit
        at += whole


def segment_of(node):
    names = sorted(n for n in os.listdir(node.data_folder + "/journal") if n.startswith("journal-"))
    return pathlib.Path(node.data_folder, "journal", names[-1])


def write_keys(node, first, count):
    with node.redis() as client:
        for i in range(first, first + count):
            client.ask("SET", "key%d" % i, "value%d" % i)


def count_keys(node, most):
    with node.redis() as client:
        values = client.pipeline([("GET", "key%d" % i) for i in range(most)])
    count = sum(value is not None for value in values)
    expect([b"value%d" % i for i in range(count)], values[:count], "a prefix")
    return count


def test_damage_in_the_middle():
    for what in ("flip", "zeros"):
        with Node("--shards", "1") as node:
            write_keys(node, 0, 300)
            node.kill()
            file = segment_of(node)
            data = bytearray(file.read_bytes())
            found = list(records(data))
            at, size, _ = found[len(found) // 2]
            data[at + size // 2] ^= 0x55
            if what == "zeros":
                data[at:at + size] = bytes(size)
            file.write_bytes(data)
            node.launch()
            expect(1, node.process.wait(REFUSE_SECONDS))
            said = node.process.stderr.read()
            for word in (file.name, str(at), "--discard-damage"):
                expect(True, word in said, "%r in %r" % (word, said))
            code, said = check(node.data_folder)
            expect(1, code)
            expect(True, "DAMAGE: %s at %d" % (file.name, at) in said, said)
            node.options.append("--discard-damage")
            node.start()
            kept = count_keys(node, 300)
            expect(True, 100 < kept < 200, "%d keys kept" % kept)
            write_keys(node, kept, 300)
            node.kill()
            node.options.remove("--discard-damage")
            node.start()
            expect(kept + 300, count_keys(node, kept + 301))


def test_torn_tail():
    """A commit that was being written when the power went: cut, and everything before it kept."""
    for kept in (1, 8, 40, 41):
        with Node("--shards", "1") as node:
            write_keys(node, 0, 100)
            node.kill()
            file = segment_of(node)
            data = bytearray(file.read_bytes())
            at, size, _ = list(records(data))[-1]
            data[at + kept:at + size] = bytes(size - kept)
            file.write_bytes(data)
            code, said = check(node.data_folder)
            expect(0, code, said)
            node.start()
            count = count_keys(node, 101)
            expect(True, count in (99, 100), "100 if the last record was no entry")
            write_keys(node, count, 100)
            node.kill()
            node.start()
            expect(count + 100, count_keys(node, 201))


def test_check_of_a_good_folder():
    with Node() as node:
        write_keys(node, 0, 100)
        node.stop()
        before = sorted((p, p.stat().st_mtime_ns) for p in
                        pathlib.Path(node.data_folder, "journal").iterdir())
        code, said = check(node.data_folder)
        expect(0, code, said)
        expect("whole", said.strip().split("\n")[-1])
        after = sorted((p, p.stat().st_mtime_ns) for p in
                       pathlib.Path(node.data_folder, "journal").iterdir())
        expect(before, after, "check changes nothing")
        node.start()
    for arguments in ([], ["/no/such/folder"], ["a", "b"], ["--help"]):
        done = subprocess.run([program(), "check"] + arguments, capture_output=True, check=False,
                              timeout=REFUSE_SECONDS)
        expect(True, done.returncode in (1, 2), arguments)
        expect(True, done.stderr != b"", arguments)


# ---- Stops ----


def test_sigterm_drains():
    """Requests under way are answered; new connections are not taken."""
    with Node("--stop-timeout", "20s") as node:
        client = node.redis()
        client.ask("PING")
        slow = node.redis()
        slow.send(("DEBUG", "SLEEP", "1"), ("SET", "during", "stop"))
        writes = [("SET", "k%d" % i, "v") for i in range(20000)]
        client.send(*writes)
        first = client.read()
        expect(b"OK", first)
        node.process.send_signal(signal.SIGTERM)
        answered = 1
        try:
            for _ in writes[1:]:
                expect(b"OK", client.read())
                answered += 1
        except ConnectionError:
            pass
        expect(0, node.process.wait(STOP_SECONDS))
        client.close()
        slow.close()
        node.start()
        with node.redis() as client:
            there = sum(v is not None for v in client.pipeline([("GET", w[1]) for w in writes]))
        expect(True, answered <= there, "%d answered, %d there" % (answered, there))


def test_a_stop_reads_what_was_sent():
    """Who has sent a request before the signal is answered, on a connection that has not been
    accepted yet as on any other: while the node is held, both reach it together."""
    with Node() as node:
        connections = [node.connect() for _ in range(30)]
        for connection in connections[:15]:
            connection.connect()
        lines = [node.redis() for _ in range(15)]
        node.process.send_signal(signal.SIGSTOP)
        for i, connection in enumerate(connections):
            connection.request("PUT", "/api/v1/tables/kv/keys/k%d" % i, body=b"v")
        for i, client in enumerate(lines):
            client.send(("SET", "r%d" % i, "v"), ("GET", "r%d" % i))
        node.process.send_signal(signal.SIGTERM)
        node.process.send_signal(signal.SIGCONT)
        for connection in connections:
            expect(201, connection.getresponse().status)
        for client in lines:
            expect((b"OK", b"v"), (client.read(), client.read()))
            client.close()
        expect(0, node.process.wait(STOP_SECONDS))


def test_stop_with_clients():
    """Idle and busy clients do not hold up a stop."""
    with Node("--stop-timeout", "2s") as node:
        clients = [node.redis() for _ in range(50)]
        for client in clients:
            client.ask("PING")
        half = socket.create_connection(("127.0.0.1", node.port))
        half.sendall(b"POST /never HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc")
        ended = threading.Event()
        threading.Thread(target=lambda: (node.process.wait(), ended.set()), daemon=True).start()
        node.process.send_signal(signal.SIGTERM)
        expect(True, ended.wait(STOP_SECONDS), "stopped")
        expect(0, node.process.returncode)
        node.reader.join()
        expect(True, any("closing connections with requests under way" in line
                         for line in node.log), "in time: the half request was not waited for")
        half.close()
        for client in clients:
            client.close()
        node.start()


def test_reload():
    with Folder() as folder:
        file = pathlib.Path(folder, "holdfast.conf")
        file.write_text("log-level = info\n")
        with Node("--config", str(file)) as node:
            file.write_text("log-level = nonsense\n")
            node.process.send_signal(signal.SIGHUP)
            wait_for_line(node, "settings were not read again")
            file.write_text("log-level = debug\n")
            node.process.send_signal(signal.SIGHUP)
            wait_for_line(node, '"settings read again"')
            with node.redis() as client:
                expect(b"debug", client.ask("CONFIG", "GET", "log-level")[1])
            expect(200, node.request("GET", "/healthz").status)
        with Node() as node:
            node.process.send_signal(signal.SIGHUP)
            wait_for_line(node, "settings read again")
            expect(200, node.request("GET", "/healthz").status)


def wait_for_line(node, words):
    """The node is asked meanwhile, so this takes as long as it takes, within a bound."""
    for _ in range(2000):
        if any(words in line for line in node.log):
            return
        node.request("GET", "/healthz")
    raise AssertionError("no line %r in:\n%s" % (words, "".join(node.log)))


def test_json_log():
    with Node("--log-format", "json", starts=False) as node:
        node.launch()
        lines = []
        while not any('"ready"' in line for line in lines):
            lines.append(node.process.stderr.readline())
            expect(True, lines[-1] != "", "".join(lines))
        node.process.send_signal(signal.SIGTERM)
        lines += node.process.stderr.read().splitlines()
        for line in lines:
            expect(True, {"time", "level", "message"} <= set(json.loads(line)), line)
        expect(0, node.process.wait(STOP_SECONDS))


def test_copy():
    """A stopped node's folder may be copied."""
    with Node() as node:
        write_keys(node, 0, 1000)
        node.stop()
        with Folder() as folder:
            shutil.copytree(node.data_folder, folder + "/data")
            with Node(folder=folder) as copy:
                expect(1000, count_keys(copy, 1001))
                write_keys(copy, 1000, 10)
        node.start()
        expect(1000, count_keys(node, 1011))


def open_files(node):
    for number in pathlib.Path("/proc/%d/fd" % node.process.pid).iterdir():
        try:
            yield os.readlink(number)
        except FileNotFoundError:  # a connection that has ended meanwhile
            pass


def test_memory_touches_no_disk():
    with Folder() as folder:
        node = Node("--engine", "memory", data=False, starts=False, folder=folder)
        here = os.getcwd()
        os.chdir(folder)
        try:
            node.start()
        finally:
            os.chdir(here)
        with node:
            write_keys(node, 0, 100)
            files = [f for f in open_files(node) if f.startswith("/") and not f.startswith("/dev/")]
            expect([], files, "open files")
            expect([], os.listdir(folder))
            node.kill()
            node.start()
            expect(0, count_keys(node, 100))


def test_memory_with_a_folder():
    """Memory tables are volatile, the catalogue is not."""
    with Node("--engine", "memory") as node:
        write_keys(node, 0, 10)
        made = node.request("PUT", "/api/v1/tables/kept", b'{"engine": "disk"}',
                            {"Content-Type": "application/json"})
        expect(201, made.status, made)
        expect(201, node.request("PUT", "/api/v1/tables/kept/keys/k", b"v").status)
        node.kill()
        node.start()
        expect(0, count_keys(node, 10))
        expect(b"v", node.request("GET", "/api/v1/tables/kept/keys/k").body)


if __name__ == "__main__":
    sys.exit(run([test_settings, test_config_file, test_listeners, test_data_folder,
                  test_failed_start_with_a_journal_to_replay, test_one_process, test_other_settings_of_the_folder, test_damage_in_the_middle,
                  test_torn_tail, test_check_of_a_good_folder, test_sigterm_drains,
                  test_a_stop_reads_what_was_sent,
                  test_stop_with_clients, test_reload, test_json_log, test_copy,
                  test_memory_touches_no_disk, test_memory_with_a_folder]))
