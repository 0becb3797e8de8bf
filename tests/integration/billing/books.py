"""A company with open books and a bill run that is driven step by step, without a worker."""

import datetime as dt

from sqlalchemy import text

from hub import UNIT, Actor
from plugins.billing.calculating import calculate, select_items
from plugins.billing.issuing import issue
from plugins.billing.models_bills import BillRun
from plugins.finance import SUBLEDGERS, open_books
from plugins.finance.proof import prove


async def quiet(_):
    """Nobody watches the progress."""


class Office:
    """One company below the API: bill runs, the ledger, proofs."""

    def __init__(self, central, tenant, currency="USD"):
        self.central, self.tenant, self.currency = central, tenant, currency
        self.unit = central.get(UNIT)
        self.actor = Actor(id="office", tenant=tenant, kind="system", permissions=frozenset("*"))

    def __call__(self):
        return self.unit(self.actor)

    async def open(self, *years):
        for year in years:
            async with self() as ctx:
                await open_books(ctx, currency=self.currency, year=year)

    async def sql(self, statement, **arguments):
        async with self() as ctx:
            done = await ctx.db.execute(text(statement), arguments)
            return done.all() if done.returns_rows else []

    async def select(self, until, **given):
        until = dt.date.fromisoformat(until)
        async with self() as ctx:
            run = BillRun(cycle="monthly", until=until, issue_date=until, **given)
            ctx.db.add(run)
            await ctx.db.flush()
            await select_items(ctx, run)
        return run.id

    async def calculate(self, run):
        return await calculate(self, run, quiet)

    async def issue(self, run):
        await self.sql("UPDATE billing_run SET status = 'approved' WHERE id = :id", id=run)
        return await issue(self, run, quiet)

    async def bill(self, until, **given):
        """A whole run; what became of its items by state."""
        run = await self.select(until, **given)
        await self.calculate(run)
        return await self.issue(run)

    async def held(self, run):
        rows = await self.sql(
            "SELECT code FROM billing_run_item WHERE run_id = :id AND code IS NOT NULL"
            " ORDER BY place", id=run
        )  # fmt: skip
        return [r.code for r in rows]

    async def sound(self):
        """All proofs of the books, and that numbers of bills have no gap."""
        async with self() as ctx:
            assert (await prove(ctx, self.central.get(SUBLEDGERS))).faults == {}
        rows = await self.sql(
            "SELECT n.series, n.last, count(i.number) AS many, max(i.number) AS top"
            " FROM billing_numbers n LEFT JOIN (SELECT tenant, series, number FROM billing_invoice"
            " UNION ALL SELECT tenant, series, number FROM billing_payment) i"
            " ON i.tenant = n.tenant AND i.series = n.series GROUP BY n.series, n.last"
        )
        assert [r for r in rows if not r.last == r.many == (r.top or 0)] == []
