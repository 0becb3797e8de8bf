"""Recorded load series, replayed through the registers of a meter.

Energy is kept in whole milliwatt-hours, so that any difference of two register states is exactly
what the file says, to the resolution of the register.
"""

import csv
import datetime as dt
import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

import numpy as np
from numpy.typing import NDArray

from hub import ConfigError
from simulators.electrical import Energies, Meter

_TIMES: Final = (
    "tstp", "reading_datetime", "date_time", "timestamp", "datetime", "time", "date",
)  # fmt: skip
_ENERGIES: Final = ("energy_kwh", "general_supply_kwh", "non_shiftable_load")
_SCALES: Final = {"Wh": 1e-3, "kWh": 1.0, "MWh": 1e3, "GWh": 1e6}
_RATES: Final = {"W": 1e-3, "kW": 1.0, "MW": 1e3, "GW": 1e6}
MWH_PER_KWH: Final = 1_000_000  # in mWh


@dataclass(frozen=True)
class Series:
    """Energy by interval. start: µs since 1970 UTC, rising. seconds: length of an interval.

    energy: mWh drawn in the interval; negative is fed in. reactive: mvarh. voltage: V, NaN where
    unknown. missing: rows without a number. repeated: rows whose time had been seen; left out.
    """

    name: str
    seconds: int
    start: NDArray[np.int64]
    energy: NDArray[np.int64]
    reactive: NDArray[np.int64]
    voltage: NDArray[np.float64]
    missing: int = 0
    repeated: int = 0

    def __len__(self) -> int:
        return len(self.start)


