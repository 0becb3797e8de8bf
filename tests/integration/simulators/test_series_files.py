"""Recorded series, replayed: what the registers say is what the file says."""

import csv
import gzip
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from hub import ConfigError
from hub.kernel.profiles import Profiles
from simulators.field import serve_meters
from simulators.series import Replay, read_series

HOUSEHOLD = {"customer_id": "10006414"}
FILES = [
    ("sgsc_households_30min.csv.gz", "general_supply_kwh", HOUSEHOLD, "", 1800, 1),
    ("lcl_london_30min.csv.gz", "energy_kWh", {"LCLid": "MAC000010"}, "", 1800, 1),
    ("uci_household_15min.csv.gz", "energy_kwh", {}, "", 900, 1),
    ("citylearn_fontana_hourly/Building_1.csv.gz", "non_shiftable_load", {}, "", 3600, 1),
    ("ETTh1.csv.gz", "MUFL", {}, "MW", 3600, 1000),
    ("pjm/COMED_hourly.csv.gz", "COMED_MW", {}, "", 3600, 1000),
    ("vic_electricity_30min_2012_2013.csv.gz", "Demand", {}, "MWh", 1800, 1000),
    ("bdg2_two_buildings_hourly.csv.gz", "building_2", {}, "kWh", 3600, 1),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "column", "where", "unit", "seconds", "factor"), FILES, ids=[f[0] for f in FILES]
)
def test_energy_of_the_file_is_kept_to_the_milliwatt_hour(
    shared: Path,
    name: str,
    column: str,
    where: dict[str, str],
    unit: str,
    seconds: int,
    factor: int,
) -> None:
    path = shared / "data/timeseries" / name
    series = read_series(path, column, where, unit)
    assert series.seconds == seconds
    assert (np.diff(series.start) > 0).all()
    with gzip.open(path, "rt", newline="") as text:
        rows = [r for r in csv.DictReader(text) if all(r[k] == v for k, v in where.items())]
    time = next((k for k in rows[0] if "time" in k.lower() or k in {"tstp", "date"}), None)
    every = len(rows)
    if time:
        # The first row of each time counts.
        rows = list({row[time]: row for row in reversed(rows)}.values())
    assert len(rows) == len(series)
    assert series.repeated == every - len(rows)
    numbers = [Fraction(r[column]) for r in rows if r[column]]
    total = sum(numbers) * factor * 1_000_000
    assert abs(int(series.energy.sum()) - total) <= Fraction(len(numbers), 2) + 1


@pytest.mark.parametrize(
    "code",
    ["abb/b23", "acrel/adw300", "carlo_gavazzi/em24", "busbar/simulated_meter", "siemens/pac2200",
     "eastron/sdm630", "schneider/pm5000", "sunspec/model_203", "bg_etech/ds100"],
)  # fmt: skip
async def test_register_deltas_equal_the_energies_of_a_real_household(
    shared: Path, code: str
) -> None:
    path = shared / "data/timeseries/uci_household_15min.csv.gz"
    series = read_series(path)
    profile = Profiles().find(code)
    spec = profile.measuring("energy.active.import.total")
    assert spec is not None
    async with serve_meters(profile, [Replay(series, 3)], speed=0) as field:
        unit = field.unit(f"{code.split('/')[1]}-1")
        place = unit.image.fields[spec.name]
        shown = []
        for index in range(200):
            field.advance((series.start[index] - series.start[0]) / 1e6 - field.elapsed)
            data = unit.image.read(place.table, place.first, place.words)
            assert data is not None
            shown.append(_decode(data, spec.type, spec.word_order) * spec.scale)
        resolution = spec.scale if "int" in spec.type else np.spacing(np.float32(shown[-1]))
    expected = np.cumsum(series.energy[:199]) / 1e6
    assert np.abs(np.array(shown[1:]) - shown[0] - expected).max() <= resolution * 1.01


def _decode(data: bytes, kind: str, word_order: str) -> float:
    words = np.frombuffer(data, ">u2")
    data = (words[::-1] if word_order == "little" else words).tobytes()
    form = {"float32": ">f4", "float64": ">f8", "int32": ">i4", "uint32": ">u4", "int64": ">i8"}
    return float(np.frombuffer(data, form.get(kind, ">u8"))[0])


def test_the_household_brings_its_own_voltage_and_reactive_energy(shared: Path) -> None:
    series = read_series(shared / "data/timeseries/uci_household_15min.csv.gz")
    values = Replay(series, 1).at(15 * 60 * 1.5).values()
    assert values["voltage.l1"] == 234.77
    assert values["power.active.total"] == pytest.approx(1.0352 * 4000)
    assert values["power.reactive.total"] == pytest.approx(0.0819 * 4000)


@pytest.mark.parametrize(
    ("text", "column", "where", "message"),
    [
        ("time,a\n2020-01-01,1\n2020-01-02,1\n", None, {}, "choose the column .* time, a"),
        ("time,a\n2020-01-01,1\n2020-01-02,1\n", "b", {}, "one of time, a"),
        ("time,a\n2020-01-01,1\n2020-01-02,1\n", "a", {"who": "1"}, "no column 'who'"),
        ("time,a\n2020-01-01,1\n2020-01-02,1\n", "a", {"a": "9"}, "0 rows match"),
        ("time,a\nnoon,1\nnight,1\n", "a", {}, "column 'time'"),
        ("time,a\n2020-01-01,1\n2020-01-01,1\n", "a", {}, "1 times repeat; choose one meter"),
    ],
)
def test_a_file_that_cannot_be_replayed_says_why(
    tmp_path: Path, text: str, column: str | None, where: dict[str, str], message: str
) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_series(path, column, where)


def test_a_missing_file_and_a_strange_unit_say_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_series(tmp_path / "x.csv")
    path = tmp_path / "y.csv"
    path.write_text("time,a\n2020-01-01T00:00,1\n2020-01-01T01:00,1\n")
    with pytest.raises(ConfigError, match="unit 'furlong' is none of Wh"):
        read_series(path, "a", unit="furlong")


def test_rows_without_a_number_and_repeated_times_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(
        "time,a\n2020-01-01T02:00,3\n2020-01-01T00:00,1\n2020-01-01T01:00,Null\n2020-01-01T02:00,9\n"
    )
    series = read_series(path, "a")
    assert (series.missing, series.repeated) == (1, 1)
    assert series.energy.tolist() == [1_000_000, 0, 3_000_000]
