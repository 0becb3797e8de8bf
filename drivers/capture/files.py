"""Frames of capture files: pcap in both byte orders and both resolutions, and pcapng."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from hub import ProtocolError

ETHERNET = 1  # link type
_MAGIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 1_000_000),
    b"\xa1\xb2\xc3\xd4": (">", 1_000_000),
    b"\x4d\x3c\xb2\xa1": ("<", 1_000_000_000),
    b"\xa1\xb2\x3c\x4d": (">", 1_000_000_000),
}
_SECTION = b"\x0a\x0d\x0d\x0a"
_INTERFACE, _ENHANCED = 1, 6  # pcapng block types
_IF_TSRESOL = 9
_SHORT = "the capture ends in the middle of a packet"


class Frame(NamedTuple):
    """number: as capture tools count, from 1. time: µs since 1970 UTC. link: its link type."""

    number: int
    time: int
    link: int
    data: bytes


def frames(raw: bytes) -> Iterator[Frame]:
    """All frames of a capture.

    Raises ProtocolError when it is none, and behind the last whole frame when it is cut short.
    """
    if raw[:4] == _SECTION:
        return _pcapng(raw)
    if raw[:4] in _MAGIC:
        return _pcap(raw)
    raise ProtocolError("neither a pcap nor a pcapng capture")


def _pcap(raw: bytes) -> Iterator[Frame]:
    if len(raw) < 24:
        raise ProtocolError(_SHORT)
    order, per_second = _MAGIC[raw[:4]]
    link = struct.unpack_from(f"{order}I", raw, 20)[0] & 0xFFFF
    head, at, number = struct.Struct(f"{order}4I"), 24, 0
    while at < len(raw):
        if at + 16 > len(raw):
            raise ProtocolError(_SHORT)
        seconds, fraction, size, _ = head.unpack_from(raw, at)
        at += 16
        if at + size > len(raw):
            raise ProtocolError(_SHORT)
        number += 1
        time = seconds * 1_000_000 + fraction * 1_000_000 // per_second
        yield Frame(number, time, link, raw[at : at + size])
        at += size


def _pcapng(raw: bytes) -> Iterator[Frame]:
    at, number, order = 0, 0, "<"
    interfaces: list[tuple[int, int]] = []
    while at < len(raw):
        if at + 12 > len(raw):
            raise ProtocolError(_SHORT)
        if raw[at : at + 4] == _SECTION:
            order = "<" if raw[at + 8 : at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            interfaces = []
        kind, size = struct.unpack_from(f"{order}II", raw, at)
        if size < 12 or at + size > len(raw):
            raise ProtocolError(_SHORT)
        body = raw[at + 8 : at + size - 4]
        if kind == _INTERFACE and len(body) >= 8:
            link = struct.unpack_from(f"{order}H", body)[0]
            interfaces.append((link, _ticks_per_second(body, order)))
        elif kind == _ENHANCED:
            number += 1
            yield _enhanced(number, body, order, interfaces)
        at += size


def _enhanced(number: int, body: bytes, order: str, interfaces: list[tuple[int, int]]) -> Frame:
    try:
        interface, high, low, size, _ = struct.unpack_from(f"{order}5I", body)
        link, per_second = interfaces[interface]
    except (struct.error, IndexError):
        raise ProtocolError(f"packet {number} of the capture is damaged") from None
    ticks = high << 32 | low
    return Frame(number, ticks * 1_000_000 // per_second, link, body[20 : 20 + size])


def _ticks_per_second(body: bytes, order: str) -> int:
    """Microseconds unless the interface has the option that says otherwise."""
    at = 8
    while at + 4 <= len(body):
        code, size = struct.unpack_from(f"{order}HH", body, at)
        if code == _IF_TSRESOL and size == 1 and at + 4 < len(body):
            power = body[at + 4]
            return int((2 if power & 0x80 else 10) ** (power & 0x7F))
        if code == 0:
            break
        at += 4 + (size + 3) // 4 * 4
    return 1_000_000
