"""Makers of readings, and a central side without HTTP."""

import importlib.util
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
from alembic.migration import MigrationContext
from alembic.operations import Operations
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

import sync
from hub import Catalogue, CatalogueEntry, Event, PointSpec, ReadingBatch, Record, Stream
from sync.gateways import Gateway, enrol
from sync.ingest import Ingest
from sync.store.common import Store
from sync.store.timescale import open_store
from sync.wire import Receipt, Upload

MIGRATIONS = Path(sync.__file__).parent / "migrations"
START = 1_700_000_000_000_000


def make_batch(count: int, at: int, points: int = 100) -> ReadingBatch:
    """Readings numbered from `at`: 1 ms apart, with values that do not compress."""
    number = np.arange(at, at + count)
    return ReadingBatch(
        (number % points + 1).astype(np.uint32),
        START + number * 1_000,
        np.sin(number.astype(np.float64) ** 2),
        np.zeros(count, np.uint16),
    )


def migrate(dsn: str) -> None:
    """Apply the revisions of sync alone."""
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), poolclass=NullPool
    )
    with engine.begin() as connection:
        operations = Operations(MigrationContext.configure(connection))
        for path in sorted(MIGRATIONS.glob("sync_[0-9]*.py")):
            spec = importlib.util.spec_from_file_location(path.stem, path)
            assert spec
            assert spec.loader
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            with Operations.context(operations.migration_context):
                module.upgrade()
    engine.dispose()


class Directory:
    """A small owner of points: a series for each (gateway, device, point)."""

    TABLE = """CREATE TABLE IF NOT EXISTS test_point (
        series integer GENERATED ALWAYS AS IDENTITY (START 1001) PRIMARY KEY,
        gateway uuid, device text, name text, UNIQUE (gateway, device, name))"""

    async def adopt(
        self, connection: Any, gateway: UUID, entries: Sequence[CatalogueEntry]
    ) -> Mapping[int, int]:
        found = {}
        for entry in entries:
            cursor = await connection.execute(
                "INSERT INTO test_point (gateway, device, name) VALUES (%s, %s, %s)"
                " ON CONFLICT (gateway, device, name) DO UPDATE SET name = excluded.name"
                " RETURNING series",
                (gateway, entry.device, entry.spec.name),
            )
            found[entry.id] = (await cursor.fetchone())[0]
        return found

    async def told(self, connection: Any, gateway: UUID, record: Record) -> Sequence[Event]:
        await connection.execute("SELECT 1")
        return ()


@dataclass
class Centre:
    """A central side without HTTP."""

    dsn: str
    pool: AsyncConnectionPool[Any]
    store: Store
    ingest: Ingest
    gateway: UUID
    key: str

    async def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        async with self.pool.connection() as connection:
            return await (await connection.execute(query, values or None)).fetchall()

    async def take(self, stream: Stream, epoch: UUID, *data: bytes) -> Receipt:
        return await self.ingest.take(
            Gateway(self.gateway, None), stream, Upload(epoch.bytes, list(data))
        )


@asynccontextmanager
async def open_centre(dsn: str) -> AsyncIterator[Centre]:
    async with AsyncConnectionPool(dsn, min_size=1, max_size=4, open=False) as pool:
        async with pool.connection() as connection:
            await connection.execute(Directory.TABLE)
            gateway, key = await enrol(connection, "g1")
        store = await open_store(pool, dsn)
        async with store.running():
            yield Centre(dsn, pool, store, Ingest(pool, store, Directory()), gateway, key)


def catalogue(count: int, device: str = "m") -> Catalogue:
    """Points 1…count, each expected every second."""
    return Catalogue(
        at=START,
        points=tuple(
            CatalogueEntry(
                id=n, device=device, spec=PointSpec(name=f"p{n}", address=f"hr:{n}", every=1.0)
            )
            for n in range(1, count + 1)
        ),
    )
