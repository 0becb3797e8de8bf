"""From the buffer to a target: at least once, in order, however long the target was away."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Protocol

import numpy as np

from hub import ConfigError, Journal, Point, ReadingBatch, Site, Stretch

from .cursor import Cursor, Position
from .settings import Target

log = logging.getLogger(__name__)

FETCHED = 256 << 10  # bytes of frames that are taken from the buffer at a time


class Forwarder(Protocol):
    """One target."""

    async def send(self, batch: ReadingBatch, points: Mapping[int, Point]) -> None:
        """Return once the target has them, or will never take them (told in the log).

        LinkError, AuthError or ConfigError when it does not have them: they are sent again.
        points: by id, all that are in the batch.
        """


class Forwarding:
    """The buffer holds what waits, so a slow target costs no memory here."""

    def __init__(
        self,
        target: Target,
        forwarder: Forwarder,
        cursor: Cursor,
        journal: Journal,
        site: Site,
        where: Callable[[int], str],
    ) -> None:
        self._target, self._forwarder, self._cursor = target, forwarder, cursor
        self._journal, self._site, self._where = journal, site, where

    async def run(self, up: Callable[[], None]) -> None:
        """Until the target fails; what it did not take is begun with the next time."""
        points = self._chosen()
        position = await asyncio.to_thread(self._cursor.load)
        while True:
            found = await self._journal.after(position.epoch, position.seq, FETCHED)
            if found is None:
                await asyncio.sleep(self._target.every)
                continue
            self._missing(position, found)
            for batch in pieces(found.batches, points, self._target.batch):
                await self._forwarder.send(batch, points)
            up()
            position = Position(epoch=found.epoch, seq=found.last)
            await asyncio.to_thread(self._cursor.save, position)

    def _chosen(self) -> dict[int, Point]:
        found: dict[int, Point] = {}
        for at, pattern in enumerate(self._target.points):
            own = {p.id: p for key, p in self._site.points.items() if fnmatchcase(key, pattern)}
            if not own:
                raise ConfigError(f"{self._where(at)}: {pattern!r} is no point of this gateway")
            found |= own
        return found

    def _missing(self, position: Position, found: Stretch) -> None:
        """Tell what the buffer let go before the target had it."""
        lost = found.first - position.seq - 1
        if position.epoch == found.epoch and lost > 0:
            extra = {"action": "forward.gap", "target": self._target.name, "frames": lost}
            name = self._target.name
            log.error("forward %s: %d frames had left the buffer", name, lost, extra=extra)


def pieces(
    batches: Sequence[ReadingBatch], points: Mapping[int, Point], most: int
) -> Iterator[ReadingBatch]:
    """The readings of these points, at most `most` at a time, in order."""
    ids = np.fromiter(points, np.uint32, len(points))
    for batch in batches:
        rows = np.flatnonzero(np.isin(batch.point, ids))
        for start in range(0, len(rows), most):
            own = rows[start : start + most]
            texts = {n: batch.text[row] for n, row in enumerate(own.tolist()) if row in batch.text}
            yield ReadingBatch(
                batch.point[own],
                batch.time[own],
                batch.value[own],
                batch.quality[own],
                batch.cause,
                texts,
            )
