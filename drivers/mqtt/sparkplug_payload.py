"""The one message of Sparkplug B (specification 3.0, chapter 6.4) in protocol buffers' wire format.

Fields that we do not use (metadata, properties, data sets, templates) are passed over when reading.
"""

import enum
import struct
from collections.abc import Iterator

from msgspec import Struct

from hub import ProtocolError

Value = bool | int | float | str | bytes | None
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class DataType(enum.IntEnum):
    """Scalar types; others are read as absent."""

    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATETIME = 13
    TEXT = 14
    UUID = 15
    BYTES = 17


_SIGNED = {DataType.INT8: 8, DataType.INT16: 16, DataType.INT32: 32, DataType.INT64: 64}
_LONGS = {DataType.INT64, DataType.UINT64, DataType.DATETIME}


class Metric(Struct, frozen=True, kw_only=True):
    """name, alias: one of them. timestamp: ms since 1970 UTC. datatype: 0 when not stated."""

    name: str = ""
    alias: int | None = None
    timestamp: int | None = None
    datatype: int = 0
    value: Value = None
    historical: bool = False


class Payload(Struct, frozen=True, kw_only=True):
    metrics: tuple[Metric, ...] = ()
    timestamp: int | None = None
    seq: int | None = None


def encode(payload: Payload) -> bytes:
    out = bytearray()
    if payload.timestamp is not None:
        out += _number(1, payload.timestamp)
    for metric in payload.metrics:
        out += _chunk(2, _metric(metric))
    if payload.seq is not None:
        out += _number(3, payload.seq)
    return bytes(out)


def decode(data: bytes) -> Payload:
    """Read a payload; ProtocolError when the bytes are no such message."""
    metrics: list[Metric] = []
    timestamp = seq = None
    try:
        for number, value in _fields(data):
            if number == 1 and isinstance(value, int):
                timestamp = value
            elif number == 2 and isinstance(value, bytes):
                metrics.append(_read_metric(value))
            elif number == 3 and isinstance(value, int):
                seq = value
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise ProtocolError(f"no Sparkplug B payload: {error}") from None
    return Payload(metrics=tuple(metrics), timestamp=timestamp, seq=seq)


def _metric(metric: Metric) -> bytes:
    out = bytearray()
    if metric.name:
        out += _chunk(1, metric.name.encode())
    if metric.alias is not None:
        out += _number(2, metric.alias)
    if metric.timestamp is not None:
        out += _number(3, metric.timestamp)
    if metric.datatype:
        out += _number(4, metric.datatype)
    if metric.historical:
        out += _number(5, 1)
    return bytes(out + _value(metric))


def _value(metric: Metric) -> bytes:
    kind, value = metric.datatype, metric.value
    match value:
        case None:
            return _number(7, 1)
        case bytes():
            return _chunk(16, value)
        case str():
            return _chunk(15, value.encode())
        case _ if kind == DataType.FLOAT:
            return _key(12, _FIXED32) + struct.pack("<f", value)
        case _ if kind == DataType.DOUBLE:
            return _key(13, _FIXED64) + struct.pack("<d", value)
        case _:
            return _integer(kind, int(value))


def _integer(kind: int, value: int) -> bytes:
    """Signed numbers travel as two's complement in an unsigned field."""
    if kind == DataType.BOOLEAN:
        return _number(14, int(bool(value)))
    if kind in _LONGS:
        return _number(11, value & 0xFFFF_FFFF_FFFF_FFFF)
    return _number(10, value & 0xFFFF_FFFF)


def _read_metric(data: bytes) -> Metric:
    name, alias, timestamp, kind = "", None, None, 0
    raw: tuple[int, int | bytes] | None = None
    null = historical = False
    for number, value in _fields(data):
        match number, value:
            case 1, bytes():
                name = value.decode()
            case 2, int():
                alias = value
            case 3, int():
                timestamp = value
            case 4, int():
                kind = value
            case 5, int():
                historical = bool(value)
            case 7, int():
                null = bool(value)
            case ((10 | 11 | 12 | 13 | 14 | 15 | 16), _):
                raw = number, value
    return Metric(
        name=name,
        alias=alias,
        timestamp=timestamp,
        datatype=kind,
        value=None if null or raw is None else _scalar(*raw, kind),
        historical=historical,
    )


def _scalar(field: int, value: int | bytes, kind: int) -> Value:
    """The value as its field and type say; a field of the wrong wire type is malformed."""
    if isinstance(value, int) != (field in {10, 11, 14}):
        raise ProtocolError(f"value field {field} has the wrong wire type")
    if isinstance(value, int):
        return bool(value) if field == 14 else signed(value, kind)
    match field:
        case 12:
            return float(struct.unpack("<f", value)[0])
        case 13:
            return float(struct.unpack("<d", value)[0])
        case 15:
            return value.decode()
        case _:
            return value


def signed(value: int, kind: int) -> int:
    """The number of an unsigned field under its type. The birth states the type, not the data."""
    bits = _SIGNED.get(DataType(kind)) if kind in DataType.__members__.values() else None
    if bits is None:
        return value
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and values; fixed-width ones as their bytes."""
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == _BYTES:
            size, at = _varint(data, at)
        elif wire in {_FIXED32, _FIXED64}:
            size = 4 if wire == _FIXED32 else 8
        else:
            raise ProtocolError(f"no Sparkplug B payload: wire type {wire}")
        if at + size > end:
            raise ProtocolError("no Sparkplug B payload: it ends inside a field")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ProtocolError("no Sparkplug B payload: a number without end")


def _key(number: int, wire: int) -> bytes:
    return _bare(number << 3 | wire)


def _number(number: int, value: int) -> bytes:
    return _key(number, _VARINT) + _bare(value)


def _chunk(number: int, data: bytes) -> bytes:
    return _key(number, _BYTES) + _bare(len(data)) + data


def _bare(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
