"""A journal in memory: what a gateway or driver under test has kept."""

from collections.abc import AsyncIterator, Sequence
from typing import TypeVar
from uuid import UUID

import numpy as np

from hub.contract.journal import JournalStatus, Place, Record, Stream, Stretch
from hub.contract.readings import ReadingBatch
from hub.kernel.points import pick

R = TypeVar("R", bound=Record)


class MemoryJournal:
    """`hub.Journal` that keeps everything in lists, in the order of arrival."""

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}
        self.batches: list[tuple[Stream, ReadingBatch]] = []
        self.records: list[Record] = []
        self.flushes = 0

    async def point_ids(self, keys: Sequence[str]) -> list[int]:
        return [self.ids.setdefault(key, len(self.ids) + 1) for key in keys]

    def readings(self, batch: ReadingBatch, stream: Stream = Stream.TELEMETRY) -> None:
        self.batches.append((stream, batch))

    def record(self, record: Record) -> None:
        self.records.append(record)

    async def flush(self) -> None:
        self.flushes += 1

    async def locate(self, point: int, time: int) -> Place | None:
        for seq, (stream, batch) in enumerate(self.batches, 1):
            rows = np.flatnonzero((batch.point == point) & (batch.time == time))
            if len(rows):
                return Place(stream=stream, seq=seq, row=int(rows[0]), acknowledged=False)
        return None

    async def after(self, epoch: UUID | None, seq: int, max_bytes: int) -> Stretch | None:
        last = len(self.batches)
        if seq >= last:
            return None
        chosen = [b for s, b in self.batches[seq:] if s is Stream.TELEMETRY]
        return Stretch(epoch=UUID(int=0), first=seq + 1, last=last, batches=tuple(chosen))

    async def history(self, since: int, until: int) -> AsyncIterator[ReadingBatch]:
        for _, batch in list(self.batches):
            yield pick(batch, (batch.time >= since) & (batch.time < until))

    def status(self) -> JournalStatus:
        return JournalStatus(
            healthy=True,
            depth=sum(len(b) for _, b in self.batches),
            bytes=0,
            oldest_unsent=None,
            committed=len(self.batches),
            acknowledged=0,
            dropped=0,
        )

    def of(self, kind: type[R]) -> list[R]:
        """Records of one type."""
        return [r for r in self.records if isinstance(r, kind)]

    def values(self, point: int) -> list[tuple[int, float, int]]:
        """(time, value, quality) of one point, in the order of arrival."""
        return [
            (int(t), float(v), int(q))
            for _, b in self.batches
            for p, t, v, q in zip(b.point, b.time, b.value, b.quality, strict=True)
            if p == point
        ]
