"""TimescaleDB: a hypertable, compressed when the edition of the extension can."""

import datetime as dt
from typing import Any

import structlog
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from hub import ReadingBatch

from .common import Store
from .plain import PlainStore

COMPRESS_AFTER_DAYS = 14

_logger = structlog.get_logger(__name__)


class TimescaleStore(Store):
    """The hypertable makes its own chunks."""

    async def prepare(self, batch: ReadingBatch) -> None:
        """Nothing to do: chunks are made by the insert."""

    async def drop_before(self, time: dt.datetime) -> int:
        async with await self._owner() as connection:
            cursor = await connection.execute("SELECT drop_chunks('reading', %s)", (time,))
            dropped = len(await cursor.fetchall())
            await connection.execute("DELETE FROM reading_text WHERE time < %s", (time,))
        return dropped

    async def use_edition(self) -> str:
        """Switch on what the licence edition has; `apache` or `timescale`."""
        async with await self._owner() as connection:
            cursor = await connection.execute("SHOW timescaledb.license")
            (edition,) = await cursor.fetchone() or ("apache",)
            if edition == "timescale":
                await self._compress(connection)
        return str(edition)

    async def _compress(self, connection: AsyncConnection[Any]) -> None:
        await connection.execute(
            "ALTER TABLE reading SET (timescaledb.compress,"
            " timescaledb.compress_segmentby = 'point_id', timescaledb.compress_orderby = 'time')"
        )
        await connection.execute(
            "SELECT add_compression_policy('reading', make_interval(days => %s),"
            " if_not_exists => true)",
            (COMPRESS_AFTER_DAYS,),
        )
        _logger.info("readings are compressed", after_days=COMPRESS_AFTER_DAYS)


async def open_store(pool: AsyncConnectionPool[Any], dsn: str) -> Store:
    """The store that fits the database, as its schema was made."""
    async with await AsyncConnection.connect(dsn, autocommit=True) as connection:
        cursor = await connection.execute(
            "SELECT relkind::text FROM pg_class WHERE oid = 'reading'::regclass"
        )
        (kind,) = await cursor.fetchone() or ("p",)
    if kind == "p":
        return PlainStore(pool, dsn)
    store = TimescaleStore(pool, dsn)
    await store.use_edition()
    return store
