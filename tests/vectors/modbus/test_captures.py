"""Captures of real devices, decoded here and by Wireshark and Zeek."""

import csv
import gzip
import io
from collections import defaultdict
from pathlib import Path

import pytest

from drivers.modbus.sniff import Sniffed, sniff

CAPTURES = [
    "icsnpp/modbus_example",
    "iti/ModbusTCP",
    "iti/modbus_test",
    "iti/modbus_test_data_part1",
    "zeek/modbus-and-non-modbus-p502",
    "zeek/modbus-eit",
    "zeek/modbusSmall",
]


def wireshark(capture: Path) -> dict[int, dict[str, str]]:
    table = capture.with_suffix(".modbus.tshark.csv")
    if table.exists():
        text = table.read_text()
    else:
        text = gzip.decompress(table.with_suffix(".csv.gz").read_bytes()).decode()
    return {int(row["frame.number"]): row for row in csv.DictReader(io.StringIO(text))}


def ours(capture: Path) -> dict[int, list[Sniffed]]:
    frames = defaultdict(list)
    for message in sniff(capture):
        frames[message.frame].append(message)
    return frames


def joined(values) -> str:
    return ";".join(str(value) for value in values if value is not None)


def header(messages: list[Sniffed]) -> tuple[str, str, str, str]:
    return (
        joined(m.transaction for m in messages),
        joined(m.unit for m in messages),
        joined(m.function for m in messages),
        joined(m.meaning.exception for m in messages),
    )


HEADER = ("mbtcp.trans_id", "mbtcp.unit_id", "modbus.func_code", "modbus.exception_code")


@pytest.mark.parametrize("name", CAPTURES)
def test_every_message_is_found_where_wireshark_finds_it(shared, name):
    capture = shared / f"data/pcaps/modbus/{name}.pcap"
    expected = {n: tuple(row[c] for c in HEADER) for n, row in wireshark(capture).items()}
    found = {n: header(messages) for n, messages in ours(capture).items()}
    assert found == expected


@pytest.mark.parametrize("name", CAPTURES)
def test_values_and_addresses_are_those_of_wireshark(shared, name):
    """Wireshark shows a single write as data, and a request's address only when it has one."""
    capture = shared / f"data/pcaps/modbus/{name}.pcap"
    found = ours(capture)
    compared = 0
    for number, row in wireshark(capture).items():
        meanings = [message.meaning for message in found[number]]
        plain = [m for m in meanings if not m.data]
        if row["modbus.regval_uint16"]:
            assert (
                joined(v for m in plain for v in m.registers or ()) == row["modbus.regval_uint16"]
            )
            compared += 1
        if row["modbus.bitval"]:
            assert joined(v for m in plain for v in m.bits or ()) == row["modbus.bitval"]
            compared += 1
        asked = [
            m
            for m, message in zip(meanings, found[number], strict=True)
            if message.kind == "request" and message.function != 24
        ]
        if asked and row["modbus.reference_num"] and row["mbtcp.trans_id"].count(";") == 0:
            assert str(asked[0].address) == row["modbus.reference_num"]
            compared += 1
    assert compared or name == "zeek/modbus-eit"


def test_a_capture_with_missing_segments_gives_what_wireshark_finds_and_more(shared):
    capture = shared / "data/pcaps/modbus/zeek/fuzz-72.pcap"
    expected = {n: tuple(row[c] for c in HEADER) for n, row in wireshark(capture).items()}
    found = {n: header(messages) for n, messages in ours(capture).items()}
    assert {n: found.get(n) for n in expected} == expected
    assert len(found) > len(expected)


def test_coils_are_those_that_zeek_saw(shared):
    """The baseline of Zeek's own test lists responses sorted by text; each bit pattern once."""
    baseline = shared / "data/pcaps/modbus/zeek/expected_zeek/coil_parsing_small/output"
    expected = sorted(
        line.rsplit("[", 1)[1].rstrip("]\n")
        for line in baseline.read_text().splitlines()
        if " modbus_read_coils_response" in line
    )
    found = sorted(
        ", ".join("FT"[bit] for bit in [*message.meaning.bits, 0, 0, 0, 0, 0])
        for message in sniff(shared / "data/pcaps/modbus/zeek/modbusSmall.pcap")
        if message.kind == "response" and message.function == 1
    )
    assert found == expected


def test_requests_and_responses_are_those_of_zeeks_log(shared):
    folder = shared / "data/pcaps/modbus/zeek"
    log = folder / "expected_zeek/modbus_and_non_modbus_on_port_502/modbus.log"
    rows = [r.split("\t") for r in log.read_text().splitlines() if not r.startswith("#")]
    found = [
        (str(m.transaction), str(m.unit), m.name.upper().replace(" ", "_"), m.kind[:4].upper()[:3])
        for m in sniff(folder / "modbus-and-non-modbus-p502.pcap")
    ]
    assert found == [(r[6], r[7], r[8], r[9][:3]) for r in rows]


def test_a_response_is_joined_to_its_request_with_the_time_it_took(shared):
    capture = shared / "data/pcaps/modbus/icsnpp/modbus_example.pcap"
    request, response, *_ = sniff(capture)
    assert (response.request, request.kind, response.kind) == (request.frame, "request", "response")
    assert response.delay_ms == (response.time - request.time) / 1000 > 0
    assert response.meaning.address == request.meaning.address == 1
