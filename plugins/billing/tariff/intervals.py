"""Interval series → quantities by bucket and greatest demand, without an object per interval.

Times are the starts of intervals, µs since 1970 UTC; energies Wh in whole numbers.
"""

import datetime as dt
import functools
import math
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from .calendar import Calendar
from .errors import TariffError

SECOND = 1_000_000
MINUTE = 60 * SECOND
DAY = 1440 * MINUTE
EPOCH = dt.date(1970, 1, 1).toordinal()
Ints = NDArray[np.int64]


@functools.lru_cache(maxsize=64)
def offsets(zone: str, first: int, last: int) -> tuple[Ints, Ints]:
    """Instants (µs) of the days `first` to `last` since 1970 at which the offset changes, and the
    offsets (µs) from each on."""
    tz = ZoneInfo(zone)

    def offset(second: int) -> int:
        there = dt.datetime.fromtimestamp(second, tz).utcoffset()
        return int(there.total_seconds()) if there is not None else 0

    # An offset may change twice on the days of one week (Ramadan), hardly twice in six hours.
    step = 6 * 3600
    at = [(first - 1) * 86_400]
    values = [offset(at[0])]
    for start in range(at[0], (last + 2) * 86_400, step):
        low, high = start, start + step
        if offset(high) == values[-1]:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if offset(middle) != values[-1] else (middle, high)
        at.append(high)
        values.append(offset(high))
    return np.array(at, np.int64) * SECOND, np.array(values, np.int64) * SECOND


def local(starts: Ints, zone: str) -> Ints:
    """µs since 1970 of what the clock on the wall says (R32)."""
    if not len(starts):
        return starts
    at, values = offsets(zone, int(starts.min()) // DAY, int(starts.max()) // DAY)
    if len(values) == 1:
        return np.asarray(starts + values[0], np.int64)
    wall: Ints = starts + values[np.searchsorted(at, starts, side="right") - 1]
    return wall


def bucket_numbers(calendar: Calendar, starts: Ints, minutes: int) -> NDArray[np.int8]:
    """For each interval the place of its bucket in `calendar.buckets`.

    Raises TariffError when an interval lies in two buckets.
    """
    if not len(starts):
        return np.empty(0, np.int8)
    wall = local(starts, calendar.zone)
    days, rest = np.divmod(wall, DAY)
    first = int(days.min())
    kinds = np.array(
        [calendar.kind(dt.date.fromordinal(EPOCH + d)) for d in range(first, int(days.max()) + 1)]
    )
    table, minute = calendar.table(), rest // MINUTE
    rows = kinds[days - first]
    found: NDArray[np.int8] = table[rows, minute]
    if minutes > 1 and not _aligned(calendar, wall, minutes):
        ends = table[rows, np.minimum(minute + minutes - 1, 1439)]
        if (ends != found).any():
            at = dt.datetime.fromtimestamp(int(starts[np.argmax(ends != found)]) / SECOND, dt.UTC)
            raise TariffError(f"the {minutes} min from {at} lie in two buckets; use shorter ones")
    return found


def _aligned(calendar: Calendar, wall: Ints, minutes: int) -> bool:
    """Whether no interval can cross a window: both sit on one grid of the local clock."""
    grid = math.gcd(*(x for w in calendar.windows for x in (w.start, w.end)), 1440)
    return grid % minutes == 0 and not (wall % (minutes * MINUTE)).any()


def bucket_sums(numbers: NDArray[np.int8], energy: Ints, count: int) -> Ints:
    """Sums by bucket of one series (n) or of many (m, n) that share their times: (…, count).

    Every interval has one bucket, so the sums make the total.
    """
    masks = [numbers == k for k in range(count)]
    sums = [energy.sum(axis=-1, where=mask, dtype=np.int64) for mask in masks]
    return np.stack(sums, axis=-1)


def by_bucket(calendar: Calendar, starts: Ints, energy: Ints, minutes: int) -> dict[str, int]:
    """Bucket → Wh of one series."""
    numbers = bucket_numbers(calendar, starts, minutes)
    sums = bucket_sums(numbers, energy, len(calendar.buckets))
    return {b: int(v) for b, v in zip(calendar.buckets, sums, strict=True)}


def demand(
    starts: Ints,
    energy: Ints,
    minutes: int,
    *,
    window: int,
    rolling: bool,
    reactive: Ints | None = None,
) -> tuple[int, int]:
    """Greatest mean W and VA of a whole window; (0, 0) when none is complete (R35).

    Block windows begin on multiples of `window` from 1970 UTC, rolling ones at every interval.
    reactive: varh of the same intervals; without it VA is W.
    """
    if window % minutes:
        raise TariffError(f"windows of {window} min cannot be made of intervals of {minutes} min")
    size = window // minutes
    if len(starts) < size:
        return 0, 0
    # A window is whole when its last interval begins where it must.
    whole = starts[size - 1 :] - starts[: len(starts) - size + 1] == (size - 1) * minutes * MINUTE
    if not rolling:
        whole &= starts[: len(whole)] % (window * MINUTE) == 0
    if not whole.any():
        return 0, 0
    active = _windows(energy, size)[whole]
    other = _windows(reactive, size)[whole] if reactive is not None else np.zeros_like(active)
    apparent = np.sqrt(active.astype(float) ** 2 + other.astype(float) ** 2)
    va = int(np.floor(apparent.max() * 60 / window + 0.5))
    return (2 * int(active.max()) * 60 + window) // (2 * window), va


def _windows(values: Ints, size: int) -> Ints:
    total = np.concatenate((np.zeros(1, np.int64), np.cumsum(values, dtype=np.int64)))
    moving: Ints = total[size:] - total[:-size]
    return moving
