"""Which bucket a minute of local time belongs to: season, day type, hour, holidays (R33)."""

import datetime as dt
import functools
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

MINUTES = 1440
MonthDay = Annotated[str, Meta(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")]
Weekday = Annotated[int, Meta(ge=1, le=7)]
Minute = Annotated[int, Meta(ge=0, le=MINUTES)]


class Season(Struct, frozen=True, forbid_unknown_fields=True):
    """From a day of the year to another, both included; it may run over New Year."""

    name: str
    first: MonthDay
    last: MonthDay

    def holds(self, day: str) -> bool:
        if self.first <= self.last:
            return self.first <= day <= self.last
        return day >= self.first or day <= self.last


class DayType(Struct, frozen=True, forbid_unknown_fields=True):
    """ISO weekdays (1 Monday), and days that are of this type whatever their weekday."""

    name: str
    weekdays: tuple[Weekday, ...] = ()
    dates: tuple[dt.date, ...] = ()


class Window(Struct, frozen=True, forbid_unknown_fields=True):
    """[start, end) in minutes of the local day; empty season or day type: any. It may wrap."""

    bucket: str
    start: Minute
    end: Minute
    season: str = ""
    day_type: str = ""


class Calendar(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Legal time of `zone`. Every minute of every kind of day is in exactly one window."""

    zone: str
    windows: tuple[Window, ...]
    seasons: tuple[Season, ...] = (Season("year", "01-01", "12-31"),)
    day_types: tuple[DayType, ...] = (DayType("every", (1, 2, 3, 4, 5, 6, 7)),)

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError) as e:
            raise ValueError(f"there is no time zone {self.zone!r}") from e
        self._check_days()
        _table(self)

    def _check_days(self) -> None:
        days = [dt.date(2024, 1, 1) + dt.timedelta(n) for n in range(366)]
        for day in days:
            found = [s.name for s in self.seasons if s.holds(f"{day:%m-%d}")]
            if len(found) != 1:
                raise ValueError(f"{day:%m-%d} lies in {len(found)} seasons, not in one")
        for weekday in range(1, 8):
            if sum(weekday in d.weekdays for d in self.day_types) != 1:
                raise ValueError(f"weekday {weekday} is not of exactly one day type")
        dates = [d for kind in self.day_types for d in kind.dates]
        if len(dates) != len({*dates}):
            raise ValueError("a date is of two day types")

    @property
    def buckets(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(w.bucket for w in self.windows))

    def kind(self, day: dt.date) -> int:
        """Row of the table for this day: season × day type."""
        text = f"{day:%m-%d}"
        season = next(i for i, s in enumerate(self.seasons) if s.holds(text))
        named = [i for i, k in enumerate(self.day_types) if day in k.dates]
        weekday = day.isoweekday()
        ordinary = next(i for i, k in enumerate(self.day_types) if weekday in k.weekdays)
        return season * len(self.day_types) + (named[0] if named else ordinary)

    def table(self) -> NDArray[np.int8]:
        """Bucket number by (season × day type, minute)."""
        return _table(self)

    def bucket(self, day: dt.date, minute: int) -> str:
        return self.buckets[int(self.table()[self.kind(day), minute])]


@functools.lru_cache(maxsize=64)
def _table(calendar: Calendar) -> NDArray[np.int8]:
    """Raise ValueError when a minute has no window, or two."""
    buckets = calendar.buckets
    kinds: list[Any] = [(s.name, d.name) for s in calendar.seasons for d in calendar.day_types]
    _check_names(calendar)
    table = np.full((len(kinds), MINUTES), -1, np.int8)
    for window in calendar.windows:
        for row, (season, day_type) in enumerate(kinds):
            if window.season in ("", season) and window.day_type in ("", day_type):
                minutes = _minutes(window)
                if (table[row, minutes] >= 0).any():
                    raise ValueError(f"{season}, {day_type}: windows of {window.bucket} overlap")
                table[row, minutes] = buckets.index(window.bucket)
    if (table < 0).any():
        row, minute = (int(x[0]) for x in np.nonzero(table < 0))
        season, day_type = kinds[row]
        clock = f"{minute // 60:02}:{minute % 60:02}"
        raise ValueError(f"{season}, {day_type}: no window at {clock}")
    return table


def _check_names(calendar: Calendar) -> None:
    if len(calendar.buckets) > 100:
        raise ValueError("more than 100 buckets")
    for window in calendar.windows:
        if window.season and window.season not in {s.name for s in calendar.seasons}:
            raise ValueError(f"there is no season {window.season!r}")
        if window.day_type and window.day_type not in {d.name for d in calendar.day_types}:
            raise ValueError(f"there is no day type {window.day_type!r}")


def _minutes(window: Window) -> NDArray[np.int64]:
    if window.start < window.end:
        return np.arange(window.start, window.end)
    return np.concatenate((np.arange(window.start, MINUTES), np.arange(window.end)))
