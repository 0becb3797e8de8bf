"""TCP and UDP in captured frames: link layers, VLAN tags, IPv4 and IPv6, TCP put in order."""

import socket
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .files import ETHERNET, Frame, frames

Endpoint = tuple[str, int]
_VLAN = {0x8100, 0x88A8, 0x9100}
_IP = {0x0800, 0x86DD}
_TCP, _UDP = 6, 17
_SYN = 0x02
# Octets before the IP header: loopback, raw IP, Linux cooked 1 and 2.
_HEADERS = {0: 4, 108: 4, 12: 0, 14: 0, 101: 0, 228: 0, 229: 0, 113: 16, 276: 20}
_PATIENCE = 16  # segments that wait for a missing one before it is given up


class Packet(NamedTuple):
    """A TCP segment or a UDP datagram.

    number, time: of its frame, µs since 1970 UTC. sequence: of the first octet of `payload`, None
    for UDP. begins: opens a connection.
    """

    number: int
    time: int
    source: Endpoint
    target: Endpoint
    payload: bytes
    sequence: int | None = None
    begins: bool = False


class Chunk(NamedTuple):
    """Octets of one direction in the order they were sent. packet: that brought them.

    fresh: they do not join what was given before (new connection, datagram, or a missing part).
    """

    packet: Packet
    data: bytes
    fresh: bool


def packets(raw: bytes) -> Iterator[Packet]:
    """TCP segments and UDP datagrams of a capture file, as they stand in it."""
    return (found for frame in frames(raw) if (found := packet(frame)) is not None)


def chunks(found: Iterable[Packet]) -> Iterator[Chunk]:
    """The payloads of all connections, each direction in order and each octet once."""
    flows: dict[tuple[Endpoint, Endpoint], TcpOrder] = {}
    for each in found:
        key = each.source, each.target
        flow = flows.get(key)
        if flow is None:
            flow = flows[key] = TcpOrder()
        yield from flow.feed(each)
    for flow in flows.values():
        yield from flow.flush()


def packet(frame: Frame) -> Packet | None:
    """What a frame carries; None when that is no whole TCP segment or UDP datagram."""
    ip = _network(frame)
    if len(ip) < 20:
        return None
    if ip[0] >> 4 == 4:
        if int.from_bytes(ip[6:8], "big") & 0x3FFF:  # a fragment
            return None
        head, size = (ip[0] & 15) * 4, int.from_bytes(ip[2:4], "big") or len(ip)
        protocol, family, addresses = ip[9], socket.AF_INET, (ip[12:16], ip[16:20])
    elif ip[0] >> 4 == 6 and len(ip) >= 40:
        head, size = 40, 40 + int.from_bytes(ip[4:6], "big")
        protocol, family, addresses = ip[6], socket.AF_INET6, (ip[8:24], ip[24:40])
    else:
        return None
    body = ip[head:size]
    if len(body) < (20 if protocol == _TCP else 8) or protocol not in {_TCP, _UDP}:
        return None
    ports = struct.unpack_from(">HH", body)
    source, target = (
        (socket.inet_ntop(family, address), port)
        for address, port in zip(addresses, ports, strict=True)
    )
    if protocol == _UDP:
        return Packet(frame.number, frame.time, source, target, body[8:])
    begins = bool(body[13] & _SYN)  # SYN takes a sequence number of its own
    sequence = (int.from_bytes(body[4:8], "big") + begins) & 0xFFFFFFFF
    payload = body[(body[12] >> 4) * 4 :]
    return Packet(frame.number, frame.time, source, target, payload, sequence, begins)


def _network(frame: Frame) -> bytes:
    """The IP packet inside a frame; empty when there is none."""
    data = frame.data
    if frame.link != ETHERNET:
        head = _HEADERS.get(frame.link)
        return b"" if head is None else data[head:]
    at = 12
    while int.from_bytes(data[at : at + 2], "big") in _VLAN:
        at += 4
    return data[at + 2 :] if int.from_bytes(data[at : at + 2], "big") in _IP else b""


class TcpOrder:
    """One direction of a connection, segment by segment; datagrams pass as they are."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._early: dict[int, Packet] = {}
        self._fresh = True

    def feed(self, found: Packet) -> Iterator[Chunk]:
        """What has become readable with this packet."""
        if found.sequence is None:
            yield Chunk(found, found.payload, fresh=True)
            return
        if found.begins:
            yield from self.flush()
            self._next, self._fresh = found.sequence, True
        if found.payload:
            if self._next is None:
                self._next = found.sequence
            self._early.setdefault(found.sequence, found)
            yield from self._ripe(_PATIENCE)

    def flush(self) -> Iterator[Chunk]:
        """What is left at the end, whatever is missing before it."""
        return self._ripe(0)

    def _ripe(self, patience: int) -> Iterator[Chunk]:
        """What is due, and what lies behind a gap once `patience` segments wait there."""
        while self._early:
            start = min(self._early, key=self._ahead)
            ahead = self._ahead(start)
            if ahead > 0 and len(self._early) < patience:
                return
            found = self._early.pop(start)
            if new := found.payload[max(-ahead, 0) :]:
                self._next = (start + len(found.payload)) & 0xFFFFFFFF
                fresh, self._fresh = self._fresh or ahead > 0, False
                yield Chunk(found, new, fresh)

    def _ahead(self, sequence: int) -> int:
        """How far a sequence number lies behind the one that is due; negative: before it."""
        return (sequence - (self._next or 0) + 0x80000000) % 0x100000000 - 0x80000000


def place(end: Endpoint) -> str:
    """An endpoint as people write it."""
    host, port = end
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
