"""A tour of holdfast.v1: make run ADDRESS=host:port"""

import sys

from holdfast.v1 import counter_pb2, keys_pb2, kv_pb2, log_pb2, operation_pb2, set_pb2, tables_pb2
from holdfast.v1 import types_pb2

from client import Failure, Store

TABLE = "tour"


def values(store):
    """A value, and how two writers keep out of each other's way."""
    store.kv.Put(keys_pb2.PutRequest(table=TABLE, key=b"city", value=b"Graz"))
    city = store.kv.Get(keys_pb2.GetRequest(table=TABLE, key=b"city"))
    print("city is", city.value.decode())
    condition = types_pb2.Condition(revision=city.revision)
    for value in (b"Wien", b"Linz"):
        try:
            store.kv.Put(keys_pb2.PutRequest(table=TABLE, key=b"city", value=value,
                                             condition=condition))
            print("changed to", value.decode())
        except Failure as failure:
            print(value.decode(), "came too late:", failure.code)
    store.kv.Put(keys_pb2.PutRequest(table=TABLE, key=b"session", value=b"anna",
                                     expiry=types_pb2.Expiry(ttl_ms=60000)))
    stat = store.kv.Stat(keys_pb2.StatRequest(table=TABLE, key=b"session"))
    print("session expires:", stat.ttl_ms > 0)


def collections(store):
    """A retry of the same write, by its id, does nothing."""
    for _ in range(2):
        visits = store.counter.Add(counter_pb2.CounterAddRequest(
            table=TABLE, key=b"visits", amount=5, idempotency_id=b"request-17"))
    print("visits:", visits.value)
    store.set.Add(set_pb2.SetAddRequest(table=TABLE, key=b"tags", members=[b"red", b"blue"]))
    pages = store.set.Members(set_pb2.SetMembersRequest(table=TABLE, key=b"tags"))
    print("tags:", *[member.decode() for page in pages for member in page.members])
    for text in (b"signed in", b"signed out"):
        store.log.Append(log_pb2.LogAppendRequest(table=TABLE, key=b"anna", value=text,
                                                  author=b"tour"))
    newest = store.log.Read(log_pb2.LogReadRequest(table=TABLE, key=b"anna")).versions[0]
    print("anna, version %d: %s" % (newest.number, newest.value.decode()))


def together(store):
    """A transaction; many operations on one stream; a range of any size."""
    txn = store.kv.Txn(kv_pb2.TxnRequest(
        table=TABLE,
        compares=[kv_pb2.Compare(key=b"city", value=b"Wien")],
        success=[operation_pb2.Operation(put=keys_pb2.PutRequest(key=b"country", value=b"AT")),
                 operation_pb2.Operation(get=keys_pb2.GetRequest(key=b"city"))]))
    print("transaction:", txn.succeeded, txn.results[1].get.value.decode())
    requests = (kv_pb2.BatchRequest(operation=operation_pb2.Operation(
        put=keys_pb2.PutRequest(table=TABLE, key=b"item/%03d" % i, value=b"%d" % (i * i))))
        for i in range(100))
    print("batch:", sum(answer.result.put.created for answer in store.kv.Batch(requests)))
    pages = store.kv.Range(keys_pb2.RangeRequest(table=TABLE, prefix=b"item/", reverse=True,
                                                 limit=3))
    print("range:", *[r.key.decode() + "=" + r.value.decode() for p in pages for r in p.records])


def errors(store):
    try:
        store.kv.Get(keys_pb2.GetRequest(table=TABLE, key=b"nobody"))
    except Failure as failure:
        print("nobody:", failure.code, "may have happened:", failure.detail.may_have_happened)


def main():
    with Store(sys.argv[1]) as store:
        store.tables.Create(tables_pb2.TablesCreateRequest(
            table=TABLE, options=tables_pb2.TableOptions(partition=tables_pb2.PARTITION_TABLE)))
        try:
            for part in (values, collections, together, errors):
                part(store)
        finally:
            store.tables.Drop(tables_pb2.TablesDropRequest(table=TABLE))


if __name__ == "__main__":
    main()
