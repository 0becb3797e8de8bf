"""Which roll-ups answer a question. Pure; times are whole seconds since 1970 UTC.

A stretch whose roll-up may be out of date (a reading came for one of its minutes) is answered from
the next finer level, the minutes themselves from the readings: the answer is always right.
"""

import datetime as dt
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hub import Invalid

LEVELS = {"1d": 86_400, "1h": 3_600, "15m": 900, "1m": 60}
WIDTHS = {"1m": 60, "5m": 300, "15m": 900, "1h": 3_600}
MAX_BUCKETS = 100_000


class Segment(NamedTuple):
    """[start, end) from one level; an empty level means the readings themselves."""

    level: str
    start: int
    end: int


def edges(start: dt.datetime, end: dt.datetime, bucket: str, zone: str) -> list[dt.datetime]:
    """Bounds of all buckets that touch [start, end), one more than there are buckets.

    Days and months begin at local midnight, also where the clock is changed. Shorter buckets run
    on evenly from the local full hour before `start`.
    """
    try:
        local = ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise Invalid(f"unknown time zone {zone!r}") from None
    if bucket not in WIDTHS and bucket not in {"1d", "1mo"}:
        raise Invalid(f"unknown bucket {bucket!r}: 1m, 5m, 15m, 1h, 1d or 1mo")
    if end <= start:
        return []
    found = [_floor(start, bucket, local)]
    while found[-1] < end:
        found.append(_after(found[-1], bucket, local))
        if len(found) > MAX_BUCKETS:
            raise Invalid(f"more than {MAX_BUCKETS} buckets: ask for longer ones or less time")
    return found


def _floor(time: dt.datetime, bucket: str, zone: ZoneInfo) -> dt.datetime:
    here = time.astimezone(zone)
    if bucket in WIDTHS:
        shift = int((here.utcoffset() or dt.timedelta()).total_seconds())
        seconds = int(time.timestamp() // 1)
        at = (seconds + shift) // WIDTHS[bucket] * WIDTHS[bucket] - shift
        return dt.datetime.fromtimestamp(at, dt.UTC)
    day = here.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return (day.replace(day=1) if bucket == "1mo" else day).astimezone(dt.UTC)


def _after(time: dt.datetime, bucket: str, zone: ZoneInfo) -> dt.datetime:
    if bucket in WIDTHS:
        return time + dt.timedelta(seconds=WIDTHS[bucket])
    here = time.astimezone(zone)
    step = dt.timedelta(days=32 if bucket == "1mo" else 1)
    naive = dt.datetime(here.year, here.month, here.day) + step  # noqa: DTZ001
    naive = naive.replace(day=1) if bucket == "1mo" else naive
    return naive.replace(tzinfo=zone).astimezone(dt.UTC)


def plan(start: int, end: int, inner: Sequence[int], dirty: Sequence[int]) -> list[Segment]:
    """Segments that together are [start, end).

    inner: bounds of buckets within; no roll-up may reach over one. dirty: minutes, ascending.
    """
    fitting = [name for name, width in LEVELS.items() if all(edge % width == 0 for edge in inner)]
    return _merge(_cover(start, end, fitting, dirty))


def _cover(start: int, end: int, levels: Sequence[str], dirty: Sequence[int]) -> list[Segment]:
    if start >= end:
        return []
    if not levels:
        return [Segment("", start, end)]
    name, finer = levels[0], levels[1:]
    width = LEVELS[name]
    low, high = -(-start // width) * width, end // width * width
    if low >= high:
        return _cover(start, end, finer, dirty)
    found = _cover(start, low, finer, dirty)
    at = low
    index = bisect_left(dirty, low)
    while index < len(dirty) and dirty[index] < high:
        unit = dirty[index] // width * width
        if unit > at:
            found.append(Segment(name, at, unit))
        found += _cover(unit, unit + width, finer, dirty)
        at = unit + width
        index = bisect_left(dirty, at)
    if at < high:
        found.append(Segment(name, at, high))
    return found + _cover(high, end, finer, dirty)


def _merge(segments: Sequence[Segment]) -> list[Segment]:
    found: list[Segment] = []
    for segment in segments:
        if found and found[-1].level == segment.level and found[-1].end == segment.start:
            found[-1] = found[-1]._replace(end=segment.end)
        else:
            found.append(segment)
    return found
