"""PostgreSQL alone: a partition a day, made when its first readings come.

Times far from today (a device whose clock was never set) go to the partition `reading_other`, so
that no sender can make partitions without end.
"""

import asyncio
import datetime as dt
from typing import Any

import numpy as np
import structlog
from psycopg_pool import AsyncConnectionPool

from hub import ReadingBatch

from .common import Store, aware

DAY = 86_400_000_000  # µs
BACK, AHEAD = 800, 2  # days around today that have partitions of their own
LOCK = 0x62757361  # one process makes partitions at a time

_logger = structlog.get_logger(__name__)


def partition_name(day: dt.datetime) -> str:
    return f"reading_d{day:%Y%m%d}"


class PlainStore(Store):
    """Native range partitions by day of UTC."""

    def __init__(self, pool: AsyncConnectionPool[Any], dsn: str) -> None:
        super().__init__(pool, dsn)
        self._known: set[int] = set()
        self._making = asyncio.Lock()

    async def prepare(self, batch: ReadingBatch) -> None:
        today = int(dt.datetime.now(dt.UTC).timestamp() * 1_000_000) // DAY
        days = np.unique(batch.time // DAY)
        wanted = days[(days >= today - BACK) & (days <= today + AHEAD)].tolist()
        if set(wanted) <= self._known:
            return
        async with self._making:
            new = sorted(set(wanted) - self._known)
            await self._make(new)
            self._known.update(new)

    async def _make(self, days: list[int]) -> None:
        async with await self._owner() as connection:
            await connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
            for day in days:
                start, end = aware(day * DAY), aware((day + 1) * DAY)
                name = partition_name(start)
                cursor = await connection.execute("SELECT to_regclass(%s)", (name,))
                if (await cursor.fetchone() or (None,))[0]:
                    continue
                async with connection.transaction():
                    await connection.execute(
                        f"CREATE TABLE {name} (LIKE reading INCLUDING DEFAULTS)"
                    )
                    moved = await connection.execute(
                        f"WITH gone AS (DELETE FROM reading_other WHERE time >= %s AND time < %s"  # noqa: S608
                        f" RETURNING *) INSERT INTO {name} SELECT * FROM gone",
                        (start, end),
                    )
                    await connection.execute(
                        f"ALTER TABLE reading ATTACH PARTITION {name}"
                        f" FOR VALUES FROM ('{start}') TO ('{end}')"
                    )
                _logger.info("partition made", name=name, moved=moved.rowcount)

    async def drop_before(self, time: dt.datetime) -> int:
        """Drops whole days; what lies in `reading_other` is deleted row by row."""
        async with await self._owner() as connection:
            cursor = await connection.execute(
                "SELECT inhrelid::regclass::text FROM pg_inherits"
                " WHERE inhparent = 'reading'::regclass"
                r" AND inhrelid::regclass::text ~ '^reading_d\d{8}$' ORDER BY 1"
            )
            limit = partition_name(time.astimezone(dt.UTC))
            old = [name for (name,) in await cursor.fetchall() if name < limit]
            for name in old:
                await connection.execute(f"DROP TABLE {name}")
                _logger.info("partition dropped", name=name)
            await connection.execute("DELETE FROM reading_other WHERE time < %s", (time,))
            await connection.execute("DELETE FROM reading_text WHERE time < %s", (time,))
        self._known.clear()
        return len(old)
