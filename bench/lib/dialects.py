"""The gRPC dialects that are measured: the requests for get, put and range, and what answers say.

Each has get(key), put(key, value) and range(first, end, limit), which give (path, request); value(reply)
and rows(replies) read the answers. A dialect without a range has none of the two.
"""
from lib.messages import fields_of, message


class Strato:
    name = "Strato"

    def get(self, key):
        return "/proto.KV/KVGet", message({1: key})

    def put(self, key, value):
        return "/proto.KV/KVPut", message({1: message({1: key}), 2: message({1: value})})

    def value(self, reply):
        return fields_of(fields_of(reply)[1][0])[1][0]


class Cache(Strato):
    """Strato's cache, whose entries end after a time."""
    name = "Strato's cache"

    def get(self, key):
        return "/proto.Cache/CacheGet", message({1: key})

    def put(self, key, value):
        return "/proto.Cache/CacheSet", message({1: key, 2: message({1: value, 2: 86400})})

    def value(self, reply):
        return fields_of(reply)[1][0]


class Native:
    name = "holdfast.v1"

    def __init__(self, table=b"kv"):
        self.table = table

    def get(self, key):
        return "/holdfast.v1.KV/Get", message({1: self.table, 2: key})

    def put(self, key, value):
        return "/holdfast.v1.KV/Put", message({1: self.table, 2: key, 3: value})

    def create(self, engine):
        """A table that lies in one shard, as an ordered one of the others does."""
        options = message({1: 2 if engine == "memory" else 1, 2: 2})
        return "/holdfast.v1.Tables/Create", message({1: self.table, 2: options})

    def puts(self, pairs):
        """Many puts as one transaction."""
        ops = b"".join(message({3: message({3: message({2: key, 3: value})})})
                       for key, value in pairs)
        return "/holdfast.v1.KV/Txn", message({1: self.table}) + ops

    def value(self, reply):
        return fields_of(reply)[1][0]

    def range(self, first, end, limit):
        return "/holdfast.v1.KV/Range", message({1: self.table, 3: first, 4: end, 5: limit})

    def rows(self, replies):
        return [(fields_of(row)[1][0], fields_of(row)[3][0])
                for reply in replies for row in fields_of(reply).get(1, [])]


class Regatta:
    name = "Regatta"

    def __init__(self, table=b"kv"):
        self.table = table

    def get(self, key):
        return "/regatta.v1.KV/Range", message({1: self.table, 2: key, 5: 1})

    def put(self, key, value):
        return "/regatta.v1.KV/Put", message({1: self.table, 2: key, 3: value})

    def range(self, first, end, limit):
        return "/regatta.v1.KV/Range", message({1: self.table, 2: first, 3: end, 4: limit, 5: 1})

    def rows(self, replies):
        return [(fields_of(kv)[1][0], fields_of(kv)[4][0])
                for reply in replies for kv in fields_of(reply).get(3, [])]

    def value(self, reply):
        return self.rows([reply])[0][1]


class Etcd:
    name = "etcd"

    def get(self, key):
        return "/etcdserverpb.KV/Range", message({1: key})

    def put(self, key, value):
        return "/etcdserverpb.KV/Put", message({1: key, 2: value})

    def puts(self, pairs):
        """Many puts as one transaction."""
        ops = b"".join(message({2: message({2: self.put(key, value)[1]})}) for key, value in pairs)
        return "/etcdserverpb.KV/Txn", ops

    def range(self, first, end, limit):
        return "/etcdserverpb.KV/Range", message({1: first, 2: end, 3: limit})

    def rows(self, replies):
        return [(fields_of(kv)[1][0], fields_of(kv)[5][0])
                for reply in replies for kv in fields_of(reply).get(2, [])]

    def value(self, reply):
        return self.rows([reply])[0][1]
