"""A client of holdfast.v1 on generated messages.

    store = client.Store("127.0.0.1:8080")
    store.kv.Put(keys_pb2.PutRequest(table="kv", key=b"city", value=b"Graz"))

Methods are those of the services, with a default deadline; a call that fails raises Failure.
"""

import grpc
from google.protobuf import symbol_database

import status_pb2
from holdfast.v1 import (counter_pb2, error_pb2, kv_pb2, log_pb2, set_pb2, status_pb2 as node_pb2,
                         tables_pb2)

SECONDS = 10


class Failure(Exception):
    """What the node says of a call that failed."""

    def __init__(self, error):
        super().__init__(error.details())
        self.status = error.code()  # gRPC's
        self.detail = error_pb2.ErrorDetail(message=error.details())
        trailers = dict(error.trailing_metadata() or ())
        details = status_pb2.Status.FromString(trailers.get("grpc-status-details-bin", b"")).details
        for detail in details:
            if detail.Is(error_pb2.ErrorDetail.DESCRIPTOR):
                detail.Unpack(self.detail)

    @property
    def code(self):
        """The node's own code: "NOT_FOUND", "CONFLICT", "UNKNOWN_OUTCOME"..."""
        return error_pb2.ErrorCode.Name(self.detail.code)[len("ERROR_CODE_"):]


def answers(call):
    """The messages of a stream as they come."""
    try:
        yield from call
    except grpc.RpcError as error:
        raise Failure(error) from None


class Service:
    """The methods of one service, made from its descriptor."""

    def __init__(self, channel, service):
        for method in service.methods:
            setattr(self, method.name, self.make(channel, method))

    @staticmethod
    def make(channel, method):
        kind = "%s_%s" % ("stream" if method.client_streaming else "unary",
                          "stream" if method.server_streaming else "unary")
        reply = symbol_database.Default().GetSymbol(method.output_type.full_name)
        stub = getattr(channel, kind)(
            "/%s/%s" % (method.containing_service.full_name, method.name),
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=reply.FromString)

        def call(request, timeout=SECONDS):
            try:
                answer = stub(request, timeout=timeout)
            except grpc.RpcError as error:
                raise Failure(error) from None
            return answers(answer) if method.server_streaming else answer

        return call


class Store:
    """A node, with its services."""

    def __init__(self, address, credentials=None):
        self.channel = (grpc.insecure_channel(address) if credentials is None
                        else grpc.secure_channel(address, credentials))

        def service(module, name):
            return Service(self.channel, module.DESCRIPTOR.services_by_name[name])

        self.kv = service(kv_pb2, "KV")
        self.counter = service(counter_pb2, "Counter")
        self.set = service(set_pb2, "Set")
        self.log = service(log_pb2, "Log")
        self.tables = service(tables_pb2, "Tables")
        self.status = service(node_pb2, "Status")

    def close(self):
        self.channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
