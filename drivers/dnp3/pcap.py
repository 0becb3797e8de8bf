"""Reading captures: pcap and pcapng files, IP and UDP, and TCP put in order."""

import struct
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from hub import ProtocolError


class Packet(Struct, frozen=True):
    """Payload of one TCP segment or UDP datagram. number: of the frame, from 1. time: seconds."""

    number: int
    time: float
    source: tuple[str, int]
    dest: tuple[str, int]
    payload: bytes
    sequence: int | None = None  # None: UDP
    begins: bool = False  # SYN


def packets(path: Path) -> Iterator[Packet]:
    """All TCP and UDP packets of a capture file, as they stand in it."""
    return parse(path.read_bytes())


def parse(raw: bytes) -> Iterator[Packet]:
    """The packets of a capture; ProtocolError where it is none or breaks off."""
    try:
        for number, (time, link, data) in enumerate(_records(raw), 1):
            packet = _internet(number, time, _strip(link, data))
            if packet is not None:
                yield packet
    except (struct.error, IndexError) as error:
        raise ProtocolError(f"broken capture: {error}") from error


def _records(raw: bytes) -> Iterator[tuple[float, int, bytes]]:
    if raw[:4] == b"\x0a\x0d\x0d\x0a":
        return _pcapng(raw)
    return _pcap(raw)


def _pcap(raw: bytes) -> Iterator[tuple[float, int, bytes]]:
    orders = {
        b"\xd4\xc3\xb2\xa1": ("<", 1e-6),
        b"\xa1\xb2\xc3\xd4": (">", 1e-6),
        b"\x4d\x3c\xb2\xa1": ("<", 1e-9),
        b"\xa1\xb2\x3c\x4d": (">", 1e-9),
    }
    if raw[:4] not in orders or len(raw) < 24:
        raise ProtocolError("not a capture file (pcap or pcapng)")
    order, unit = orders[raw[:4]]
    link = struct.unpack_from(order + "I", raw, 20)[0] & 0xFFFF
    at = 24
    while at + 16 <= len(raw):
        seconds, fraction, size, _ = struct.unpack_from(order + "IIII", raw, at)
        at += 16
        yield seconds + fraction * unit, link, raw[at : at + size]
        at += size


def _pcapng(raw: bytes) -> Iterator[tuple[float, int, bytes]]:
    at, order = 0, "<"
    links: list[tuple[int, float]] = []
    while at + 12 <= len(raw):
        kind = raw[at : at + 4]
        if kind == b"\x0a\x0d\x0d\x0a":
            order = "<" if raw[at + 8 : at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            links = []
        code, size = struct.unpack_from(order + "II", raw, at)
        if size < 12 or at + size > len(raw):
            raise ProtocolError(f"broken block at octet {at} of the capture")
        body = raw[at + 8 : at + size - 4]
        if code == 1:
            links.append(_interface(body, order))
        elif code == 6 and len(body) >= 20:
            interface, high, low, length = struct.unpack_from(order + "IIII", body)
            if interface < len(links):
                link, unit = links[interface]
                yield (high << 32 | low) * unit, link, body[20 : 20 + length]
        at += size


def _interface(body: bytes, order: str) -> tuple[int, float]:
    link, unit, at = struct.unpack_from(order + "H", body)[0], 1e-6, 8
    while at + 4 <= len(body):
        option, length = struct.unpack_from(order + "HH", body, at)
        if option == 9 and length:
            value = body[at + 4]
            unit = 2.0 ** -(value & 0x7F) if value & 0x80 else 10.0**-value
        at += 4 + length + -length % 4
    return link, unit


def _strip(link: int, data: bytes) -> bytes:
    """The IP packet inside a frame; nothing when there is none."""
    match link:
        case 0 | 108:  # BSD loopback
            return data[4:]
        case 1:
            at = 12
            while data[at : at + 2] in {b"\x81\x00", b"\x88\xa8"}:
                at += 4
            return data[at + 2 :] if data[at : at + 2] in {b"\x08\x00", b"\x86\xdd"} else b""
        case 12 | 14 | 101 | 228 | 229:
            return data
        case 113:
            return data[16:]
        case 276:
            return data[20:]
    return b""


def _internet(number: int, time: float, data: bytes) -> Packet | None:
    if len(data) < 20:
        return None
    if data[0] >> 4 == 4:
        head, total, protocol = (data[0] & 15) * 4, int.from_bytes(data[2:4], "big"), data[9]
        source = ".".join(map(str, data[12:16]))
        dest = ".".join(map(str, data[16:20]))
        body = data[head : total or len(data)]
    elif data[0] >> 4 == 6 and len(data) >= 40:
        protocol = data[6]
        source, dest = data[8:24].hex(":", 2), data[24:40].hex(":", 2)
        body = data[40 : 40 + int.from_bytes(data[4:6], "big")]
    else:
        return None
    if len(body) < 8:
        return None
    ports = int.from_bytes(body[:2], "big"), int.from_bytes(body[2:4], "big")
    ends = (source, ports[0]), (dest, ports[1])
    if protocol == 17:
        return Packet(number, time, *ends, body[8:])
    if protocol == 6 and len(body) >= 20:
        offset, sequence = (body[12] >> 4) * 4, int.from_bytes(body[4:8], "big")
        return Packet(number, time, *ends, body[offset:], sequence, bool(body[13] & 2))
    return None


_PATIENCE = 16  # segments to wait for one that was not captured


class TcpOrder:
    """Gives the payloads of one direction of a connection in order, each octet once."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._early: dict[int, bytes] = {}

    def feed(self, packet: Packet) -> bytes:
        """What has become readable with this segment."""
        if packet.sequence is None:
            return packet.payload
        if packet.begins:
            self._next, self._early = (packet.sequence + 1) & 0xFFFFFFFF, {}
            return packet.payload
        if self._next is None:
            self._next = packet.sequence
        if packet.payload:
            self._early[packet.sequence] = packet.payload
        return self._take(patience=_PATIENCE)

    def flush(self) -> bytes:
        """What is left at the end, whatever is missing before it."""
        return self._take(patience=0)

    def _take(self, patience: int) -> bytes:
        out = b""
        for sequence in sorted(self._early, key=self._behind):
            ahead = self._behind(sequence)
            payload = self._early[sequence]
            if ahead > 0 and len(self._early) <= patience:
                break
            del self._early[sequence]
            fresh = payload[-ahead:] if ahead < 0 else payload
            out += fresh
            self._next = (sequence + len(payload)) & 0xFFFFFFFF if fresh else self._next
        return out

    def _behind(self, sequence: int) -> int:
        """How far `sequence` lies ahead of what is expected; negative: already seen."""
        return (sequence - (self._next or 0) + 2**31) % 2**32 - 2**31
