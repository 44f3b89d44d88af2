"""What the tests of Regatta share: calls by name, and what a failed one must say."""

import grpc_client  # first: finds a Python that has grpcio

import contextlib

import grpc

from node import Node, expect

PUT, DELETE, DUMMY = 0, 1, 2
EQUAL, GREATER, LESS, NOT_EQUAL = 0, 1, 2, 3
ALL = dict(key=b"\0", range_end=b"\0")
ANSWER_MAX = (4 << 20) - 1024


class Regatta:
    """The services of one node; fields of messages are keyword arguments."""

    def __init__(self, node, token=None, **options):
        self.client = grpc_client.Client(node, **options)
        self.message = self.client.message
        self.metadata = [("authorization", "Bearer " + token)] if token else None
        self.kv = self.client.stub("regatta.v1.KV")
        self.tables = self.client.stub("regatta.v1.Tables")
        self.cluster = self.client.stub("regatta.v1.Cluster")
        self.maintenance = self.client.stub("maintenance.v1.Maintenance")
        self.early = self.client.stub("regatta.v1.Maintenance")

    def __enter__(self):
        self.client.__enter__()
        return self

    def __exit__(self, *exception):
        return self.client.__exit__(*exception)

    def call(self, method, request, **fields):
        return method(self.message(request, **fields), metadata=self.metadata)

    def create(self, name):
        return self.call(self.tables.Create, "regatta.v1.CreateTableRequest", name=name)

    def delete(self, name):
        return self.call(self.tables.Delete, "regatta.v1.DeleteTableRequest", name=name)

    def names(self):
        answer = self.call(self.tables.List, "regatta.v1.ListTablesRequest")
        return {table.name: int(table.id) for table in answer.tables}

    def range(self, table=b"t", **fields):
        return self.call(self.kv.Range, "regatta.v1.RangeRequest", table=table, **fields)

    def iterate(self, table=b"t", **fields):
        return self.call(self.kv.IterateRange, "regatta.v1.RangeRequest", table=table, **fields)

    def put(self, key, value=b"", table=b"t", **fields):
        return self.call(self.kv.Put, "regatta.v1.PutRequest", table=table, key=key, value=value,
                         **fields)

    def delete_range(self, table=b"t", **fields):
        return self.call(self.kv.DeleteRange, "regatta.v1.DeleteRangeRequest", table=table,
                         **fields)

    def txn(self, compare=(), success=(), failure=(), table=b"t"):
        return self.call(self.kv.Txn, "regatta.v1.TxnRequest", table=table, compare=list(compare),
                         success=list(success), failure=list(failure))

    def status(self, **fields):
        return self.call(self.cluster.Status, "regatta.v1.StatusRequest", **fields)

    def backup(self, table):
        return self.call(self.maintenance.Backup, "maintenance.v1.BackupRequest", table=table)

    def restore_messages(self, table, pieces):
        yield self.message("maintenance.v1.RestoreMessage", info={"table": table})
        for piece in pieces:
            yield self.message("maintenance.v1.RestoreMessage",
                               chunk={"data": piece, "len": len(piece)})

    def restore(self, table, pieces):
        return self.maintenance.Restore(self.restore_messages(table, pieces),
                                        metadata=self.metadata)

    def dump(self, table=b"t"):
        """Every record, as pairs."""
        return [(kv.key, kv.value) for part in self.iterate(table, **ALL) for kv in part.kvs]


def pairs(answer):
    return [(kv.key, kv.value) for kv in answer.kvs]


def keys(answer):
    return [kv.key for kv in answer.kvs]


def fails(code, text, call, *arguments, **fields):
    """The call ends with that status (its name) and exactly that text; None: any."""
    try:
        answer = call(*arguments, **fields)
        if hasattr(answer, "__iter__"):
            answer = list(answer)
    except grpc.RpcError as error:
        expect((code, text), (error.code().name, error.details() if text else text),
               "%s %r" % (getattr(call, "__name__", call), fields))
        return
    raise AssertionError("%r %.300r: want %s %r, got %.300r" % (call, fields, code, text, answer))


@contextlib.contextmanager
def regatta(*options, table="t", **more):
    with Node(*options, **more) as node, Regatta(node) as r:
        if table:
            r.create(table)
        yield r
