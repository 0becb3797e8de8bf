"""Journal entries as clients write and read them: drafts, posting, reversal."""

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta
from sqlalchemy import delete, select

from hub import (
    Conflict,
    Ctx,
    Invalid,
    NotFound,
    Op,
    Reply,
    Resource,
    action,
    query,
    uuid7,
)

from .entries import ONE, Entry, Line, check
from .errors import Unbalanced
from .events import JournalCreated
from .models import Account, EntryStatus, JournalEntry
from .money import Amount, Scales
from .service import book, lines_of, resolve, reverse

READ, WRITE = "finance.journal.read", "finance.journal.write"
POST = "finance.journal.post"

journal = Resource(
    name="journal-entries",
    model=JournalEntry,
    ops=Op.LIST,
    subject="journal",
    filters=(
        "entry_no",
        "entry_date",
        "fiscal_year",
        "status",
        "kind",
        "reference_type",
        "reference_id",
        "period_id",
        "posted_at",
    ),
    sort=("-entry_date", "entry_no", "created_at"),
    search=("entry_no", "description", "key"),
)


class LineBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One side only, in the account's currency. account: code, or `@purpose`."""

    account: Annotated[str, Meta(min_length=1, max_length=100)]
    debit: Amount = "0"
    credit: Amount = "0"
    description: str | None = None
    party_type: str | None = None
    party_id: UUID | None = None
    station_id: UUID | None = None
    project_id: UUID | None = None
    fx_rate: Decimal = ONE


class EntryBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    entry_date: dt.date
    description: Annotated[str, Meta(min_length=1, max_length=10_000)]
    lines: list[LineBody]
    reference_type: str | None = None
    reference_id: UUID | None = None
    adjustment: bool = False


class ReverseBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    reason: Annotated[str, Meta(min_length=3, max_length=1000)]
    date: dt.date | None = None


class LineView(msgspec.Struct, kw_only=True):
    account: str
    name_en: str | None
    name_ar: str
    currency: str
    debit: str
    credit: str
    description: str | None
    party_type: str | None
    party_id: UUID | None
    station_id: UUID | None
    project_id: UUID | None
    fx_rate: Decimal


class EntryView(msgspec.Struct, kw_only=True):
    id: UUID
    entry_no: str | None
    status: EntryStatus
    entry_date: dt.date
    event_date: dt.date
    description: str
    kind: str
    key: str | None
    reference_type: str | None
    reference_id: UUID | None
    period_id: UUID | None
    adjustment: bool
    posted_at: dt.datetime | None
    posted_by: str | None
    drafted_by: str | None
    reversed_entry_id: UUID | None
    reversed_by_id: UUID | None
    reversal_reason: str | None
    lines: list[LineView]


@query("journal-entries/{id}", permission=READ)
async def read_entry(ctx: Ctx, id: UUID) -> EntryView:  # noqa: A002
    """One entry with its lines."""
    return await _view(ctx, await _entry(ctx, id))


@action("journal-entries", permission=WRITE, status=201, idempotent=True)
async def create_draft(ctx: Ctx, body: EntryBody) -> Reply[EntryView]:
    """Write a draft; it has no number and moves nothing."""
    row = JournalEntry(id=uuid7(), kind="manual", drafted_by=ctx.actor.id)
    await _fill(ctx, row, body)
    ctx.db.add(row)
    await ctx.db.flush()
    ctx.emit(
        JournalCreated(entry_id=row.id, entry_date=row.entry_date.isoformat(), total=row.total)
    )
    where = {"Location": f"/api/v1/finance/journal-entries/{row.id}"}
    return Reply(body=await _view(ctx, row), status=201, headers=where)


@action("journal-entries/{id}", "PUT", permission=WRITE)
async def change_draft(ctx: Ctx, id: UUID, body: EntryBody) -> EntryView:  # noqa: A002
    """Replace a draft; what is posted can only be reversed."""
    row = await _draft(ctx, id)
    await _fill(ctx, row, body)
    return await _view(ctx, row)


@action("journal-entries/{id}", "DELETE", permission=WRITE, status=204)
async def delete_draft(ctx: Ctx, id: UUID) -> None:  # noqa: A002
    """Throw a draft away."""
    await ctx.db.delete(await _draft(ctx, id))


@action("journal-entries/{id}/post", permission=POST, idempotent=True)
async def post_draft(ctx: Ctx, id: UUID) -> EntryView:  # noqa: A002
    """Post a draft: it takes a number and can no longer be changed."""
    row = await _draft(ctx, id)
    entry = _to_entry(row)
    more = {"drafted_by": row.drafted_by}
    # the posted entry takes the draft's place and id
    ctx.db.expunge(row)
    gone = delete(JournalEntry).where(
        JournalEntry.id == row.id, JournalEntry.status == EntryStatus.DRAFT
    )
    await ctx.db.execute(gone, execution_options={"unaudited": True})
    await book(ctx, [(row.id, entry, more)])
    return await _view(ctx, await _entry(ctx, row.id))


