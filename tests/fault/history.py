"""Clients that write to a node, remember what was acknowledged, and after a crash say what may be
there and what must.

A Writer has one connection and keys in one shard, by a hash tag. So its writes are a sequence, and
after a crash the node must hold the state after some prefix of it: at least what was acknowledged,
at most what was sent, no command half.
"""

import http.client
import socket
import threading

import resp
from node import ANSWER_SECONDS

CONNECTION_LOST = (ConnectionError, http.client.HTTPException, socket.timeout, OSError)
REFUSED = ("MISCONF", "BUSY")  # nothing has happened
DISK_FAILED = "ERR the disk failed"  # the same, where a test makes it fail
UNKNOWN = "UNKNOWN"            # only a read tells, so the client ends
DEPTH_MAX = 40
SLOTS = 60


class Unknown(ConnectionError):
    """The outcome of a write is unknown. As good as a lost connection."""


def is_refusal(reply, may_fail):
    return reply.word in REFUSED or (may_fail and str(reply) == DISK_FAILED)


def is_http_refusal(status, body, may_fail):
    return status == 507 or (may_fail and status == 500 and b'"may_have_happened":true' not in body)


class Progress:
    """Counts acknowledged writes of all clients, so that the test can wait for a number."""

    def __init__(self):
        self.changed = threading.Condition()
        self.count = 0

    def add(self, n=1):
        with self.changed:
            self.count += n
            self.changed.notify_all()

    def wait_for(self, more, seconds):
        """False: it took longer than that."""
        with self.changed:
            goal = self.count + more
            return self.changed.wait_for(lambda: self.count >= goal, seconds)


# A write is a tuple of parts that happen together, each (name, key, argument).


def commands_of(write):
    commands = [part if part[2] is not None else part[:2] for part in write]
    return commands if len(write) == 1 else [("MULTI",)] + commands + [("EXEC",)]


def apply(state, write):
    for name, key, argument in write:
        if name == "SET":
            state[key] = argument
        elif name == "DEL":
            state.pop(key, None)
        elif name == "INCR":
            state[key] = b"%d" % (int(state.get(key, b"0")) + 1)
        elif name == "APPEND":
            state[key] = state.get(key, b"") + argument
        elif name == "SADD":
            state[key] = state.get(key, frozenset()) | {argument}
        elif name == "SREM":
            left = state.get(key, frozenset()) - {argument}
            if left:
                state[key] = left
            else:
                state.pop(key, None)


def applied_to(key, value, write):
    """What becomes of one key; None: it is not there."""
    state = {} if value is None else {key: value}
    apply(state, [part for part in write if part[1] == key])
    return state.get(key)


