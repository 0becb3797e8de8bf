"""NEM12 interval files (AEMO Meter Data File Format): records 100, 200, 300, 400, 900.

Days are of National Electricity Market time, UTC+10 all year.
"""

import csv
import datetime as dt
import io
from collections.abc import Iterator

import numpy as np

from plugins.billing.tariff.history import Series
from plugins.billing.tariff.intervals import MINUTE, SECOND

from .channel import Channel, FileError, whole

MARKET = dt.timezone(dt.timedelta(hours=10))
THOUSANDTHS = {"wh": 1, "kwh": 1e3, "mwh": 1e6, "varh": 1, "kvarh": 1e3, "mvarh": 1e6}
# The network's view: E is what the customer takes from it, B what he gives back, Q reactive.
REGISTERS = {"E": "import", "B": "export", "Q": "kvarh"}
LENGTHS = {"1", "5", "10", "15", "30", "60"}


class _Block:
    """A 200 record and the days below it."""

    def __init__(self, place: str, row: list[str]) -> None:
        if len(row) < 9 or row[8].strip() not in LENGTHS:
            raise FileError(f"{place}: a 200 record needs an interval length of 1 to 60 min")
        self.meter, self.suffix = row[1].strip(), row[4].strip()
        self.unit, self.minutes = row[7].strip().lower(), int(row[8])
        self.days: dict[dt.date, list[float]] = {}
        self.qualities: dict[str, str] = {}

    def day(self, place: str, row: list[str]) -> None:
        count = 1440 // self.minutes
        if len(row) < count + 3:
            raise FileError(f"{place}: {len(row) - 2} values of the {count} of a day")
        try:
            day = dt.datetime.strptime(row[1], "%Y%m%d").replace(tzinfo=MARKET).date()
            values = [float(x or 0) for x in row[2 : count + 2]]
        except ValueError as e:
            raise FileError(f"{place}: {e}") from None
        if day in self.days:
            raise FileError(f"{place}: {day} stands twice for {self.meter} {self.suffix}")
        flag = row[count + 2].strip()
        if flag[:1] not in set("AEFSVN"):
            raise FileError(f"{place}: {flag!r} is not a quality")
        if flag[:1] != "A":
            self.qualities[day.isoformat()] = flag
        if flag[:1] != "N":
            self.days[day] = values

    def channel(self) -> Channel:
        register = REGISTERS.get(self.suffix[:1], "") if self.unit in THOUSANDTHS else ""
        count, days = 1440 // self.minutes, sorted(self.days)
        begins = [dt.datetime.combine(d, dt.time(), MARKET).timestamp() for d in days]
        starts = np.add.outer(
            np.array(begins, np.int64) * SECOND, np.arange(count) * self.minutes * MINUTE
        )
        values = np.array([self.days[d] for d in days], float).reshape(-1)
        series = Series(
            starts=starts.reshape(-1),
            energy=whole(values * THOUSANDTHS.get(self.unit, 1)),
            minutes=self.minutes,
        )
        return Channel(
            meter=self.meter,
            name=self.suffix,
            register=register,
            series=series,
            qualities=self.qualities,
        )


def read(text: str) -> list[Channel]:
    """All channels; FileError names the line. Days without data (quality N) are left out."""
    return [block.channel() for block in _blocks(text)]


def _blocks(text: str) -> Iterator[_Block]:
    block: _Block | None = None
    ended = False
    for number, row in enumerate(csv.reader(io.StringIO(text)), 1):
        place, kind = f"line {number}", row[0].strip() if row else ""
        if number == 1 and row[:2] != ["100", "NEM12"]:
            raise FileError("line 1: a NEM12 file begins with 100,NEM12")
        if kind == "200":
            if block is not None:
                yield block
            block = _Block(place, row)
        elif kind == "300":
            if block is None:
                raise FileError(f"{place}: a 300 record before any 200 record")
            block.day(place, row)
        elif kind == "900":
            ended = True
        elif kind not in {"", "100", "400", "500"}:
            raise FileError(f"{place}: there is no record {kind!r}")
    if block is not None:
        yield block
    if not ended:
        raise FileError("the file ends before its 900 record: it was cut off")
