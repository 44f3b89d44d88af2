#!/usr/bin/env python3
"""The REST interface of Regatta's first version: its example, its JSON, its errors, and the answers
in which it differs from the latest version; beside them its two calls of Maintenance over gRPC."""

import regatta_client as rc
from regatta_client import Regatta, fails

import base64
import contextlib
import json

from node import Node, expect, run

METADATA = ["Grpc-Status", "Grpc-Message", "Grpc-Status-Details-Bin"]


def b64(data):
    return base64.b64encode(data).decode()


class Rest:
    def __init__(self, node):
        self.connection = node.connect()

    def raw(self, path, body, method="POST", headers=None):
        """Status, body, and the headers as pairs."""
        self.connection.request(method, path, body=body, headers=headers or {})
        response = self.connection.getresponse()
        return response.status, response.read(), response.getheaders()

    def post(self, path, headers=None, **fields):
        status, body, _ = self.raw("/v1/" + path, json.dumps(fields), headers=headers)
        return status, json.loads(body)

    def error(self, status, code, text, path, body, **more):
        got = self.raw("/v1/" + path, body, **more)
        expect((status, {"error": text, "code": code, "message": text}),
               (got[0], json.loads(got[1])), body)


@contextlib.contextmanager
def rest(*options, **more):
    with Node(*options, **more) as node:
        r = Rest(node)
        r.node = node
        yield r
        r.connection.close()


def place(table=b"table_1", key=b"key_1", **fields):
    return {"table": b64(table), "key": b64(key), **fields}


def test_example():
    with rest() as r:
        status, body, headers = r.raw("/v1/kv/put", json.dumps(place(value=b64(b"table_1value_1"))))
        expect((200, b"{}"), (status, body))
        status, body, headers = r.raw("/v1/kv/range",
                                      '{"table": "dGFibGVfMQ==", "key": "a2V5XzE="}')
        expect(200, status)
        expect(True, b'"kvs":[{"key":"a2V5XzE=","value":"dGFibGVfMXZhbHVlXzE="}],"count":"1"'
               in body, body)
        header = json.loads(body)["header"]
        expect(["cluster_id", "member_id", "raft_term", "raft_leader_id"], list(header))
        expect("1", header["cluster_id"])
        expect(["application/json"], [v for k, v in headers if k == "Content-Type"])
        expect(["application/grpc"], [v for k, v in headers if k == "Grpc-Metadata-Content-Type"])
        expect(METADATA, [v for k, v in headers if k == "Grpc-Metadata-Trailer"])
        status, body, _ = r.raw("/v1/kv/deleterange", json.dumps(place()))
        expect((200, "1"), (status, json.loads(body)["deleted"]))
        expect((404, {"error": "key not found", "code": 5, "message": "key not found"}),
               r.post("kv/range", **place()))
        status, body, headers = r.raw("/v1/maintenance/reset", "")
        expect((200, b"{}"), (status, body))


def test_answers():
    with rest() as r:
        for table in (b"none", b"a/b", b"kv"):  # there is nothing to make for reading
            expect(404, r.post("kv/range", **place(table))[0])
            status, body = r.post("kv/deleterange", **place(table))
            expect((200, "1"), (status, body["deleted"]))
        expect([], [t["name"] for t in r.node.request("GET", "/api/v1/tables").json()["tables"]
                    if t["partition"] == "table"])
        expect((200, {}), r.post("kv/put", **place(key=b"empty")))
        answer = r.post("kv/range", **place(key=b"empty", linearizable=True))[1]
        expect([{"key": b64(b"empty")}], answer["kvs"])  # defaults are left out
        expect((200, "1"), (200, r.post("kv/deleterange", **place(key=b"not-there"))[1]["deleted"]))
        expect(400, r.post("kv/put", **place(b"a/b"))[0])
        status, body = r.post("kv/put", **place(b"kv"))
        expect((400, 9), (status, body["code"]))
        value = bytes(range(256)) * 8192
        expect((200, {}), r.post("kv/put", **place(value=b64(value))))
        expect(b64(value), r.post("kv/range", **place())[1]["kvs"][0]["value"])
        with Regatta(r.node) as latest:
            expect(value, latest.range(b"table_1", key=b"key_1").kvs[0].value)
            latest.put(b"k", b"v", table=b"table_1")
        expect(b64(b"v"), r.post("kv/range", **place(key=b"k"))[1]["kvs"][0]["value"])


