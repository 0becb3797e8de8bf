"""A meter's intervals, billed month by month: what a customer would have paid."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from .charges import Demand, TimeOfUse
from .engine import rate, valid
from .errors import TariffError
from .intervals import SECOND, Ints, by_bucket, demand
from .split import cut
from .usage import Bill, Line, Usage
from .version import Version


@dataclass(frozen=True, kw_only=True, eq=False)
class Series:
    """Wh or varh (thousandths) of intervals of `minutes`, by start in µs UTC, rising."""

    starts: Ints
    energy: Ints
    minutes: int


def simulate(
    versions: Sequence[Version],
    registers: Mapping[str, Series],
    zone: str,
    connection: Usage | None = None,
) -> list[tuple[Usage, Bill]]:
    """The bill of each calendar month in `zone`; the first and last may be parts.

    connection: amperes, kVA and credit bank to begin with. Demand ratchets and banks go from month
    to month. A change of the tariff inside a month cuts the intervals there, not by days.
    """
    bills: list[tuple[Usage, Bill]] = []
    bank = connection.bank if connection else ()
    past: list[int] = list(connection.past_demands) if connection else []
    changes = {d for v in versions for d in v.changes}
    for start, end, days in months(registers, zone):
        lines: list[Line] = []
        peak = 0
        whole = _template(connection, start, end, days)
        for piece in cut(whole, changes):
            version = valid(versions, piece.start)
            part = measured(version, registers, zone, piece)
            part = msgspec.structs.replace(part, bank=bank, past_demands=tuple(past))
            bill = rate(versions, part)
            lines += bill.lines
            bank, peak = bill.bank, max(peak, part.demand_w or 0)
        past.insert(0, peak)
        currency = versions[0].currency
        bills.append((whole, Bill(currency=currency, lines=tuple(lines), bank=bank)))
    return bills


def _template(connection: Usage | None, start: dt.date, end: dt.date, days: int) -> Usage:
    return Usage(
        start=start,
        end=end,
        cycle_days=days,
        amperes=connection.amperes if connection else 0,
        kva=connection.kva if connection else 0,
    )


def months(registers: Mapping[str, Series], zone: str) -> Iterator[tuple[dt.date, dt.date, int]]:
    """First day, day after the last, and days of the calendar month, of each month with data."""
    filled = [s for s in registers.values() if len(s.starts)]
    if not filled:
        raise TariffError("the series has no interval")
    tz = ZoneInfo(zone)
    first = dt.datetime.fromtimestamp(min(int(s.starts[0]) for s in filled) / SECOND, tz).date()
    last = dt.datetime.fromtimestamp(max(int(s.starts[-1]) for s in filled) / SECOND, tz).date()
    day = first
    while day <= last:
        begin = day.replace(day=1)
        after = (begin + dt.timedelta(days=32)).replace(day=1)
        yield day, min(after, last + dt.timedelta(days=1)), (after - begin).days
        day = after


def measured(version: Version, registers: Mapping[str, Series], zone: str, piece: Usage) -> Usage:
    """The piece with its quantities, and with buckets and demand if the tariff asks for them."""
    parts = {name: between(s, zone, piece.start, piece.end) for name, s in registers.items()}
    quantities = {name: int(s.energy.sum()) for name, s in parts.items()}
    timed = {c.register for c in version.charges if isinstance(c, TimeOfUse)}
    buckets = {}
    if timed:
        if version.calendar is None:
            raise TariffError("the tariff has prices by time of use, but no calendar")
        buckets = {
            name: by_bucket(version.calendar, s.starts, s.energy, s.minutes)
            for name, s in parts.items()
            if name in timed or name == "export"
        }
    power = next((c for c in version.charges if isinstance(c, Demand)), None)
    watts: tuple[int | None, int | None] = (None, None)
    if power is not None:
        watts = _peak(parts, power)
    return msgspec.structs.replace(
        piece,
        quantities=quantities,
        buckets=buckets,
        demand_w=watts[0],
        demand_va=watts[1],
        estimated=False,
    )


def _peak(parts: Mapping[str, Series], charge: Demand) -> tuple[int, int]:
    series = parts["import"]
    reactive = parts.get("kvarh")
    same = reactive is not None and np.array_equal(reactive.starts, series.starts)
    return demand(
        series.starts,
        series.energy,
        series.minutes,
        window=charge.window,
        rolling=charge.rolling,
        reactive=reactive.energy if reactive is not None and same else None,
    )


def between(series: Series, zone: str, start: dt.date, end: dt.date) -> Series:
    """The intervals that begin in these local days, which have 23 to 25 hours (R32)."""
    low, high = np.searchsorted(series.starts, [midnight(start, zone), midnight(end, zone)])
    return Series(
        starts=series.starts[low:high], energy=series.energy[low:high], minutes=series.minutes
    )


def midnight(day: dt.date, zone: str) -> int:
    """The first instant of a local day, µs; where 00:00 does not exist, the first after it."""
    tz = ZoneInfo(zone)
    at = dt.datetime.combine(day, dt.time(), tz)
    moment = int(at.timestamp())
    # In a gap, the offset before it is taken: the same instant is then the first that exists.
    while dt.datetime.fromtimestamp(moment, tz).date() < day:
        moment += 60
    return moment * SECOND
