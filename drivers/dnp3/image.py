"""From an outstation's reports to readings of the hub's points."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from hub import GOOD, Cause, Point, ReadingBatch

from .codec.objects import STATIC_GROUP, PointType
from .master import Measurements, Report, Strings
from .quality import qualities, stamp

_ABSENT = -1


class Image:
    """Which point of the hub an index of an outstation is."""

    def __init__(self, points: Sequence[Point]) -> None:
        self._ids: dict[PointType, NDArray[np.int64]] = {}
        for kind in {point.address.type for point in points}:
            mine = [point for point in points if point.address.type is kind]
            table = np.full(max(p.address.index for p in mine) + 1, _ABSENT, np.int64)
            for point in mine:
                table[point.address.index] = point.id
            self._ids[kind] = table

    def readings(self, reports: Iterable[Report], now: int, cause: Cause) -> ReadingBatch | None:
        """What the reports say of known points; None when nothing. now: µs since 1970 UTC."""
        parts: list[ReadingBatch] = []
        for report in reports:
            if isinstance(report, Measurements):
                part = self._measured(report, now, cause)
            elif isinstance(report, Strings):
                part = self._texts(report, now, cause)
            else:
                continue
            if part is not None:
                parts.append(part)
        return join(parts, cause) if parts else None

    def _measured(self, report: Measurements, now: int, cause: Cause) -> ReadingBatch | None:
        cols, table = report.columns, self._ids.get(report.point)
        if table is None or cols.value is None:
            return None
        inside = cols.index < len(table)
        ids = np.where(inside, table[np.where(inside, cols.index, 0)], _ABSENT)
        known = ids != _ABSENT
        count = int(np.count_nonzero(known))
        if not count:
            return None
        flags = None if cols.flags is None else cols.flags[known]
        timed = cols.time is not None
        time = np.full(count, now, np.int64)
        if cols.time is not None:
            time = cols.time[known] * 1000
        words = qualities(report.point, flags, count) | np.uint16(stamp(timed, report.synchronised))
        return ReadingBatch(
            ids[known].astype(np.uint32), time, cols.value[known], words.astype(np.uint16), cause
        )

    def _texts(self, report: Strings, now: int, cause: Cause) -> ReadingBatch | None:
        table = self._ids.get(PointType.OS)
        if table is None:
            return None
        rows = [
            (int(table[index]), data)
            for index, data in report.rows
            if index < len(table) and table[index] != _ABSENT
        ]
        if not rows:
            return None
        text = {n: data.decode("utf-8", "replace") for n, (_, data) in enumerate(rows)}
        values = [float("nan")] * len(rows)
        return ReadingBatch.of([i for i, _ in rows], now, values, GOOD, cause, text)


def join(parts: Sequence[ReadingBatch], cause: Cause) -> ReadingBatch:
    """Batches one behind the other."""
    if len(parts) == 1:
        return parts[0]
    text: dict[int, str] = {}
    at = 0
    for part in parts:
        text |= {at + row: value for row, value in part.text.items()}
        at += len(part)
    return ReadingBatch(
        np.concatenate([p.point for p in parts]),
        np.concatenate([p.time for p in parts]),
        np.concatenate([p.value for p in parts]),
        np.concatenate([p.quality for p in parts]),
        cause,
        text,
    )


def spans(points: Sequence[Point], gap: int) -> list[tuple[PointType, int, int]]:
    """Ranges that cover these points; indexes up to `gap` apart share one.

    Points that only come as events are in none.
    """
    wanted: dict[PointType, list[int]] = {}
    for point in points:
        if point.address.type not in STATIC_GROUP:
            continue
        wanted.setdefault(point.address.type, []).append(point.address.index)
    out: list[tuple[PointType, int, int]] = []
    for kind, found in wanted.items():
        ordered = sorted(set(found))
        start = stop = ordered[0]
        for index in ordered[1:]:
            if index - stop > gap + 1:
                out.append((kind, start, stop))
                start = index
            stop = index
        out.append((kind, start, stop))
    return out