def test_checks():
    """In the order of the first version."""
    with rest() as r:
        later = ["range_end", "limit", "keys_only", "count_only", "min_mod_revision",
                 "max_mod_revision", "min_create_revision", "max_create_revision"]
        values = ["AA==", 1, True, True, "1", "1", "1", "1"]
        for i, name in enumerate(later):
            r.error(501, 12, name + " not implemented", "kv/range",
                    json.dumps(dict(zip(later[i:], values[i:]))))
        r.error(501, 12, "range_end not implemented", "kv/range", '{"range_end":""}')
        r.error(501, 12, "prev_kv not implemented", "kv/put", '{"prev_kv":true}')
        r.error(501, 12, "range_end not implemented", "kv/deleterange",
                '{"range_end":"AA==","prev_kv":true}')
        r.error(501, 12, "prev_kv not implemented", "kv/deleterange", '{"prev_kv":true}')
        for path in ("kv/range", "kv/put", "kv/deleterange"):
            r.error(400, 3, "table must be set", path, "")
            r.error(400, 3, "key must be set", path, '{"table":"dA=="}')
            r.error(400, 9, "key length exceeded max allowed value", path,
                    json.dumps(place(key=b"k" * 1025)))
        r.error(400, 9, "value length exceeded max allowed value", "kv/put",
                json.dumps(place(value=b64(b"v" * ((2 << 20) + 1)))))
        # Numbers of 0 and below are as if they were not there.
        r.error(400, 3, "table must be set", "kv/range",
                '{"limit":"-1","min_mod_revision":0,"keys_only":false}')


def test_json():
    ok = '"table":"dGFibGVfMQ==","key":"a2V5XzE="'
    with rest() as r:
        r.post("kv/put", **place(value=b64(b"v")))

        def good(body):
            status, text, headers = r.raw("/v1/kv/range", body)
            expect(200, status, "%r: %r" % (body, text))

        def bad(text, body, path="kv/range"):
            status, got, headers = r.raw("/v1/" + path, body)
            expect((400, text, 3), (status, json.loads(got)["error"], json.loads(got)["code"]), body)
            expect([], [k for k, _ in headers if k.startswith("Grpc-")])

        good("{%s}" % ok)
        good(" \n{ %s } trailing {{{" % ok)
        good('{%s,"unknown":{"a":[1,{}]},"other":null}' % ok)
        good('{%s,"limit":null,"range_end":null,"keysOnly":null}' % ok)
        good('{%s,"limit":0,"minModRevision":"0","linearizable":true}' % ok)
        good('{"table":"x",%s}' % ok)  # the last one counts
        good('{"t\\u0061ble":"dGFibGVf\\nMQ==","key":"a2V5XzE="}')
        for body in ("", " ", "{}", "null"):
            r.error(400, 3, "table must be set", "kv/range", body)
        r.error(501, 12, "min_mod_revision not implemented", "kv/range",
                '{%s,"minModRevision":"5"}' % ok)
        r.error(501, 12, "range_end not implemented", "kv/range", '{%s,"rangeEnd":"AA=="}' % ok)
        bad("unexpected EOF", '{"table": "dGF')
        bad("unexpected EOF", "{")
        bad("invalid character 'x' looking for beginning of value", "x")
        bad("invalid character '}' looking for beginning of object key string", '{"a":1,}')
        bad("json: cannot unmarshal array into Go value of type map[string]json.RawMessage", "[]")
        bad("json: cannot unmarshal number into Go value of type []uint8", '{"table":5}')
        bad("json: cannot unmarshal string into Go value of type bool", '{"keys_only":"true"}')
        bad("json: cannot unmarshal number into Go value of type bool", '{"keys_only":1}')
        bad("json: cannot unmarshal bool into Go value of type int64", '{"limit":true}')
        bad("json: cannot unmarshal number 1.5 into Go value of type int64", '{"limit":1.5}')
        bad("json: cannot unmarshal number 9223372036854775808 into Go value of type int64",
            '{"limit":"9223372036854775808"}')
        bad("json: cannot unmarshal number -1 into Go value of type uint64", '{"member_id":-1}',
            "maintenance/reset")
        for text, at in (("a", 0), ("aa", 0), ("a2V5XzE", 4), ("a2V5Xz=", 7), ("a2_5XzE=", 2),
                         ("a2V5XzE=a", 8), ("=", 0), ("a2V5!!!!", 4)):
            bad("illegal base64 data at input byte %d" % at, json.dumps({"table": text}))
        bad('unknown value "SOME" for enum regatta.v1.ResetRequest_ResetOperation',
            '{"operation":"SOME"}', "maintenance/reset")
        for operation in ("NODE", "CLUSTER", 0, 1):
            expect((200, {}), r.post("maintenance/reset", operation=operation))


