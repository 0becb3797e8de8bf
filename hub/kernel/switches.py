"""Tells of every switch that moves: a sequence of events by the clock of its source."""

from collections.abc import Sequence

import numpy as np

from hub.contract.journal import Journal, SwitchTold
from hub.contract.points import Kind, Point
from hub.contract.readings import VALIDITY_MASK, Flag, ReadingBatch, Validity

UNFIT = VALIDITY_MASK | Flag.TEST
STATES = {Kind.BINARY, Kind.DOUBLE}


class Switches:
    """Watches the points with `is_switch` that show a position; controls are told as commands."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._points: dict[int, Point] = {}
        self._watched = np.zeros(0, np.bool_)
        self._position = np.empty(0)

    def define(self, points: Sequence[Point]) -> None:
        size = max((p.id for p in points), default=-1) + 1
        self._watched, self._position = np.zeros(size, np.bool_), np.full(size, np.nan)
        for point in points:
            spec = point.spec
            if spec.is_switch and spec.kind in STATES and not spec.writable:
                self._points[point.id], self._watched[point.id] = point, True

    def take(self, batch: ReadingBatch) -> None:
        """Look at readings in engineering units; the first valid one of a point is no change."""
        if not self._points:
            return
        fit = self._watched[batch.point] & np.isfinite(batch.value)
        fit &= (batch.quality & UNFIT) < Validity.INVALID
        for row in np.flatnonzero(fit).tolist():
            ident, value = int(batch.point[row]), float(batch.value[row])
            before = float(self._position[ident])
            if value == before:
                continue
            self._position[ident] = value
            if np.isfinite(before):
                self._tell(self._points[ident], int(batch.time[row]), before, value)

    def _tell(self, point: Point, at: int, old: float, new: float) -> None:
        self._journal.record(
            SwitchTold(at=at, device=point.device, point=point.spec.name, old=old, new=new)
        )
