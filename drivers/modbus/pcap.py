"""TCP payloads out of a capture file (pcap, pcapng), put into order."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

_SHORT = "the capture ends in the middle of a packet"
_MAGIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 1_000_000),
    b"\xa1\xb2\xc3\xd4": (">", 1_000_000),
    b"\x4d\x3c\xb2\xa1": ("<", 1_000_000_000),
    b"\xa1\xb2\x3c\x4d": (">", 1_000_000_000),
}
_PCAPNG = b"\x0a\x0d\x0d\x0a"
_VLAN = {0x8100, 0x88A8, 0x9100}


@dataclass(frozen=True, slots=True)
class Packet:
    """One captured frame. number: from 1, as Wireshark counts. time: µs since 1970 UTC."""

    number: int
    time: int
    link: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Segment:
    """TCP payload in the order it was sent. fresh: what lies before it is missing from the file."""

    number: int
    time: int
    source: tuple[str, int]
    target: tuple[str, int]
    data: bytes
    fresh: bool


def packets(path: Path) -> Iterator[Packet]:
    """All frames of a file. Raises ValueError when it is no capture or is cut short."""
    data = path.read_bytes()
    if data[:4] == _PCAPNG:
        yield from _pcapng(data)
    elif data[:4] in _MAGIC:
        yield from _pcap(data)
    else:
        raise ValueError(f"{path} is neither a pcap nor a pcapng file")


def _pcap(data: bytes) -> Iterator[Packet]:
    if len(data) < 24:
        raise ValueError(_SHORT)
    order, per_second = _MAGIC[data[:4]]
    link = struct.unpack_from(f"{order}I", data, 20)[0] & 0xFFFF
    at, number = 24, 0
    while at < len(data):
        if at + 16 > len(data):
            raise ValueError(_SHORT)
        seconds, fraction, size, _ = struct.unpack_from(f"{order}IIII", data, at)
        at += 16
        if at + size > len(data):
            raise ValueError(_SHORT)
        number += 1
        time = seconds * 1_000_000 + fraction * 1_000_000 // per_second
        yield Packet(number, time, link, data[at : at + size])
        at += size


def _pcapng(data: bytes) -> Iterator[Packet]:
    """Section header, interface description and enhanced packet blocks."""
    at, number, order = 0, 0, "<"
    links: list[tuple[int, int]] = []
    while at + 12 <= len(data):
        if data[at : at + 4] == _PCAPNG:
            order = "<" if data[at + 8 : at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            links = []
        kind, size = struct.unpack_from(f"{order}II", data, at)
        body = data[at + 8 : at + size - 4]
        if size < 12 or at + size > len(data):
            raise ValueError(_SHORT)
        if kind == 1:
            links.append((struct.unpack_from(f"{order}H", body)[0], _resolution(body, order)))
        elif kind == 6:
            number += 1
            yield _enhanced(number, body, order, links)
        at += size
    if at != len(data):
        raise ValueError(_SHORT)


def _enhanced(number: int, body: bytes, order: str, links: list[tuple[int, int]]) -> Packet:
    try:
        interface, high, low, size, _ = struct.unpack_from(f"{order}IIIII", body)
        link, per_second = links[interface]
    except (struct.error, IndexError):
        raise ValueError(f"packet {number} of the capture is damaged") from None
    ticks = high << 32 | low
    return Packet(number, ticks * 1_000_000 // per_second, link, body[20 : 20 + size])


def _resolution(body: bytes, order: str) -> int:
    """Ticks per second: option 9 of the interface, microseconds without it."""
    at = 8
    while at + 4 <= len(body):
        code, size = struct.unpack_from(f"{order}HH", body, at)
        if code == 9 and size == 1 and at + 4 < len(body):
            power = int(body[at + 4])
            base = 2 if power & 0x80 else 10
            return int(base ** (power & 0x7F))
        if code == 0:
            break
        at += 4 + (size + 3) // 4 * 4
    return 1_000_000


@dataclass(slots=True)
class _Flow:
    """One direction of a connection. next: sequence number that is due."""

    next: int | None = None
    waiting: dict[int, tuple[Packet, bytes]] = field(default_factory=dict)


_PATIENCE = 16  # segments that may wait for a missing one before it is given up


def segments(path: Path, port: int) -> Iterator[Segment]:
    """TCP payloads to and from `port`, each byte once, in order per direction."""
    flows: dict[tuple[str, int, str, int], _Flow] = {}
    for packet in packets(path):
        found = _tcp(packet)
        if found is None:
            continue
        source, target, sequence, flags, data = found
        if port not in {source[1], target[1]}:
            continue
        flow = flows.setdefault((*source, *target), _Flow())
        if flags & 2:  # SYN takes one number
            flow.next, flow.waiting = (sequence + 1) & 0xFFFFFFFF, {}
        elif data:
            for part, payload, fresh in _in_order(flow, packet, sequence, data):
                yield Segment(part.number, part.time, source, target, payload, fresh)
    for (here, out, there, into), flow in flows.items():
        for part, payload, fresh in _ripe(flow, 0):
            yield Segment(part.number, part.time, (here, out), (there, into), payload, fresh)


def _in_order(
    flow: _Flow, packet: Packet, sequence: int, data: bytes
) -> Iterator[tuple[Packet, bytes, bool]]:
    if flow.next is None:
        flow.next = sequence
    flow.waiting.setdefault(sequence, (packet, data))
    yield from _ripe(flow, _PATIENCE)


def _ripe(flow: _Flow, patience: int) -> Iterator[tuple[Packet, bytes, bool]]:
    """Segments that are due, and later ones once `patience` of them wait for a missing one."""
    while flow.waiting:
        due = flow.next or 0
        start = min(flow.waiting, key=lambda sequence: _ahead(sequence, due))
        ahead = _ahead(start, due)
        if ahead > 0 and len(flow.waiting) < patience:
            return
        part, payload = flow.waiting.pop(start)
        if new := payload[max(-ahead, 0) :]:
            flow.next = (start + len(payload)) & 0xFFFFFFFF
            yield part, new, ahead > 0


def _ahead(sequence: int, due: int) -> int:
    """How far a sequence number lies before (negative) or behind the one that is due."""
    return (sequence - due + 0x80000000) % 0x100000000 - 0x80000000


def _tcp(packet: Packet) -> tuple[tuple[str, int], tuple[str, int], int, int, bytes] | None:
    """(source, target, sequence, flags, payload) of a TCP frame, None for any other."""
    try:
        network = _network(packet)
        if network is None:
            return None
        version = network[0] >> 4
        if version == 4:
            size, total = (network[0] & 15) * 4, int.from_bytes(network[2:4], "big")
            fragment = int.from_bytes(network[6:8], "big") & 0x3FFF
            protocol, addresses = network[9], (network[12:16], network[16:20])
            if fragment:
                return None
            rest = network[size : total or None]
        elif version == 6:
            protocol, addresses = network[6], (network[8:24], network[24:40])
            rest = network[40 : 40 + int.from_bytes(network[4:6], "big")]
        else:
            return None
        if protocol != 6:
            return None
        here, there, sequence, _, offset, flags = struct.unpack_from(">HHIIBB", rest)
    except (IndexError, struct.error):
        return None
    names = [str(ip_address(address)) for address in addresses]
    return (names[0], here), (names[1], there), sequence, flags, rest[(offset >> 4) * 4 :]


def _network(packet: Packet) -> bytes | None:
    """The IP packet inside a frame of the usual link types (Ethernet, loopback, raw, cooked)."""
    data = packet.data
    if packet.link == 1:
        at = 12
        while int.from_bytes(data[at : at + 2], "big") in _VLAN:
            at += 4
        kind = int.from_bytes(data[at : at + 2], "big")
        return data[at + 2 :] if kind in {0x0800, 0x86DD} else None
    header = {0: 4, 108: 4, 12: 0, 101: 0, 113: 16, 276: 20}.get(packet.link)
    return None if header is None else data[header:]
