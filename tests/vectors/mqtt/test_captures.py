"""Packets of real captures, against Wireshark's reading of the same frames."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from drivers.capture import Chunk, chunks, packets
from drivers.mqtt.packet import Dissector, MqttPacket, Type
from hub import ProtocolError

CAPTURES = [
    "suricata/mqtt31-unsub-qos2", "suricata/mqtt311-pub-qos1", "suricata/mqtt311-pub-qos2",
    "suricata/mqtt311-sub-userpass", "suricata/mqtt5-pub-qos2",
    "suricata/mqtt5-sub-mosquittoprops", "zeek/mqtt",
]  # fmt: skip


def mqtt(path: Path) -> Iterator[Chunk]:
    found = packets(path.read_bytes())
    return chunks(p for p in found if 1883 in {p.source[1], p.target[1]})


def dissected(path: Path) -> dict[int, list[MqttPacket]]:
    """Packets by the number of the frame in which they end."""
    found: dict[int, list[MqttPacket]] = {}
    connections: dict[frozenset[tuple[str, int]], Dissector] = {}
    for carrier, data, _ in mqtt(path):
        peers = frozenset((carrier.source, carrier.target))
        dissector = connections.setdefault(peers, Dissector())
        for packet in dissector.feed(data, str(carrier.source)):
            found.setdefault(carrier.number, []).append(packet)
    return found


def marked(p: MqttPacket, version: int) -> bool:
    """MQTT 3.1 marks subscriptions as publications are marked."""
    subscribes = p.type in {Type.SUBSCRIBE, Type.UNSUBSCRIBE}
    return p.type is Type.PUBLISH or (version == 3 and subscribes)


# What a column of the table says of one packet, under that version.
COLUMNS: dict[str, Callable[[MqttPacket, int], list[object]]] = {
    "mqtt.msgtype": lambda p, _: [int(p.type)],
    "mqtt.len": lambda p, _: [p.length],
    "mqtt.protoname": lambda p, _: [p.protocol] if p.protocol else [],
    "mqtt.ver": lambda p, _: [] if p.version is None else [p.version],
    "mqtt.clientid": lambda p, _: [p.client] if p.client else [],
    "mqtt.username": lambda p, _: [] if p.username is None else [p.username],
    "mqtt.topic": lambda p, _: list(p.topics),
    "mqtt.msgid": lambda p, _: [] if p.id is None else [p.id],
    "mqtt.qos": lambda p, v: [p.qos] if marked(p, v) else [],
    "mqtt.retain": lambda p, _: [int(p.retain)] if p.type is Type.PUBLISH else [],
    "mqtt.dupflag": lambda p, v: [int(p.dup)] if marked(p, v) else [],
    "mqtt.msg": lambda p, _: [p.payload.hex()] if p.type is Type.PUBLISH else [],
    "mqtt.conack.val": lambda p, v: [p.code] if p.type is Type.CONNACK and v != 5 else [],
    "mqtt.conack.flags": lambda p, v: (
        [f"0x{p.flags:02x}"] if p.type is Type.CONNACK and v > 3 else []
    ),
}


def column(packets: list[MqttPacket], name: str, version: int) -> list[str]:
    return [str(each) for packet in packets for each in COLUMNS[name](packet, version)]


@pytest.mark.parametrize("name", CAPTURES)
def test_a_capture_reads_as_wireshark_reads_it(shared: Path, name: str) -> None:
    base = shared / "data" / "pcaps" / "mqtt" / name
    with base.with_name(base.name + ".mqtt.tshark.csv").open(newline="") as text:
        rows = {int(row["frame.number"]): row for row in csv.DictReader(text)}
    found = dissected(base.with_name(base.name + ".pcap"))
    assert sorted(found) == sorted(rows)
    version = next(p.version for packets in found.values() for p in packets if p.version) or 4
    for number, row in rows.items():
        for key in row:
            if key.startswith("mqtt."):
                expected = row[key].split(";") if row[key] else []
                assert column(found[number], key, version) == expected, (number, key)


def test_a_stream_cut_anywhere_reads_the_same(shared: Path) -> None:
    path = shared / "data" / "pcaps" / "mqtt" / "zeek" / "mqtt.pcap"
    whole = b"".join(c.data for c in mqtt(path) if c.packet.target[1] == 1883)
    expected = list(Dissector().feed(whole))
    for size in (1, 2, 3, 7):
        dissector, found = Dissector(), []
        for at in range(0, len(whole), size):
            found += dissector.feed(whole[at : at + size])
        assert found == expected


def test_the_password_is_not_kept(shared: Path) -> None:
    path = shared / "data" / "pcaps" / "mqtt" / "suricata" / "mqtt311-sub-userpass.pcap"
    packets = [p for each in dissected(path).values() for p in each]
    assert packets[0].username == "user"
    assert "pass" not in repr(structs.replace(packets[0], client=""))


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x00",
        b"\x30\xff\xff\xff\xff\x01",
        b"\x36\x03\x00\x01a",
        b"\x10\x02\x00\x09",
        b"\x82\x01\x00",
    ],
)
def test_what_is_no_packet_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="no MQTT packet"):
        list(Dissector().feed(data))


@given(st.binary(max_size=80))
def test_noise_is_read_or_refused_and_nothing_else(noise: bytes) -> None:
    try:
        list(Dissector().feed(noise))
    except ProtocolError:
        return
