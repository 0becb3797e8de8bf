"""Every capture against Wireshark's own decode of the same frames."""

import contextlib
import csv
import datetime as dt
import gzip
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers.capture import frames
from drivers.iec61850 import sniff
from drivers.iec61850.mms import data, pdu
from drivers.iec61850.mms.types import Type
from drivers.iec61850.sniff import Fault, GooseRecord, MmsRecord
from hub import ProtocolError

MMS = {
    "iti/Sample_File_MMS_and_GOOSE": set(),
    "iti/iec61850_get_name_list": {14, 18},
    "iti/iec61850_read": {18},
    "iti/mms-confirmedRequestPDU": {12},
    "iti/mms-getAlarmSummary": set(),
    "iti/mms-getDomainAttributes": set(),
    "iti/mms-readRequest": set(),
    "iti/mms_session_8d7c7db0": set(),
    "robidev/iec61850": set(),
}
GOOSE = ("iti/Sample_File_GOOSE", "iti/Sample_File_MMS_and_GOOSE", "robidev/goose_trace")
NUMBERS = {v: k for k, v in pdu.SERVICES.items()}


def capture(shared: Path, name: str) -> bytes:
    found = [shared / "data/pcaps/iec61850" / (name + end) for end in (".pcap", ".pcapng")]
    return next(path for path in found if path.exists()).read_bytes()


def table(shared: Path, name: str, protocol: str) -> Iterator[dict[str, str]]:
    csv.field_size_limit(1 << 24)
    path = shared / "data/pcaps/iec61850" / f"{name}.{protocol}.tshark.csv"
    if path.exists():
        yield from csv.DictReader(path.read_text().splitlines())
    else:
        with gzip.open(f"{path}.gz", "rt") as lines:
            yield from csv.DictReader(lines)


def column(row: dict[str, str], name: str) -> list[str]:
    return [cell for cell in row[name].split(";") if cell]


