"""Invoices that were issued: read, cancelled, corrected by notes, never changed."""

import datetime as dt
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct
from sqlalchemy import select, text

from hub import LEDGER, Conflict, Ctx, Op, Resource, query, uuid7
from hub.contract.units import MICRO, ratio

from .events import InvoiceCancelled, InvoiceCreated
from .issuing import fact, lock_series, take_numbers
from .models_bills import Invoice, InvoiceKind, InvoiceStatus, Statement
from .models_network import Account
from .parts import parts_of
from .tariff import Line
from .tariff.split import split

invoices = Resource(
    name="invoices",
    model=Invoice,
    ops=Op.READ,
    filters=(
        "invoice_no",
        "account_id",
        "agreement_id",
        "run_id",
        "kind",
        "status",
        "issue_date",
        "due_date",
        "period_start",
        "period_end",
        "estimated",
        "total",
    ),
    sort=("-issue_date", "invoice_no", "due_date", "total", "created_at"),
    search=("invoice_no",),
)


class Cancel(Struct, kw_only=True, forbid_unknown_fields=True):
    reason: Annotated[str, Meta(min_length=3, max_length=1000)]


@invoices.action("cancel")
async def cancel(ctx: Ctx, row: Invoice, body: Cancel) -> Invoice:
    """Take a bill back; its period can be billed again. It keeps its number, its entry is reversed.

    Bills of consumption are taken back newest first, so that no period is left out (R37).
    """
    await ctx.db.refresh(row, with_for_update=True)
    if row.status is InvoiceStatus.CANCELLED:
        raise Conflict(f"{row.invoice_no} is cancelled already")
    if row.paid:
        raise Conflict(f"{row.invoice_no} is paid in part or in full: correct it with a note")
    if row.kind is InvoiceKind.CONSUMPTION:
        stmt = select(Invoice.invoice_no).where(
            Invoice.agreement_id == row.agreement_id,
            Invoice.kind == InvoiceKind.CONSUMPTION,
            Invoice.status != InvoiceStatus.CANCELLED,
            Invoice.period_start > row.period_start,
        )
        if later := await ctx.db.scalar(stmt.limit(1)):
            raise Conflict(f"cancel {later} first: it is about a later period")
    row.status, row.cancelled_at = InvoiceStatus.CANCELLED, ctx.clock()
    row.cancel_reason = body.reason
    await ctx.db.flush()
    if row.total or row.tax:
        today = ctx.clock().date()
        day = max(today, row.issue_date)
        ledger = ctx.get(LEDGER)
        await ledger.undo(ctx, "invoice.issued", str(row.id), reason=body.reason, day=day)
    told = InvoiceCancelled(
        invoice_id=row.id,
        invoice_no=row.invoice_no,
        account_id=row.account_id,
        reason=body.reason,
    )
    ctx.emit(told)
    return row


class Note(Struct, kw_only=True, forbid_unknown_fields=True):
    """amount: minor units with tax, positive."""

    amount: Annotated[int, Meta(ge=1, le=10**15)]
    reason: Annotated[str, Meta(min_length=3, max_length=1000)]
    issue_date: dt.date | None = None


@invoices.action("credit", idempotent=True)
async def credit(ctx: Ctx, row: Invoice, body: Note) -> Invoice:
    """Give back a part of a bill: each of its lines in proportion, tax at the rate it bore (R8)."""
    await ctx.db.refresh(row, with_for_update=True)
    if row.status is InvoiceStatus.CANCELLED or row.total <= 0:
        raise Conflict(f"{row.invoice_no} is not a bill that can be credited")
    stmt = select(Invoice.total).where(
        Invoice.corrects_id == row.id,
        Invoice.kind == InvoiceKind.CREDIT_NOTE,
        Invoice.status != InvoiceStatus.CANCELLED,
    )
    given = -sum(await ctx.db.scalars(stmt))
    if given + body.amount > row.total:
        raise Conflict(f"of {row.total} {given} was given back before", field="amount")
    lines = _shares(row.statement.lines, body.amount, body.reason)
    return await _note(ctx, row, InvoiceKind.CREDIT_NOTE, lines, body)


@invoices.action("debit", idempotent=True)
async def debit(ctx: Ctx, row: Invoice, body: Note) -> Invoice:
    """Charge what a bill left out, as a fee that says why."""
    if row.status is InvoiceStatus.CANCELLED:
        raise Conflict(f"{row.invoice_no} is cancelled")
    day = body.issue_date or ctx.clock().date()
    line = Line(
        kind="fee",
        name=body.reason[:100],
        start=day,
        end=day + dt.timedelta(days=1),
        quantity=1000,
        unit="minor",
        unit_price=body.amount * MICRO,
        amount=body.amount,
    )
    return await _note(ctx, row, InvoiceKind.DEBIT_NOTE, (line,), body)


