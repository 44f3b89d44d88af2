"""Calls gRPC services in tests: messages and stubs come from the descriptor set that the build
leaves beside the program, so nothing is generated.

    import grpc_client                       # first: finds a Python that has grpcio
    with Node() as node, grpc_client.Client(node) as client:
        kv = client.stub("proto.KV")
        kv.KVPut(client.message("proto.PutRequest", location={"key": "a"}, value={"content": b"1"}))
        kv.KVGet(client.message("proto.Location", key="a"), timeout=5).value.content

Methods of a stub are grpcio's own (unary_unary, stream_stream, ...), so `timeout`, `metadata`,
`compression`, `future()` and `with_call()` are there. The path of the program is the test's first
argument or HOLDFAST_BIN. The test ends with 77 (skipped) where grpcio is missing."""

import os
import sys

SYSTEM_PYTHON = "/usr/bin/python3"
SKIPPED = 77

try:
    import grpc
    from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
except ImportError:
    if os.path.realpath(sys.executable) != os.path.realpath(SYSTEM_PYTHON) and \
            os.path.exists(SYSTEM_PYTHON):
        os.execv(SYSTEM_PYTHON, [SYSTEM_PYTHON] + sys.argv)
    print("skipped: python3-grpcio and python3-protobuf are not installed")
    sys.exit(SKIPPED)

KINDS = {(False, False): "unary_unary", (False, True): "unary_stream",
         (True, False): "stream_unary", (True, True): "stream_stream"}
CALL_SECONDS = 300


def program():
    return os.environ.get("HOLDFAST_BIN") or sys.argv[1]


class Schema:
    """Every message and service of the program."""

    def __init__(self, path=None):
        path = path or os.path.join(os.path.dirname(os.path.abspath(program())), "proto",
                                    "descriptors.bin")
        self.files = descriptor_pb2.FileDescriptorSet()
        with open(path, "rb") as file:
            self.files.ParseFromString(file.read())
        self.pool = descriptor_pool.DescriptorPool()
        for file in self.files.file:
            self.pool.Add(file)
        self.factory = message_factory.MessageFactory(self.pool)

    def services(self):
        return sorted("%s.%s" % (file.package, service.name)
                      for file in self.files.file for service in file.service)

    def type(self, name):
        """The class of message `name`, with its package: "proto.Location"."""
        return self.factory.GetPrototype(self.pool.FindMessageTypeByName(name))

    def message(self, name, /, **fields):
        """A message; sub-messages may be given as dictionaries."""
        message = self.type(name)()
        for field, value in fields.items():
            set_field(message, field, value)
        return message

    def service(self, name):
        return self.pool.FindServiceByName(name)


def set_field(message, field, value):
    if isinstance(value, dict):
        part = getattr(message, field)
        part.SetInParent()
        for name, inner in value.items():
            set_field(part, name, inner)
    elif isinstance(value, (list, tuple)):
        for element in value:
            if isinstance(element, dict):
                part = getattr(message, field).add()
                for name, inner in element.items():
                    set_field(part, name, inner)
            else:
                getattr(message, field).append(element)
    elif hasattr(value, "DESCRIPTOR"):
        getattr(message, field).CopyFrom(value)
    else:
        setattr(message, field, value)


class Stub:
    """The methods of one service on a channel. A default deadline keeps a test from hanging."""

    def __init__(self, schema, channel, service):
        for method in schema.service(service).methods:
            proto = next(m for file in schema.files.file for s in file.service
                         if "%s.%s" % (file.package, s.name) == service
                         for m in s.method if m.name == method.name)
            kind = KINDS[(proto.client_streaming, proto.server_streaming)]
            reply = schema.factory.GetPrototype(method.output_type)
            call = getattr(channel, kind)(
                "/%s/%s" % (service, method.name),
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=reply.FromString)
            setattr(self, method.name, call)


class Client:
    """A channel to a node (or to "host:port") and what can be called on it."""

    def __init__(self, node, schema=None, credentials=None, options=()):
        self.schema = schema or Schema()
        address = node if isinstance(node, str) else "127.0.0.1:%d" % node.port
        options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1),
                   ("grpc.max_receive_message_length", 64 << 20),
                   ("grpc.max_send_message_length", 64 << 20)] + list(options)
        if credentials is None:
            self.channel = grpc.insecure_channel(address, options)
        else:
            self.channel = grpc.secure_channel(address, credentials, options)

    def stub(self, service):
        return Stub(self.schema, self.channel, service)

    def message(self, name, /, **fields):
        return self.schema.message(name, **fields)

    def raw(self, path, kind="unary_unary"):
        """A method by its path, with bytes as messages."""
        return getattr(self.channel, kind)(path, request_serializer=bytes,
                                           response_deserializer=bytes)

    def close(self):
        self.channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def failure(call, *arguments, **options):
    """The status and text with which a call must fail; an iterator is read to its end."""
    options.setdefault("timeout", CALL_SECONDS)
    try:
        answer = call(*arguments, **options)
        if hasattr(answer, "__next__"):
            list(answer)
    except grpc.RpcError as error:
        return error.code().name, error.details()
    return "OK", ""


def as_dictionary(message):
    return json_format.MessageToDict(message, preserving_proto_field_name=True)
