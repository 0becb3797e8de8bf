"""Intervals priced by time of use a second, beside the sums of numpy alone on
the same arrays; the goal is 1.5 million."""

import datetime as dt

import numpy as np

from benchmarks.figures import Figure, rate, report
from hub.contract.units import MICRO
from plugins.billing.tariff import Calendar, DayType, DayWindow, Season, TimeOfUse, Usage, Version
from plugins.billing.tariff import rate as bill
from plugins.billing.tariff.intervals import MINUTE, SECOND, bucket_numbers, bucket_sums

CUSTOMERS, MINUTES = 2_000, 30
CALENDAR = Calendar(
    zone="Europe/London",
    seasons=(Season("summer", "05-01", "09-30"), Season("winter", "10-01", "04-30")),
    day_types=(DayType("work", (1, 2, 3, 4, 5)), DayType("rest", (6, 7))),
    windows=(
        DayWindow("night", 23 * 60, 7 * 60),
        DayWindow("peak", 17 * 60, 20 * 60, day_type="work"),
        DayWindow("day", 7 * 60, 17 * 60, day_type="work"),
        DayWindow("day", 20 * 60, 23 * 60, day_type="work"),
        DayWindow("day", 7 * 60, 23 * 60, day_type="rest"),
    ),
)
VERSION = Version(
    currency="GBP",
    valid_from=dt.date(2026, 1, 1),
    calendar=CALENDAR,
    charges=(
        TimeOfUse(
            name="energy",
            prices={"night": 8 * MICRO, "day": 20 * MICRO, "peak": 45 * MICRO},
        ),
    ),
)
FIRST, LAST = dt.date(2026, 3, 1), dt.date(2026, 4, 1)
START = int(dt.datetime(2026, 3, 1, tzinfo=dt.UTC).timestamp()) * SECOND
# March of London has 31 days less the hour of the change.
STARTS = START + np.arange(31 * 48 - 2, dtype=np.int64) * MINUTES * MINUTE
ENERGY = np.random.default_rng(1).integers(0, 3000, (CUSTOMERS, len(STARTS)))


def together() -> int:
    """Meters that are read at the same times: buckets once, sums for all, a bill each."""
    numbers = bucket_numbers(CALENDAR, STARTS, MINUTES)
    for sums in bucket_sums(numbers, ENERGY, 3).tolist():
        _bill(sums)
    return ENERGY.size


def apart() -> int:
    """Meters each with times of its own."""
    count = CUSTOMERS // 4
    for row in ENERGY[:count]:
        _bill(bucket_sums(bucket_numbers(CALENDAR, STARTS, MINUTES), row, 3).tolist())
    return count * len(STARTS)


def _bill(sums: list[int]) -> None:
    buckets = dict(zip(CALENDAR.buckets, sums, strict=True))
    usage = Usage(
        start=FIRST,
        end=LAST,
        quantities={"import": sum(sums)},
        buckets={"import": buckets},
    )
    bill(VERSION, usage)


NUMBERS = bucket_numbers(CALENDAR, STARTS, MINUTES)


def bare() -> int:
    """Sums alone, when the bucket of every interval is known beforehand, and no bill is made."""
    bucket_sums(NUMBERS, ENERGY, 3)
    return ENERGY.size


def main() -> None:
    ceiling = rate(bare)
    figures = [
        Figure(
            name=f"ToU rating, {name}",
            ours=rate(work),
            ceiling=ceiling,
            unit="intervals/s",
            against="sums by numpy alone",
        )
        for name, work in (("same times", together), ("own times", apart))
    ]
    report("Tariff engine", figures)
