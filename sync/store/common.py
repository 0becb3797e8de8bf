"""What both kinds of database do alike: writing, the newest values, history, aggregates."""

import contextlib
import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
from psycopg import AsyncConnection, sql
from psycopg_pool import AsyncConnectionPool

from hub import Aggregate, Bucket, Completeness, ReadingBatch
from hub.kernel.bulletin import CHANNEL, Bulletin
from sync.completeness import completeness

from . import aggregates, rollups
from .columns import newest, pack, unpack

MINUTE = 60_000_000  # µs
TOPIC = "readings"
Connection = AsyncConnection[Any]

LATEST = """
INSERT INTO point_latest AS old (point_id, time, value, quality, text)
SELECT * FROM unnest(%s::int[], %s::timestamptz[], %s::float8[], %s::int2[], %s::text[])
ON CONFLICT (point_id) DO UPDATE SET
    time = excluded.time, value = excluded.value, quality = excluded.quality, text = excluded.text
 WHERE excluded.time >= old.time
"""


def aware(microseconds: int) -> dt.datetime:
    """A time of a reading as PostgreSQL takes it."""
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=microseconds)


class Store(ABC):
    """`hub.ReadingStore`. pool: of connections that may write; dsn: of the tables' owner."""

    def __init__(self, pool: AsyncConnectionPool[Any], dsn: str) -> None:
        self._pool, self._dsn = pool, dsn
        self._bulletin = Bulletin(dsn)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Store"]:
        """Listen for new readings of other processes."""
        async with self._bulletin.running():
            yield self

    @abstractmethod
    async def prepare(self, batch: ReadingBatch) -> None:
        """Make room for readings of these times, before the transaction that writes them."""

    @abstractmethod
    async def drop_before(self, time: dt.datetime) -> int:
        """Delete raw readings that are older, as whole pieces; how many pieces went."""

    async def write(self, connection: Connection, gateway: UUID, batch: ReadingBatch) -> None:
        """Store readings as part of the caller's transaction; `batch.point` holds series."""
        async with connection.cursor() as cursor:
            async with cursor.copy(
                "COPY reading (point_id, time, value, quality) FROM STDIN (FORMAT binary)"
            ) as copy:
                await copy.write(pack(batch))
            if batch.text:
                rows = [
                    (int(batch.point[row]), aware(int(batch.time[row])), text)
                    for row, text in batch.text.items()
                ]
                await cursor.executemany(
                    "INSERT INTO reading_text (point_id, time, value) VALUES (%s, %s, %s)", rows
                )
            await cursor.execute(LATEST, _latest_rows(batch))
            minutes = np.unique(batch.time // MINUTE) * MINUTE
            await cursor.execute(rollups.MARK, (gateway, [aware(m) for m in minutes.tolist()]))
            await cursor.execute("SELECT pg_notify(%s, %s)", (CHANNEL, TOPIC))

    async def latest(self, series: Sequence[int]) -> ReadingBatch:
        """The newest reading of each series that has one."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT point_id, (extract(epoch FROM time) * 1000000)::int8, value, quality, text"
                " FROM point_latest WHERE point_id = ANY(%s) ORDER BY point_id",
                (list(series),),
            )
            rows = await cursor.fetchall()
        return ReadingBatch.of(
            [row[0] for row in rows],
            [row[1] for row in rows],
            [row[2] for row in rows],
            [row[3] for row in rows],
            text={number: row[4] for number, row in enumerate(rows) if row[4] is not None},
        )

    async def history(
        self,
        series: Sequence[int],
        start: dt.datetime,
        end: dt.datetime,
        *,
        limit: int,
        after: tuple[dt.datetime, int] | None = None,
    ) -> ReadingBatch:
        """Raw readings in [start, end) by (time, series), beginning behind `after`."""
        behind: sql.Composable = sql.SQL("")
        if after:
            behind = sql.SQL("AND (time, point_id) > ({}, {})").format(
                sql.Literal(after[0]), sql.Literal(after[1])
            )
        where = sql.SQL("point_id = ANY({}) AND time >= {} AND time < {} {}").format(
            sql.Literal(list(series)), sql.Literal(start), sql.Literal(end), behind
        )
        query = sql.SQL(
            "COPY (SELECT point_id, time, value, quality FROM reading WHERE {}"
            " ORDER BY time, point_id LIMIT {}) TO STDOUT (FORMAT binary)"
        ).format(where, sql.Literal(limit))
        async with self._pool.connection() as connection:
            data = bytearray()
            async with connection.cursor() as cursor, cursor.copy(query) as copy:
                async for block in copy:
                    data += block
            batch = unpack(bytes(data))
            texts = await self._texts(connection, batch)
        return ReadingBatch(batch.point, batch.time, batch.value, batch.quality, text=texts)

    async def completeness(
        self, series: Sequence[int], start: dt.datetime, end: dt.datetime
    ) -> dict[int, Completeness]:
        """Whether all that was acquired in [start, end) is stored, or which holes there are."""
        async with self._pool.connection() as connection:
            return {one: await completeness(connection, one, start, end) for one in series}

    async def _texts(self, connection: Connection, batch: ReadingBatch) -> dict[int, str]:
        worded = np.flatnonzero(np.isnan(batch.value))
        if not len(worded):
            return {}
        cursor = await connection.execute(
            "SELECT point_id, (extract(epoch FROM time) * 1000000)::int8, value FROM reading_text"
            " WHERE point_id = ANY(%s) AND time BETWEEN %s AND %s",
            (
                np.unique(batch.point[worded]).tolist(),
                aware(int(batch.time.min())),
                aware(int(batch.time.max())),
            ),
        )
        known = {(point, time): text for point, time, text in await cursor.fetchall()}
        keys = zip(batch.point[worded].tolist(), batch.time[worded].tolist(), strict=True)
        rows = zip(worded.tolist(), keys, strict=True)
        return {row: known[key] for row, key in rows if key in known}

    async def aggregate(
        self,
        series: Sequence[int],
        start: dt.datetime,
        end: dt.datetime,
        *,
        bucket: str,
        fn: Aggregate,
        zone: str = "UTC",
        include_bad: bool = False,
    ) -> list[Bucket]:
        """Every bucket of every series, by (series, start); bad readings only on request.

        DELTA: what the counter rose since the last reading before the bucket; a fall (roll-over,
        new meter) adds nothing.
        """
        question = aggregates.Question(tuple(series), start, end, bucket, fn, zone, include_bad)
        async with self._pool.connection() as connection:
            return await aggregates.answer(connection, question)

    async def live(self, series: Sequence[int]) -> AsyncIterator[ReadingBatch]:
        """Readings as they are stored, conflated to the newest per series for a slow reader."""
        seen: dict[int, int] | None = None
        async for _ in self._bulletin.follow(TOPIC):
            batch = await self.latest(series)
            times = dict(zip(batch.point.tolist(), batch.time.tolist(), strict=True))
            known = seen
            if known is not None:
                rows = [
                    row
                    for row, (point, time) in enumerate(times.items())
                    if known.get(point) != time
                ]
                if rows:
                    yield _pick(batch, rows)
            seen = times

    async def refresh_rollups(self, now: dt.datetime, *, settle: float = 5.0) -> int:
        """Bring roll-ups up to date with all minutes that are over; how many minutes it were."""
        this_minute = (now - dt.timedelta(seconds=settle)).replace(second=0, microsecond=0)
        done = 0
        async with self._pool.connection() as connection:
            while taken := await rollups.refresh(connection, this_minute):
                done += taken
        return done

    async def _owner(self) -> Connection:
        return await psycopg.AsyncConnection.connect(self._dsn, autocommit=True)


def _pick(batch: ReadingBatch, rows: Sequence[int]) -> ReadingBatch:
    text = {at: batch.text[row] for at, row in enumerate(rows) if row in batch.text}
    where = np.asarray(rows)
    return ReadingBatch(
        batch.point[where], batch.time[where], batch.value[where], batch.quality[where], text=text
    )


def _latest_rows(batch: ReadingBatch) -> tuple[list[Any], ...]:
    rows = newest(batch)
    return (
        batch.point[rows].tolist(),
        [aware(time) for time in batch.time[rows].tolist()],
        batch.value[rows].tolist(),
        batch.quality[rows].tolist(),
        [batch.text.get(row) for row in rows.tolist()],
    )
