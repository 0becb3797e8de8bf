"""MMS Data (ISO 9506-2 §14.4): octets ↔ Python values.

| MMS | Python |
|---|---|
| boolean, integer, unsigned, floating-point | bool, int, int, float |
| bit-string, octet-string | `Bits`, bytes |
| visible-string, MMSString, generalized-time | str |
| binary-time, utc-time | `BinaryTime`, `UtcTime` |
| array, structure | list |
| failure (in an access result) | `AccessError` |
"""

import struct
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from drivers.iec61850 import ber
from hub import ProtocolError

ARRAY, STRUCTURE, BOOLEAN, BIT_STRING, INTEGER, UNSIGNED, FLOAT = 1, 2, 3, 4, 5, 6, 7
OCTET_STRING, VISIBLE_STRING, GENERALIZED_TIME, BINARY_TIME, BCD = 9, 10, 11, 12, 13
OBJECT_ID, MMS_STRING, UTC_TIME = 15, 16, 17
MAX_DEPTH = 32

_EPOCH_1984_DAYS = 5113
_DAY_MS = 86_400_000

Value = Any


class Bits(Struct, frozen=True):
    """A bit string: bit 0 of the standard is the most significant bit of `value`."""

    value: int
    size: int

    @classmethod
    def of(cls, *flags: bool | int) -> "Bits":
        value = 0
        for flag in flags:
            value = value << 1 | bool(flag)
        return cls(value, len(flags))

    def __getitem__(self, bit: int) -> bool:
        return bit < self.size and bool(self.value >> (self.size - 1 - bit) & 1)

    def __str__(self) -> str:
        return f"{self.value:0{self.size}b}" if self.size else ""


class UtcTime(Struct, frozen=True):
    """µs since 1970 UTC, and the time-quality octet (IEC 61850-8-1 §8.1.3.7)."""

    us: int
    quality: int = 0

    @property
    def leap_second_known(self) -> bool:
        return bool(self.quality & 0x80)

    @property
    def clock_failure(self) -> bool:
        return bool(self.quality & 0x40)

    @property
    def not_synchronized(self) -> bool:
        return bool(self.quality & 0x20)

    @property
    def accuracy_bits(self) -> int | None:
        """Significant fraction bits; None when the device does not say (31)."""
        bits = self.quality & 0x1F
        return bits if bits <= 24 else None


