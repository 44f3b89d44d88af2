"""Random commands for two servers: few keys, so that they meet, and all with one {tag}."""

import re

KEYS = ["{t}%s" % c for c in "abcdefgh"]
# What no two servers answer alike.
RANDOM_CHOICE = {"SPOP", "SRANDMEMBER", "RANDOMKEY", "SCAN"}
CLOCK_MS = 2000  # how far two servers may be apart, besides the time that they took to answer
TIMES = {"TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"}


class Commands:
    """`is_whole`: all keys lie in one shard, so transactions may speak of all of them."""

    def __init__(self, random, is_whole):
        self.random = random
        self.is_whole = is_whole
        self.makers = [
            self.string_write, self.string_write, self.string_read, self.number, self.bits,
            self.bitfield, self.key, self.expire, self.set_write, self.set_write, self.set_read,
            self.set_many, self.several,
        ]
        self.queue = []  # of a transaction
        self.slowest_ms = 0  # what the caller has waited at most for both to answer

    def pick(self, *things):
        return self.random.choice(things)

    def name(self):
        return self.random.choice(KEYS)

    def names(self, least=1, most=4):
        return [self.name() for _ in range(self.random.randint(least, most))]

    def number_text(self):
        return self.pick(
            "0", "1", "-1", "7", "100", "-5", str(self.random.randint(-1000, 1000)),
            "9223372036854775807", "-9223372036854775808", "9223372036854775808", "x", "1.5", "",
            " 1", "01", "-0", "+1")

    def small(self):
        return str(self.random.randint(-12, 12))

    def value(self):
        return self.pick(
            "", "a", "hello", "world wide", self.number_text(), self.number_text(),
            "x" * self.random.randint(0, 60), b"\x00\xff\x10", b"\xff\xff")

    def member(self):
        return self.pick("a", "b", "c", "d", "1", "2", "3", "-1", "007", "long-member")

    def seconds(self):
        return self.pick("100", "1000", "100000", "0", "-1", "x", "9223372036854775807")

    def ttl_option(self):
        return self.pick(
            [], [], ["EX", self.seconds()], ["PX", "100000"], ["KEEPTTL"], ["EXAT", "33177117420"],
            ["PXAT", "33177117420123"], ["EX"], ["EX", "100", "PX", "100"])

    def string_write(self):
        k, v = self.name(), self.value()
        return self.pick(
            ["SET", k, v], ["SET", k, v],
            ["SET", k, v] + self.ttl_option() + self.pick([], ["NX"], ["XX"]) +
            self.pick([], [], ["GET"]),
            ["SETNX", k, v], ["SETEX", k, self.seconds(), v], ["PSETEX", k, self.pick("100000", "5000000", "0", "x"), v],
            ["GETSET", k, v], ["GETDEL", k], ["APPEND", k, v],
            ["SETRANGE", k, self.pick("0", "3", "20", "-1", "x"), v],
            ["GETEX", k] + self.pick([], ["PERSIST"], ["EX", "100"], ["EXAT", "1"], ["X"]),
            ["MSET", k, v, self.name(), self.value()],
            ["MSETNX", k, v, self.name(), self.value()])

    def string_read(self):
        k = self.name()
        return self.pick(
            ["GET", k], ["STRLEN", k], ["GETRANGE", k, self.small(), self.small()],
            ["SUBSTR", k, self.small(), self.small()], ["MGET"] + self.names(),
            ["LCS", k, self.name()], ["LCS", k, self.name(), "LEN"],
            ["LCS", k, self.name(), "IDX", "WITHMATCHLEN", "MINMATCHLEN", self.small()])

    def number(self):
        k = self.name()
        return self.pick(
            ["INCR", k], ["DECR", k], ["INCRBY", k, self.number_text()],
            ["DECRBY", k, self.number_text()],
            ["INCRBYFLOAT", k, self.pick("1.5", "-0.25", "3", "1e2", "x", "0")])

    def bits(self):
        k = self.name()
        rest = self.pick([], [], [self.small(), self.small()],
                         [self.small(), self.small(), self.pick("BIT", "BYTE", "x")],
                         [self.small()])
        return self.pick(
            ["SETBIT", k, self.pick("0", "7", "40", "-1", "x"), self.pick("0", "1", "2")],
            ["GETBIT", k, self.pick("0", "7", "40", "1000", "-1")],
            ["BITCOUNT", k] + rest, ["BITPOS", k, self.pick("0", "1", "2")] + rest,
            ["BITOP", self.pick("AND", "OR", "XOR"), k] + self.names(),
            ["BITOP", "NOT", k, self.name()])

    def field(self):
        sign = self.pick("u", "i")
        width = self.pick(1, 4, 7, 8, 13, 16, 31, 32, 33, 63, 64)
        return "%s%d" % (sign, width)

    def field_step(self):
        offset = self.pick("0", "1", "5", "8", "#0", "#1", "#3", "100", "-1")
        # Not the ends of int64: there Redis saturates to the wrong side.
        amount = self.pick("0", "1", "-1", "127", "255", "-128", "1000", "4611686018427387904",
                           "-4611686018427387904")
        return self.pick(
            ["GET", self.field(), offset], ["SET", self.field(), offset, amount],
            ["INCRBY", self.field(), offset, amount],
            ["OVERFLOW", self.pick("WRAP", "SAT", "FAIL")])

    def bitfield(self):
        steps = []
        for _ in range(self.random.randint(0, 3)):
            steps += self.field_step()
        return [self.pick("BITFIELD", "BITFIELD", "BITFIELD_RO"), self.name()] + steps

    def key(self):
        k = self.name()
        return self.pick(
            ["DEL"] + self.names(), ["UNLINK", k], ["EXISTS"] + self.names(), ["TYPE", k],
            ["TOUCH"] + self.names(), ["RENAME", k, self.name()], ["RENAMENX", k, self.name()],
            ["COPY", k, self.name()], ["COPY", k, self.name(), "REPLACE"],
            ["COPY", k, self.name(), "DB", "1", "REPLACE"], ["DBSIZE"], ["KEYS", "{t}[a-d]"],
            ["KEYS", "*"], ["SELECT", self.pick("0", "0", "0", "1")])

    def expire(self):
        k = self.name()
        conditions = self.pick([], [], ["NX"], ["XX"], ["GT"], ["LT"], ["XX", "GT"], ["XX", "LT"],
                               ["NX", "GT"], ["x"])
        # Never the same time twice: which of two is later must not hang on a millisecond.
        unique = str(self.random.randint(2000, 1 << 30))
        seconds = unique if conditions else self.seconds()
        return self.pick(
            ["EXPIRE", k, seconds] + conditions,
            ["PEXPIRE", k, self.pick(unique + "000", "x")] + conditions,
            ["EXPIREAT", k, self.pick("33177117420", "33177117421", "1")] + conditions,
            ["PEXPIREAT", k, self.pick("33177117420123", "33177117420124")] + conditions,
            ["PERSIST", k], ["TTL", k], ["PTTL", k], ["EXPIRETIME", k], ["PEXPIRETIME", k])

    def set_write(self):
        k = self.name()
        members = [self.member() for _ in range(self.random.randint(1, 4))]
        return self.pick(
            ["SADD", k] + members, ["SADD", k] + members, ["SREM", k] + members,
            ["SMOVE", k, self.name(), self.member()])

    def set_read(self):
        k = self.name()
        return self.pick(
            ["SMEMBERS", k], ["SCARD", k], ["SISMEMBER", k, self.member()],
            ["SMISMEMBER", k, self.member(), self.member()], ["SSCAN", k, "0", "COUNT", "1000"],
            ["SSCAN", k, "0", "MATCH", "[a-c1]", "COUNT", "1000"],
            ["SRANDMEMBER", k], ["SRANDMEMBER", k, self.small()], ["OBJECT", "ENCODING", k])

    def set_many(self):
        kind = self.pick("SINTER", "SUNION", "SDIFF")
        names = self.names()
        return self.pick(
            [kind] + names, [kind + "STORE", self.name()] + names,
            ["SINTERCARD", str(len(names))] + names,
            ["SINTERCARD", str(len(names))] + names + ["LIMIT", self.pick("0", "1", "2", "-1")])

    def all_keys(self):
        return self.pick(
            ["KEYS", self.pick("*", "{t}[a-d]", "{t}?", "none*")], ["DBSIZE"], ["FLUSHDB"],
            ["SCAN", "0", "COUNT", "1000"] + self.pick([], ["TYPE", "set"], ["MATCH", "*a"]))

    def several(self):
        """A transaction, with what may be asked inside one."""
        self.queue = [["MULTI"]]
        if self.random.random() < 0.3:
            self.queue.insert(0, ["WATCH"] + self.names())
            if self.random.random() < 0.5:
                self.queue.insert(1, self.string_write())
        makers = self.makers[:-1] + ([self.all_keys] if self.is_whole else [])
        for _ in range(self.random.randint(0, 4)):
            args = self.random.choice(makers)()
            is_on_all = args[0] in ("KEYS", "DBSIZE")
            if args[0] not in ("SELECT", "COPY", "SRANDMEMBER", "OBJECT") and \
                    (self.is_whole or not is_on_all):
                self.queue.append(args)
        self.queue.append([self.pick("EXEC", "EXEC", "EXEC", "DISCARD")])
        return self.queue.pop(0)

    def next(self):
        if self.queue:
            return self.queue.pop(0)
        return self.random.choice(self.makers)()

    def agree(self, args, ours, theirs):
        name = args[0]
        if ours == theirs:
            return True
        if name == "SRANDMEMBER":
            return len(ours.split(" ")) == len(theirs.split(" "))
        if name in TIMES or name == "EXEC":
            # Two clocks: seconds may differ by one, milliseconds by some. Members of a reply were
            # sorted as text, where times of different length lie in different places.
            numbers = re.compile(r":(\d{2,})")
            words = [sorted(numbers.sub(":N", r).strip("*[]").split(" ")) for r in (ours, theirs)]
            times = [sorted(map(int, numbers.findall(r))) for r in (ours, theirs)]
            apart_ms = CLOCK_MS + 2 * self.slowest_ms
            return words[0] == words[1] and all(abs(a - b) <= apart_ms for a, b in zip(*times))
        if name == "OBJECT":
            # How a string came about decides between embstr and raw; sets keep hashtable.
            return {ours, theirs} <= {"$embstr", "$raw", "$int"} or \
                {ours, theirs} == {"$intset", "$hashtable"}
        return False
