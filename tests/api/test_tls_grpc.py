#!/usr/bin/env python3
"""gRPC through TLS with Python's grpcio: ALPN, certificates of clients, much in both directions, and a
channel that stays while the certificate changes."""

import sys

import grpc_client  # first: it may go on with another Python
import grpc

from node import expect, run
from tls import Files, TlsNode


def credentials(files, own=None):
    """Trusts the node; shows the pair `own`."""
    return grpc.ssl_channel_credentials(
        files.read("server.pem"), own and files.read(own + ".key"), own and files.read(own + ".pem"))


def put_and_get(client, key, content):
    kv = client.stub("proto.KV")
    kv.KVPut(client.message("proto.PutRequest", location={"key": key},
                            value={"content": content}), timeout=60)
    got = kv.KVGet(client.message("proto.Location", key=key), timeout=60)
    expect(content, got.value.content, key)


def test_calls():
    with Files().make("server") as files, TlsNode(files, "--tls-only") as node:
        with grpc_client.Client(node, credentials=credentials(files)) as client:
            for size in (0, 1, 16384, 1000000):
                put_and_get(client, "k%d" % size, b"x" * size)
            kv = client.stub("proto.KV")
            ask = client.message("proto.Location", key="k1000000")
            calls = [kv.KVGet.future(ask, timeout=60) for _ in range(100)]
            for call in calls:
                expect(1000000, len(call.result().value.content))
        try:
            with grpc_client.Client(node) as plain:
                put_and_get(plain, "a", b"b")
            raise AssertionError("plain text was served")
        except grpc.RpcError as error:
            expect(grpc.StatusCode.UNAVAILABLE, error.code())


def test_client_certificate():
    with Files().make("server", "alice", "stranger") as files:
        with TlsNode(files, "--tls-only", "--tls-client-auth", "require", "--tls-client-ca",
                     files.path("alice.pem")) as node:
            with grpc_client.Client(node, credentials=credentials(files, "alice")) as client:
                put_and_get(client, "a", b"b")
            for own in (None, "stranger"):
                try:
                    with grpc_client.Client(node, credentials=credentials(files, own)) as client:
                        put_and_get(client, "a", b"b")
                    raise AssertionError("let in: %s" % own)
                except grpc.RpcError as error:
                    expect(grpc.StatusCode.UNAVAILABLE, error.code(), own)


def test_reload():
    with Files().make("a", "b") as files:
        files.use("a")
        with TlsNode(files) as node:
            with grpc_client.Client(node, credentials=credentials(files)) as client:
                put_and_get(client, "a", b"1")
                files.use("b")
                node.wait_metric('holdfast_tls_reloads_total{result="taken"}', 1)
                put_and_get(client, "a", b"2")
                expect(1, node.metric("holdfast_tls_reloads_total{result=\"taken\"}"))
            with grpc_client.Client(node, credentials=credentials(files)) as client:
                put_and_get(client, "a", b"3")


if __name__ == "__main__":
    sys.exit(run([test_calls, test_client_certificate, test_reload]))
