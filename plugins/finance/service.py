"""Posting: the only way into the ledger, for this plugin and all others.

One statement finds accounts and period, takes the numbers and writes entries and lines, so the row
lock of the number series is held from there to the commit. Call it as the last step of a unit of
work.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from hub import Conflict, Ctx, Invalid, NotFound, uuid7

from .entries import Entry, Line, check, digest_of, mirrored
from .errors import AccountUnusable, KeyReused, PeriodClosed, Unbalanced
from .events import JournalPosted, JournalReversed
from .models import Account, EntryStatus, JournalEntry, JournalLine, Period, PeriodStatus
from .sql import POST

MAY_CLOSE = "finance.periods.close"
LARGEST_BATCH = 5000


class Posted(msgspec.Struct, frozen=True):
    """Where an entry stands. replayed: it had been posted before under the same key."""

    id: UUID
    entry_no: str
    day: dt.date
    replayed: bool = False


async def post(ctx: Ctx, entry: Entry) -> Posted:
    """Post one entry; errors: Unbalanced, AccountUnusable, PeriodClosed, KeyReused."""
    return (await post_many(ctx, (entry,)))[0]


async def post_many(ctx: Ctx, entries: Sequence[Entry]) -> list[Posted]:
    """Post up to 5,000 entries, all or none; answers in the order given."""
    if len(entries) > LARGEST_BATCH:
        raise Invalid(f"a batch has at most {LARGEST_BATCH} entries")
    return await book(ctx, [(uuid7(), entry, {}) for entry in entries])


async def book(ctx: Ctx, wanted: Sequence[tuple[UUID, Entry, dict[str, Any]]]) -> list[Posted]:
    """Post entries under given ids with further columns (`drafted_by`, `reversed_entry_id`)."""
    if not wanted:
        return []
    heads, lines = _rows(wanted)
    if ctx.db.new or ctx.db.dirty or ctx.db.deleted:
        await ctx.db.flush()
    written = await _write(ctx, heads, lines)
    if len(written) == len(wanted):
        _tell(ctx, heads, written)
        return [written[ident] for ident, _, _ in wanted]
    return await _replay_or_refuse(ctx, wanted, heads)


def _rows(
    wanted: Sequence[tuple[UUID, Entry, dict[str, Any]]],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    heads, lines = [], []
    keys: set[tuple[str, str]] = set()
    for place, (ident, entry, more) in enumerate(wanted):
        check(entry)
        if entry.key is not None:
            if (entry.kind, entry.key) in keys:
                raise KeyReused(f"{entry.kind} {entry.key} is twice in this batch")
            keys.add((entry.kind, entry.key))
        heads.append(
            {
                "id": ident,
                "place": place,
                "kind": entry.kind,
                "key": entry.key,
                "day": entry.day,
                "next_open": entry.next_open,
                "adjustment": entry.adjustment,
                "description": entry.description,
                "reference_type": entry.reference_type,
                "reference_id": entry.reference_id,
                "total": entry.total,
                "line_count": len(entry.lines),
                "digest": digest_of(entry).hex(),
                **more,
            }
        )
        lines += [{"entry": ident, "no": n, "line": x} for n, x in enumerate(entry.lines, 1)]
    return heads, lines


async def _write(
    ctx: Ctx, heads: list[dict[str, Any]], lines: list[dict[str, Any]]
) -> dict[UUID, Posted]:
    """Empty when anything stands in the way; then nothing was written and no number was taken."""
    connection = await ctx.db.connection()
    arguments = {
        "tenant": ctx.actor.tenant,
        "actor": ctx.actor.id,
        "now": ctx.clock(),
        "heads": msgspec.json.encode(heads).decode(),
        "lines": msgspec.json.encode(lines).decode(),
        "head_count": len(heads),
        "line_count": len(lines),
        "may_close": ctx.actor.kind == "system" or ctx.actor.may(MAY_CLOSE),
    }
    try:
        found = await connection.exec_driver_sql(POST, arguments)
    except IntegrityError as error:
        if getattr(error.orig, "sqlstate", "") == "23505":
            raise Conflict("the same is being posted at this very moment: ask again") from None
        raise
    return {row.id: Posted(row.id, row.entry_no, row.entry_date) for row in found}


def _tell(ctx: Ctx, heads: list[dict[str, Any]], written: dict[UUID, Posted]) -> None:
    for head in heads:
        ctx.emit(
            JournalPosted(
                entry_id=head["id"],
                entry_no=written[head["id"]].entry_no,
                total=head["total"],
                reference_type=head["reference_type"],
                reference_id=head["reference_id"],
            )
        )


async def _replay_or_refuse(
    ctx: Ctx,
    wanted: Sequence[tuple[UUID, Entry, dict[str, Any]]],
    heads: list[dict[str, Any]],
) -> list[Posted]:
    """What was posted before is answered as it was; the rest is posted, or the reason is told."""
    keys = {head["key"]: head for head in heads if head["key"] is not None}
    stmt = select(
        JournalEntry.kind,
        JournalEntry.key,
        JournalEntry.digest,
        JournalEntry.id,
        JournalEntry.entry_no,
        JournalEntry.entry_date,
    ).where(JournalEntry.key.in_(keys), JournalEntry.status != EntryStatus.DRAFT)
    known = {(row.kind, row.key): row for row in await ctx.db.execute(stmt)}
    before: dict[UUID, Posted] = {}
    for head in heads:
        row = known.get((head["kind"], head["key"]))
        if row is None:
            continue
        if row.digest.hex() != head["digest"]:
            raise KeyReused(
                f"{row.kind} {row.key} is {row.entry_no}, which says something else",
                entry_no=row.entry_no,
            )
        before[head["id"]] = Posted(row.id, row.entry_no, row.entry_date, replayed=True)
    if not before:
        await _refuse(ctx, [entry for _, entry, _ in wanted])
    rest = [w for w in wanted if w[0] not in before]
    fresh = iter(await book(ctx, rest))
    return [before.get(ident) or next(fresh) for ident, _, _ in wanted]


async def _refuse(ctx: Ctx, entries: Sequence[Entry]) -> None:
    """Raise why these entries cannot be posted."""
    accounts = await _accounts(ctx)
    periods = (await ctx.db.scalars(select(Period).order_by(Period.start_date))).all()
    for entry in entries:
        currencies: dict[str, int] = {}
        for number, line in enumerate(entry.lines, 1):
            account = accounts.get(line.account)
            _check_account(line, number, account)
            assert account is not None  # noqa: S101  -- just checked
            currencies[account.currency] = currencies.get(account.currency, 0) + line.amount
        for currency, difference in currencies.items():
            if difference:
                raise Unbalanced(
                    f"debits and credits in {currency} differ by {abs(difference)} minor units",
                    difference=abs(difference),
                    currency=currency,
                )
        _check_period(entry, periods)
    raise Conflict("the books changed while this was posted: try again")


async def resolve(ctx: Ctx, names: Sequence[str]) -> dict[str, Account]:
    """The accounts of these codes and `@purposes`, whether or not they take entries."""
    known = await _accounts(ctx)
    for number, name in enumerate(names, 1):
        if name not in known:
            told = f"line {number}: account {name} does not exist"
            raise AccountUnusable(told, field="account", line=number)
    return known


async def _accounts(ctx: Ctx) -> dict[str, Account]:
    found: dict[str, Account] = {}
    for account in await ctx.db.scalars(select(Account)):
        found[account.code] = account
        if account.purpose:
            found[f"@{account.purpose}"] = account
    return found


def _check_account(line: Line, number: int, account: Account | None) -> None:
    place = f"line {number}: account {line.account}"
    if account is None:
        raise AccountUnusable(f"{place} does not exist", field="account", line=number)
    if not account.is_postable:
        raise AccountUnusable(f"{place} is a heading", field="account", line=number)
    if not account.is_active:
        raise AccountUnusable(f"{place} is not active", field="account", line=number)
    if account.is_control and line.party_id is None:
        raise AccountUnusable(
            f"{place} is the sum of a sub-ledger: name the party", field="party_id", line=number
        )


def _check_period(entry: Entry, periods: Sequence[Period]) -> None:
    held = [
        p
        for p in periods
        if p.start_date <= entry.day <= p.end_date and (p.period_no == 13) == entry.adjustment
    ]
    if not held:
        raise PeriodClosed(f"no period holds {entry.day}: open its fiscal year")
    period = held[0]
    if period.status is not PeriodStatus.OPEN:
        later = " and no later period is open" if entry.next_open else ""
        raise PeriodClosed(
            f"period {period.period_no} of {period.fiscal_year}, which holds {entry.day}, "
            f"is {period.status}{later}",
            period=str(period.id),
        )


async def reverse(
    ctx: Ctx, entry_id: UUID, *, reason: str, day: dt.date | None = None, next_open: bool = False
) -> Posted:
    """Post the mirror of a posted entry on `day` (its own date when absent) and link the two.

    Errors: NotFound, Conflict when it is a draft or was reversed before, PeriodClosed.
    """
    if not reason.strip():
        raise Invalid("a reversal needs a reason", field="reason")
    stmt = select(JournalEntry).where(JournalEntry.id == entry_id).with_for_update()
    row = await ctx.db.scalar(stmt.execution_options(populate_existing=True))
    if row is None:
        raise NotFound(f"there is no journal entry {entry_id}", identifier=str(entry_id))
    if row.status is not EntryStatus.POSTED:
        raise Conflict(f"cannot reverse what is {row.status}", entry_no=row.entry_no)
    mirror = Entry(
        kind="finance.reversal",
        key=str(row.id),
        day=day or row.entry_date,
        description=f"{row.entry_no}: {reason}",
        lines=mirrored(await lines_of(ctx, row.id)),
        reference_type=row.reference_type,
        reference_id=row.reference_id,
        next_open=next_open,
        adjustment=row.adjustment and day is None,
    )
    ident = uuid7()
    more = {"reversed_entry_id": row.id, "reversal_reason": reason}
    posted = (await book(ctx, [(ident, mirror, more)]))[0]
    row.status, row.reversed_by_id = EntryStatus.REVERSED, posted.id
    await ctx.db.flush()
    ctx.emit(
        JournalReversed(
            entry_id=row.id, entry_no=row.entry_no or "", reversing_entry_no=posted.entry_no
        )
    )
    return posted


async def lines_of(ctx: Ctx, entry_id: UUID) -> list[Line]:
    """The lines of a posted entry, with account codes, in order."""
    line = JournalLine
    stmt = (
        select(
            Account.code,
            line.amount,
            line.party_type,
            line.party_id,
            line.station_id,
            line.project_id,
            line.description,
            line.fx_rate,
        )
        .join(Account, (Account.tenant == line.tenant) & (Account.id == line.account_id))
        .where(line.tenant == ctx.actor.tenant, line.entry_id == entry_id)
        .order_by(line.line_no)
    )
    return [Line(*row) for row in await ctx.db.execute(stmt)]
