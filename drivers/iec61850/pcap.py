"""Packet captures (pcap, pcapng) down to TCP streams and Ethernet frames."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from hub import ProtocolError

ETHERNET = 1
_MAGIC = {0xA1B2C3D4: 1, 0xA1B23C4D: 1000}


class Packet(NamedTuple):
    """number: as capture tools count, from 1. time: µs since 1970 UTC."""

    number: int
    time: int
    link: int
    data: bytes


class Segment(NamedTuple):
    """One TCP segment. source, destination: (address, port)."""

    source: tuple[bytes, int]
    destination: tuple[bytes, int]
    sequence: int
    flags: int
    payload: bytes


def packets(raw: bytes) -> Iterator[Packet]:
    """All packets of a capture. Raises ProtocolError for anything else; a cut tail is left out."""
    if raw[:4] == b"\x0a\x0d\x0d\x0a":
        yield from _pcapng(raw)
        return
    for order in "<>":
        if len(raw) >= 24 and (magic := struct.unpack(order + "I", raw[:4])[0]) in _MAGIC:
            yield from _classic(raw, order, _MAGIC[magic])
            return
    raise ProtocolError("neither pcap nor pcapng")


def _classic(raw: bytes, order: str, divisor: int) -> Iterator[Packet]:
    link = struct.unpack_from(order + "I", raw, 20)[0] & 0xFFFF
    head, pos, number = struct.Struct(order + "4I"), 24, 0
    while pos + 16 <= len(raw):
        seconds, fraction, size, _ = head.unpack_from(raw, pos)
        pos += 16
        if pos + size > len(raw):
            return
        number += 1
        yield Packet(number, seconds * 1_000_000 + fraction // divisor, link, raw[pos : pos + size])
        pos += size


def _pcapng(raw: bytes) -> Iterator[Packet]:
    order, pos, number = "<", 0, 0
    interfaces: list[tuple[int, int]] = []
    while pos + 12 <= len(raw):
        if raw[pos : pos + 4] == b"\x0a\x0d\x0d\x0a":
            order = "<" if raw[pos + 8 : pos + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            interfaces = []
        kind, size = struct.unpack_from(order + "II", raw, pos)
        if size < 12 or pos + size > len(raw):
            return
        body = raw[pos + 8 : pos + size - 4]
        if kind == 1 and len(body) >= 8:
            interfaces.append((struct.unpack_from(order + "H", body)[0], _resolution(body, order)))
        elif kind == 6 and len(body) >= 20:
            index, high, low, captured, _ = struct.unpack_from(order + "5I", body)
            if index >= len(interfaces):
                raise ProtocolError(f"pcapng packet of unknown interface {index}")
            link, unit = interfaces[index]
            number += 1
            when = (high << 32 | low) * 1_000_000 // unit
            yield Packet(number, when, link, body[20 : 20 + captured])
        pos += size


def _resolution(body: bytes, order: str) -> int:
    """Ticks a second of an interface: option 9, microseconds without it."""
    pos = 8
    while pos + 4 <= len(body):
        code, size = struct.unpack_from(order + "HH", body, pos)
        if code == 9 and size:
            exponent = body[pos + 4]
            return int(2 ** (exponent & 0x7F) if exponent & 0x80 else 10**exponent)
        if code == 0:
            break
        pos += 4 + (size + 3 & ~3)
    return 1_000_000


def segment(packet: Packet) -> Segment | None:
    """The TCP segment in a packet of Ethernet, raw IP or loopback; None for all else."""
    ip = _ip(packet)
    if len(ip) < 20:
        return None
    if ip[0] >> 4 == 4:
        header, size, protocol = (ip[0] & 0xF) * 4, int.from_bytes(ip[2:4], "big"), ip[9]
        fragment = int.from_bytes(ip[6:8], "big") & 0x3FFF
        source, destination = ip[12:16], ip[16:20]
        if fragment:
            return None
        size = size or len(ip)
    elif ip[0] >> 4 == 6 and len(ip) >= 40:
        header, size, protocol = 40, int.from_bytes(ip[4:6], "big") + 40, ip[6]
        source, destination = ip[8:24], ip[24:40]
    else:
        return None
    tcp = ip[header:size]
    if protocol != 6 or len(tcp) < 20:
        return None
    ports = struct.unpack_from(">HH", tcp)
    sequence = int.from_bytes(tcp[4:8], "big")
    payload = tcp[(tcp[12] >> 4) * 4 :]
    return Segment((source, ports[0]), (destination, ports[1]), sequence, tcp[13], payload)


def _ip(packet: Packet) -> bytes:
    data = packet.data
    if packet.link == ETHERNET:
        kind, pos = int.from_bytes(data[12:14], "big"), 14
        while kind in {0x8100, 0x88A8}:
            kind, pos = int.from_bytes(data[pos + 2 : pos + 4], "big"), pos + 4
        return data[pos:] if kind in {0x0800, 0x86DD} else b""
    if packet.link == 113:  # Linux cooked
        return data[16:]
    return data if packet.link in {101, 12, 14} else data[4:] if packet.link == 0 else b""


class Reassembly:
    """Puts the segments of many TCP connections in order, each direction for itself."""

    def __init__(self, limit: int = 1 << 20) -> None:
        self._next: dict[tuple[object, object], int] = {}
        self._waiting: dict[tuple[object, object], dict[int, bytes]] = {}
        self._limit = limit

    def add(self, part: Segment) -> bytes:
        """What became readable of this direction's stream by this segment."""
        key = part.source, part.destination
        if part.flags & 0x02:
            self._next[key] = (part.sequence + 1) & 0xFFFFFFFF
            self._waiting[key] = {}
            return b""
        if not part.payload:
            return b""
        waiting = self._waiting.setdefault(key, {})
        expected = self._next.setdefault(key, part.sequence)
        if sum(map(len, waiting.values())) + len(part.payload) > self._limit:
            waiting.clear()
            expected = part.sequence
        waiting[part.sequence] = part.payload
        out = bytearray()
        while ready := [at for at in waiting if (expected - at) & 0xFFFFFFFF < 0x80000000]:
            start = ready[0]
            fresh = waiting.pop(start)[(expected - start) & 0xFFFFFFFF :]
            out += fresh
            expected = (expected + len(fresh)) & 0xFFFFFFFF
        self._next[key] = expected
        return bytes(out)