class Writer:
    """Pipelines of random depth over its own keys, and increments of keys that all share."""

    may_fail = False  # the disk is made to fail: what is refused for it has not happened

    def __init__(self, name, random, big_bytes=200):
        self.tag = b"{w%d}" % name
        self.random = random
        self.big_bytes = big_bytes
        self.state = {}      # after everything acknowledged
        self.unsettled = []  # sent, not acknowledged, in their order
        self.keys = set()
        self.serial = 0
        self.refused = 0
        self.is_refusing = False  # since the last check

    def unique(self):
        self.serial += 1
        return self.tag + b"-%d" % self.serial

    def key(self, kind):
        return b"%s:%s%d" % (kind, self.tag, self.random.randrange(SLOTS))

    def value(self):
        size = self.random.choice((0, 0, 0, 20, 200, self.big_bytes))
        return self.unique() + b"." * size

    def part(self):
        dice = self.random.randrange(100)
        if dice < 35:
            return ("SET", self.key(b"slot"), self.value())
        if dice < 45:
            return ("SET", b"once:" + self.unique(), self.unique())
        if dice < 60:
            return ("INCR", self.key(b"count"), None)
        if dice < 75:
            return ("SADD", self.key(b"set"), self.unique())
        if dice < 80:
            return ("SREM", self.key(b"set"), self.tag + b"-%d" % self.random.randint(
                max(1, self.serial - 500), self.serial + 1))
        if dice < 90:
            return ("APPEND", self.key(b"text"), self.unique())
        return ("DEL", self.key(self.random.choice((b"slot", b"set", b"text", b"count"))), None)

    def write(self):
        count = self.random.randint(2, 5) if self.random.random() < 0.1 else 1
        return tuple(self.part() for _ in range(count))

    def run(self, node, progress):
        """Until the connection breaks."""
        try:
            with node.redis() as client:
                while True:
                    self.burst(client, progress)
        except CONNECTION_LOST:
            pass

    def burst(self, client, progress):
        writes = [self.write() for _ in range(self.random.randint(1, DEPTH_MAX))]
        for write in writes:
            self.keys.update(part[1] for part in write)
        self.unsettled += writes
        client.send(*[command for write in writes for command in commands_of(write)])
        for write in writes:
            replies = [client.read() for _ in commands_of(write)]
            self.settle(write, replies[-1])
            progress.add()

    def settle(self, write, reply):
        if self.unsettled[0] is not write:
            raise AssertionError("replies out of order")
        if isinstance(reply, resp.Error) and reply.word == UNKNOWN:
            raise Unknown()
        self.unsettled.pop(0)
        if isinstance(reply, resp.Error):
            if not is_refusal(reply, self.may_fail):
                raise AssertionError("%r answered to %r" % (reply, [part[:2] for part in write]))
            self.refused += 1
            self.is_refusing = True
            return
        apply(self.state, write)

    def read_back(self, client):
        found = {}
        keys = sorted(self.keys)
        commands = [("SMEMBERS" if key.startswith(b"set:") else "GET", key) for key in keys]
        for key, reply in zip(keys, client.pipeline(commands)):
            if isinstance(reply, resp.Error):
                raise AssertionError("%r answered for %r" % (reply, key))
            if isinstance(reply, list):
                if len(set(reply)) != len(reply):
                    raise AssertionError("%r holds members twice" % key)
                reply = frozenset(reply) or None
            if reply is not None:
                found[key] = reply
        return found

    def check(self, client):
        """After a restart. Returns how many unacknowledged writes are there."""
        found = self.read_back(client)
        survived = self.explain_some(found) if self.is_refusing else self.explain_prefix(found)
        if survived is None:
            wrong = {key: (self.state.get(key), found.get(key)) for key in self.keys
                     if self.state.get(key) != found.get(key)}
            raise AssertionError("what was sent cannot give what is there; unlike what was "
                                 "acknowledged: %.2000r; not acknowledged: %.2000r"
                                 % (wrong, self.unsettled))
        self.state = found
        self.unsettled = []
        self.is_refusing = False
        return survived

    def explain_prefix(self, found):
        candidate = dict(self.state)
        for survived in range(len(self.unsettled) + 1):
            if found == candidate:
                return survived
            if survived < len(self.unsettled):
                apply(candidate, self.unsettled[survived])
        return None

    def explain_some(self, found):
        """Writes may have been refused one by one: each key shows some of them, in their order."""
        reachable = {key: {self.state.get(key)} for key in self.keys}
        for write in self.unsettled:
            for key in {part[1] for part in write}:
                reachable[key] |= {applied_to(key, value, write) for value in reachable[key]}
        is_explained = all(found.get(key) in values for key, values in reachable.items())
        return 0 if is_explained else None


class SharedCounter:
    """INCR of one key by many clients: acknowledged <= value <= sent, no answer given twice."""

    may_fail = False  # the disk is made to fail: what is refused for it has not happened

    def __init__(self, key, random):
        self.key = key
        self.random = random
        self.guard = threading.Lock()
        self.sent = 0
        self.answers = set()
        self.least = 0

    def run(self, node, progress):
        try:
            with node.redis() as client:
                while True:
                    depth = self.random.randint(1, 10)
                    with self.guard:
                        self.sent += depth
                    client.send(*[("INCR", self.key)] * depth)
                    for _ in range(depth):
                        self.answered(client.read())
                        progress.add()
        except CONNECTION_LOST:
            pass

    def answered(self, reply):
        with self.guard:
            if not isinstance(reply, int):
                if reply.word == UNKNOWN:
                    raise Unknown()
                self.sent -= 1
                if not is_refusal(reply, self.may_fail):
                    raise AssertionError(repr(reply))
                return
            if reply in self.answers or reply <= self.least:
                raise AssertionError("%d was answered twice" % reply)
            self.answers.add(reply)

    def check(self, client):
        value = int(client.ask("GET", self.key) or 0)
        least = max(self.answers, default=self.least)
        if not least <= value <= self.sent:
            raise AssertionError("counter: %d acknowledged, %d there, %d sent"
                                 % (least, value, self.sent))
        self.least = value
        self.answers = set()
        self.sent = value
        return 0


