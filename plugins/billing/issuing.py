"""The issuing half of a bill run: numbers, invoices, ledger and events in one short transaction a
chunk, so that a run that is killed leaves neither a gap nor a double."""

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from hub import LEDGER, Ctx, Fact

from .calculating import CHUNK, Open, Progress, counts, the_run
from .events import InvoiceCreated
from .models_bills import BillRun, RunStatus
from .sql_bills import (
    BY_KEY,
    ISSUE,
    LEAVE_BILLED,
    LOCK_SERIES,
    NEXT_PLACES,
    OPEN_SERIES,
    TAKE_NUMBERS,
)


async def issue(open_: Open, run_id: UUID, progress: Progress) -> dict[str, Any]:
    """Issue what is ready, chunk by chunk, and mark the run as issued."""
    done = 0
    while True:
        async with open_() as ctx:
            run = await the_run(ctx, run_id, RunStatus.APPROVED, RunStatus.ISSUED)
            if run.status is RunStatus.ISSUED:
                return run.counts
            many = await _chunk(ctx, run)
            done += many
            if not many:
                run.status = RunStatus.ISSUED
                run.counts = await counts(ctx, run_id)
                return run.counts
        await progress(done)


async def lock_series(ctx: Ctx, prefix: str, day: dt.date) -> tuple[str, int, dt.date]:
    """Hold the series of a day's year until the commit: its name, last number and issue day.

    The day is that of the last number, if that is later: numbers rise with their days (R22).
    """
    connection = await ctx.db.connection()
    series = f"{prefix}-{day.year}"
    arguments = {"tenant": ctx.actor.tenant, "series": series, "day": day}
    await connection.exec_driver_sql(OPEN_SERIES, arguments)
    row = (await connection.exec_driver_sql(LOCK_SERIES, arguments)).one()
    return series, row.last, max(day, row.last_day)


async def take_numbers(ctx: Ctx, series: str, last: int, day: dt.date) -> None:
    connection = await ctx.db.connection()
    arguments = {"tenant": ctx.actor.tenant, "series": series, "last": last, "day": day}
    await connection.exec_driver_sql(TAKE_NUMBERS, arguments)


async def _chunk(ctx: Ctx, run: BillRun) -> int:
    """Issue the next items; how many were looked at."""
    connection = await ctx.db.connection()
    series, before, day = await lock_series(ctx, "INV", run.issue_date)
    arguments: dict[str, Any] = {"tenant": ctx.actor.tenant, "run": run.id, "many": CHUNK}
    places = [r.place for r in await connection.exec_driver_sql(NEXT_PLACES, arguments)]
    if not places:
        return 0
    arguments |= {
        "places": places,
        "series": series,
        "before": before,
        "day": day,
        "now": ctx.clock(),
    }
    await connection.exec_driver_sql(BY_KEY, {"on": "off"})
    await connection.exec_driver_sql(LEAVE_BILLED, arguments)
    issued = (await connection.exec_driver_sql(ISSUE, arguments)).all()
    await connection.exec_driver_sql(BY_KEY, {"on": "on"})
    await take_numbers(ctx, series, before + len(issued), day)
    await ctx.get(LEDGER).record(ctx, _facts(issued, day))
    for row in issued:
        told = InvoiceCreated(
            invoice_id=row.id, invoice_no=row.invoice_no, account_id=row.account_id, total=row.total
        )
        ctx.emit(told)
    return len(places)


def _facts(issued: Sequence[Any], day: dt.date) -> list[Fact]:
    """A bill of nothing moves nothing."""
    return [
        fact(row.id, row.invoice_no, row.account_id, row.parts, day)
        for row in issued
        if any(row.parts.values())
    ]


def fact(ident: UUID, number: str, account: UUID, parts: dict[str, int], day: dt.date) -> Fact:
    return Fact(
        kind="invoice.issued",
        key=str(ident),
        day=day,
        description=number,
        amounts=parts,
        party_type="account",
        party_id=account,
        reference_type="invoice",
        reference_id=ident,
    )
