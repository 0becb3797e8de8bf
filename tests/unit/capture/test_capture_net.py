"""What frames carry, and TCP that arrives badly."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.capture import Frame, Packet, chunks, packet, packets, place
from tests.captures import SYN, ethernet, ip, pcap, tcp, udp

HERE, THERE = ("10.0.0.1", 4000), ("10.0.0.2", 502)
HERE6, THERE6 = ("2001:db8::1", 4000), ("2001:db8::2", 502)
DATAGRAM = udp(HERE, THERE, b"hello")
VLAN, SERVICE, OLD = b"\x81\0\0\2", b"\x88\xa8\0\1", b"\x91\0\0\3"

LINKS = {
    "Ethernet": (1, ethernet(DATAGRAM)),
    "one VLAN tag": (1, ethernet(DATAGRAM, VLAN)),
    "three VLAN tags": (1, ethernet(DATAGRAM, OLD, SERVICE, VLAN)),
    "loopback": (0, bytes(4) + DATAGRAM),
    "OpenBSD loopback": (108, bytes(4) + DATAGRAM),
    "raw": (101, DATAGRAM),
    "raw IPv4": (228, DATAGRAM),
    "Linux cooked": (113, bytes(16) + DATAGRAM),
    "Linux cooked, version 2": (276, bytes(20) + DATAGRAM),
}


@pytest.mark.parametrize("name", LINKS)
def test_a_datagram_is_found_on_every_link(name: str) -> None:
    link, data = LINKS[name]
    assert packet(Frame(3, 7, link, data)) == Packet(3, 7, HERE, THERE, b"hello")


def test_ipv6_is_read_and_written_as_people_do() -> None:
    [found] = packets(pcap(ethernet(tcp(HERE6, THERE6, 9, b"x"))))
    assert (found.source, found.target, found.sequence) == (HERE6, THERE6, 9)
    assert [place(found.source), place(HERE)] == ["[2001:db8::1]:4000", "10.0.0.1:4000"]


def test_padding_behind_a_short_packet_is_no_payload() -> None:
    [found] = packets(pcap(ethernet(tcp(HERE, THERE, 1, b"ab")) + bytes(20)))
    assert found.payload == b"ab"


def test_a_connection_begins_behind_its_opening_number() -> None:
    found = packet(Frame(1, 0, 101, tcp(HERE, THERE, 2**32 - 1, b"", SYN)))
    assert found is not None
    assert (found.sequence, found.begins) == (0, True)


FRAGMENT = bytearray(DATAGRAM)
FRAGMENT[6] = 0x20
FOREIGN = [
    (1, b""),
    (1, bytes(13)),
    (1, bytes(12) + b"\x08\x06" + bytes(28)),  # ARP
    (1, ethernet(DATAGRAM)[:30]),
    (1, bytes(12) + b"\x81\x00"),
    (101, ip("10.0.0.1", "10.0.0.2", 1, bytes(8))),  # ICMP
    (101, bytes(FRAGMENT)),
    (101, b"\x90" + bytes(40)),
    (147, DATAGRAM),
]


@pytest.mark.parametrize(("link", "data"), FOREIGN)
def test_everything_else_is_passed_over(link: int, data: bytes) -> None:
    assert packet(Frame(1, 0, link, data)) is None


@given(st.sampled_from([0, 1, 101, 113]), st.binary(max_size=80))
def test_noise_is_a_packet_or_none(link: int, noise: bytes) -> None:
    packet(Frame(1, 0, link, noise))


def segment(number: int, sequence: int, data: bytes, *, begins: bool = False) -> Packet:
    return Packet(number, 0, HERE, THERE, data, sequence & 0xFFFFFFFF, begins)


def read(*parts: tuple[int, bytes]) -> list[tuple[int, bytes, bool]]:
    """Number of the packet, octets and whether they join nothing."""
    found = chunks(segment(n, at, data) for n, (at, data) in enumerate(parts, 1))
    return [(chunk.packet.number, chunk.data, chunk.fresh) for chunk in found]


def test_segments_are_put_in_order_and_each_octet_comes_once() -> None:
    parts = [(1, b"abc"), (7, b"ghi"), (4, b"def"), (1, b"abc"), (4, b"defghijk")]
    assert read(*parts) == [
        (1, b"abc", True),
        (3, b"def", False),
        (2, b"ghi", False),
        (5, b"jk", False),
    ]


def test_sequence_numbers_wrap() -> None:
    assert read((2**32 - 3, b"abc"), (0, b"def")) == [(1, b"abc", True), (2, b"def", False)]


def test_behind_a_missing_segment_reading_goes_on_and_says_so() -> None:
    parts = [(0, b"a"), *((n, b"b") for n in range(2, 30))]
    found = read(*parts)
    assert [data for _, data, _ in found] == [b"a"] + [b"b"] * 28
    assert [fresh for _, _, fresh in found] == [True, True] + [False] * 27


def test_what_waits_at_the_end_is_given() -> None:
    assert read((0, b"a"), (5, b"z")) == [(1, b"a", True), (2, b"z", True)]


def test_a_new_connection_of_the_same_ends_joins_nothing() -> None:
    first = [segment(1, 10, b"", begins=True), segment(2, 10, b"ab"), segment(3, 13, b"d")]
    second = [segment(4, 900, b"", begins=True), segment(5, 900, b"xy")]
    found = [(c.data, c.fresh) for c in chunks(first + second)]
    assert found == [(b"ab", True), (b"d", True), (b"xy", True)]


def test_directions_do_not_mix_and_datagrams_pass_as_they_are() -> None:
    there = segment(1, 5, b"ask")
    back = Packet(2, 0, THERE, HERE, b"tell", 5)
    datagram = Packet(3, 0, HERE, THERE, b"note")
    assert [c.data for c in chunks([there, back, datagram])] == [b"ask", b"tell", b"note"]


@given(st.binary(min_size=30, max_size=200), st.integers(0, 2**32 - 1), st.randoms())
def test_a_shuffled_and_repeated_stream_reads_as_it_was_sent(
    data: bytes, start: int, noise: random.Random
) -> None:
    parts = [(start + at, data[at : at + 20]) for at in range(0, len(data), 20)]
    later = parts[1:] + noise.choices(parts, k=3)
    noise.shuffle(later)
    sent = [segment(n, at, piece) for n, (at, piece) in enumerate([parts[0], *later])]
    assert b"".join(chunk.data for chunk in chunks(sent)) == data
