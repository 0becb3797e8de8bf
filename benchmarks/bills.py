"""What a bill run costs above bare SQL that writes the same rows: bill, ledger entry and event.

Bare SQL: one statement a chunk from a table of numbers into tables of its own with the same keys;
no tariff, no reading, no row-level security, no trigger. Ours runs twice: on an empty database, and
when every account has a year of bills.
"""

import asyncio
import datetime as dt
import importlib
import tempfile
import time
import warnings
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from benchmarks.figures import Figure, console, report
from hub import LEDGER, Actor, Ctx, uuid7
from hub.kernel.database import Database, embedded
from hub.kernel.migrate import upgrade
from hub.kernel.uow import Unit
from plugins.billing.calculating import CHUNK, calculate, select_items
from plugins.billing.issuing import issue
from plugins.billing.models_bills import BillRun, RunStatus
from plugins.finance import open_books
from plugins.finance.posting import Books
from tests.integration.billing import fleet

MANY = 20_000
FULL = 12
BARE = """
CREATE TABLE bare_bill (id uuid PRIMARY KEY, number bigint UNIQUE, agreement uuid, start date,
  total bigint, statement jsonb, UNIQUE (agreement, start));
CREATE TABLE bare_entry (id uuid PRIMARY KEY, number bigint UNIQUE, key text UNIQUE, day date);
CREATE TABLE bare_line (entry uuid, no int, account int, amount bigint, party uuid,
  PRIMARY KEY (entry, no));
CREATE INDEX ON bare_line (account);
CREATE TABLE bare_event (sequence bigserial PRIMARY KEY, id uuid UNIQUE, data jsonb);
"""
BARE_CHUNK = """
WITH n AS MATERIALIZED (
  SELECT %(before)s + row_number() OVER () AS number, gen_random_uuid() AS bill,
         gen_random_uuid() AS entry, id AS agreement
    FROM (SELECT id FROM billing_agreement ORDER BY id LIMIT %(many)s OFFSET %(before)s) a
), b AS (
  INSERT INTO bare_bill SELECT bill, number, agreement, '2028-01-01', 4200, %(statement)s FROM n
), e AS (
  INSERT INTO bare_entry SELECT entry, number, bill::text, '2028-02-01' FROM n
), l AS (
  INSERT INTO bare_line SELECT entry, x, x, 1000, agreement FROM n, generate_series(1, 4) x
)
INSERT INTO bare_event (id, data) SELECT gen_random_uuid(), '{"invoice": "INV"}' FROM n
"""


class Company:
    """One company with so many customers; `Company()` opens a unit of work."""

    def __init__(self, database: Database) -> None:
        self.unit = Unit(database, services={LEDGER: Books()})
        self.actor = Actor(id="bench", tenant=uuid7(), kind="system", permissions=frozenset({"*"}))

    def __call__(self) -> AbstractAsyncContextManager[Ctx]:
        return self.unit(self.actor)

    async def bill(self, until: dt.date) -> tuple[int, float, float]:
        """How many bills, and the seconds of selecting with calculating, and of issuing."""
        start = time.perf_counter()
        async with self() as ctx:
            run = BillRun(cycle="monthly", until=until, issue_date=until, high=10**6, low=0)
            ctx.db.add(run)
            await ctx.db.flush()
            await select_items(ctx, run)
        await calculate(self, run.id, _quiet)
        half = time.perf_counter()
        await self._approve(run.id)
        done = await issue(self, run.id, _quiet)
        return done["issued"]["count"], half - start, time.perf_counter() - half

    async def _approve(self, run: UUID) -> None:
        async with self() as ctx:
            row: Any = await ctx.db.get(BillRun, (self.actor.tenant, run))
            row.status = RunStatus.APPROVED


async def _quiet(_: float) -> None:
    """Nobody watches."""


def bare(dsn: str) -> float:
    """Bills a second of bare SQL."""
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute(BARE)
        statement = owner.execute("SELECT statement::text FROM billing_invoice LIMIT 1").fetchone()
        start = time.perf_counter()
        for before in range(0, MANY, CHUNK):
            given = {"before": before, "many": CHUNK, "statement": statement[0]}  # type: ignore[index]
            owner.execute(BARE_CHUNK, given)
        return MANY / (time.perf_counter() - start)


async def run(dsn: str) -> list[Figure]:
    async with Database(dsn, size=4) as database:
        company = Company(database)
        async with company() as ctx:
            await open_books(ctx, currency="USD", year=2028)
            await open_books(ctx, currency="USD", year=2029)
            await fleet.fill(ctx, MANY)
        rates = []
        month = dt.date(2028, 2, 1)
        for turn in range(FULL):
            many, calculated, issued = await company.bill(month)
            assert many == MANY
            rates.append(many / (calculated + issued))
            console.print(
                f"{month}: {many / calculated:,.0f} calculated/s, {many / issued:,.0f} issued/s,"
                f" {rates[-1]:,.0f} in all"
            )
            month = (month + dt.timedelta(days=32)).replace(day=1)
            async with company() as ctx:
                await fleet.read(ctx, month.isoformat(), 1_100_000 + 100_000 * (turn + 1), 1_000)
    ceiling = await asyncio.to_thread(bare, dsn)
    return [
        Figure(name=name, ours=ours, ceiling=ceiling, unit="bills/s", against="bare SQL, no tariff")
        for name, ours in (("from an empty database", rates[0]), ("after a year", rates[-1]))
    ]


async def whole() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="busbar-bench-") as folder:
        await asyncio.to_thread(Path(folder).chmod, 0o755)
        async with embedded(Path(folder) / "postgres") as dsn:
            names = ("identity", "finance", "billing")
            plugins = [importlib.import_module(f"plugins.{n}").hub_plugin() for n in names]
            await asyncio.to_thread(upgrade, dsn, plugins)
            return await run(dsn)


def main() -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR")
        report(f"Bill run, {MANY:,} accounts", asyncio.run(whole()))
