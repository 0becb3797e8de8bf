"""Messages of capture files made here byte by byte."""

import pytest

from drivers.modbus.sniff import sniff
from tests.captures import ethernet, pcap, pcapng, tcp

CLIENT, SERVER = ("10.0.0.1", 40000), ("10.0.0.2", 502)
REQUEST = bytes.fromhex("000100000006010300050002")
RESPONSE = bytes.fromhex("00010000000701030400070008")


def frame(source, target, sequence: int, data: bytes) -> bytes:
    return ethernet(tcp(source, target, sequence, data))


@pytest.mark.parametrize("make", [pcap, pcapng])
def test_both_formats_give_the_same_messages(tmp_path, make):
    path = tmp_path / "x"
    path.write_bytes(make(frame(CLIENT, SERVER, 1, REQUEST), frame(SERVER, CLIENT, 9, RESPONSE)))
    asked, told = sniff(path)
    assert (asked.frame, asked.time, asked.meaning.address, asked.meaning.count) == (1, 10**8, 5, 2)
    assert (told.request, told.meaning.address, told.meaning.registers) == (1, 5, [7, 8])
    assert told.delay_ms == 0.001
    assert (told.source, told.target) == ("10.0.0.2:502", "10.0.0.1:40000")


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
