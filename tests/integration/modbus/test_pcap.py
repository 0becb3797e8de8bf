"""Capture files made here byte by byte: other formats, lost and doubled segments, damage."""

import struct

import pytest

from drivers.modbus.pcap import packets, segments
from drivers.modbus.sniff import sniff

CLIENT, SERVER = (b"\x0a\0\0\1", 40000), (b"\x0a\0\0\2", 502)


def frame(source, target, sequence: int, data: bytes, flags: int = 0x18) -> bytes:
    """Ethernet, IPv4 and TCP around `data`."""
    tcp = struct.pack(">HHIIBBHHH", source[1], target[1], sequence, 0, 0x50, flags, 0, 0, 0) + data
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0)
    return bytes(12) + b"\x08\x00" + head + source[0] + target[0] + tcp


def pcap(*frames: bytes, order: str = "<", magic: int = 0xA1B2C3D4) -> bytes:
    made = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, 1)
    for number, data in enumerate(frames):
        made += struct.pack(f"{order}IIII", 100, number, len(data), len(data)) + data
    return made


def pcapng(*frames: bytes) -> bytes:
    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        size = len(body) + 12
        return struct.pack("<II", kind, size) + body + struct.pack("<I", size)

    made = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    made += block(1, struct.pack("<HHI", 1, 0, 0) + struct.pack("<HHB3x", 9, 1, 9))
    for number, data in enumerate(frames):
        ticks = 100 * 10**9 + number * 1000
        header = struct.pack("<IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
        made += block(6, header + data)
    return made


REQUEST = bytes.fromhex("000100000006010300050002")
RESPONSE = bytes.fromhex("00010000000701030400070008")


@pytest.mark.parametrize("make", [pcap, pcapng])
def test_both_formats_give_the_same_messages(tmp_path, make):
    path = tmp_path / "x"
    path.write_bytes(make(frame(CLIENT, SERVER, 1, REQUEST), frame(SERVER, CLIENT, 9, RESPONSE)))
    asked, told = sniff(path)
    assert (asked.frame, asked.time, asked.meaning.address, asked.meaning.count) == (1, 10**8, 5, 2)
    assert (told.request, told.meaning.address, told.meaning.registers) == (1, 5, [7, 8])
    assert told.delay_ms == 0.001
    assert (told.source, told.target) == ("10.0.0.2:502", "10.0.0.1:40000")


@pytest.mark.parametrize(("order", "magic"), [(">", 0xA1B2C3D4), ("<", 0xA1B23C4D)])
def test_byte_order_and_nanoseconds_are_told_by_the_magic_number(tmp_path, order, magic):
    path = tmp_path / "x"
    data = frame(CLIENT, SERVER, 1, REQUEST)
    path.write_bytes(pcap(data, data, order=order, magic=magic))
    assert [p.number for p in packets(path)] == [1, 2]
    assert next(packets(path)).time == 10**8


def test_segments_are_ordered_and_repeated_bytes_dropped(tmp_path):
    path = tmp_path / "x"
    parts = [(1, b"abc"), (7, b"ghi"), (4, b"def"), (1, b"abc"), (4, b"defghijk")]
    path.write_bytes(pcap(*(frame(CLIENT, SERVER, at, data) for at, data in parts)))
    assert b"".join(s.data for s in segments(path, 502)) == b"abcdefghijk"


def test_sequence_numbers_wrap(tmp_path):
    path = tmp_path / "x"
    parts = [(2**32 - 3, b"abc"), (0, b"def")]
    path.write_bytes(pcap(*(frame(CLIENT, SERVER, at, data) for at, data in parts)))
    assert [(s.data, s.fresh) for s in segments(path, 502)] == [(b"abc", False), (b"def", False)]


def test_a_message_split_over_segments_stands_at_the_last(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(
        pcap(frame(CLIENT, SERVER, 1, REQUEST[:5]), frame(CLIENT, SERVER, 6, REQUEST[5:]))
    )
    assert [m.frame for m in sniff(path)] == [2]


def test_other_traffic_is_passed_over(tmp_path):
    path = tmp_path / "x"
    web = frame(CLIENT, (SERVER[0], 80), 1, REQUEST)
    arp = bytes(12) + b"\x08\x06" + bytes(28)
    text = frame(CLIENT, SERVER, 1, b"GET / HTTP/1.1\r\n")
    path.write_bytes(pcap(web, arp, text, b"", b"\0" * 13))
    assert list(sniff(path)) == []


def test_a_message_that_cannot_be_says_why(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(pcap(frame(CLIENT, SERVER, 1, bytes.fromhex("0001000000040103ff00"))))
    (message,) = sniff(path)
    assert message.meaning.fault == "2 bytes where the function has 4"


@pytest.mark.parametrize(
    "damage", [b"", b"GIF89a", pcap()[:20], pcap(REQUEST)[:-1], pcapng(REQUEST)[:-1]]
)
def test_a_damaged_file_is_refused(tmp_path, damage):
    path = tmp_path / "x"
    path.write_bytes(damage)
    with pytest.raises(ValueError, match=r"capture|neither a pcap nor a pcapng"):
        list(packets(path))
