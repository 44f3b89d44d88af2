#!/usr/bin/env python3
"""Regatta's Tables and Cluster over gRPC, tokens, and addresses with TLS."""

from regatta_client import ALL, Regatta, fails, keys, regatta

import os
import subprocess
import tempfile

import grpc

from node import Node, expect, program, run


# ---- Tables ----

def test_tables():
    with regatta(table=None) as r:
        fails("INVALID_ARGUMENT", "name must be set", r.create, "")
        fails("INVALID_ARGUMENT", "name must be set", r.delete, "")
        fails("INVALID_ARGUMENT", "table not found", r.delete, "none")
        fails("INVALID_ARGUMENT", "table not found", r.delete, "kv")
        fails("INVALID_ARGUMENT", None, r.create, "a/b")
        fails("INVALID_ARGUMENT", None, r.create, "a\0b")
        fails("INVALID_ARGUMENT", "table already exists", r.create, "kv")
        expect({}, r.names())
        first = int(r.create("zebra").id)
        expect(True, first > 10000)
        fails("INVALID_ARGUMENT", "table already exists", r.create, "zebra")
        second = int(r.create("ant").id)
        expect(True, second > first)
        answer = r.call(r.tables.List, "regatta.v1.ListTablesRequest")
        expect(["ant", "zebra"], [table.name for table in answer.tables])
        header = r.put(b"k", b"v", table=b"zebra").header
        expect(first, header.shard_id)
        r.delete("zebra")
        fails("NOT_FOUND", "table not found", r.range, table=b"zebra", key=b"k")
        fails("NOT_FOUND", "table not found", r.put, b"k", table=b"zebra")
        fails("INVALID_ARGUMENT", "table not found", r.delete, "zebra")
        third = int(r.create("zebra").id)
        expect(True, third > second)
        expect(0, r.range(table=b"zebra", key=b"k").count)
        expect({"ant": second, "zebra": third}, r.names())


def test_tables_stay():
    with Node() as node:
        with Regatta(node) as r:
            ids = [r.create(name).id for name in ("a", "b")]
            r.put(b"k", b"v", table=b"a")
        node.stop()
        node.start()
        with Regatta(node) as r:
            expect(dict(zip(("a", "b"), map(int, ids))), r.names())
            expect([(b"k", b"v")], r.dump(b"a"))


def test_memory():
    with regatta("--engine", "memory", data=False) as r:
        for i in range(1000):
            r.put(b"%04d" % i, b"v%d" % i)
        expect(1000, r.range(count_only=True, **ALL).count)
        expect([b"0500", b"0501"], keys(r.range(key=b"0500", range_end=b"\0", limit=2)))
        expect(1000, r.delete_range(count=True, **ALL).deleted)


# ---- Cluster ----

def test_cluster():
    with regatta() as r:
        members = r.call(r.cluster.MemberList, "regatta.v1.MemberListRequest")
        expect(("default", 1), (members.cluster, len(members.members)))
        member = members.members[0]
        address = "127.0.0.1:" + member.clientURLs[0].rsplit(":", 1)[1]
        expect((["http://" + address], [address], True),
               (list(member.clientURLs), list(member.peerURLs), member.name != ""))
        status = r.status()
        expect(member.id, status.id)
        major, minor = status.version.split(".")[:2]
        expect(True, (int(major), int(minor)) >= (0, 5))
        expect((["t"], member.id), (list(status.tables), status.tables["t"].leader))
        expect((False, 0), (status.HasField("config"), len(status.errors)))
        header = r.put(b"k").header
        expect((int(member.id), int(member.id)), (header.replica_id, header.raft_leader_id))


def test_status_config():
    with regatta("--regatta-maintenance-token", "hidden", "--host", "a.example", "--host",
                 "b.example") as r:
        config = dict(r.status(config=True).config)
        expect(("**********", "", "a.example,b.example", "disk"),
               (config["regatta-maintenance-token"], config["regatta-tables-token"],
                config["host"], config["engine"]))


def test_tls():
    """A member's address is one that its clients can use."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([program(), "cert", "--self-signed", folder], check=True,
                       stdout=subprocess.DEVNULL)
        cert = os.path.join(folder, "cert.pem")
        with Node("--tls-cert", cert, "--tls-key", os.path.join(folder, "key.pem")) as node:
            with open(cert, "rb") as file:
                credentials = grpc.ssl_channel_credentials(file.read())
            with Regatta("localhost:%d" % node.port, credentials=credentials) as r:
                r.create("t")
                r.put(b"k", b"v")
                expect([(b"k", b"v")], r.dump())
                members = r.call(r.cluster.MemberList, "regatta.v1.MemberListRequest").members
                expect(["https://localhost:%d" % node.port], list(members[0].clientURLs))


# ---- Tokens ----

def test_tokens():
    missing, wrong = "Request unauthenticated with bearer", "Invalid token"
    with Node("--regatta-tables-token", "tt", "--regatta-maintenance-token", "mm") as node:
        with Regatta(node, "tt") as r:
            r.create("t")
            expect(["t"], list(r.names()))
            fails("UNAUTHENTICATED", wrong, r.backup, b"t")
        for token in ("mm", "t", "ttt", "tT"):
            with Regatta(node, token) as r:
                fails("UNAUTHENTICATED", wrong, r.create, "u")
        with Regatta(node) as r:
            for call in (r.create, r.delete):
                fails("UNAUTHENTICATED", missing, call, "")
            fails("UNAUTHENTICATED", missing, r.names)
            fails("UNAUTHENTICATED", missing, r.backup, b"t")
            fails("UNAUTHENTICATED", missing, r.restore, b"t", [])
            fails("UNAUTHENTICATED", missing, r.call, r.maintenance.Reset,
                  "maintenance.v1.ResetRequest", reset_all=True)
            fails("UNAUTHENTICATED", missing, r.call, r.early.Hash, "regatta.v1.HashRequest")
            fails("UNAUTHENTICATED", missing, r.call, r.early.Reset, "regatta.v1.ResetRequest")
            r.put(b"k", b"v")  # needs none, as Cluster
            expect(["t"], list(r.status().tables))
            for scheme in ("Basic mm", "mm", ""):
                r.metadata = [("authorization", scheme)]
                fails("UNAUTHENTICATED", missing, r.backup, b"t")
            r.metadata = [("authorization", "bEARER mm")]
            expect(1, len(list(r.backup(b"t"))))
        log = "".join(node.log)
        expect((False, True), ("=tt" in log or "=mm" in log, "**********" in log))


run([test_tables, test_tables_stay, test_memory, test_cluster, test_status_config, test_tls,
     test_tokens])
