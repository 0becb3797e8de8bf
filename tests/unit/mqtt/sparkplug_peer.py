"""The Sparkplug B message described to Google's own protocol buffers, as a second opinion."""

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_METRIC = {
    "name": (1, 9), "alias": (2, 4), "timestamp": (3, 4), "datatype": (4, 13),
    "is_historical": (5, 8), "is_transient": (6, 8), "is_null": (7, 8),
    "int_value": (10, 13), "long_value": (11, 4), "float_value": (12, 2),
    "double_value": (13, 1), "boolean_value": (14, 8), "string_value": (15, 9),
    "bytes_value": (16, 12),
}  # fmt: skip


@cache
def payload_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="sparkplug_b.proto", package="peer", syntax="proto2"
    )
    metric = file.message_type.add(name="Metric")
    for name, (number, kind) in _METRIC.items():
        metric.field.add(name=name, number=number, type=kind, label=1)
    payload = file.message_type.add(name="Payload")
    payload.field.add(name="timestamp", number=1, type=4, label=1)
    payload.field.add(name="metrics", number=2, type=11, label=3, type_name=".peer.Metric")
    payload.field.add(name="seq", number=3, type=4, label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("peer.Payload"))
