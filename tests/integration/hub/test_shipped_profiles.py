"""The profiles that we ship, against the facts that they were taken from."""

import csv
import importlib.metadata
import json
import random
import re
import struct
from pathlib import Path

import pytest

from hub import ConfigError, Kind
from hub.kernel.profiles import SHIPPED, Profile, Profiles, driver_check, table

TABLES = {"3": "hr", "4": "ir"}
# SunSpec Device Information Model Specification: values of points that are not implemented.
SUNSPEC_ABSENT = {
    "int16": -0x8000, "uint16": 0xFFFF, "enum16": 0xFFFF, "bitfield32": 0xFFFFFFFF,
}  # fmt: skip
SUNSPEC_TYPES = {
    "int16": "int16", "uint16": "uint16", "sunssf": "int16", "acc32": "uint32",
    "enum16": "uint16", "bitfield32": "uint32", "float32": "float32",
}  # fmt: skip


@pytest.fixture(scope="module")
def profiles() -> Profiles:
    return Profiles()


@pytest.fixture(scope="module")
def facts(shared: Path) -> dict[tuple[str, str], list[dict[str, str]]]:
    """Rows of the register list by the name of the file that they were read from, and address."""
    found: dict[tuple[str, str], list[dict[str, str]]] = {}
    with (shared / "data/registers/modbus_registers.csv").open(newline="") as text:
        for row in csv.DictReader(text):
            address = f"{TABLES[row['function_code']]}:{row['address']}"
            source = re.search(r"PM5100_REGISTER_MAP|[^/]+\.(go|java|yaml)$", row["source"])
            assert source is not None, row["source"]
            found.setdefault((source[0], address), []).append(row)
    return found


def test_all_are_sound_and_there_are_many(profiles: Profiles) -> None:
    assert [str(fault) for fault in profiles.faults] == []
    real = {p.header.manufacturer for p in profiles.all()} - {"Generic", "Busbar"}
    assert len(profiles.all()) >= 45
    assert len(real) >= 20


def test_every_row_says_where_it_comes_from(profiles: Profiles) -> None:
    rows = [spec for profile in profiles.all() for spec in profile.points if not spec.writable]
    assert [spec.name for spec in rows if not spec.source] == []


def test_the_readme_lists_exactly_what_is_shipped(profiles: Profiles) -> None:
    text = (SHIPPED / "README.md").read_text()
    assert text.split("## Known devices\n\n")[1].strip() == table(profiles.all())


def _decode(data: bytes, kind: str, word_order: str) -> float:
    """An independent reading of the list's notation."""
    if word_order == "little":
        data = b"".join(reversed([data[i : i + 2] for i in range(0, len(data), 2)]))
    if kind.startswith("float"):
        return float(struct.unpack(">f" if kind == "float32" else ">d", data)[0])
    return float(int.from_bytes(data, "big", signed=kind.startswith("int")))


def _known_bytes(row: dict[str, str], noise: random.Random) -> bytes:
    if row["type"] == "float32":
        return struct.pack(">f", noise.uniform(-1e6, 1e6))
    if row["type"] == "float64":
        return struct.pack(">d", noise.uniform(-1e6, 1e6))
    return noise.randbytes(int(row["register_count"]) * 2)


def _in_base(value: float, unit: str) -> tuple[float, str]:
    if unit.startswith("k"):
        return value * 1000.0, unit[1:]
    return value, unit


def _source(profile: Profile) -> str:
    if "PM5100_REGISTER_MAP" in profile.header.reference:
        return "PM5100_REGISTER_MAP"
    return profile.header.reference.split(" (")[0].split("/")[-1]