def leaves(values: list[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list):
            yield from leaves(value)
        else:
            yield value


def service(record: MmsRecord) -> int | None:
    if record.service.startswith("service "):
        return int(record.service.split()[1])
    return NUMBERS.get(record.service)


@pytest.mark.parametrize("name", MMS)
def test_every_mms_pdu_reads_as_in_wireshark(shared: Path, name: str) -> None:
    records = list(sniff.records(capture(shared, name)))
    seen: dict[int, list[MmsRecord]] = {}
    for record in records:
        if isinstance(record, MmsRecord):
            seen.setdefault(record.frame, []).append(record)
    refused = {record.frame for record in records if isinstance(record, Fault)}
    rows = list(table(shared, name, "mms"))
    assert rows
    malformed = set()
    for row in rows:
        frame = int(row["frame.number"])
        if frame not in seen:
            malformed.add(frame)
            continue
        compare(seen[frame], row)
    assert malformed == MMS[name]
    assert malformed <= refused


def compare(records: list[MmsRecord], row: dict[str, str]) -> None:
    where = f"frame {row['frame.number']}"

    def all_of(kind: str) -> list[MmsRecord]:
        return [record for record in records if record.kind == kind]

    invokes = [str(r.invoke) for r in records if r.invoke is not None]
    assert invokes == column(row, "mms.invokeID"), where
    requests = [str(service(r)) for r in all_of("request")]
    assert requests == column(row, "mms.confirmedServiceRequest"), where
    responses = [str(service(r)) for r in all_of("response")]
    assert responses == column(row, "mms.confirmedServiceResponse"), where
    assert len(all_of("unconfirmed")) == len(column(row, "mms.unconfirmedService")), where
    names = [name for r in records for name in r.names]
    domains = [name.domain for name in names if name.domain is not None]
    assert domains == column(row, "mms.domainId"), where
    items = [name.item for name in names if name.domain is not None]
    assert items == column(row, "mms.itemId"), where
    identifiers = [name for r in records for name in r.identifiers]
    assert identifiers == column(row, "mms.Identifier"), where
    compare_values(records, row, where)


def compare_values(records: list[MmsRecord], row: dict[str, str], where: str) -> None:
    answers = [r for r in records if r.service in {"read", "informationReport"} and r.values]
    kinds = [str(kind) for r in answers for kind in r.kinds if kind]
    assert kinds == column(row, "mms.success"), where
    values = list(leaves([r.values for r in records]))
    failures = [str(v.code) for v in values if isinstance(v, data.AccessError)]
    assert failures == column(row, "mms.failure"), where
    booleans = [str(int(v)) for v in values if isinstance(v, bool)]
    assert booleans == column(row, "mms.boolean"), where
    integers = [v for v in values if isinstance(v, int) and not isinstance(v, bool)]
    integers += [size for r in records if r.type for size in widths(r.type)]
    told = column(row, "mms.integer") + column(row, "mms.unsigned")
    assert sorted(integers) == sorted(map(int, told)), where
    floats = [v for v in values if isinstance(v, float)]
    expected = [number for cell in column(row, "mms.floating_point") for number in single(cell)]
    assert floats == expected, where


def widths(kind: Type) -> Iterator[int]:
    """Wireshark lists the widths of integers in a type among the integers."""
    if kind.kind in {data.INTEGER, data.UNSIGNED}:
        yield kind.size
    for part in kind.fields.values():
        yield from widths(part)


def single(cell: str) -> list[float]:
    """Wireshark shows the octets of a float: the exponent width, then the IEEE number."""
    return [struct.unpack(">f", bytes.fromhex(cell.replace(":", "")[2:]))[0]]


@pytest.mark.parametrize("name", GOOSE)
def test_every_goose_frame_reads_as_in_wireshark(shared: Path, name: str) -> None:
    records = sniff.records(capture(shared, name))
    seen = {r.frame: r.message for r in records if isinstance(r, GooseRecord)}
    rows = list(table(shared, name, "goose"))
    assert {int(row["frame.number"]) for row in rows} == set(seen)
    for row in rows:
        message = seen[int(row["frame.number"])]
        where = f"frame {row['frame.number']}"
        assert message.source.hex(":") == row["eth.src"], where
        assert message.destination.hex(":") == row["eth.dst"], where
        assert message.appid == int(row["goose.appid"], 16), where
        assert message.length == int(row["goose.length"]), where
        assert message.control_block == row["goose.gocbRef"], where
        assert message.ttl == int(row["goose.timeAllowedtoLive"]), where
        assert message.data_set == row["goose.datSet"], where
        assert message.goose_id == (row["goose.goID"] or message.control_block), where
        assert message.state == int(row["goose.stNum"]), where
        assert message.sequence == int(row["goose.sqNum"]), where
        assert message.revision == int(row["goose.confRev"]), where
        assert message.simulation == flag(row, "goose.simulation"), where
        assert message.needs_commissioning == flag(row, "goose.ndsCom"), where
        assert len(message.values) == int(row["goose.numDatSetEntries"]), where
        assert (message.vlan.id if message.vlan else None) == vlan(row), where
        assert abs(message.time.us - moment(row["goose.t"])) <= 1, where
        compare_goose(message.values, row, where)


def flag(row: dict[str, str], name: str) -> bool:
    return row[name] in {"1", "True"}


def vlan(row: dict[str, str]) -> int | None:
    return int(row["vlan.id"]) if row["vlan.id"] else None


def moment(text: str) -> int:
    date, fraction = text.removesuffix(" UTC").split(".")
    when = dt.datetime.strptime(date, "%b %d, %Y %H:%M:%S").replace(tzinfo=dt.UTC)
    return int(when.timestamp()) * 1_000_000 + int(fraction[:6])


def compare_goose(values: list[Any], row: dict[str, str], where: str) -> None:
    flat = list(leaves(values))
    booleans = [str(int(v)) for v in flat if isinstance(v, bool)]
    assert booleans == column(row, "goose.boolean"), where
    integers = [v for v in flat if isinstance(v, int) and not isinstance(v, bool)]
    told = column(row, "goose.integer") + column(row, "goose.unsigned")
    assert sorted(integers) == sorted(map(int, told)), where
    strings = [v for v in flat if isinstance(v, data.Bits)]
    shown = [(v.value << -v.size % 8).to_bytes((v.size + 7) // 8, "big").hex() for v in strings]
    assert shown == column(row, "goose.bit_string"), where
    times = [v.us for v in flat if isinstance(v, data.UtcTime)]
    expected = [moment(cell) for cell in column(row, "goose.utc_time")]
    assert all(abs(a - b) <= 1 for a, b in zip(times, expected, strict=True)), where


@pytest.mark.parametrize("name", sorted({*MMS, *GOOSE}))
def test_a_capture_cut_anywhere_ends_without_an_invention(shared: Path, name: str) -> None:
    raw = capture(shared, name)
    whole = [r for r in sniff.records(raw) if not isinstance(r, Fault)]
    for cut in range(25, len(raw), max(1, len(raw) // 7)):
        part = []
        with contextlib.suppress(ProtocolError):  # that it is cut is told behind what is whole
            part.extend(r for r in sniff.records(raw[:cut]) if not isinstance(r, Fault))
        assert part == whole[: len(part)]


def test_packets_carry_the_times_of_the_capture(shared: Path) -> None:
    rows = list(table(shared, "robidev/iec61850", "mms"))
    times = {p.number: p.time for p in frames(capture(shared, "robidev/iec61850"))}
    for row in rows:
        seconds, fraction = row["frame.time_epoch"].split(".")
        expected = int(seconds) * 1_000_000 + int(fraction[:6])
        assert times[int(row["frame.number"])] == expected
