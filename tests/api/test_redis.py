#!/usr/bin/python3
"""The Redis dialect of a real node: the table of cases, and random commands compared with Redis.

    test_redis.py BINARY            runs everything (the comparison where redis-server is installed)
    test_redis.py --address A       against a node that runs already (HOST:PORT or a socket's path)
    test_redis.py --record          asks redis-server for the replies in redis_cases.txt again

HOLDFAST_SEED=n chooses the random commands; HOLDFAST_COMMANDS=n how many.
"""

import argparse
import atexit
import contextlib
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

import redis_cases
from node import Node
from redis_random import Commands
from resp import Client
from redis_wire import Closed, Wire, encode, split

CASES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "redis_cases.txt")

# Their replies are sets: Redis gives them in no order.
UNORDERED = {"SMEMBERS", "SINTER", "SUNION", "SDIFF", "KEYS", "SPOP", "SRANDMEMBER", "SSCAN",
             "SCAN", "COMMAND", "CONFIG", "EXEC"}


class Redis:
    """A redis-server of its own, on a socket in a folder of its own."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="holdfast-redis-")
        self.address = os.path.join(self.folder.name, "socket")
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.address, "--save", "",
             "--dir", self.folder.name, "--enable-debug-command", "yes"],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        atexit.register(self.process.kill)  # also when a comparison raises
        while b"The server is now ready" not in (line := self.process.stdout.readline()):
            if not line:
                sys.exit("redis-server did not start")

    def stop(self):
        self.process.terminate()
        self.process.communicate(timeout=120)
        self.folder.cleanup()


# ---- Replies that may differ without harm ----

def sort_members(reply):
    """Sorts what lies in the innermost brackets."""
    return re.sub(r"\[([^\[\]]*)\]", lambda m: "[" + " ".join(sorted(m.group(1).split(" "))) + "]",
                  reply)


def plain(line, reply):
    name = line.split(" ")[0].upper()
    reply = sort_members(reply) if name in UNORDERED else reply
    if name == "HELLO":
        reply = re.sub(r"(\$id) :\d+", r"\1 :N", reply)
    return reply


# ---- The table ----

class Player:
    """Plays cases in their order, with a new connection for each section."""

    def __init__(self, address):
        self.address = address
        self.section = None
        self.wire = None

    def ask(self, case):
        if case.section != self.section:
            if self.wire is not None:
                self.wire.close()
            self.section = case.section
            self.wire = Wire(self.address)
            self.wire.ask("FLUSHALL")
        try:
            return self.wire.ask(*split(case.line))
        except Closed:
            return "closed"


def run_cases(address):
    player, failed = Player(address), 0
    cases = redis_cases.load(CASES)
    for case in cases:
        got = player.ask(case)
        if plain(case.line, got) != plain(case.line, case.want()):
            failed += 1
            print("%s: %s\n  want %s\n  got  %s" % (case.section, case.line, case.want(), got))
    print("%d cases, %d failed" % (len(cases), failed))
    return failed == 0


def record():
    redis = Redis()
    cases = redis_cases.load(CASES)
    player = Player(redis.address)
    for case in cases:
        case.redis = player.ask(case)
        if case.ours is not None and case.ours == case.redis:
            case.ours = None
    redis_cases.save(CASES, cases)
    redis.stop()
    print("%d cases recorded" % len(cases))
    return True


# ---- Random commands, the same to both ----

def pipeline(wire, batch):
    wire.send(b"".join(encode(args) for args in batch))
    return [wire.read() for _ in batch]


def run_random(address, count, seed, is_whole):
    print("HOLDFAST_SEED=%d" % seed)
    redis = Redis()
    chance = random.Random(seed)
    ours, theirs = Wire(address), Wire(redis.address)
    commands = Commands(chance, is_whole)
    history, ok = [], True
    for wire in (ours, theirs):
        wire.ask("FLUSHALL")
        wire.ask("HELLO", str(2 + seed % 2))
    while ok and len(history) < count:
        batch = [commands.next() for _ in range(chance.choice([1, 1, 1, 5, 40]))]
        begin = time.monotonic()
        replies = zip(batch, pipeline(ours, batch), pipeline(theirs, batch))
        took_ms = int(1000 * (time.monotonic() - begin)) + 1
        commands.slowest_ms = max(commands.slowest_ms, took_ms)
        for args, got, want in replies:
            line = " ".join(a if isinstance(a, str) else repr(a) for a in args)
            history.append(line)
            if ok and not commands.agree(args, plain(line, got), plain(line, want)):
                print("\n".join(history[-15:]))
                print("  want %s\n  got  %s" % (want, got))
                ok = False
    redis.stop()
    print("%d random commands compared" % len(history))
    return ok


# ---- MULTI over all keys of a table that lies in one shard, and after a crash ----

def transaction(client, *commands):
    return client.pipeline([("MULTI",), *commands, ("EXEC",)])[-1]


def run_whole_table():
    with Node() as node:
        body = b'{"partition": "table"}'
        assert node.request("PUT", "/api/v1/tables/whole", body).status in (200, 201)
        with node.redis() as client:
            client.ask("SELECT", "whole")
            want = [1, [b"a", b"b"], 2, 0, 1, 3]
            got = transaction(
                client, ("MSETNX", "a", "1", "b", "2"), ("KEYS", "*"), ("DBSIZE",),
                ("MSETNX", "b", "3", "c", "4"), ("MSETNX", "c", "5"), ("DBSIZE",))
            assert got == want, got
            # It is about more than this table.
            assert transaction(client, ("FLUSHALL",)).word == "EXECABORT"
            # The table that is selected when EXEC comes decides.
            replies = transaction(client, ("SELECT", "0"), ("KEYS", "*"), ("SET", "x", "y"))
            assert replies[1].word == "CROSSSLOT" and replies[2] == b"OK", replies
        node.kill()
        node.start()
        with node.redis() as client:
            client.ask("SELECT", "whole")
            assert client.ask("MGET", "a", "b", "c") == [b"1", b"2", b"5"]
            assert transaction(client, ("FLUSHDB",), ("RANDOMKEY",), ("DBSIZE",)) == \
                [b"OK", None, 0]
    print("whole table: ok")
    return True


# ---- What lies on all threads ----

def run_threads():
    with Node("--threads", "4", "--slow", "0ms", "--engine", "memory") as node:
        clients = [node.redis() for _ in range(12)]
        names = ["c%d" % i for i in range(len(clients))]
        for client, name in zip(clients, names):
            client.ask("CLIENT", "SETNAME", name)
        listed = clients[0].ask("CLIENT", "LIST").decode()
        assert sorted(re.findall(r" name=(\S+)", listed)) == sorted(names), listed
        ids = [client.ask("CLIENT", "ID") for client in clients]
        assert len(clients[0].ask("CLIENT", "LIST", "ID", ids[1], ids[7], 1 << 40).splitlines()) == 2
        for client, name in zip(clients, names):
            client.ask("SET", name, "x")
        entries = clients[3].ask("SLOWLOG", "GET", "-1")
        slow = {entry[3][1].decode() for entry in entries if entry[3][0] == b"SET"}
        assert slow == set(names), slow
        assert len({entry[0] for entry in entries}) == len(entries) >= len(names)
        assert len(clients[3].ask("SLOWLOG", "GET", "5")) == 5
        assert clients[4].ask("SLOWLOG", "LEN") >= len(entries)
        clients[5].ask("SLOWLOG", "RESET")
        assert clients[6].ask("SLOWLOG", "LEN") <= 2  # the RESET itself
        replies = clients[0].pipeline([("SET", "a", "1"), ("CLIENT", "LIST"), ("INCR", "a"),
                                       ("SLOWLOG", "GET", "0"), ("GET", "a")])
        assert replies[0] == b"OK" and replies[2:] == [2, [], b"2"], replies
        assert len(transaction(clients[0], ("SLOWLOG", "LEN"), ("CLIENT", "LIST"))) == 2
        clients[1].ask("CONFIG", "SET", "slowlog-log-slower-than", "-1")
        clients[5].ask("SLOWLOG", "RESET")
        assert clients[7].ask("CONFIG", "GET", "slowlog-log-slower-than")[1] == b"-1"
        for client in clients:
            client.ask("SET", "a", "x")
        assert clients[6].ask("SLOWLOG", "LEN") == 0
        clients[1].ask("CONFIG", "SET", "slowlog-log-slower-than", "1500")
        assert clients[7].ask("CONFIG", "GET", "slow")[1] == b"1500us"
        for client in clients:  # hung up while it is on its way
            client.send(("CLIENT", "LIST"), ("SLOWLOG", "GET"))
            client.close()
    print("threads: ok")
    return True


# ---- SCAN: what is there all the time is found, and no cursor begins anew ----

def cursor_and_names(reply):
    cursor, names = re.match(r"\*\[\$(\d+) \*\[(.*)\]\]$", reply).groups()
    return cursor, [name[1:] for name in names.split(" ") if name]


def run_scan(address, seed):
    chance = random.Random(seed)
    wire, other = Wire(address), Wire(address)
    wire.ask("FLUSHALL")
    stay = {"stay:%d" % i for i in range(3000)}
    pipeline(wire, [["SET", name, "x"] for name in stay])
    found, cursor = [], "0"
    while True:
        cursor, names = cursor_and_names(wire.ask("SCAN", cursor, "COUNT", "7"))
        found += [name for name in names if name.startswith("stay:")]
        if cursor == "0":
            break
        # Meanwhile others come and go.
        other.ask("SET", "go:%d" % chance.randrange(1000), "x")
        other.ask("DEL", "go:%d" % chance.randrange(1000))
    ok = set(found) == stay and len(found) == len(stay)
    # A point that is not kept any more is an error.
    first, _ = cursor_and_names(wire.ask("SCAN", "0", "COUNT", "1"))
    pipeline(wire, [["SCAN", "0", "COUNT", "1"]] * 5000)
    ok = ok and wire.ask("SCAN", first) == "-ERR invalid cursor"
    wire.ask("FLUSHALL")
    print("scan: %d of %d keys found" % (len(set(found)), len(stay)))
    return ok


# ---- COMMAND DOCS: the arguments as redis-cli shows them ----

def pairs(flat):
    return {flat[i].decode(): flat[i + 1] for i in range(0, len(flat), 2)}


def syntax(arguments, separator=" "):
    return separator.join(syntax_of(pairs(argument)) for argument in arguments)


def syntax_of(argument):
    kind, flags = argument["type"], argument.get("flags", [])
    text = {b"block": lambda: syntax(argument["arguments"]),
            b"oneof": lambda: syntax(argument["arguments"], "|"),
            b"pure-token": lambda: ""}.get(kind, lambda: argument["name"].decode())()
    whole = " ".join(filter(None, [argument.get("token", b"").decode(), text]))
    if b"multiple" in flags:
        whole += " [%s ...]" % (whole if b"multiple_token" in flags else text)
    return "[%s]" % whole if b"optional" in flags else whole


def run_docs(address):
    redis, ok = Redis(), True
    with Client(address) as ours, Client(redis.address) as theirs:
        names = ours.ask("COMMAND", "LIST")
        for name in names:
            got, want = (pairs(c.ask("COMMAND", "DOCS", name)[1]) for c in (ours, theirs))
            for about in ("group", "since"):
                ok = ok and got[about] == want[about]
            if syntax(got.get("arguments", [])) != syntax(want.get("arguments", [])):
                print("%s: want %s\n  got %s" % (name.decode(), syntax(want.get("arguments", [])),
                                                syntax(got.get("arguments", []))))
                ok = False
    redis.stop()
    print("%d commands have the arguments that Redis documents" % len(names) if ok else "docs fail")
    return ok


# ---- redis-py ----

def run_redis_py(address):
    try:
        import redis
    except ImportError:
        print("skipped: redis-py is not installed")
        return True
    where = ({"unix_socket_path": address} if isinstance(address, str)
             else {"host": address[0], "port": address[1]})
    client = redis.Redis(decode_responses=True, **where)
    client.flushall()
    assert client.ping() is True
    assert client.set("k", "v", ex=100) is True
    assert client.get("k") == "v"
    assert 0 < client.ttl("k") <= 100
    assert client.incrby("n", 5) == 5
    assert client.incrbyfloat("f", 1.5) == 1.5
    assert client.mset({"{t}a": 1, "{t}b": 2}) is True
    assert client.mget(["{t}a", "{t}b", "{t}c"]) == ["1", "2", None]
    assert client.sadd("s", "x", "y") == 2
    assert client.smembers("s") == {"x", "y"}
    assert client.smismember("s", ["x", "z"]) == [1, 0]
    with client.pipeline(transaction=False) as pipe:
        for i in range(1000):
            pipe.set("key:%d" % i, i)
        assert all(pipe.execute())
    assert len(list(client.scan_iter(match="key:*", count=100))) == 1000
    assert set(client.sscan_iter("s")) == {"x", "y"}
    with client.pipeline() as pipe:
        pipe.watch("{t}a")
        value = int(pipe.get("{t}a"))
        pipe.multi()
        pipe.set("{t}a", value + 1)
        pipe.get("{t}a")
        assert pipe.execute() == [True, "2"]
    with client.pipeline() as pipe:
        pipe.watch("{t}a")
        client.set("{t}a", 9)
        pipe.multi()
        pipe.get("{t}a")
        try:
            pipe.execute()
            raise AssertionError("WATCH saw nothing")
        except redis.WatchError:
            pass
    assert client.info()["redis_mode"] == "standalone"
    assert client.config_get("databases") == {"databases": "16"}
    assert client.client_setname("me") and client.client_getname() == "me"
    assert client.command_count() > 80
    assert client.time()[0] > 0
    assert client.delete("k", "n", "f", "s") == 4
    client.flushdb()
    assert client.dbsize() == 0
    print("redis-py: ok")
    return True


def parse_address(text):
    host, _, port = text.rpartition(":")
    return (host, int(port)) if port.isdigit() else text


def run_world(address, seed, count, is_whole):
    ok = run_cases(address) if is_whole else True
    ok = run_scan(address, seed) and ok
    ok = run_redis_py(address) and ok
    if shutil.which("redis-server"):
        ok = run_docs(address) and ok
        ok = run_random(address, count, seed, is_whole) and ok
    else:
        print("skipped: the comparison, redis-server is not installed")
    return ok


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary", nargs="?")
    parser.add_argument("--address")
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    if options.record:
        return record()
    seed = int(os.environ.get("HOLDFAST_SEED", "0")) or random.randrange(1, 1 << 31)
    count = int(os.environ.get("HOLDFAST_COMMANDS", "20000"))
    ok = True
    # One shard is Redis' own world; with many, keys of one command share a {tag} in the tests.
    if not options.address:
        ok = run_whole_table() and ok
        ok = run_threads() and ok
    worlds = [None] if options.address else [["--shards", "1"], ["--engine", "memory"]]
    for flags in worlds:
        with contextlib.nullcontext() if flags is None else Node(*flags) as server:
            address = ("127.0.0.1", server.port) if server else parse_address(options.address)
            ok = run_world(address, seed, count, flags is None or "--shards" in flags) and ok
    return ok


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
