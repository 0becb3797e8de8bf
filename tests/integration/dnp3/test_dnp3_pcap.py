"""Captures of every kind of file, and TCP that arrives badly."""

import contextlib
import random
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.dnp3.codec.link import Frame, encode
from drivers.dnp3.pcap import Packet, packets, parse
from drivers.dnp3.sniff import sniff
from hub import ProtocolError

FRAME = encode(Frame(0xC4, 10, 1, b"\xc0\xc1\x01\x3c\x01\x06"))


def ip(payload: bytes, *, v6: bool = False) -> bytes:
    udp = struct.pack(">HHHH", 4000, 20000, 8 + len(payload), 0) + payload
    if v6:
        return struct.pack(">IHBB", 0x60000000, len(udp), 17, 64) + bytes(32) + udp
    return (
        struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0)
        + bytes([10, 0, 0, 1, 10, 0, 0, 2])
        + udp
    )


def pcap(link: int, data: bytes, *, order: str = "<", magic: int = 0xA1B2C3D4) -> bytes:
    head = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link)
    return head + struct.pack(order + "IIII", 1000, 500, len(data), len(data)) + data


def pcapng(link: int, data: bytes, order: str = "<") -> bytes:
    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        size = 12 + len(body)
        return struct.pack(order + "II", kind, size) + body + struct.pack(order + "I", size)

    section = block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    interface = block(1, struct.pack(order + "HHI", link, 0, 65535) + struct.pack(
        order + "HHBxxxHH", 9, 1, 9, 0, 0
    ))  # fmt: skip
    ticks = 1_000_000_500_000
    body = struct.pack(order + "IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
    return section + interface + block(6, body + data)


ETHERNET = bytes(12) + b"\x08\x00"
FILES = {
    "raw": pcap(101, ip(FRAME)),
    "big-endian": pcap(101, ip(FRAME), order=">"),
    "nanoseconds": pcap(101, ip(FRAME), magic=0xA1B23C4D),
    "ethernet": pcap(1, ETHERNET + ip(FRAME)),
    "two vlan tags": pcap(1, bytes(12) + b"\x88\xa8\x00\x01\x81\x00\x00\x02\x08\x00" + ip(FRAME)),
    "ipv6": pcap(1, bytes(12) + b"\x86\xdd" + ip(FRAME, v6=True)),
    "linux cooked": pcap(113, bytes(16) + ip(FRAME)),
    "pcapng": pcapng(101, ip(FRAME)),
    "pcapng big-endian": pcapng(101, ip(FRAME), ">"),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_fragment_is_found_in_every_kind_of_capture(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "capture"
    file.write_bytes(FILES[kind])
    [message] = sniff(packets(file), [])
    assert (message.frame, message.function, message.destination) == (1, 1, 10)
    assert message.time == pytest.approx(1000, abs=1)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.integers(0, 200), st.binary(min_size=1, max_size=4))
def test_a_damaged_capture_is_read_as_far_as_it_goes(kind: str, place: int, junk: bytes) -> None:
    data = FILES[kind]
    damaged = data[:place] + junk + data[place + len(junk) :]
    with contextlib.suppress(ProtocolError):
        list(sniff(parse(damaged), []))


@pytest.mark.parametrize("data", [b"", b"\xd4\xc3\xb2\xa1", FILES["pcapng"][:40], bytes(100)])
def test_a_broken_capture_is_refused_or_empty(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "capture"
    file.write_bytes(data)
    with contextlib.suppress(ProtocolError):
        assert list(sniff(packets(file), [])) == []


def stream(order: list[int], size: int = 7, start: int = 0xFFFFFFF0) -> list[Packet]:
    """Ten requests cut into segments whose numbers run over the end, in this order."""
    data = b"".join(
        encode(Frame(0xC4, 10, 1, bytes([0xC0 | n, 0xC0 | n, 0x17]))) for n in range(10)
    )
    cuts = [data[at : at + size] for at in range(0, len(data), size)]
    ends = ("10.0.0.1", 4000), ("10.0.0.2", 20000)
    return [
        Packet(n + 1, 0.0, *ends, cuts[k], (start + k * size) & 0xFFFFFFFF)
        for n, k in enumerate(order)
        if k < len(cuts)
    ]


def test_segments_out_of_order_and_sent_again_are_read_once() -> None:
    noise = random.Random(2)
    order = list(range(22))
    for n in range(0, 20, 3):
        order[n + 1], order[n + 2] = order[n + 2], order[n + 1]
    for n in (20, 15, 6):
        order.insert(n, order[noise.randrange(n)])
    found = [message.sequence for message in sniff(stream(order), [])]
    assert found == list(range(10))


def test_behind_a_segment_that_was_not_captured_reading_goes_on() -> None:
    order = [n for n in range(22) if n != 9]
    found = [message.sequence for message in sniff(stream(order), [])]
    assert found[:3] == [0, 1, 2]
    assert found[-3:] == [7, 8, 9]
