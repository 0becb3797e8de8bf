"""Fragments in captures of every kind, whole and damaged, and in TCP that arrives badly."""

import contextlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.capture import Packet, packets
from drivers.dnp3.codec.link import Frame, encode
from drivers.dnp3.sniff import sniff
from hub import ProtocolError
from tests.captures import ethernet, pcap, pcapng, udp

FRAME = encode(Frame(0xC4, 10, 1, b"\xc0\xc1\x01\x3c\x01\x06"))
DATAGRAM = udp(("10.0.0.1", 4000), ("10.0.0.2", 20000), FRAME)
FILES = {
    "raw": pcap(DATAGRAM, link=101),
    "ethernet": pcap(ethernet(DATAGRAM)),
    "ipv6": pcap(ethernet(udp(("::1", 4000), ("::2", 20000), FRAME))),
    "pcapng": pcapng(DATAGRAM, link=101),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_fragment_is_found_in_every_kind_of_capture(kind: str) -> None:
    [message] = sniff(packets(FILES[kind]), [])
    assert (message.frame, message.function, message.destination) == (1, 1, 10)
    assert message.time == pytest.approx(100, abs=1e-5)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.integers(0, 200), st.binary(min_size=1, max_size=4))
def test_a_damaged_capture_is_read_as_far_as_it_goes(kind: str, place: int, junk: bytes) -> None:
    data = FILES[kind]
    damaged = data[:place] + junk + data[place + len(junk) :]
    with contextlib.suppress(ProtocolError):
        list(sniff(packets(damaged), []))


def stream(order: list[int], size: int = 7, start: int = 0xFFFFFFF0) -> list[Packet]:
    """Ten requests cut into segments whose numbers run over the end, in this order."""
    data = b"".join(
        encode(Frame(0xC4, 10, 1, bytes([0xC0 | n, 0xC0 | n, 0x17]))) for n in range(10)
    )
    cuts = [data[at : at + size] for at in range(0, len(data), size)]
    ends = ("10.0.0.1", 4000), ("10.0.0.2", 20000)
    return [
        Packet(n + 1, 0, *ends, cuts[k], (start + k * size) & 0xFFFFFFFF)
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
