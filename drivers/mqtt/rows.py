"""From values in a payload to readings: columns that grow message by message."""

import math
from datetime import UTC, datetime
from typing import Any

from hub import (
    LOST,
    Cause,
    Flag,
    Kind,
    Point,
    ReadingBatch,
    Stamp,
    Validity,
    quality,
)

FUTURE = 5 * 60 * 1_000_000  # µs that a device's clock may be ahead of ours
BAD = quality(Validity.INVALID)
LARGEST = 1e300  # beyond it a number is a mistake, and scaling would overflow
_NAN = math.nan


class Rows:
    """Readings of one batch."""

    def __init__(self) -> None:
        self.point: list[int] = []
        self.time: list[int] = []
        self.value: list[float] = []
        self.quality: list[int] = []
        self.text: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self.point)

    def add(self, point: Point, raw: Any, time: int, quality: int) -> None:
        """One value as the payload has it; what cannot be one becomes INVALID without a value."""
        if type(raw) is float and abs(raw) < LARGEST and point.spec.kind is not Kind.TEXT:
            value = raw  # by far the commonest; JSON has no NaN
        else:
            value, text = read_value(point, raw)
            if text is not None:
                self.text[len(self.point)] = text
            elif math.isnan(value):
                quality = BAD
        self.point.append(point.id)
        self.time.append(time)
        self.value.append(value)
        self.quality.append(quality)

    def lose(self, points: "tuple[Point, ...] | list[Point]", time: int) -> None:
        """Nothing comes from these any more."""
        for point in points:
            self.point.append(point.id)
            self.time.append(time)
            self.value.append(_NAN)
            self.quality.append(LOST)

    def batch(self, cause: Cause) -> ReadingBatch:
        return ReadingBatch.of(self.point, self.time, self.value, self.quality, cause, self.text)


def read_value(point: Point, raw: Any) -> tuple[float, str | None]:
    """Number and text of a JSON value; NaN and None when it is of no use to this point."""
    spec = point.spec
    if spec.kind is Kind.TEXT:
        return _NAN, raw if isinstance(raw, str) else None
    if isinstance(raw, int | float):
        return float(raw) if abs(raw) < LARGEST else _NAN, None
    if isinstance(raw, str):
        # Words of a state (`connected`) stand in the point's own list.
        for key, word in spec.states.items():
            if word == raw:
                return float(key), None
    return _NAN, None


def read_time(raw: Any, now: int) -> tuple[int, int]:
    """µs since 1970 UTC and the quality that follows from how far the time can be trusted.

    Takes ISO 8601, `YYYYMMDDhhmmss`, or seconds, milliseconds or microseconds since 1970. Without
    a zone it is read as UTC and marked unsynchronised; none, nonsense or the future: our own clock.
    """
    time, zoned = _parse_time(raw)
    if time is None:
        return now, quality()
    if time > now + FUTURE:
        return now, quality(Validity.QUESTIONABLE, Flag.NONE, Stamp.GATEWAY)
    return time, quality(stamp=Stamp.DEVICE if zoned else Stamp.UNSYNCED)


def _parse_time(raw: Any) -> tuple[int | None, bool]:
    """µs, and whether the zone was stated."""
    if isinstance(raw, str):
        return _parse_text(raw)
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not 0 < raw < 1e17:
        return None, False
    factor = 1 if raw > 1e14 else 1_000 if raw > 1e11 else 1_000_000
    return int(raw * factor), True


def _parse_text(text: str) -> tuple[int | None, bool]:
    try:
        if len(text) == 14 and text.isdigit():
            moment = datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
            return int(moment.timestamp()) * 1_000_000, False
        moment = datetime.fromisoformat(text)
        zoned = moment.tzinfo is not None
        moment = moment if zoned else moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1_000_000), zoned
    except (ValueError, OverflowError):
        return None, False
