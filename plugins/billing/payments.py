"""Payments over the API: taken, bounced, refunded, used for other bills; what an account owes."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct
from sqlalchemy import select, text

from hub import Ctx, Op, Reply, Resource, action

from . import receiving
from .models_bills import Invoice, InvoiceStatus
from .models_network import Account
from .models_payments import Allocation, Channel, Payment, PaymentStatus, Refund
from .network import accounts
from .receiving import GiveBack, Money, Reason

payments = Resource(
    name="payments",
    model=Payment,
    ops=Op.READ,
    filters=(
        "payment_no",
        "account_id",
        "source",
        "reference",
        "channel",
        "status",
        "day",
        "amount",
        "credit",
    ),
    sort=("-created_at", "day", "amount"),
    search=("payment_no", "reference"),
)
allocations = Resource(
    name="allocations",
    model=Allocation,
    ops=Op.READ,
    subject="payments",
    filters=("payment_id", "note_id", "invoice_id"),
    sort=("created_at",),
)
refunds = Resource(
    name="refunds",
    model=Refund,
    ops=Op.READ,
    subject="payments",
    filters=("payment_id", "reference", "day", "means"),
    sort=("-created_at", "day"),
)
MONEY = (payments, allocations, refunds)


class Covered(Struct, kw_only=True):
    """A bill that a payment pays for. amount: of this payment, minor units."""

    invoice_id: UUID
    invoice_no: str
    amount: int
    status: InvoiceStatus


class Receipt(Struct, kw_only=True):
    """credit: what is left of the payment. replayed: it had been told before."""

    id: UUID
    payment_no: str
    account_id: UUID
    currency: str
    amount: int
    settled: int
    credit: int
    status: PaymentStatus
    replayed: bool
    covered: list[Covered]


@action("payments", permission="billing.payments.write", status=201, idempotent=True)
async def take_payment(ctx: Ctx, body: Money) -> Reply[Receipt]:
    """Take money at a counter; told again it is the same payment, and nothing moves."""
    done = await receiving.receive(ctx, body, Channel.COUNTER)
    receipt = await _receipt(ctx, done.payment, replayed=done.replayed)
    return Reply(body=receipt, status=200 if done.replayed else 201)


async def _receipt(ctx: Ctx, row: Payment, *, replayed: bool) -> Receipt:
    stmt = (
        select(Invoice.id, Invoice.invoice_no, Invoice.status, Allocation.amount)
        .join(Allocation, Allocation.invoice_id == Invoice.id)
        .where(Allocation.payment_id == row.id)
        .order_by(Allocation.created_at, Allocation.id)
    )
    covered: dict[UUID, Covered] = {}
    for r in await ctx.db.execute(stmt):
        fresh = Covered(invoice_id=r.id, invoice_no=r.invoice_no, amount=0, status=r.status)
        covered.setdefault(r.id, fresh).amount += r.amount
    return Receipt(
        id=row.id,
        payment_no=row.payment_no,
        account_id=row.account_id,
        currency=row.currency,
        amount=row.amount,
        settled=row.settled,
        credit=row.credit,
        status=row.status,
        replayed=replayed,
        covered=[c for c in covered.values() if c.amount],
    )


class Because(Struct, kw_only=True, forbid_unknown_fields=True):
    reason: Reason


@payments.action("bounce")
async def bounce(ctx: Ctx, row: Payment, body: Because) -> Payment:
    """Take a payment back that never came; the bills that it paid are open again."""
    await receiving.bounce(ctx, row, body.reason)
    return row


@payments.action("refund", idempotent=True)
async def refund(ctx: Ctx, row: Payment, body: GiveBack) -> Payment:
    """Give back what is left of a payment, or a part of it."""
    await receiving.refund(ctx, row, body)
    return row


class Apply(Struct, kw_only=True, forbid_unknown_fields=True):
    """invoices: in this order; the oldest first if none is named."""

    invoices: Annotated[tuple[UUID, ...], Meta(max_length=100)] = ()


@payments.action("apply", verb="write")
async def apply(ctx: Ctx, row: Payment, body: Apply) -> Payment:
    """Use what is left of a payment for open bills of its account."""
    await receiving.apply(ctx, row, body.invoices)
    return row


class Release(Struct, kw_only=True, forbid_unknown_fields=True):
    invoice_id: UUID


@payments.action("release", verb="write")
async def release(ctx: Ctx, row: Payment, body: Release) -> Payment:
    """Take a payment off a bill, so that the bill can be cancelled or another one paid."""
    await receiving.release(ctx, row, body.invoice_id)
    return row


class Balance(Struct, kw_only=True):
    """Minor units. owed: open bills less open credit notes. credit: money not used yet.

    balance = owed − credit; overdue: the part of the open bills whose day has passed.
    """

    currency: str
    owed: int
    overdue: int
    credit: int
    balance: int


_BALANCE = text("""
SELECT coalesce(sum(total - paid), 0)::bigint AS owed,
       coalesce(sum(total - paid) FILTER (WHERE due_date < :today AND total > 0), 0)::bigint
       AS overdue,
       (SELECT coalesce(sum(p.credit), 0)::bigint FROM billing_payment p
         WHERE p.tenant = :tenant AND p.account_id = :account AND p.credit <> 0) AS credit
  FROM billing_invoice
 WHERE tenant = :tenant AND account_id = :account AND status IN ('issued', 'partially_paid')
""")


@accounts.action("balance", method="GET", verb="read")
async def balance(ctx: Ctx, row: Account) -> Balance:
    """What an account owes, what of it is overdue, and what it has paid ahead."""
    arguments = {"tenant": ctx.actor.tenant, "account": row.id, "today": ctx.clock().date()}
    found = (await ctx.db.execute(_BALANCE, arguments)).one()
    return Balance(
        currency=row.currency,
        owed=found.owed,
        overdue=found.overdue,
        credit=found.credit,
        balance=found.owed - found.credit,
    )


async def totals(ctx: Ctx) -> dict[str, int]:
    """What bills and payments say of the control accounts, for the nightly proof."""
    stmt = text("""
        SELECT a.code, CASE a.purpose
          WHEN 'receivables' THEN (SELECT sum(i.total - i.paid) FROM billing_invoice i
                                    WHERE i.tenant = a.tenant AND i.status <> 'cancelled')
          ELSE -(SELECT sum(p.credit) FROM billing_payment p
                  WHERE p.tenant = a.tenant AND p.credit <> 0) END AS total
          FROM finance_account a
         WHERE a.tenant = :tenant AND a.purpose IN ('receivables', 'advances')""")
    found = await ctx.db.execute(stmt, {"tenant": ctx.actor.tenant})
    return {row.code: int(row.total or 0) for row in found}