def _shares(lines: tuple[Line, ...], amount: int, reason: str) -> tuple[Line, ...]:
    """The lines of a bill cut down to `amount` in all; the sum is kept to the minor unit (R5).

    Lines of either sign are split for themselves. A tax that prices hold follows them.
    """
    told = [x for x in lines if x.amount and not x.included]
    plus, minus = [max(x.amount, 0) for x in told], [max(-x.amount, 0) for x in told]
    whole = sum(plus) - sum(minus)
    less = sum(minus) * amount // whole
    ups = split(amount + less, plus)
    downs = split(less, minus) if any(minus) else [0] * len(told)
    changed = [(x, d - u) for x, u, d in zip(told, ups, downs, strict=True) if u != d]
    changed += [(x, -ratio(x.amount, amount, whole)) for x in lines if x.included]
    return tuple(
        Line(
            kind=line.kind,
            name=line.name,
            start=line.start,
            end=line.end,
            quantity=1000,
            unit="minor",
            unit_price=share * MICRO,
            amount=share,
            clause=line.clause,
            note=reason,
            included=line.included,
        )
        for line, share in changed
    )


async def _note(
    ctx: Ctx, row: Invoice, kind: InvoiceKind, lines: tuple[Line, ...], body: Note
) -> Invoice:
    days = await ctx.db.scalar(select(Account.due_days).where(Account.id == row.account_id))
    prefix = "CN" if kind is InvoiceKind.CREDIT_NOTE else "DN"
    parts = parts_of(lines)
    series, last, day = await lock_series(ctx, prefix, body.issue_date or ctx.clock().date())
    note = Invoice(
        id=uuid7(),
        invoice_no=f"{series}-{last + 1:06}",
        series=series,
        number=last + 1,
        kind=kind,
        account_id=row.account_id,
        corrects_id=row.id,
        tariff_id=row.tariff_id,
        period_start=row.period_start,
        period_end=row.period_end,
        issue_date=day,
        due_date=day + dt.timedelta(days=days or 0),
        currency=row.currency,
        net=parts["total"] - parts.get("tax", 0),
        tax=parts.get("tax", 0),
        total=parts["total"],
        readings=[],
        statement=Statement(party=row.statement.party, lines=lines),
    )
    ctx.db.add(note)
    await ctx.db.flush()
    await take_numbers(ctx, series, last + 1, day)
    await _tell(ctx, note, parts)
    return note


async def _tell(ctx: Ctx, note: Invoice, parts: dict[str, int]) -> None:
    told = fact(note.id, note.invoice_no, note.account_id, parts, note.issue_date)
    await ctx.get(LEDGER).record(ctx, [told])
    created = InvoiceCreated(
        invoice_id=note.id,
        invoice_no=note.invoice_no,
        account_id=note.account_id,
        total=note.total,
    )
    ctx.emit(created)


_CANDIDATES = text("""
SELECT i.id, i.invoice_no, i.account_id, i.period_start, i.period_end,
       CASE WHEN EXISTS (SELECT FROM billing_reading r
                          WHERE r.tenant = i.tenant AND r.id = ANY(i.readings)
                            AND r.status IN ('replaced', 'rejected'))
            THEN 'reading' ELSE 'tariff' END AS cause
  FROM billing_invoice i
 WHERE i.tenant = :tenant AND i.kind = 'consumption' AND i.status <> 'cancelled'
   AND (EXISTS (SELECT FROM billing_reading r
                 WHERE r.tenant = i.tenant AND r.id = ANY(i.readings)
                   AND r.status IN ('replaced', 'rejected'))
        OR EXISTS (SELECT FROM billing_tariff_version v
                    WHERE v.tenant = i.tenant AND v.tariff_id = i.tariff_id
                      AND v.status = 'published' AND v.published_at > i.created_at
                      AND v.valid_from < i.period_end))
 ORDER BY i.account_id, i.period_start DESC LIMIT 1000
""")


class Candidate(Struct, kw_only=True):
    """cause: `reading` was corrected, or `tariff` got a version from an earlier day."""

    id: UUID
    invoice_no: str
    account_id: UUID
    period_start: dt.date
    period_end: dt.date
    cause: str


@query("rebill-candidates", permission="billing.invoices.read")
async def rebill_candidates(ctx: Ctx) -> list[Candidate]:
    """Bills that something changed under, after they were made; newest first of each account."""
    found = await ctx.db.execute(_CANDIDATES, {"tenant": ctx.actor.tenant})
    return [Candidate(**row._mapping) for row in found]  # noqa: SLF001  -- that is its name
