"""Captures of real devices and testers, compared with Wireshark's and Zeek's reading of them."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drivers.capture import packets
from drivers.dnp3.sniff import Message, sniff

Object = dict[str, Any]

MALFORMED = {"DNP3-Malformed.pcap", "direct_operate_crob_malform_but_good_crc.pcap"}
# Where we read a frame otherwise than Wireshark 4.0.17: who, which fields, why.
DIFFERENCES: tuple[tuple[Callable[[str, dict[str, str]], bool], set[str], str], ...] = (
    (
        lambda _, row: row["dnp3.al.func"] == "131",
        {"iin", "objects", "sized"},
        (
            "an authentication response is a response and so carries internal indications (those"
            " of the response that follows); Wireshark decodes neither them nor its objects"
        ),
    ),
    (
        lambda _, row: row["dnp3.al.func"] == "32",
        {"objects"},
        "Wireshark does not decode the objects of an authentication request",
    ),
    (
        lambda _, row: row["dnp3.al.func"] == "22",
        {"objects"},
        "Wireshark does not decode the objects of ASSIGN_CLASS",
    ),
    (
        lambda _, row: row["dnp3.al.func"] in {"18", "112"},
        {"objects"},
        "Wireshark does not decode the objects of obsolete and unknown functions",
    ),
    (
        lambda _, row: "0x3302" in row["dnp3.al.obj"],
        {"objects", "index", "dnp3.al.biq.b0", "point_index"},
        "Wireshark does not know g51v2 and stops behind it",
    ),
    (
        lambda name, row: name == "dnp3.pcap" and row["frame.number"] in REFUSED,
        {"objects", "point_index"},
        (
            "qualifier 0xED and group 255 do not exist: such objects are refused, while Wireshark"
            " lists their headers"
        ),
    ),
)
REFUSED = {"154", "156", "200", "203", "206", "209", "212"}

MASK = 2**64 - 1  # Zeek prints negative integers so
INTEGERS = {1, 2, 3, 4}
COLUMNS: dict[str, Callable[[Object], Any]] = {
    "dnp3.al.bit": lambda o: o["value"] if o["group"] in {1, 10, 80} and plain(o) else None,
    "dnp3.al.2bit": lambda o: o["value"] if o["group"] == 3 and plain(o) else None,
    "dnp3.al.ana.int": lambda o: (
        o["value"] if o["group"] in {30, 32} and o["variation"] in INTEGERS else None
    ),
    "dnp3.al.ana.float": lambda o: (
        o["value"] if (o["group"], o["variation"]) in {(30, 5), (32, 5), (32, 7)} else None
    ),
    "dnp3.al.cnt": lambda o: o["value"] if o["group"] in {20, 21, 22, 23} else None,
    "dnp3.al.biq.b0": lambda o: (
        o["flags"] & 1 if o["group"] in {1, 2, 3, 4} and not plain(o) else None
    ),
    "dnp3.al.aiq.b0": lambda o: o["flags"] & 1 if o["group"] in {30, 32} and flagged(o) else None,
    "dnp3.al.ctrq.b0": lambda o: (
        o["flags"] & 1 if o["group"] in {20, 21, 22, 23} and flagged(o) else None
    ),
    "dnp3.al.on_time": lambda o: o.get("on"),
    "dnp3.al.off_time": lambda o: o.get("off"),
    "dnp3.al.file_name": lambda o: o.get("file", {}).get("name"),
    "dnp3.al.file.handle": lambda o: o.get("file", {}).get("handle"),
}


def plain(item: Object) -> bool:
    return item["flags"] is None


def flagged(item: Object) -> bool:
    return item["flags"] is not None


def captures() -> list[str]:
    import os

    root = Path(os.environ.get("BUSBAR_SHARED", Path(__file__).parents[3] / ".." / "shared"))
    base = root / "data" / "pcaps" / "dnp3"
    return sorted(str(path.relative_to(base)) for path in base.rglob("*.pcap"))


def cells(row: dict[str, str], column: str) -> list[str]:
    return [cell for cell in row[column].split(";") if cell] if row[column] else []


def runs(values: list[Any]) -> list[Any]:
    return [value for n, value in enumerate(values) if n == 0 or values[n - 1] != value]


def compare(row: dict[str, str], messages: list[Message]) -> dict[str, tuple[Any, Any]]:
    """What differs between one row of the table and our fragments of that frame."""
    objects = [item for message in messages for item in message.objects]
    pairs: dict[str, tuple[Any, Any]] = {
        "function": (
            [int(cell) for cell in cells(row, "dnp3.al.func")],
            [message.function for message in messages],
        ),
        "sequence": (
            [int(cell) for cell in cells(row, "dnp3.al.seq")],
            [message.sequence for message in messages],
        ),
        "iin": (
            [int(cell, 16) for cell in cells(row, "dnp3.al.iin")],
            [message.iin for message in messages if message.iin is not None],
        ),
        "objects": (
            runs([divmod(int(cell, 16), 256) for cell in cells(row, "dnp3.al.obj")]),
            runs([(item["group"], item["variation"]) for item in objects]),
        ),
        "index": (
            [int(cell) for cell in cells(row, "dnp3.al.index")],
            [item["index"] for item in objects if item["qualifier"] in {0x17, 0x28}],
        ),
        "point_index": (
            [int(cell) for cell in cells(row, "dnp3.al.point_index")],
            [
                item["index"]
                for item in objects
                if item["qualifier"] < 0x10 and item["index"] is not None
            ],
        ),
    }
    for column, ours in COLUMNS.items():
        found = [value for item in objects if (value := ours(item)) is not None]
        pairs[column] = (
            [convert(cell, found[0] if found else 0) for cell in cells(row, column)],
            found,
        )
    return {name: pair for name, pair in pairs.items() if not same(*pair)}


def convert(cell: str, like: Any) -> Any:
    if isinstance(like, str):
        return cell
    if cell.startswith("0x"):
        return int(cell, 16)
    return {"True": 1, "False": 0}.get(cell) if cell in {"True", "False"} else float(cell)


def same(theirs: list[Any], ours: list[Any]) -> bool:
    if theirs == ours:
        return True
    numbers = all(isinstance(value, float) for value in theirs + ours)
    return numbers and theirs == pytest.approx(ours, rel=1e-5)


@pytest.mark.parametrize("name", captures() or ["none"])
def test_every_frame_reads_as_in_wireshark(shared: Path, name: str) -> None:
    path = shared / "data" / "pcaps" / "dnp3" / name
    if not path.exists():
        pytest.skip("the captures are not there")
    with path.with_suffix(".dnp3.tshark.csv").open() as table:
        rows = {int(row["frame.number"]): row for row in csv.DictReader(table)}
    messages: dict[int, list[Message]] = {number: [] for number in rows}
    for message in sniff(packets(path.read_bytes()), []):
        messages[message.frame].append(message)
    for number, row in rows.items():
        differing = compare(row, messages[number])
        refused = any(message.fault for message in messages[number])
        if path.name in MALFORMED:
            assert refused, f"frame {number} was meant to be refused"
            assert "function" not in differing
            continue
        for field, (theirs, ours) in differing.items():
            known = any(who(path.name, row) and field in what for who, what, _ in DIFFERENCES)
            assert known, f"frame {number} {field}: Wireshark {theirs}, ours {ours}"


def zeek_events(message: Message) -> list[str]:
    """Our fragment in the words of Zeek's parser events, as far as both have them."""
    side = "F" if message.iin is not None else "T"
    control = (
        message.sequence
        | message.first << 7
        | message.final << 6
        | message.confirm << 5
        | message.unsolicited << 4
    )
    if message.iin is None:
        events = [f"dnp3_application_request_header, T, {control}, {message.function}"]
    else:
        events = [
            f"dnp3_application_response_header, F, {control}, {message.function}, {message.iin}"
        ]
    for item in message.objects:
        key = item["group"], item["variation"]
        if key == (12, 1) and "code" in item:
            fields = (item["code"], item["count"], item["on"], item["off"], item["status"])
            events.append(f"dnp3_crob, {side}, {', '.join(map(str, fields))}")
        elif key == (30, 1) and item["value"] is not None:
            events.append(
                f"dnp3_analog_input_32wFlag, {side}, {item['flags']}, {item['value'] & MASK}"
            )
        elif key == (30, 3) and item["value"] is not None:
            events.append(f"dnp3_analog_input_32woFlag, {side}, {item['value'] & MASK}")
        elif key == (20, 5) and item["value"] is not None:
            events.append(f"dnp3_counter_32woFlag, {side}, {item['value']}")
        elif key == (21, 9) and item["value"] is not None:
            events.append(f"dnp3_frozen_counter_32woFlag, {side}, {item['value']}")
        elif key == (32, 1) and item["value"] is not None:
            events.append(
                f"dnp3_analog_input_event_32woTime, {side}, {item['flags']}, {item['value'] & MASK}"
            )
        elif key == (30, 5) and item["value"] is not None:
            import struct

            bits = struct.unpack("<I", struct.pack("<f", item["value"]))[0]
            events.append(f"dnp3_analog_input_SPwFlag, {side}, {item['flags']}, {bits}")
        elif key == (70, 5) and "file" in item:
            number = item["file"]["number"] | item["file"]["last"] << 31
            events.append(f"dnp3_file_transport, {side}, {item['file']['handle']}, {number}")
    return events


CASES = {
    "dnp3_events": "dnp3.pcap",
    **{
        f"dnp3_{name}": f"dnp3_{name}.pcap"
        for name in (
            "en_spon",
            "file_read",
            "file_write",
            "link_only",
            "read",
            "rec_time",
            "select_operate",
            "udp_read",
            "write",
        )
    },
}
SHARED_EVENTS = (
    "dnp3_application_",
    "dnp3_crob",
    "dnp3_analog_input",
    "dnp3_counter",
    "dnp3_frozen",
    "dnp3_file_transport",
)


@pytest.mark.parametrize("case", sorted(CASES))
def test_every_fragment_reads_as_in_zeek(shared: Path, case: str) -> None:
    base = shared / "data" / "pcaps" / "dnp3" / "zeek"
    expected = [
        line
        for line in (base / "expected_zeek" / case / "output").read_text().splitlines()
        if line.startswith(SHARED_EVENTS)
    ]
    ours = [
        event
        for message in sniff(packets((base / CASES[case]).read_bytes()), [])
        for event in zeek_events(message)
    ]
    assert ours == expected
