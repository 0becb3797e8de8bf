"""Readings that reach the centre by themselves, stored in the caller's transaction."""

from typing import Any, cast
from uuid import UUID

import numpy as np

from hub import Ctx, ReadingBatch

from .store.common import Connection, Store, aware


class StoreInflow:
    """`hub.Inflow` on the centre's store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def store(self, ctx: Ctx, source: UUID, batch: ReadingBatch) -> int:
        """Store what is new, in the caller's transaction."""
        if not len(batch):
            return 0
        await self._store.prepare(batch)
        connection = await _driver(ctx)
        fresh = await _new(connection, batch)
        if len(fresh):
            await self._store.write(connection, source, fresh)
        return len(fresh)


async def _driver(ctx: Ctx) -> Connection:
    """The database connection below the caller's session."""
    raw = await (await ctx.db.connection()).get_raw_connection()
    return cast("Connection", raw.driver_connection)


async def _new(connection: Connection, batch: ReadingBatch) -> ReadingBatch:
    """What the store has nothing of at that time, and each only once."""
    cursor = await connection.execute(
        "SELECT point_id, (extract(epoch FROM time) * 1000000)::int8 FROM reading"
        " WHERE point_id = ANY(%s) AND time = ANY(%s)",
        (
            np.unique(batch.point).tolist(),
            [aware(time) for time in np.unique(batch.time).tolist()],
        ),
    )
    seen: set[Any] = set(await cursor.fetchall())
    keep: list[int] = []
    for row, key in enumerate(zip(batch.point.tolist(), batch.time.tolist(), strict=True)):
        if key not in seen:
            seen.add(key)
            keep.append(row)
    where = np.asarray(keep, np.intp)
    text = {at: batch.text[row] for at, row in enumerate(keep) if row in batch.text}
    return ReadingBatch(
        batch.point[where], batch.time[where], batch.value[where], batch.quality[where], text=text
    )