def test_routes():
    with rest() as r:
        for path in ("kv/range", "kv/put", "kv/deleterange", "maintenance/hash",
                     "maintenance/reset"):
            status, body, headers = r.raw("/v1/" + path, None, method="GET")
            expect((405, b"Method Not Allowed\n"), (status, body))
            expect("text/plain; charset=utf-8", dict(headers)["Content-Type"])
        for path in ("/v1/kv/none", "/v1/kv/", "/v1/maintenance/x", "/v1/kv/range/"):
            status, body, headers = r.raw(path, "{}")
            expect((404, b"Not Found\n"), (status, body), path)
            expect("text/plain; charset=utf-8", dict(headers)["Content-Type"])
        form = {"Content-Type": "application/x-www-form-urlencoded"}  # curl -d says so
        expect(404, r.raw("/v1/kv/range", json.dumps(place()), headers=form)[0])


def test_maintenance():
    with rest() as r, Regatta(r.node) as latest:
        def hashes():
            status, body = r.post("maintenance/hash")
            answer = latest.call(latest.early.Hash, "regatta.v1.HashRequest")
            expect((200, str(answer.hash)), (status, body["hash"]))
            return answer.hash

        empty = hashes()
        r.post("kv/put", **place(value=b64(b"v")))
        one = hashes()
        expect(True, one != empty)
        for i in range(2000):
            latest.put(b"%d" % i, b"x" * 500, table=b"table_1")
        many = hashes()
        expect((True, many), (many != one, hashes()))
        latest.delete_range(b"table_1", key=b"0", range_end=b"a")
        expect(one, hashes())
        latest.create("other")
        expect(one, hashes())  # nothing is in it
        latest.put(b"k", b"v", table=b"other")
        expect(True, hashes() != one)
        fails("INVALID_ARGUMENT", "there is no such member", latest.call, latest.early.Reset,
              "regatta.v1.ResetRequest", member_id=1)
        r.error(400, 3, "there is no such member", "maintenance/reset", '{"memberId":"1"}')
        expect(1, latest.range(b"other", key=b"k").count)
        own = int(latest.status().id)
        latest.call(latest.early.Reset, "regatta.v1.ResetRequest", operation=1, member_id=own)
        expect((empty, {"table_1", "other"}), (hashes(), set(latest.names())))
        fails("INVALID_ARGUMENT", "table must be set", latest.call, latest.maintenance.Reset,
              "maintenance.v1.ResetRequest")
        fails("NOT_FOUND", "table not found", latest.call, latest.maintenance.Reset,
              "maintenance.v1.ResetRequest", table=b"none")
        for table in (b"table_1", b"other"):
            latest.put(b"k", b"v", table=table)
        latest.call(latest.maintenance.Reset, "maintenance.v1.ResetRequest", table=b"other")
        expect(([(b"k", b"v")], []), (latest.dump(b"table_1"), latest.dump(b"other")))
        latest.call(latest.maintenance.Reset, "maintenance.v1.ResetRequest", reset_all=True)
        expect([], latest.dump(b"table_1"))


def test_token():
    with rest("--regatta-maintenance-token", "mm") as r:
        for path in ("maintenance/hash", "maintenance/reset"):
            r.error(401, 16, "Request unauthenticated with bearer", path, "{}")
            r.error(401, 16, "Invalid token", path, "{}", headers={"Authorization": "Bearer m"})
            expect(200, r.post(path, headers={"Authorization": "Bearer mm"})[0])
        expect(200, r.post("kv/put", **place())[0])


def test_tables_are_made_once():
    """Clients that write to a new table at the same time all succeed."""
    import threading
    with rest() as r:
        results = []

        def write(i):
            mine = Rest(r.node)
            results.append(mine.post("kv/put", **place(key=b"%d" % i)))
            mine.connection.close()

        threads = [threading.Thread(target=write, args=(i,)) for i in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        expect([(200, {})] * 16, results)
        with Regatta(r.node) as latest:
            expect(16, latest.range(b"table_1", count_only=True, **rc.ALL).count)


run([test_example, test_answers, test_checks, test_json, test_routes, test_maintenance, test_token,
     test_tables_are_made_once])
