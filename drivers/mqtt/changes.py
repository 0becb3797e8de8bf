"""Which points changed since they were last told: what is not sent in time is overtaken."""

import asyncio
from collections.abc import Sequence

import numpy as np

from hub import Kind, Point, ReadingBatch

_UNTOLD = 0xFFFF


class Changes:
    """Takes every reading of a gateway, at the cost of a few vector operations a batch.

    A point changed when its value differs from the last told by more than its deadband, or its
    quality or its text differs. woken: something did.
    """

    def __init__(self, points: Sequence[Point]) -> None:
        size = max((p.id for p in points), default=0) + 1
        self._known, self._text = np.zeros(size, np.bool_), np.zeros(size, np.bool_)
        self._deadband, self._value = np.zeros(size), np.full(size, np.nan)
        self._quality = np.full(size, _UNTOLD, np.uint16)
        for point in points:
            self._known[point.id] = True
            self._text[point.id] = point.spec.kind is Kind.TEXT
            self._deadband[point.id] = point.spec.deadband
        self._words: dict[int, str] = {}
        self._changed: set[int] = set()
        self.woken = asyncio.Event()

    def take(self, batch: ReadingBatch) -> None:
        """A listener of the site."""
        inside = batch.point < len(self._known)
        rows = np.flatnonzero(inside & self._known[np.where(inside, batch.point, 0)])
        if not len(rows):
            return
        ids = batch.point[rows]
        moved = self._quality[ids] != batch.quality[rows]
        with np.errstate(invalid="ignore"):
            moved |= np.abs(batch.value[rows] - self._value[ids]) > self._deadband[ids]
        moved |= np.isnan(batch.value[rows]) != np.isnan(self._value[ids])
        for at in np.flatnonzero(self._text[ids]).tolist():
            moved[at] |= self._words.get(int(ids[at])) != batch.text.get(int(rows[at]))
        if moved.any():
            self._changed.update(ids[moved].tolist())
            self.woken.set()

    def told(self, batch: ReadingBatch) -> None:
        """These readings have been sent."""
        self._value[batch.point], self._quality[batch.point] = batch.value, batch.quality
        for row, text in batch.text.items():
            self._words[int(batch.point[row])] = text

    def fetch(self) -> set[int]:
        """The ids of what changed since the last time."""
        found, self._changed = self._changed, set()
        self.woken.clear()
        return found
