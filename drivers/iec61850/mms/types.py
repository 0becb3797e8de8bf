"""MMS TypeSpecification (ISO 9506-2 §14.2): what a variable is, how a value of it is written."""

import struct
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from drivers.iec61850 import ber
from hub import ProtocolError

from . import data


class Type(Struct, frozen=True):
    """kind: tag number of the MMS data. size: bits, octets or elements; negative: at most.

    fields: of a structure, in order. element: of an array.
    """

    kind: int
    size: int = 0
    fields: Mapping[str, "Type"] = {}
    element: "Type | None" = None

    @property
    def name(self) -> str:
        return _NAMES[self.kind].format(size=abs(self.size))


_NAMES = {
    data.ARRAY: "array[{size}]",
    data.STRUCTURE: "struct",
    data.BOOLEAN: "boolean",
    data.BIT_STRING: "bits{size}",
    data.INTEGER: "int{size}",
    data.UNSIGNED: "uint{size}",
    data.FLOAT: "float{size}",
    data.OCTET_STRING: "octets{size}",
    data.VISIBLE_STRING: "string{size}",
    data.GENERALIZED_TIME: "gtime",
    data.BINARY_TIME: "btime{size}",
    data.BCD: "bcd{size}",
    data.OBJECT_ID: "oid",
    data.MMS_STRING: "unicode{size}",
    data.UTC_TIME: "utc",
}


def parse(buf: bytes, start: int, stop: int, depth: int = 0) -> Type:
    """The TypeSpecification that fills `start`…`stop`."""
    tag, first, last = ber.element(buf, start, stop)
    kind = tag & 0x1F
    if depth > data.MAX_DEPTH:
        raise ProtocolError(f"type nested deeper than {data.MAX_DEPTH}")
    if tag == 0xA2:
        return Type(kind, fields=_components(buf, first, last, depth + 1))
    if tag == 0xA1:
        found = ber.fields(buf, first, last)
        size = ber.to_int(buf, *ber.need(found, 0x81, "number of elements"))
        inner = ber.need(found, 0xA2, "element type")
        return Type(kind, size, element=parse(buf, *inner, depth + 1))
    if tag == 0xA7:
        width = ber.expect(buf, first, last, 0x02, "format width")
        return Type(kind, ber.to_int(buf, *width))
    if kind not in _NAMES or tag & 0x20:
        raise ProtocolError(f"type specification with tag {tag:#x} at offset {start}")
    if kind == data.BINARY_TIME:
        return Type(kind, 6 if ber.to_bool(buf, first, last) else 4)
    return Type(kind, ber.to_int(buf, first, last) if last > first else 0)


def _components(buf: bytes, start: int, stop: int, depth: int) -> dict[str, Type]:
    found = ber.need(ber.fields(buf, start, stop), 0xA1, "components")
    out: dict[str, Type] = {}
    for tag, first, last in ber.elements(buf, *found):
        if tag != 0x30:
            raise ProtocolError(f"structure component with tag {tag:#x}")
        part = ber.fields(buf, first, last)
        name = ber.to_text(buf, *ber.need(part, 0x80, "component name"))
        out[name] = parse(buf, *ber.need(part, 0xA1, "component type"), depth)
    return out


def specification(kind: Type) -> bytes:
    """The octets of a type, as a server tells them."""
    if kind.kind == data.STRUCTURE:
        parts = [
            ber.tlv(0x30, ber.text(0x80, name), ber.tlv(0xA1, specification(part)))
            for name, part in kind.fields.items()
        ]
        return ber.tlv(0xA2, ber.tlv(0xA1, *parts))
    if kind.element is not None:
        inner = ber.tlv(0xA2, specification(kind.element))
        return ber.tlv(0xA1, ber.integer(0x81, kind.size), inner)
    if kind.kind == data.FLOAT:
        exponent = 8 if kind.size == 32 else 11
        return ber.tlv(0xA7, ber.integer(0x02, kind.size), ber.integer(0x02, exponent))
    if kind.kind == data.BINARY_TIME:
        return ber.tlv(0x8C, b"\xff" if kind.size == 6 else b"\x00")
    if kind.kind in {data.BOOLEAN, data.UTC_TIME}:
        return ber.tlv(0x80 | kind.kind)
    return ber.integer(0x80 | kind.kind, kind.size)


def _encode_float(kind: Type, value: Any) -> bytes:
    return data.float64(value) if kind.size == 64 else data.float32(value)


def _encode_integer(kind: Type, value: Any) -> bytes:
    number, signed = int(value), kind.kind == data.INTEGER
    span = 1 << abs(kind.size)
    low = -span // 2 if signed else 0
    if kind.size and not low <= number < low + span:
        raise ValueError(f"{number} does not fit type {kind.name}")
    return data.signed(number) if signed else data.unsigned(number)


def _encode_bits(kind: Type, value: Any) -> bytes:
    if not isinstance(value, data.Bits):
        value = data.Bits(int(value), abs(kind.size))
    return data.bits(value)


def _encode_struct(kind: Type, value: Any) -> bytes:
    parts = list(value.values()) if isinstance(value, Mapping) else list(value)
    if len(parts) != len(kind.fields):
        raise ValueError(f"{len(parts)} values for a structure of {len(kind.fields)}")
    return data.structure(*map(encode, kind.fields.values(), parts))


def _encode_array(kind: Type, value: Any) -> bytes:
    if kind.element is None:
        raise ValueError("array without a type of its elements")
    return data.array(*(encode(kind.element, part) for part in value))


_ENCODERS: dict[int, Callable[[Type, Any], bytes]] = {
    data.ARRAY: _encode_array,
    data.STRUCTURE: _encode_struct,
    data.BOOLEAN: lambda _, value: data.boolean(bool(value)),
    data.BIT_STRING: _encode_bits,
    data.INTEGER: _encode_integer,
    data.UNSIGNED: _encode_integer,
    data.FLOAT: _encode_float,
    data.OCTET_STRING: lambda _, value: data.octets(value),
    data.VISIBLE_STRING: lambda _, value: data.visible(value),
    data.GENERALIZED_TIME: lambda _, value: ber.text(0x8B, value),
    data.BINARY_TIME: lambda _, value: data.binary_time(value),
    data.MMS_STRING: lambda _, value: data.mms_string(value),
    data.UTC_TIME: lambda _, value: data.utc_time(value),
}


def encode(kind: Type, value: Any) -> bytes:
    """A value as MMS data of this type. Raises ValueError when it does not fit."""
    encoder = _ENCODERS.get(kind.kind)
    if encoder is None:
        raise ValueError(f"cannot write a value of type {kind.name}")
    try:
        return encoder(kind, value)
    except (TypeError, AttributeError, struct.error, OverflowError) as error:
        raise ValueError(f"{value!r} does not fit type {kind.name}: {error}") from None
