"""Reading MQTT control packets out of a byte stream: 3.1, 3.1.1 and 5.0.

For looking at what went over the wire; the session itself speaks through its client library.
"""

import enum
import struct
from collections.abc import Iterator

from msgspec import Struct, structs

from hub import ProtocolError

LIMIT = 4  # octets of a remaining length


class Type(enum.IntEnum):
    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    AUTH = 15


class MqttPacket(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One control packet. length: remaining length. Of a CONNECT the password is never kept.

    code: of CONNACK. codes: of SUBACK and UNSUBACK. flags: of CONNACK, bit 0 = session present.
    """

    type: Type
    length: int
    dup: bool = False
    qos: int = 0
    retain: bool = False
    id: int | None = None
    protocol: str = ""
    version: int | None = None
    client: str = ""
    username: str | None = None
    will_topic: str | None = None
    topics: tuple[str, ...] = ()
    payload: bytes = b""
    flags: int | None = None
    code: int | None = None
    codes: tuple[int, ...] = ()


class Dissector:
    """Packets of one connection, both ways: the version is that of its CONNECT.

    What comes in pieces is kept until it is whole; `feed` raises ProtocolError for what no packet
    can be, and that stream is of no further use.
    """

    def __init__(self) -> None:
        self.version = 4
        self._kept: dict[str, bytes] = {}

    def feed(self, data: bytes, way: str = "") -> Iterator[MqttPacket]:
        """The packets that end in these bytes; `way` tells the two directions apart."""
        held = self._kept.pop(way, b"") + data
        at = 0
        while (size := _size(held, at)) is not None:
            head, body = size
            end = at + head + body
            if end > len(held):
                break
            yield self._read(held[at], held[at + head : end])
            at = end
        self._kept[way] = held[at:]

    def _read(self, first: int, body: bytes) -> MqttPacket:
        try:
            kind = Type(first >> 4)
            packet = MqttPacket(type=kind, length=len(body))
            return self._body(packet, first & 15, _Reader(body))
        except (ValueError, IndexError, struct.error) as error:
            raise ProtocolError(f"no MQTT packet: {error}") from None

    def _body(self, packet: MqttPacket, bits: int, body: "_Reader") -> MqttPacket:
        match packet.type:
            case Type.CONNECT:
                packet = _connect(packet, body)
                self.version = packet.version or self.version
                return packet
            case Type.CONNACK:
                return structs.replace(packet, flags=body.octet(), code=body.octet())
            case Type.PUBLISH:
                return self._publish(packet, bits, body)
            case Type.PINGREQ | Type.PINGRESP | Type.DISCONNECT | Type.AUTH:
                return packet
            case _:
                return self._numbered(packet, bits, body)

    def _numbered(self, packet: MqttPacket, bits: int, body: "_Reader") -> MqttPacket:
        # MQTT 3.1 put a quality of service and a repetition mark on these too.
        packet = structs.replace(packet, id=body.number(), qos=bits >> 1 & 3, dup=bool(bits & 8))
        if self.version == 5 and packet.type >= Type.SUBSCRIBE:
            body.skip_properties()
        if packet.type in {Type.SUBSCRIBE, Type.UNSUBSCRIBE}:
            return structs.replace(packet, topics=tuple(body.topics(packet.type is Type.SUBSCRIBE)))
        if packet.type in {Type.SUBACK, Type.UNSUBACK}:
            return structs.replace(packet, codes=tuple(body.rest()))
        return packet

    def _publish(self, packet: MqttPacket, bits: int, body: "_Reader") -> MqttPacket:
        qos = bits >> 1 & 3
        if qos == 3:
            raise ValueError("a quality of service of 3")
        topic = body.text()
        number = body.number() if qos else None
        if self.version == 5:
            body.skip_properties()
        return structs.replace(
            packet,
            dup=bool(bits & 8),
            qos=qos,
            retain=bool(bits & 1),
            id=number,
            topics=(topic,),
            payload=body.rest(),
        )


class _Reader:
    """Takes a body from the left."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise IndexError("it ends inside a field")
        data, self._at = self._data[self._at : end], end
        return data

    def octet(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def binary(self) -> bytes:
        return self.take(self.number())

    def text(self) -> str:
        return self.binary().decode()

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._at)

    def skip_properties(self) -> None:
        found = _varint(self._data, self._at)
        if found is None:
            raise IndexError("it ends inside the properties")
        size, octets = found
        self.take(octets + size)

    def topics(self, options: bool) -> Iterator[str]:
        while self._at < len(self._data):
            yield self.text()
            if options:
                self.octet()


def _connect(packet: MqttPacket, body: _Reader) -> MqttPacket:
    protocol, version, flags = body.text(), body.octet(), body.octet()
    body.number()
    if version == 5:
        body.skip_properties()
    client, will = body.text(), None
    if flags & 0x04:
        if version == 5:
            body.skip_properties()
        will = body.text()
        body.binary()
    return structs.replace(
        packet,
        protocol=protocol,
        version=version,
        client=client,
        will_topic=will,
        username=body.text() if flags & 0x80 else None,
    )


def _size(data: bytes, at: int) -> tuple[int, int] | None:
    """Octets of the fixed header and of the body; None when the header is not whole yet."""
    found = _varint(data, at + 1)
    return None if found is None else (1 + found[1], found[0])


def _varint(data: bytes, at: int) -> tuple[int, int] | None:
    value = 0
    for octets in range(LIMIT):
        if at + octets >= len(data):
            return None
        byte = data[at + octets]
        value |= (byte & 0x7F) << 7 * octets
        if byte < 0x80:
            return value, octets + 1
    raise ProtocolError("no MQTT packet: a length without end")