class OnceOverHttp:
    """Increments with an Idempotency-Key, sent again until answered: each counts exactly once.
    Between them keys of its own over two HTTP dialects."""

    may_fail = False  # the disk is made to fail: what is refused for it has not happened

    PATH = "/api/v1/tables/counters/keys/once-%d/increment"

    def __init__(self, name, random):
        self.name = name
        self.random = random
        self.total = 0
        self.serial = 0
        self.pending = None
        self.values = {}   # key -> what was acknowledged last
        self.unsettled = None  # (key, value)
        self.refused = 0

    def run(self, node, progress):
        try:
            connection = node.connect()
            while True:
                if self.pending is not None or self.random.random() < 0.5:
                    self.increment(connection)
                else:
                    self.put(connection)
                progress.add()
        except CONNECTION_LOST:
            pass

    def exchange(self, connection, method, path, body=None, headers=None):
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        if response.status == 504:
            raise Unknown()
        return response.status, response.read()

    def increment(self, connection):
        if self.pending is None:
            self.serial += 1
            self.pending = ("id-%d-%d" % (self.name, self.serial), self.random.randint(1, 9))
        name, amount = self.pending
        status, body = self.exchange(connection, "POST", self.PATH % self.name
                                     + "?amount=%d" % amount, None, {"Idempotency-Key": name})
        if is_http_refusal(status, body, self.may_fail):
            self.refused += 1
            return
        if status != 200:
            raise AssertionError("increment: %d %r" % (status, body))
        self.total += amount
        self.pending = None

    def put(self, connection):
        self.serial += 1
        key = "h%d-%d" % (self.name, self.random.randrange(40))
        value = b"%s=%d" % (key.encode(), self.serial)
        self.unsettled = (key, value)
        path, method = (("/" + key, "POST") if self.random.random() < 0.5 else
                        ("/api/v1/tables/kv/keys/" + key, "PUT"))
        status, body = self.exchange(connection, method, path, value)
        self.unsettled = None
        if is_http_refusal(status, body, self.may_fail):
            self.refused += 1
            return
        if status not in (200, 201):
            raise AssertionError("%s: %d %r" % (path, status, body))
        self.values[key] = value

    def check(self, client, node):
        connection = node.connect()
        if self.pending is not None:
            self.increment(connection)
        status, body = self.exchange(connection, "GET",
                                     "/api/v1/tables/counters/keys/once-%d" % self.name)
        value = int(body) if status == 200 else 0
        possible = [self.total]
        if self.pending is not None:  # the retry was refused: it still may have happened before
            possible.append(self.total + self.pending[1])
        if value not in possible:
            raise AssertionError("increments with an id: %r expected, %d there"
                                 % (possible, value))
        if self.unsettled is not None:
            key, sent = self.unsettled
            found = client.ask("GET", key)
            if found == sent:
                self.values[key] = sent
            self.unsettled = None
        keys = sorted(self.values)
        for key, found in zip(keys, client.pipeline([("GET", key) for key in keys])):
            if found != self.values[key]:
                raise AssertionError("%s: %r acknowledged, %r there"
                                     % (key, self.values[key], found))
        connection.close()
        return 0


class Load:
    """All clients together."""

    def __init__(self, random, writers=6, big_bytes=20000):
        def child():
            return type(random)(random.getrandbits(64))
        self.progress = Progress()
        self.writers = [Writer(i, child(), big_bytes) for i in range(writers)]
        self.counters = [SharedCounter(b"shared", child())]
        self.once = [OnceOverHttp(i, child()) for i in range(2)]
        self.failures = []
        self.threads = []

    def start(self, node, may_fail=False):
        runners = self.writers + self.counters * 2 + self.once
        for runner in runners:
            runner.may_fail = may_fail
        self.threads = [threading.Thread(target=self.guarded, args=(r, node), daemon=True)
                        for r in runners]
        for thread in self.threads:
            thread.start()

    def guarded(self, runner, node):
        try:
            runner.run(node, self.progress)
        except Exception as failure:  # a thread's exception must fail the test
            self.failures.append(failure)

    @property
    def is_running(self):
        return any(thread.is_alive() for thread in self.threads)

    def join(self):
        """The node is gone, so all clients end."""
        for thread in self.threads:
            thread.join(2 * ANSWER_SECONDS)
            if thread.is_alive():
                raise AssertionError("a client still waits for a dead node")
        if self.failures:
            raise self.failures[0]

    def check(self, node, may_refuse=False):
        """Returns how many writes survived without having been acknowledged. `may_refuse`: some of
        those that nobody has an answer to may have been refused."""
        for writer in self.writers:
            writer.is_refusing = writer.is_refusing or may_refuse
        with node.redis() as client:
            survived = sum(r.check(client) for r in self.writers + self.counters)
            return survived + sum(r.check(client, node) for r in self.once)

    @property
    def refused(self):
        return sum(r.refused for r in self.writers + self.once)