@action("journal-entries/{id}/reverse", permission=POST, idempotent=True)
async def reverse_entry(ctx: Ctx, id: UUID, body: ReverseBody) -> EntryView:  # noqa: A002
    """Post the mirror of an entry and link the two."""
    row = await _entry(ctx, id)
    posted = await reverse(ctx, row.id, reason=body.reason, day=body.date)
    return await _view(ctx, await _entry(ctx, posted.id))


async def _entry(ctx: Ctx, ident: UUID, *, lock: bool = False) -> JournalEntry:
    stmt = select(JournalEntry).where(JournalEntry.id == ident)
    row = await ctx.db.scalar(stmt.with_for_update() if lock else stmt)
    if row is None:
        raise NotFound(f"there is no journal entry {id}", identifier=str(ident))
    return row


async def _draft(ctx: Ctx, ident: UUID) -> JournalEntry:
    row = await _entry(ctx, ident, lock=True)
    if row.status is not EntryStatus.DRAFT:
        raise Conflict(f"{row.entry_no} is {row.status}: reverse it", entry_no=row.entry_no)
    return row


async def _fill(ctx: Ctx, row: JournalEntry, body: EntryBody) -> None:
    """Take over what was sent, once it could be posted but for its period."""
    named = await resolve(ctx, [x.account for x in body.lines])
    scales = await Scales.of(ctx)
    lines: list[Line] = []
    totals: dict[str, int] = {}
    for number, given in enumerate(body.lines, 1):
        account = named[given.account]
        debit = scales.minor(given.debit, account.currency, "debit")
        credit = scales.minor(given.credit, account.currency, "credit")
        if debit < 0 or credit < 0 or (debit and credit):
            raise Invalid(f"line {number}: either a debit or a credit, not negative", line=number)
        totals[account.currency] = totals.get(account.currency, 0) + debit - credit
        lines.append(_line(given, debit - credit))
    for currency, difference in totals.items():
        if difference:
            told = scales.text(abs(difference), currency)
            raise Unbalanced(f"debits and credits differ by {told} {currency}", difference=told)
    row.entry_date = row.event_date = body.entry_date
    row.description, row.adjustment = body.description, body.adjustment
    row.reference_type, row.reference_id = body.reference_type, body.reference_id
    row.draft = {"lines": msgspec.to_builtins(lines)}
    entry = _to_entry(row)
    check(entry)
    row.total, row.line_count = entry.total, len(lines)


def _line(given: LineBody, amount: int) -> Line:
    return Line(
        account=given.account,
        amount=amount,
        party_type=given.party_type,
        party_id=given.party_id,
        station_id=given.station_id,
        project_id=given.project_id,
        description=given.description,
        fx_rate=given.fx_rate,
    )


def _to_entry(row: JournalEntry) -> Entry:
    return Entry(
        kind=row.kind,
        key=row.key,
        day=row.entry_date,
        description=row.description,
        lines=_lines_of_draft(row.draft),
        reference_type=row.reference_type,
        reference_id=row.reference_id,
        adjustment=row.adjustment,
    )


def _lines_of_draft(draft: dict[str, Any] | None) -> tuple[Line, ...]:
    return tuple(msgspec.convert((draft or {}).get("lines", []), list[Line]))


async def _view(ctx: Ctx, row: JournalEntry) -> EntryView:
    if row.status is EntryStatus.DRAFT:
        lines = list(_lines_of_draft(row.draft))
    else:
        lines = await lines_of(ctx, row.id)
    named = await resolve(ctx, [x.account for x in lines])
    scales = await Scales.of(ctx)
    same = {f: getattr(row, f) for f in EntryView.__struct_fields__ if f != "lines"}
    return EntryView(**same, lines=[_line_view(x, named[x.account], scales) for x in lines])


def _line_view(line: Line, account: Account, scales: Scales) -> LineView:
    return LineView(
        account=account.code,
        name_en=account.name_en,
        name_ar=account.name_ar,
        currency=account.currency,
        debit=scales.text(max(line.amount, 0), account.currency),
        credit=scales.text(max(-line.amount, 0), account.currency),
        description=line.description,
        party_type=line.party_type,
        party_id=line.party_id,
        station_id=line.station_id,
        project_id=line.project_id,
        fx_rate=line.fx_rate,
    )
