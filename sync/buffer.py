"""The journal of a gateway: what it acknowledges survives a kill and a power cut."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import aiosqlite
import msgspec
import numpy as np

from hub import Catalogue, JournalStatus, Place, ReadingBatch, Record, Stream, Stretch
from hub.kernel.points import pick

from . import frames
from .inbox import Inbox
from .writer import HOPELESS, Limits, Writer

CLOSE_WITHIN = 2.0  # s


def now_us() -> int:
    """µs since 1970 UTC."""
    return time.time_ns() // 1_000


class Waiting(NamedTuple):
    """Consecutive frames behind a sequence number, with the epoch that they belong to."""

    epoch: UUID
    first: int
    last: int
    readings: int
    frames: list[bytes]


class Buffer:
    """`hub.Journal` on a SQLite file. Use `opened`, which also closes it."""

    def __init__(
        self,
        path: Path,
        limits: Limits | None = None,
        *,
        max_queue: int = 500_000,
        clock: Callable[[], int] = now_us,
    ) -> None:
        self.path = path
        self._loop = asyncio.get_running_loop()
        self._inbox = Inbox(max_queue, 20_000, clock)
        self._writer = Writer(path, self._inbox, limits or Limits(), clock, self._committed)
        self._flushes: list[tuple[int, asyncio.Future[None]]] = []
        self._news = asyncio.Event()
        self._reader: tuple[int, aiosqlite.Connection] | None = None
        self._reading = asyncio.Lock()  # a file that is replaced is not closed under a reader
        self._done = 0

    @classmethod
    @asynccontextmanager
    async def opened(
        cls,
        path: Path,
        limits: Limits | None = None,
        *,
        max_queue: int = 500_000,
        clock: Callable[[], int] = now_us,
    ) -> AsyncIterator["Buffer"]:
        """Open or begin the file; a file that cannot be used is trouble told, not raised."""
        buffer = cls(path, limits, max_queue=max_queue, clock=clock)
        buffer._writer.start()
        await asyncio.wrap_future(buffer._writer.call(lambda: None))
        try:
            yield buffer
        finally:
            await buffer._close()

    async def _close(self) -> None:
        await self._drop_reader()
        await asyncio.to_thread(self._writer.finish, CLOSE_WITHIN)
        for _, future in self._flushes:
            future.cancel()

    async def point_ids(self, keys: Sequence[str]) -> list[int]:
        """Local ids of `device.point` keys, assigned at first sight and never reused."""
        return await asyncio.wrap_future(self._writer.call(lambda: self._writer.point_ids(keys)))

    def readings(self, batch: ReadingBatch, stream: Stream = Stream.TELEMETRY) -> None:
        """Queue for the next group commit. Never blocks."""
        if len(batch):
            self._inbox.put(stream, batch)

    def record(self, record: Record) -> None:
        """Queue a record on the events stream."""
        self._inbox.put(Stream.EVENTS, record)

    async def flush(self) -> None:
        """Return when all that was queued before is on disk (or was counted as lost)."""
        ticket = self._inbox.hurry()
        if ticket > self._done:
            future: asyncio.Future[None] = self._loop.create_future()
            self._flushes.append((ticket, future))
            await future

    def status(self) -> JournalStatus:
        """Counts of this epoch; `depth` and `dropped` include what is and was in memory."""
        known = self._writer.status
        return msgspec.structs.replace(
            known,
            depth=known.depth + self._inbox.rows,
            dropped=known.dropped + self._inbox.dropped,
        )

    async def locate(self, point: int, time: int) -> Place | None:
        """The youngest frame on disk that holds the reading of that local id and time."""
        try:
            database = await self._database()
            acknowledged = await self.positions()
            async with database.execute(
                "SELECT stream, seq, bytes FROM frame WHERE kind = ? AND first <= ? AND last >= ?"
                " ORDER BY seq DESC LIMIT 50",
                (frames.FrameKind.READINGS, time, time),
            ) as found:
                async for stream, seq, data in found:
                    batch = frames.readings(frames.decode(data))
                    rows = np.flatnonzero((batch.point == point) & (batch.time == time))
                    if len(rows):
                        sent = seq <= acknowledged[Stream(stream)]
                        row = int(rows[0])
                        return Place(stream=Stream(stream), seq=seq, row=row, acknowledged=sent)
        except (sqlite3.Error, frames.FrameError):
            return None  # damage is found and told by whoever sends or commits
        return None

    async def after(self, epoch: UUID | None, seq: int, max_bytes: int) -> Stretch | None:
        """What lies on disk behind frame `seq` of the telemetry, from its beginning when the epoch
        is another by now; None when nothing does (now).
        """
        try:
            found = await self.fetch(Stream.TELEMETRY, seq, max_bytes)
            if found is None or found.epoch != epoch:
                async with self._reading:
                    known = epoch == await self._epoch()
                if known:
                    return None
                found = await self.fetch(Stream.TELEMETRY, 0, max_bytes)
        except sqlite3.Error:
            return None  # told by whoever commits
        if found is None:
            return None
        opened = [frames.decode(data) for data in found.frames]
        batches = tuple(
            frames.readings(frame) for frame in opened if frame.kind == frames.FrameKind.READINGS
        )
        return Stretch(epoch=found.epoch, first=found.first, last=found.last, batches=batches)

    async def history(self, since: int, until: int) -> AsyncIterator[ReadingBatch]:
        """Readings on disk with since ≤ time < until, one stream after the other as committed.

        Read piece by piece, so that nobody's export keeps the log from being trimmed.
        """
        for stream in Stream:
            after = -1
            while piece := await self._piece(stream, after, since, until):
                for after, data in piece:  # noqa: B007 - where the next piece begins
                    with contextlib.suppress(frames.FrameError):
                        batch = frames.readings(frames.decode(data))
                        rows = (batch.time >= since) & (batch.time < until)
                        if rows.any():
                            yield pick(batch, rows)

    async def _piece(
        self, stream: Stream, after: int, since: int, until: int
    ) -> list[tuple[int, bytes]]:
        try:
            database = await self._database()
            async with database.execute(
                "SELECT seq, bytes FROM frame WHERE stream = ? AND seq > ? AND kind = ?"
                " AND last >= ? AND first < ? ORDER BY seq LIMIT 16",
                (stream, after, frames.FrameKind.READINGS, since, until),
            ) as found:
                return [(seq, data) async for seq, data in found]
        except sqlite3.Error:
            return []  # damage is found and told by whoever sends or commits

    def acknowledge(self, stream: Stream, seq: int) -> None:
        """The centre has stored all frames up to `seq`."""
        self._writer.acknowledge(stream, seq)

    async def republish(self) -> None:
        """Queue the whole catalogue again."""
        catalogue: Catalogue = await asyncio.wrap_future(self._writer.call(self._writer.catalogue))
        if catalogue.points:
            self.record(catalogue)

    async def contradicts(self, stream: Stream, seq: int, hashed: bytes) -> bool:
        """Whether frame `seq`, which the centre has, is another here or not even written yet."""
        database = await self._database()
        async with database.execute(
            "SELECT seq, hash FROM frame WHERE stream = ? AND seq >= ? ORDER BY seq LIMIT 1",
            (stream, seq),
        ) as found:
            ours = await found.fetchone()
        return ours is None or (ours[0] == seq and ours[1] != hashed)

    async def renew(self, since: int) -> None:
        """Take what was written since `since` (µs since 1970 UTC) into a new epoch."""
        writer = self._writer
        await asyncio.wrap_future(writer.call(lambda: writer.renew(since)))

    async def wait(self) -> None:
        """Return when something was committed since the last call."""
        await self._news.wait()
        self._news.clear()

    async def positions(self) -> dict[Stream, int]:
        """The acknowledged sequence number of each stream, as far as the file tells."""
        database = await self._database()
        async with database.execute("SELECT name, acknowledged FROM stream") as rows:
            return {Stream(name): seq async for name, seq in rows}

    async def fetch(self, stream: Stream, after: int, max_bytes: int) -> Waiting | None:
        """Frames behind `after`, at least one if there is one; None when there is none.

        Raises sqlite3.Error when the file cannot be read now; a damaged one is then replaced.
        """
        try:
            async with self._reading:
                waiting, damaged = await self._fetch(stream, after, max_bytes)
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in HOPELESS:
                await self._drop_reader()
                await asyncio.wrap_future(self._writer.call(self._writer.distrust))
            raise
        if damaged:
            writer = self._writer
            await asyncio.wrap_future(writer.call(lambda: writer.condemn(stream, damaged)))
            return waiting or await self.fetch(stream, after, max_bytes)
        return waiting

    async def _fetch(
        self, stream: Stream, after: int, max_bytes: int
    ) -> tuple[Waiting | None, int]:
        """What waits before the first damaged frame, and the number of that (0: none)."""
        database = await self._database()
        epoch = await self._epoch()
        chosen: list[bytes] = []
        size = last = readings = damaged = 0
        async with database.execute(
            "SELECT seq, bytes, hash, kind, count FROM frame WHERE stream = ? AND seq > ?"
            " ORDER BY seq LIMIT 1000",
            (stream, after),
        ) as rows:
            async for seq, data, hashed, kind, count in rows:
                if kind != frames.FrameKind.LOST and frames.digest(data) != hashed:
                    damaged = seq
                    break
                size += len(data) + 8
                if chosen and size > max_bytes:
                    break
                chosen.append(data)
                last = seq
                readings += count if kind == frames.FrameKind.READINGS else 0
        if not chosen:
            return None, damaged
        first = frames.decode(chosen[0]).seq
        return Waiting(epoch, first, last, readings, chosen), damaged

    async def _epoch(self) -> UUID:
        database = await self._database()
        async with database.execute("SELECT epoch FROM buffer") as found:
            (epoch,) = await found.fetchone() or (b"",)
        return UUID(bytes=epoch)

    async def _database(self) -> aiosqlite.Connection:
        generation = self._writer.generation
        if self._reader and self._reader[0] != generation:
            await self._drop_reader()
        if not self._reader:
            connection = await aiosqlite.connect(
                f"{self.path.absolute().as_uri()}?mode=ro", uri=True, timeout=5
            )
            self._reader = generation, connection
        return self._reader[1]

    async def _drop_reader(self) -> None:
        if self._reader:
            connection, self._reader = self._reader[1], None
            await connection.close()

    def _committed(self, ticket: int) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._announce, ticket)

    def _announce(self, ticket: int) -> None:
        self._done = max(self._done, ticket)
        self._news.set()
        waiting = []
        for wanted, future in self._flushes:
            if wanted > self._done:
                waiting.append((wanted, future))
            elif not future.done():
                future.set_result(None)
        self._flushes = waiting
