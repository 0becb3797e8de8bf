"""Capture files of every kind, whole and damaged."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.capture import frames
from hub import ProtocolError
from tests.captures import pcap, pcapng

DATA = b"first", b"second one"
FILES = {
    "pcap": pcap(*DATA),
    "pcap, big-endian": pcap(*DATA, order=">"),
    "pcapng, ns": pcapng(*DATA),
    "pcapng, default resolution": pcapng(*DATA, resolution=None),
    "pcapng, big-endian": pcapng(*DATA, order=">"),
}


@pytest.mark.parametrize("kind", FILES)
def test_frames_are_numbered_and_timed_in_every_format(kind: str) -> None:
    found = list(frames(FILES[kind]))
    assert [tuple(frame) for frame in found] == [
        (1, 100_000_000, 1, b"first"),
        (2, 100_000_001, 1, b"second one"),
    ]


@pytest.mark.parametrize("order", "<>")
def test_nanoseconds_are_told_by_the_magic_number(order: str) -> None:
    raw = pcap(*[b""] * 2001, order=order, magic=0xA1B23C4D)
    assert [frame.time for frame in frames(raw)][::1000] == [100_000_000, 100_000_001, 100_000_002]


@pytest.mark.parametrize("make", [pcap, pcapng])
def test_an_empty_capture_has_no_frames(make) -> None:
    assert list(frames(make())) == []


@pytest.mark.parametrize("raw", [b"", b"GIF89a", bytes(100)])
def test_what_is_no_capture_is_refused(raw: bytes) -> None:
    with pytest.raises(ProtocolError, match="neither a pcap nor a pcapng"):
        list(frames(raw))


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("missing", [1, 3, 15])
def test_a_capture_cut_short_gives_its_whole_frames_first(kind: str, missing: int) -> None:
    found = frames(FILES[kind][:-missing])
    assert next(found).data == b"first"
    with pytest.raises(ProtocolError, match="ends in the middle of a packet"):
        next(found)


def test_a_head_without_the_rest_is_refused() -> None:
    with pytest.raises(ProtocolError, match="middle of a packet"):
        list(frames(pcap()[:20]))


def test_a_packet_of_an_interface_that_is_not_described_is_refused() -> None:
    raw = bytearray(pcapng(b"x"))
    raw[raw.index(b"\x06\0\0\0") + 8] = 7
    with pytest.raises(ProtocolError, match="packet 1 of the capture is damaged"):
        list(frames(bytes(raw)))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.integers(0, 200), st.binary(min_size=1, max_size=4))
def test_damage_is_read_or_refused_and_nothing_else(kind: str, place: int, junk: bytes) -> None:
    raw = FILES[kind]
    with contextlib.suppress(ProtocolError):
        list(frames(raw[:place] + junk + raw[place + len(junk) :]))
