"""Modbus/TCP out of a capture: every PDU, and which request a response belongs to."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import Struct

from drivers.capture import Packet, chunks, packets, place
from drivers.modbus import dissect

HEADER = 7
_OPEN = 256  # requests that may wait for their response


class Sniffed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One PDU. frame: number of the packet that completes it. time: µs since 1970 UTC.

    request: frame of the request that a response belongs to, delay_ms: how long it took.
    """

    frame: int
    time: int
    source: str
    target: str
    kind: str
    transaction: int
    unit: int
    function: int
    name: str
    meaning: dissect.Meaning
    request: int | None = None
    delay_ms: float | None = None


@dataclass(slots=True)
class _Stream:
    """Bytes of one direction that are not yet a whole PDU."""

    buffer: bytearray = field(default_factory=bytearray)


_Key = tuple[tuple[str, int], tuple[str, int], int, int, int]


def sniff(path: Path, port: int = 502) -> Iterator[Sniffed]:
    """All Modbus PDUs to and from `port`; what is not Modbus on that port is passed over."""
    streams: dict[tuple[tuple[str, int], tuple[str, int]], _Stream] = {}
    waiting: dict[_Key, Sniffed] = {}
    found = (
        packet
        for packet in packets(path.read_bytes())
        if packet.sequence is not None and port in {packet.source[1], packet.target[1]}
    )
    for chunk in chunks(found):
        source, target = chunk.packet.source, chunk.packet.target
        stream = streams.setdefault((source, target), _Stream())
        if chunk.fresh:
            stream.buffer.clear()
        stream.buffer += chunk.data
        for header, pdu in _frames(stream.buffer):
            yield _sniffed(chunk.packet, header, pdu, target[1] == port, waiting)


def _frames(buffer: bytearray) -> Iterator[tuple[bytes, bytes]]:
    """Header and PDU of every complete frame; a buffer that begins with none is dropped."""
    while len(buffer) > HEADER:
        length = int.from_bytes(buffer[4:6], "big")
        if buffer[2] or buffer[3] or not 2 <= length <= 254:
            buffer.clear()
            return
        if len(buffer) < 6 + length:
            return
        yield bytes(buffer[:HEADER]), bytes(buffer[HEADER : 6 + length])
        del buffer[: 6 + length]


def _sniffed(
    packet: Packet, header: bytes, pdu: bytes, asking: bool, waiting: dict[_Key, Sniffed]
) -> Sniffed:
    transaction, unit, function = int.from_bytes(header[:2], "big"), header[6], pdu[0] & 0x7F
    client, server = packet.source, packet.target
    asked: Sniffed | None = None
    if not asking:
        client, server = server, client
        asked = waiting.pop((client, server, transaction, unit, function), None)
    meaning = (
        dissect.request(pdu) if asking else dissect.response(pdu, asked.meaning if asked else None)
    )
    found = Sniffed(
        frame=packet.number,
        time=packet.time,
        source=place(packet.source),
        target=place(packet.target),
        kind="request" if asking else "response",
        transaction=transaction,
        unit=unit,
        function=function,
        name=dissect.NAMES.get(function, f"function {function}"),
        meaning=meaning,
        request=asked.frame if asked else None,
        delay_ms=(packet.time - asked.time) / 1000 if asked else None,
    )
    if asking:
        if len(waiting) >= _OPEN:
            del waiting[next(iter(waiting))]
        waiting[client, server, transaction, unit, function] = found
    return found