def test_every_row_of_a_real_device_reads_known_bytes_as_the_source_does(
    profiles: Profiles, facts: dict[tuple[str, str], list[dict[str, str]]]
) -> None:
    noise, compared = random.Random(7), 0
    for profile in profiles.all():
        if profile.protocol != "modbus":
            continue
        if profile.code.split("/")[0] in {"sunspec", "generic", "busbar"}:
            continue
        if profile.protocol != "modbus":
            continue
        for spec in profile.points:
            rows = facts.get((_source(profile), spec.address), [])
            assert rows, f"{profile.code}: {spec.name} at {spec.address} is not in the source"
            data = _known_bytes(rows[0], noise)
            raw = _decode(data, spec.type, spec.word_order)
            got = _in_base(raw * spec.scale + spec.offset, spec.unit)
            expected = [
                _in_base(_decode(data, r["type"], r["word_order"]) * float(r["scale"]), r["unit"])
                for r in rows
            ]
            assert any(got == (pytest.approx(value, rel=1e-9), unit) for value, unit in expected), (
                f"{profile.code}: {spec.name} reads {got}, the source {expected}"
            )
            compared += 1
    assert compared > 600


def test_sunspec_offsets_types_and_scale_factors_follow_from_the_models(
    profiles: Profiles, shared: Path
) -> None:
    compared = 0
    for profile in profiles.all():
        if not profile.code.startswith("sunspec/"):
            continue
        number = profile.code.rsplit("_", 1)[1]
        model = json.loads((shared / f"data/registers/sunspec/model_{number}.json").read_text())
        offset, points = 40070, {}
        for point in model["group"]["points"]:
            points[f"hr:{offset}"] = point
            offset += point["size"]
        assert points["hr:40070"]["value"] == int(number)
        for spec in profile.points:
            point = points[spec.address]
            assert SUNSPEC_TYPES[point["type"]] == spec.type, spec.name
            assert point.get("sf", "") == spec.scale_from, spec.name
            unit = {
                "Pct": ("", 0.01),
                "Wh": ("kWh", 0.001),
                "VAh": ("kVAh", 0.001),
                "PF": ("", 1.0),
            }
            expected = unit.get(point.get("units", ""), (point.get("units", ""), 1.0))
            assert (spec.unit.replace("°", ""), spec.scale) == expected, spec.name
            assert spec.absent == SUNSPEC_ABSENT.get(point["type"]), spec.name
            compared += 1
    assert compared > 150


def test_energy_registers_are_counters_and_switches_are_binary(profiles: Profiles) -> None:
    for profile in profiles.all():
        for spec in profile.points:
            if spec.measurement.startswith("energy."):
                assert spec.kind is Kind.COUNTER, f"{profile.code}: {spec.name}"
            if spec.measurement in {"switch.position", "relay.state"}:
                assert spec.kind in {Kind.BINARY, Kind.DOUBLE}, f"{profile.code}: {spec.name}"


def test_the_drivers_know_every_address_and_type() -> None:
    drivers = {
        name: driver
        for entry in importlib.metadata.entry_points(group="busbar.plugins")
        for name, driver in entry.load().hub_plugin().drivers.items()
    }
    if "modbus-tcp" not in drivers:
        pytest.skip("the Modbus driver is not installed")
    assert [str(fault) for fault in Profiles((SHIPPED,), driver_check(drivers)).faults] == []


def test_find_suggests_what_is_near_and_tells_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme/m1.toml").write_text('code = "acme/m1"\n')
    found = Profiles((SHIPPED, tmp_path, tmp_path / "missing"))
    with pytest.raises(ConfigError, match=r"did you mean .*eastron/sdm630"):
        found.find("eastron/sdm360")
    with pytest.raises(ConfigError, match=r"acme/m1.* has errors .*m1\.toml:1"):
        found.find("acme/m1")
    assert any("no such folder" in str(fault) for fault in found.faults)


def test_a_later_folder_replaces_a_profile(tmp_path: Path) -> None:
    (tmp_path / "eastron").mkdir()
    mine = (SHIPPED / "eastron/sdm120.toml").read_text().replace("ir:0", "ir:2")
    (tmp_path / "eastron/sdm120.toml").write_text(mine)
    point = Profiles((SHIPPED, tmp_path)).find("eastron/sdm120").measuring("voltage.l1")
    assert point is not None
    assert point.address == "ir:2"
