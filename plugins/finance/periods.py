"""Periods: opened by the year, closed in order, reopened from the end."""

import datetime as dt
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta
from sqlalchemy import func, select, text

from hub import Conflict, Ctx, Op, Resource, action

from . import balances
from .books import base_currency, open_year
from .entries import Entry, Line
from .errors import Unbalanced
from .events import PeriodReopened, PeriodWasClosed, ReportGenerated
from .models import Account, AccountType, EntryStatus, JournalEntry, Period, PeriodStatus, Series
from .service import post

periods = Resource(
    name="periods",
    model=Period,
    ops=Op.READ,
    filters=("fiscal_year", "period_no", "status", "start_date", "end_date"),
    sort=("start_date", "fiscal_year", "period_no"),
)


class OpenYear(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """start_date: the first of a month; twelve months and a period 13 are opened."""

    start_date: dt.date
    fiscal_year: Annotated[int, Meta(ge=1900, le=9999)] | None = None


class Close(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    accept_open_items: bool = False


class Reopen(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    reason: Annotated[str, Meta(min_length=3, max_length=1000)]


class CloseCheck(msgspec.Struct, kw_only=True):
    """drafts: entries that wait in the period. open_accounts: clearing accounts that are not zero,
    code → minor units. earlier: a period before this one that is not closed."""

    can_close: bool
    drafts: list[UUID]
    open_accounts: dict[str, int]
    earlier: str | None


@action("periods", permission="finance.periods.write", status=201, idempotent=True)
async def open_fiscal_year(ctx: Ctx, body: OpenYear) -> list[UUID]:
    """Open a fiscal year: twelve months and a period for adjustments."""
    return [p.id for p in await open_year(ctx, body.start_date, body.fiscal_year)]


@periods.action("close-check", method="GET", verb="read")
async def close_check(ctx: Ctx, row: Period) -> CloseCheck:
    """What stands in the way of closing."""
    drafts = await ctx.db.scalars(
        select(JournalEntry.id).where(
            JournalEntry.status == EntryStatus.DRAFT,
            JournalEntry.entry_date.between(row.start_date, row.end_date),
            JournalEntry.adjustment == (row.period_no == 13),
        )
    )
    found = list(drafts)
    open_accounts = await _open_accounts(ctx, row.end_date)
    earlier = await ctx.db.scalar(
        select(Period)
        .where(
            (Period.start_date < row.start_date)
            | ((Period.start_date <= row.start_date) & (Period.period_no < row.period_no)),
            Period.status != PeriodStatus.CLOSED,
        )
        .order_by(Period.start_date, Period.period_no)
        .limit(1)
    )
    name = f"{earlier.fiscal_year}-{earlier.period_no:02}" if earlier else None
    return CloseCheck(
        can_close=not found and not open_accounts and earlier is None,
        drafts=found,
        open_accounts=open_accounts,
        earlier=name,
    )


async def _open_accounts(ctx: Ctx, at: dt.date) -> dict[str, int]:
    held = await balances.sums(ctx, at)
    rows = await ctx.db.execute(select(Account.id, Account.code).where(Account.is_intermediate))
    return {r.code: net for r in rows if (net := held.get(r.id, balances.NOTHING).net)}


@periods.transition("soft-close", verb="close", start={PeriodStatus.OPEN}, end=PeriodStatus.CLOSING)
async def soft_close(ctx: Ctx, row: Period) -> None:
    """From now on only those who may close periods post into this one."""
    await _stop_postings(ctx, row.fiscal_year)


@periods.action("close")
async def close(ctx: Ctx, row: Period, body: Close) -> Period:
    """Close a period; the books take no more entries of its dates."""
    await _stop_postings(ctx, row.fiscal_year)
    await ctx.db.refresh(row)
    if row.status not in {PeriodStatus.OPEN, PeriodStatus.CLOSING}:
        raise Conflict(f"cannot close what is {row.status}")
    check = await close_check(ctx, row)
    if check.drafts:
        raise Conflict("drafts wait in this period", drafts=[str(d) for d in check.drafts])
    if check.earlier:
        raise Conflict(f"period {check.earlier} is not closed yet", period=check.earlier)
    if check.open_accounts and not body.accept_open_items:
        raise Conflict("clearing accounts are not zero", accounts=check.open_accounts)
    if row.period_no == 13:
        await _carry_result(ctx, row)
    row.status, row.closed_at, row.closed_by = PeriodStatus.CLOSED, ctx.clock(), ctx.actor.id
    ctx.emit(PeriodWasClosed(fiscal_year=row.fiscal_year, period_no=row.period_no))
    name = f"{row.fiscal_year}-{row.period_no:02}"
    for report in ("trial-balance", "income-statement", "balance-sheet"):
        ctx.emit(ReportGenerated(report=report, period=name))
    return row


async def _stop_postings(ctx: Ctx, year: int) -> None:
    """Wait for postings of the year that are under way; those that come see the new status."""
    await ctx.db.execute(
        select(Series.last)
        .where(Series.tenant == ctx.actor.tenant, Series.fiscal_year == year)
        .with_for_update()
    )


async def _carry_result(ctx: Ctx, row: Period) -> None:
    """Carry revenue and expense of the year to retained earnings, as the last entry of it.

    A company's result is in its own currency: foreign revenue must have been exchanged before.
    """
    first = await ctx.db.scalar(
        select(func.min(Period.start_date)).where(Period.fiscal_year == row.fiscal_year)
    )
    moved = await balances.moved(ctx, first or row.start_date, row.end_date)
    kinds = (AccountType.REVENUE, AccountType.EXPENSE)
    accounts = await ctx.db.scalars(select(Account).where(Account.account_type.in_(kinds)))
    base = await base_currency(ctx)
    lines, result = [], 0
    for account in accounts:
        net = moved.get(account.id, balances.NOTHING).net
        if net and base and account.currency != base.code:
            raise Unbalanced(f"account {account.code} holds {account.currency}: exchange it first")
        if net:
            lines.append(Line(account.code, -net))
            result += net
    if result:
        lines.append(Line("@retained_earnings", result))
    if lines:
        entry = Entry(
            kind="finance.year_end",
            key=f"{row.fiscal_year} {row.revision}",
            day=row.end_date,
            description=f"Result of {row.fiscal_year}",
            lines=tuple(lines),
            adjustment=True,
        )
        await post(ctx, entry)
        # checked here, because at the commit the period will be closed
        await ctx.db.execute(text("SET CONSTRAINTS finance_entry_sound IMMEDIATE"))
        await ctx.db.execute(text("SET CONSTRAINTS finance_entry_sound DEFERRED"))


@periods.action("reopen")
async def reopen(ctx: Ctx, row: Period, body: Reopen) -> Period:
    """Open the last closed period again."""
    if row.status is not PeriodStatus.CLOSED:
        raise Conflict(f"cannot reopen what is {row.status}")
    later = await ctx.db.scalar(
        select(Period.id)
        .where(
            (Period.start_date > row.start_date)
            | ((Period.start_date >= row.start_date) & (Period.period_no > row.period_no)),
            Period.status == PeriodStatus.CLOSED,
        )
        .limit(1)
    )
    if later is not None:
        raise Conflict("a later period is closed: reopen that one first", period=str(later))
    row.status = PeriodStatus.OPEN
    row.reopened_at, row.reopened_by = ctx.clock(), ctx.actor.id
    row.reopen_reason = body.reason
    ctx.emit(
        PeriodReopened(fiscal_year=row.fiscal_year, period_no=row.period_no, reason=body.reason)
    )
    return row
