"""A client of holdfast.v1 for tests: methods by their names, failures with their details.

    with Node() as node, Native(node) as native:
        native.call("KV.Put", table="kv", key=b"a", value=b"1")
"""

import grpc_client  # first: finds a Python that has grpcio

import grpc
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

from node import expect

VARYING = {"revision", "create_revision", "ttl_ms", "expire_at_ms", "time_ms", "message"}
SECONDS = 300
CALLED = set()


def status_type():
    """google.rpc.Status, which is not part of protobuf itself."""
    file = descriptor_pb2.FileDescriptorProto(name="google/rpc/status.proto", package="google.rpc",
                                              syntax="proto3",
                                              dependency=["google/protobuf/any.proto"])
    status = file.message_type.add(name="Status")
    field = descriptor_pb2.FieldDescriptorProto
    status.field.add(name="code", number=1, type=field.TYPE_INT32, label=1)
    status.field.add(name="message", number=2, type=field.TYPE_STRING, label=1)
    status.field.add(name="details", number=3, type=field.TYPE_MESSAGE, label=3,
                     type_name=".google.protobuf.Any")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(any_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.MessageFactory(pool).GetPrototype(
        pool.FindMessageTypeByName("google.rpc.Status"))


STATUS = status_type()


class Failure(Exception):
    """A call that was answered with a status; `detail` is its ErrorDetail."""

    def __init__(self, native, error):
        super().__init__(error.details())
        self.status = error.code().name
        self.detail = native.message("ErrorDetail")
        self.types = []
        trailers = dict(error.trailing_metadata() or ())
        if "grpc-status-details-bin" in trailers:
            status = STATUS.FromString(trailers["grpc-status-details-bin"])
            expect((error.code().value[0], error.details()), (status.code, status.message))
            self.types = [d.type_url.rsplit("/")[-1] for d in status.details]
            self.detail.ParseFromString(status.details[0].value)
            expect("holdfast.v1.ErrorDetail", self.types[0])

    @property
    def code(self):
        return code_name(self.detail)


def code_name(detail):
    kind = detail.DESCRIPTOR.fields_by_name["code"].enum_type
    return kind.values_by_number[detail.code].name[len("ERROR_CODE_"):]


class Native(grpc_client.Client):
    """Calls methods by name: call("KV.Get", table="kv", key=b"a")."""

    def message(self, name, **fields):
        return super().message("holdfast.v1." + name, **fields)

    def method(self, name):
        service, method = name.split(".")
        CALLED.add(name)
        return getattr(self.stub("holdfast.v1." + service), method)

    def request(self, method, **fields):
        service, name = method.split(".")
        described = self.schema.service("holdfast.v1." + service).methods_by_name[name]
        return grpc_client.Schema.message(self.schema, described.input_type.full_name, **fields)

    def call(self, method, timeout=SECONDS, **fields):
        """The answer; of a stream a list. Raises Failure."""
        try:
            answer = self.method(method)(self.request(method, **fields), timeout=timeout)
            return list(answer) if hasattr(answer, "__next__") else answer
        except grpc.RpcError as error:
            raise Failure(self, error) from None

    def fails(self, method, **fields):
        try:
            self.call(method, **fields)
        except Failure as failure:
            return failure
        raise AssertionError("%s did not fail" % method)

    def batch(self, requests):
        return self.method("KV.Batch")(iter(requests), timeout=SECONDS)

    def table(self, name, **options):
        self.call("Tables.Create", table=name, options=options)
        return name


def plain(message):
    """What is set in a message, without what varies; `expires` says whether it does."""
    out = {}
    for field, value in message.ListFields():
        if field.name == "expire_at_ms":
            out["expires"] = True
        elif field.name in VARYING:
            continue
        elif field.label == field.LABEL_REPEATED:
            out[field.name] = [plain(v) if field.message_type else v for v in value]
        else:
            out[field.name] = plain(value) if field.message_type else value
    for field in ("value", "previous_value"):
        if field in message.DESCRIPTOR.fields_by_name and \
                message.DESCRIPTOR.fields_by_name[field].containing_oneof and \
                message.HasField(field):
            out[field] = getattr(message, field)
    return out
