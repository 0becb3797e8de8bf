"""GOOSE (IEC 61850-8-1 annex A): frames ↔ messages. BER and the fixed-length form of annex A.3."""

import struct
from typing import Any

from msgspec import Struct, field

from hub import ProtocolError

from . import ber
from .mms import data
from .mms.data import UtcTime, Value

ETHERTYPE = 0x88B8
_VLAN = {0x8100, 0x88A8}
_PDU = 0x61


class Vlan(Struct, frozen=True):
    id: int
    priority: int = 4


class GooseMessage(Struct, frozen=True, kw_only=True):
    """One GOOSE PDU with what its Ethernet frame says. ttl: ms for which the values hold.

    simulation: the PDU's flag or the S bit of the header. raw: the encoded data set.
    """

    source: bytes
    destination: bytes
    appid: int
    control_block: str
    data_set: str
    goose_id: str
    ttl: int
    time: UtcTime
    state: int
    sequence: int
    revision: int = 1
    simulation: bool = False
    needs_commissioning: bool = False
    values: list[Value] = field(default_factory=list)
    kinds: tuple[int, ...] = ()
    vlan: Vlan | None = None
    length: int = 0


def payload(frame: bytes) -> tuple[int, Vlan | None] | None:
    """(offset of the GOOSE header, VLAN tag) of an Ethernet frame; None when it carries none."""
    vlan, pos = None, 12
    while len(frame) >= pos + 4 and int.from_bytes(frame[pos : pos + 2], "big") in _VLAN:
        tag = int.from_bytes(frame[pos + 2 : pos + 4], "big")
        vlan, pos = Vlan(tag & 0xFFF, tag >> 13), pos + 4
    if int.from_bytes(frame[pos : pos + 2], "big") != ETHERTYPE:
        return None
    return pos + 2, vlan


def decode(frame: bytes) -> GooseMessage | None:
    """The message in an Ethernet frame; None for other traffic. Raises ProtocolError."""
    found = payload(frame)
    if found is None:
        return None
    pos, vlan = found
    if len(frame) < pos + 8:
        raise ProtocolError("GOOSE header cut off")
    appid, length, reserved, _ = struct.unpack_from(">4H", frame, pos)
    end = pos + length
    if length < 10 or end > len(frame):
        raise ProtocolError(f"GOOSE length {length} does not fit a frame of {len(frame)} octets")
    start, stop = ber.expect(frame, pos + 8, end, _PDU, "GOOSE PDU")
    body = _pdu(frame, start, stop)
    body["simulation"] |= bool(reserved & 0x8000)
    return GooseMessage(
        source=frame[6:12],
        destination=frame[:6],
        appid=appid,
        vlan=vlan,
        length=length,
        **body,
    )


def _pdu(buf: bytes, start: int, stop: int) -> dict[str, Any]:
    found = ber.fields(buf, start, stop)

    def number(tag: int, what: str) -> int:
        first, last = ber.need(found, tag, what)
        if not 1 <= last - first <= 5:
            raise ProtocolError(f"{what} of {last - first} octets")
        return int.from_bytes(buf[first:last], "big")

    first, last = ber.need(found, 0xAB, "GOOSE data")
    values = data.items(buf, first, last)
    if number(0x8A, "numDatSetEntries") != len(values):
        raise ProtocolError(f"GOOSE announces other than the {len(values)} values that it has")
    name = ber.to_text(buf, *ber.need(found, 0x80, "gocbRef"))

    return {
        "control_block": name,
        "data_set": ber.to_text(buf, *ber.need(found, 0x82, "datSet")),
        "goose_id": ber.to_text(buf, *found[0x83]) if 0x83 in found else name,
        "ttl": number(0x81, "timeAllowedtoLive"),
        "time": data.utc(buf, *ber.need(found, 0x84, "t")),
        "state": number(0x85, "stNum"),
        "sequence": number(0x86, "sqNum"),
        "simulation": 0x87 in found and ber.to_bool(buf, *found[0x87]),
        "revision": number(0x88, "confRev"),
        "needs_commissioning": 0x89 in found and ber.to_bool(buf, *found[0x89]),
        "values": values,
        "kinds": tuple(data.kinds(buf, first, last)),
    }


def encode(message: GooseMessage, encoded: list[bytes], *, fixed: bool = False) -> bytes:
    """An Ethernet frame. encoded: members as MMS data. fixed: integers in five octets."""

    def number(tag: int, value: int) -> bytes:
        return ber.tlv(tag, b"\0" + value.to_bytes(4, "big")) if fixed else ber.integer(tag, value)

    body = ber.tlv(
        _PDU,
        ber.text(0x80, message.control_block),
        number(0x81, message.ttl),
        ber.text(0x82, message.data_set),
        ber.text(0x83, message.goose_id),
        b"\x84" + data.utc_time(message.time)[1:],
        number(0x85, message.state),
        number(0x86, message.sequence),
        ber.tlv(0x87, bytes((message.simulation,))),
        number(0x88, message.revision),
        ber.tlv(0x89, bytes((message.needs_commissioning,))),
        number(0x8A, len(encoded)),
        ber.tlv(0xAB, *encoded),
    )
    tag = b""
    if message.vlan is not None:
        tci = message.vlan.priority << 13 | message.vlan.id
        tag = b"\x81\x00" + tci.to_bytes(2, "big")
    reserved = 0x8000 if message.simulation else 0
    head = struct.pack(">5H", ETHERTYPE, message.appid, len(body) + 8, reserved, 0)
    frame = message.destination + message.source + tag + head + body
    return frame.ljust(60, b"\0")