def read_series(
    path: Path, column: str | None = None, where: Mapping[str, str] | None = None, unit: str = ""
) -> Series:
    """Read a CSV or CSV.GZ with one row an interval.

    column: what to replay; found by itself when the file has a column of kWh. where: column →
    value of the rows to take. unit: `kWh`, `MWh` … per interval, or a mean power (`kW`, `MW` …);
    empty reads it from the column's name and is kWh otherwise. Times without a zone are UTC; a file
    with no time is hourly from 1 August 2016.
    """
    names, rows = _rows(path, where or {})
    value = _column(path, names, column)
    starts = _starts(path, names, rows)
    order = np.argsort(starts, kind="stable")
    starts = starts[order]
    first = np.concatenate(([True], np.diff(starts) > 0))
    keep = order[first]
    times, repeated = starts[first], int(len(starts) - first.sum())
    if len(times) < 2 or repeated > max(10, len(starts) // 100):
        raise ConfigError(f"{path}: {repeated} times repeat; choose one meter with `where`")
    seconds = int(np.median(np.diff(times))) // 1_000_000
    factor = _factor(unit or _unit_in(value), seconds)
    energy = _numbers(rows, value)[keep] * factor * MWH_PER_KWH
    reactive = _numbers(rows, "reactive_kvarh")[keep] * MWH_PER_KWH
    return Series(
        name=f"{path.name}:{value}",
        seconds=seconds,
        start=times,
        energy=np.rint(np.nan_to_num(energy)).astype(np.int64),
        reactive=np.rint(np.nan_to_num(reactive)).astype(np.int64),
        voltage=_numbers(rows, "voltage_v")[keep],
        missing=int(np.isnan(energy).sum()),
        repeated=repeated,
    )


def _rows(path: Path, where: Mapping[str, str]) -> tuple[list[str], list[dict[str, str]]]:
    """Names of the columns, and the rows that have these values."""
    with _text(path) as text:
        reader = csv.DictReader(text)
        names = list(reader.fieldnames or ())
        if unknown := [name for name in where if name not in names]:
            raise ConfigError(f"{path}: no column {unknown[0]!r}; it has {', '.join(names)}")
        rows = [row for row in reader if all(row[k] == v for k, v in where.items())]
    if len(rows) < 2:
        raise ConfigError(f"{path}: {len(rows)} rows match; a series needs two")
    return names, rows


def _text(path: Path) -> TextIO:
    try:
        if path.suffix == ".gz":
            return gzip.open(path, "rt", encoding="utf-8", newline="")
        return path.open(encoding="utf-8", newline="")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


def _column(path: Path, names: Sequence[str], column: str | None) -> str:
    lower = {name.lower(): name for name in names}
    for name in (column,) if column else _ENERGIES:
        if name.lower() in lower:
            return lower[name.lower()]
    raise ConfigError(f"{path}: choose the column to replay: one of {', '.join(names)}")


def _starts(
    path: Path, names: Sequence[str], rows: Sequence[Mapping[str, str]]
) -> NDArray[np.int64]:
    lower = {name.lower(): name for name in names}
    column = next((lower[name] for name in _TIMES if name in lower), None)
    if column is None:
        first = int(dt.datetime(2016, 8, 1, tzinfo=dt.UTC).timestamp())
        return (first + 3600 * np.arange(len(rows), dtype=np.int64)) * 1_000_000
    try:
        return np.array([_micros(row[column]) for row in rows], np.int64)
    except ValueError as error:
        raise ConfigError(f"{path}: column {column!r}: {error}") from None


def _micros(text: str) -> int:
    at = dt.datetime.fromisoformat(text)
    at = at.replace(tzinfo=dt.UTC) if at.tzinfo is None else at
    return int(at.timestamp()) * 1_000_000


def _numbers(rows: Sequence[Mapping[str, str]], column: str) -> NDArray[np.float64]:
    """A column as numbers; NaN where there is none."""

    def each() -> Iterator[float]:
        for row in rows:
            try:
                yield float(row.get(column) or "nan")
            except ValueError:
                yield float("nan")

    return np.fromiter(each(), np.float64, len(rows))


def _unit_in(column: str) -> str:
    last = column.rsplit("_", 1)[-1].lower()
    return next((unit for unit in (*_SCALES, *_RATES) if unit.lower() == last), "kWh")


def _factor(unit: str, seconds: int) -> float:
    if unit in _SCALES:
        return _SCALES[unit]
    if unit in _RATES:
        return _RATES[unit] * seconds / 3600.0
    raise ConfigError(f"unit {unit!r} is none of {', '.join((*_SCALES, *_RATES))}")


class Replay:
    """A meter whose load is a series: mean power inside an interval, registers that accumulate.

    phases: 1 puts everything on L1, 3 shares it equally. base: kWh that the register shows at the
    beginning. Where the file has no row for a time, nothing is drawn.
    """

    def __init__(
        self, series: Series, phases: int = 1, base: float = 0.0, nominal: float = 230.0
    ) -> None:
        self.series, self.phases, self.nominal = series, phases, nominal
        taken, given = np.maximum(series.energy, 0), np.maximum(-series.energy, 0)
        self._taken = np.concatenate(([0], np.cumsum(taken))) + round(base * MWH_PER_KWH)
        self._given = np.concatenate(([0], np.cumsum(given)))
        self._reactive = np.concatenate(([0], np.cumsum(np.maximum(series.reactive, 0))))

    @property
    def duration(self) -> float:
        """Seconds from the first interval's start to the last one's end."""
        return float(self.series.start[-1] - self.series.start[0]) / 1e6 + self.series.seconds

    def at(self, elapsed: float) -> Meter:
        """The meter `elapsed` seconds after the beginning of the series; it stops at the end."""
        start, length = self.series.start, self.series.seconds * 1_000_000
        now = int(start[0]) + round(elapsed * 1e6)
        index = max(int(np.searchsorted(start, now, side="right")) - 1, 0)
        inside = min(now - int(start[index]), length)
        running = 0 <= inside < length
        share = (max(inside, 0), length)
        meter = Meter(
            voltage=self._spread_voltage(index),
            active=self._split(self._power(self.series.energy, index) if running else 0.0),
            reactive=self._split(self._power(self.series.reactive, index) if running else 0.0),
        )
        meter.energies = Energies(
            imported=self._register(self._taken, index, share),
            exported=self._register(self._given, index, share),
            reactive_imported=self._register(self._reactive, index, share),
        )
        return meter

    def _power(self, energy: NDArray[np.int64], index: int) -> float:
        """W (var) that gives the interval's energy."""
        return float(energy[index]) * 3.6 / self.series.seconds

    def _spread_voltage(self, index: int) -> tuple[float, float, float]:
        recorded = float(self.series.voltage[index])
        volts = recorded if recorded == recorded else self.nominal  # noqa: PLR0124 - NaN
        return (volts, volts, volts) if self.phases == 3 else (volts, 0.0, 0.0)

    def _split(self, power: float) -> tuple[float, float, float]:
        if self.phases == 3:
            return (power / 3, power / 3, power / 3)
        return (power, 0.0, 0.0)

    def _register(
        self, total: NDArray[np.int64], index: int, share: tuple[int, int]
    ) -> tuple[float, float, float]:
        before, after = int(total[index]), int(total[index + 1])
        mwh = before + (after - before) * share[0] // share[1]
        if self.phases == 3:
            third = mwh // 3
            return ((mwh - 2 * third) / MWH_PER_KWH, third / MWH_PER_KWH, third / MWH_PER_KWH)
        return (mwh / MWH_PER_KWH, 0.0, 0.0)
