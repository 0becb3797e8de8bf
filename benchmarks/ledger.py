"""What the ledger costs above bare SQL that writes the same rows without any check.

Bare SQL: one counter, an entry and two lines in one statement per transaction, on tables of its own
with the same keys, no row-level security, no triggers, no outbox. Both begin with empty tables.
"""

import asyncio
import datetime as dt
import importlib
import statistics
import tempfile
import time
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from psycopg_pool import AsyncConnectionPool

from benchmarks.figures import Figure, console, report
from hub import Actor, UnitOfWork, uuid7
from hub.kernel.database import Database, embedded
from hub.kernel.migrate import upgrade
from hub.kernel.uow import Unit
from plugins.finance import Entry, credit, debit, open_books, post, post_many
from plugins.finance.balances import roll_up
from plugins.finance.chain import seal
from plugins.finance.proof import prove

CONNECTIONS = 16
SINGLE, BATCHES, BATCH = 2_000, 20, 1_000
RUNS = 3
DAY = dt.date(2026, 6, 15)
PARTIES = [uuid7() for _ in range(1_000)]

BARE = """
CREATE TABLE bare_counter (id int PRIMARY KEY, last bigint);
INSERT INTO bare_counter VALUES (1, 0);
CREATE TABLE bare_entry (id uuid PRIMARY KEY, number bigint UNIQUE, day date, key text UNIQUE,
  description text, at timestamptz);
CREATE TABLE bare_line (entry uuid, no int, account int, amount bigint, party uuid,
  PRIMARY KEY (entry, no));
CREATE INDEX ON bare_line (account);
"""
BARE_POST = """
WITH n AS (UPDATE bare_counter SET last = last + %(many)s WHERE id = 1
           RETURNING last - %(many)s AS before),
g AS (SELECT * FROM unnest(
  %(ids)s::uuid[], %(keys)s::text[], %(amounts)s::bigint[], %(parties)s::uuid[]
) WITH ORDINALITY AS g(id, key, amount, party, place)),
e AS (INSERT INTO bare_entry SELECT id, before + place, %(day)s, key, 'Energy', now() FROM g, n)
INSERT INTO bare_line
SELECT id, 1, 1, amount, party FROM g UNION ALL SELECT id, 2, 2, -amount, NULL FROM g
"""


def entry(key: str, number: int) -> Entry:
    party = PARTIES[number % len(PARTIES)]
    lines = (
        debit("@receivables", 100 + number, party_type="customer", party_id=party),
        credit("@energy_revenue", 100 + number),
    )
    return Entry(kind="bench", key=key, day=DAY, description="Energy", lines=lines)


def bare(prefix: str, many: int) -> dict[str, Any]:
    return {
        "many": many,
        "ids": [uuid7() for _ in range(many)],
        "keys": [f"{prefix}{i}" for i in range(many)],
        "amounts": [100 + i for i in range(many)],
        "parties": [PARTIES[i % len(PARTIES)] for i in range(many)],
        "day": DAY,
    }


async def shared(work: Callable[[int], Awaitable[None]], count: int, workers: int) -> float:
    """Calls of `work` per second by so many workers at once."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await work(number)

    start = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(workers)))
    return count / (time.perf_counter() - start)


async def compare(
    ours: Callable[[int, int], Awaitable[None]],
    theirs: Callable[[int, int], Awaitable[None]],
    count: int,
    workers: int,
) -> tuple[float, float]:
    """Medians of both, in turns, so that a busy machine hits both alike."""
    rates: tuple[list[float], list[float]] = ([], [])
    for run in range(RUNS):
        for taken, work in zip(rates, (ours, theirs), strict=True):
            taken.append(await shared(lambda n, w=work, r=run: w(r, n), count, workers))
    return statistics.median(rates[0]), statistics.median(rates[1])


async def prepare(database: Database) -> tuple[UnitOfWork, Actor]:
    unit = Unit(database)
    actor = Actor(id="bench", tenant=uuid7(), kind="system", permissions=frozenset({"*"}))
    async with unit(actor) as ctx:
        await open_books(ctx, currency="USD", year=2026)
    async with database.owner() as owner:
        await owner.execute(BARE)
    return unit, actor


async def run(dsn: str) -> list[Figure]:
    async with Database(dsn, size=CONNECTIONS) as database:
        unit, actor = await prepare(database)
        pool = AsyncConnectionPool(dsn, min_size=CONNECTIONS, max_size=CONNECTIONS, open=False)
        await pool.open(wait=True)

        async def single(run: int, n: int) -> None:
            async with unit(actor) as ctx:
                await post(ctx, entry(f"s{run}-{n}", n))

        async def single_bare(run: int, n: int) -> None:
            async with pool.connection() as connection:
                await connection.execute(BARE_POST, bare(f"s{run}-{n}-", 1))

        async def batch(run: int, n: int) -> None:
            async with unit(actor) as ctx:
                await post_many(ctx, [entry(f"b{run}-{n}-{i}", i) for i in range(BATCH)])

        async def batch_bare(run: int, n: int) -> None:
            async with pool.connection() as connection:
                await connection.execute(BARE_POST, bare(f"b{run}-{n}-", BATCH))

        one = await compare(single, single_bare, SINGLE, CONNECTIONS)
        console.print(f"single: {one[0]:,.0f} and bare {one[1]:,.0f} entries/s")
        many = await compare(batch, batch_bare, BATCHES, 1)
        await pool.close()
        await after(unit, actor)
    return [
        _figure("single entries, 16 connections, one control account", *one),
        _figure("batches of 1,000", many[0] * BATCH, many[1] * BATCH),
    ]


def _figure(name: str, ours: float, theirs: float) -> Figure:
    return Figure(
        name=name, ours=ours, ceiling=theirs, unit="entries/s", against="bare SQL, no checks"
    )


async def after(unit: UnitOfWork, actor: Actor) -> None:
    """What runs behind the posting, and that the books agree at the end."""
    async with unit(actor) as ctx:
        for name, work in (("sealed", seal), ("rolled up", roll_up)):
            start = time.perf_counter()
            done = await work(ctx)
            rate = done / (time.perf_counter() - start)
            console.print(f"{name}: {done:,} entries at {rate:,.0f} entries/s")
        start = time.perf_counter()
        proof = await prove(ctx)
        took = time.perf_counter() - start
        console.print(f"proved: {proof.entries:,} entries in {took:.1f} s, sound: {proof.sound}")
        assert proof.sound, proof.faults


async def whole() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="busbar-bench-") as folder:
        await asyncio.to_thread(Path(folder).chmod, 0o755)
        async with embedded(Path(folder) / "postgres") as dsn:
            plugins = [
                importlib.import_module(f"plugins.{n}").hub_plugin()
                for n in ("identity", "finance")
            ]
            await asyncio.to_thread(upgrade, dsn, plugins)
            return await run(dsn)


def main() -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR")
        report("Ledger", asyncio.run(whole()))