class BinaryTime(Struct, frozen=True):
    """TimeOfDay: ms since midnight and days since 1 January 1984, or no date."""

    ms: int
    days: int | None = None

    @property
    def us(self) -> int | None:
        """µs since 1970 UTC, or None without a date."""
        if self.days is None:
            return None
        return ((self.days + _EPOCH_1984_DAYS) * _DAY_MS + self.ms) * 1000

    @classmethod
    def at(cls, us: int) -> "BinaryTime":
        days, ms = divmod(us // 1000, _DAY_MS)
        return cls(ms, days - _EPOCH_1984_DAYS)


_ACCESS_ERRORS = (
    "object invalidated",
    "hardware fault",
    "temporarily unavailable",
    "object access denied",
    "object undefined",
    "invalid address",
    "type unsupported",
    "type inconsistent",
    "object attribute inconsistent",
    "object access unsupported",
    "object non-existent",
    "object value invalid",
)


class AccessError(Struct, frozen=True):
    """Why the device gave no value, or took none (DataAccessError)."""

    code: int

    def __str__(self) -> str:
        code = self.code
        return _ACCESS_ERRORS[code] if 0 <= code < len(_ACCESS_ERRORS) else f"error {code}"


_f32 = struct.Struct(">f").unpack_from
_f64 = struct.Struct(">d").unpack_from


def _float(buf: bytes, start: int, stop: int, depth: int) -> float:
    if stop - start == 5 and buf[start] == 8:
        return float(_f32(buf, start + 1)[0])
    if stop - start == 9 and buf[start] == 11:
        return float(_f64(buf, start + 1)[0])
    raise ProtocolError(f"float of {stop - start} octets at offset {start}")


def _boolean(buf: bytes, start: int, stop: int, depth: int) -> bool:
    return ber.to_bool(buf, start, stop)


def _integer(buf: bytes, start: int, stop: int, depth: int) -> int:
    if not 1 <= stop - start <= 9:
        raise ProtocolError(f"integer of {stop - start} octets at offset {start}")
    return int.from_bytes(buf[start:stop], "big", signed=True)


def _unsigned(buf: bytes, start: int, stop: int, depth: int) -> int:
    # Some devices send an unsigned without the leading zero octet; it is never negative.
    if not 1 <= stop - start <= 9:
        raise ProtocolError(f"unsigned of {stop - start} octets at offset {start}")
    return int.from_bytes(buf[start:stop], "big")


def _bits(buf: bytes, start: int, stop: int, depth: int) -> Bits:
    if stop <= start or (padding := buf[start]) > 7 or (padding and stop - start == 1):
        raise ProtocolError(f"bit string without content at offset {start}")
    value = int.from_bytes(buf[start + 1 : stop], "big") >> padding
    return Bits(value, (stop - start - 1) * 8 - padding)


def _octets(buf: bytes, start: int, stop: int, depth: int) -> bytes:
    return bytes(buf[start:stop])


def _text(buf: bytes, start: int, stop: int, depth: int) -> str:
    return ber.to_text(buf, start, stop)


def utc(buf: bytes, start: int, stop: int, depth: int = 0) -> UtcTime:
    if stop - start != 8:
        raise ProtocolError(f"utc-time of {stop - start} octets at offset {start}")
    word = int.from_bytes(buf[start:stop], "big")
    # Rounded, not cut: a fraction of 24 bits cannot hold every microsecond.
    fraction = (((word >> 8) & 0xFFFFFF) * 1_000_000 + 0x800000) >> 24
    return UtcTime((word >> 32) * 1_000_000 + fraction, word & 0xFF)


def _binary_time(buf: bytes, start: int, stop: int, depth: int) -> BinaryTime:
    if stop - start not in {4, 6}:
        raise ProtocolError(f"binary-time of {stop - start} octets at offset {start}")
    ms = int.from_bytes(buf[start : start + 4], "big")
    days = int.from_bytes(buf[start + 4 : stop], "big") if stop - start == 6 else None
    return BinaryTime(ms, days)


def _list(buf: bytes, start: int, stop: int, depth: int) -> list[Value]:
    if depth >= MAX_DEPTH:
        raise ProtocolError(f"data nested deeper than {MAX_DEPTH}")
    return items(buf, start, stop, depth + 1)


def _failure(buf: bytes, start: int, stop: int, depth: int) -> AccessError:
    return AccessError(ber.to_int(buf, start, stop))


def _unknown(buf: bytes, start: int, stop: int, depth: int) -> Value:
    raise ProtocolError(f"unknown MMS data before offset {start}")


Decoder = Callable[[bytes, int, int, int], Value]
DECODERS: tuple[Decoder, ...] = tuple(
    {
        0x80: _failure,
        0xA1: _list,
        0xA2: _list,
        0x83: _boolean,
        0x84: _bits,
        0x85: _integer,
        0x86: _unsigned,
        0x87: _float,
        0x89: _octets,
        0x8A: _text,
        0x8B: _text,
        0x8C: _binary_time,
        0x8D: _unsigned,
        0x8E: _bits,
        0x8F: _octets,
        0x90: _text,
        0x91: utc,
    }.get(tag, _unknown)
    for tag in range(256)
)


def items(buf: bytes, pos: int, end: int, depth: int = 0) -> list[Value]:
    """All values between `pos` and `end`. This is where a client spends its time."""
    out: list[Value] = []
    append, decoders = out.append, DECODERS
    try:
        while pos < end:
            decoder, size = decoders[buf[pos]], buf[pos + 1]
            pos += 2
            if size & 0x80:
                size, pos = ber.long_length(buf, pos)
            stop = pos + size
            if stop > end:
                raise ProtocolError(f"value at offset {pos} is {stop - end} octets too long")
            append(decoder(buf, pos, stop, depth))
            pos = stop
    except IndexError:
        raise ProtocolError(f"value cut off at offset {pos}") from None
    return out


def kinds(buf: bytes, pos: int, end: int) -> list[int]:
    """The tag numbers of the values between `pos` and `end` (0: failure)."""
    return [tag & 0x1F for tag, _, _ in ber.elements(buf, pos, end)]


def boolean(value: bool) -> bytes:
    return b"\x83\x01\x01" if value else b"\x83\x01\x00"


def signed(value: int) -> bytes:
    return ber.integer(0x85, value)


def unsigned(value: int) -> bytes:
    return ber.integer(0x86, value)


def float32(value: float) -> bytes:
    return b"\x87\x05\x08" + struct.pack(">f", value)


def float64(value: float) -> bytes:
    return b"\x87\x09\x0b" + struct.pack(">d", value)


def bits(value: Bits) -> bytes:
    padding = -value.size % 8
    raw = (value.value << padding).to_bytes((value.size + padding) // 8, "big")
    return ber.tlv(0x84, bytes((padding,)), raw)


def octets(value: bytes) -> bytes:
    return ber.tlv(0x89, value)


def visible(value: str) -> bytes:
    return ber.text(0x8A, value)


def mms_string(value: str) -> bytes:
    return ber.text(0x90, value)


def utc_time(value: UtcTime) -> bytes:
    """Rounded down to the standard's 24-bit fraction."""
    seconds, us = divmod(value.us, 1_000_000)
    fraction = min(-(-(us << 24) // 1_000_000), 0xFFFFFF)
    word = seconds << 32 | fraction << 8 | value.quality
    return ber.tlv(0x91, word.to_bytes(8, "big"))


def binary_time(value: BinaryTime) -> bytes:
    date = b"" if value.days is None else value.days.to_bytes(2, "big")
    return ber.tlv(0x8C, value.ms.to_bytes(4, "big"), date)


def structure(*parts: bytes) -> bytes:
    return ber.tlv(0xA2, *parts)


def array(*parts: bytes) -> bytes:
    return ber.tlv(0xA1, *parts)
