"""Money comes in, bounces and goes back: each once, and booked in the same transaction."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct
from sqlalchemy import select

from hub import LEDGER, Conflict, Ctx, Fact, Invalid, uuid7

from .allocating import allocate, hold_account, named, open_bills, take_back
from .calculating import Open
from .events import PaymentBounced, PaymentReceived, PaymentRefunded
from .issuing import lock_series, take_numbers
from .models_bills import Invoice, InvoiceStatus
from .models_network import Account
from .models_payments import Amount, Channel, Means, Payment, PaymentStatus, Refund, Tender

Text = Annotated[str, Meta(min_length=1, max_length=100)]
Reason = Annotated[str, Meta(min_length=3, max_length=1000)]
CREDITS = 200


class Money(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A payment as it is told. account: its number. source: who gave the money its reference: a
    wallet, a bank, a counter. invoices: pay these, in this order; what is left stays credit.
    Without them the oldest come first."""

    account: Annotated[str, Meta(min_length=1, max_length=50)]
    source: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-/]{0,49}$")]
    reference: Text
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]
    tenders: Annotated[tuple[Tender, ...], Meta(min_length=1, max_length=20)]
    day: dt.date | None = None
    invoices: Annotated[tuple[UUID, ...], Meta(max_length=100)] = ()

    @property
    def amount(self) -> int:
        return sum(t.amount for t in self.tenders)


class Received(Struct, frozen=True, kw_only=True):
    """replayed: this payment had been told before; nothing was changed."""

    payment: Payment
    replayed: bool


async def receive(ctx: Ctx, money: Money, channel: Channel) -> Received:
    """Take a payment, whoever tells of it first; another one under its reference is refused."""
    account = await hold_account(ctx, money.account)
    if known := await _known(ctx, account, money):
        return Received(payment=known, replayed=True)
    today = ctx.clock().date()
    if money.day is not None and money.day > today + dt.timedelta(days=1):
        raise Invalid(f"{money.day} has not come yet", field="day")
    if money.currency != account.currency:
        raise Invalid(f"the account is kept in {account.currency}", field="currency")
    bills = named(await open_bills(ctx, account.id), money.invoices)
    payment = await _number(ctx, account, money, channel, money.day or today)
    settled = allocate(ctx, payment, bills)
    await ctx.db.flush()
    amounts = {**_means(payment), "settled": settled, "advance": payment.credit}
    await _book(ctx, "payment.received", payment, payment.id, amounts, payment.day)
    told = PaymentReceived(
        payment_id=payment.id,
        payment_no=payment.payment_no,
        account_id=account.id,
        amount=payment.amount,
        credit=payment.credit,
    )
    ctx.emit(told)
    return Received(payment=payment, replayed=False)


async def _known(ctx: Ctx, account: Account, money: Money) -> Payment | None:
    stmt = select(Payment).where(
        Payment.source == money.source, Payment.reference == money.reference
    )
    found = await ctx.db.scalar(stmt)
    if found is None:
        return None
    same = (account.id, money.amount, money.currency)
    if (found.account_id, found.amount, found.currency) != same:
        told = f"{money.source} {money.reference} is {found.payment_no}, and not the same payment"
        raise Conflict(told, field="reference")
    return found


async def _number(
    ctx: Ctx, account: Account, money: Money, channel: Channel, day: dt.date
) -> Payment:
    """A payment with its number; the row is written, so that nobody else gets it too."""
    series, last, _ = await lock_series(ctx, "PAY", ctx.clock().date())
    payment = Payment(
        id=uuid7(),
        payment_no=f"{series}-{last + 1:06}",
        series=series,
        number=last + 1,
        account_id=account.id,
        source=money.source,
        reference=money.reference,
        channel=channel,
        day=day,
        currency=money.currency,
        amount=money.amount,
        tenders=list(money.tenders),
        settled=0,
        refunded=0,
        credit=money.amount,
        status=PaymentStatus.RECEIVED,
    )
    ctx.db.add(payment)
    await ctx.db.flush()
    await take_numbers(ctx, series, last + 1, ctx.clock().date())
    return payment


def _means(payment: Payment) -> dict[str, int]:
    parts: dict[str, int] = {}
    for tender in payment.tenders:
        parts[tender.means] = parts.get(tender.means, 0) + tender.amount
    return parts


def _fact(kind: str, payment: Payment, key: UUID, amounts: dict[str, int], day: dt.date) -> Fact:
    return Fact(
        kind=kind,
        key=str(key),
        day=day,
        description=payment.payment_no,
        amounts=amounts,
        party_type="account",
        party_id=payment.account_id,
        reference_type="payment",
        reference_id=payment.id,
    )


async def _book(
    ctx: Ctx, kind: str, payment: Payment, key: UUID, amounts: dict[str, int], day: dt.date
) -> None:
    await ctx.get(LEDGER).record(ctx, [_fact(kind, payment, key, amounts, day)])


async def _hold(ctx: Ctx, payment: Payment) -> None:
    """Lock a payment behind its account; what bounced moves no more."""
    await hold_account(ctx, payment.account_id)
    await ctx.db.refresh(payment, with_for_update=True)
    if payment.status is PaymentStatus.BOUNCED:
        raise Conflict(f"{payment.payment_no} has bounced")


async def bounce(ctx: Ctx, payment: Payment, reason: str) -> None:
    """The money never came: the bills that it paid are open again.

    What was given back of it meanwhile is owed by the account: its credit is below 0.
    """
    await _hold(ctx, payment)
    settled = await take_back(ctx, payment)
    payment.status, payment.credit = PaymentStatus.BOUNCED, -payment.refunded
    payment.bounced_at, payment.bounce_reason = ctx.clock(), reason
    await ctx.db.flush()
    amounts = {**_means(payment), "settled": settled, "advance": payment.amount - settled}
    day = max(ctx.clock().date(), payment.day)
    await _book(ctx, "payment.returned", payment, payment.id, amounts, day)
    told = PaymentBounced(
        payment_id=payment.id,
        payment_no=payment.payment_no,
        account_id=payment.account_id,
        amount=payment.amount,
        reason=reason,
    )
    ctx.emit(told)


class GiveBack(Struct, kw_only=True, forbid_unknown_fields=True):
    """amount: minor units; all that is left of the payment if absent. reference: of the refund."""

    reference: Text
    means: Means
    reason: Reason
    amount: Amount | None = None


async def refund(ctx: Ctx, payment: Payment, body: GiveBack) -> Refund:
    """Give credit back, once under its reference; never more than is left."""
    if body.means is Means.CASH_DESK:
        raise Invalid("a refund is paid in cash, by bank or by the gateway", field="means")
    await _hold(ctx, payment)
    stmt = select(Refund).where(Refund.payment_id == payment.id, Refund.reference == body.reference)
    known = await ctx.db.scalar(stmt)
    if known is not None:
        if (known.amount, known.means) != (body.amount or known.amount, body.means):
            raise Conflict(f"{body.reference} was another refund", field="reference")
        return known
    amount = payment.credit if body.amount is None else body.amount
    if not 0 < amount <= payment.credit:
        raise Conflict(f"{payment.credit} is left of {payment.payment_no}", field="amount")
    row = Refund(
        id=uuid7(),
        payment_id=payment.id,
        reference=body.reference,
        day=max(ctx.clock().date(), payment.day),
        means=body.means,
        amount=amount,
        reason=body.reason,
    )
    ctx.db.add(row)
    payment.refunded += amount
    payment.credit -= amount
    await ctx.db.flush()
    amounts = {str(body.means): amount, "amount": amount}
    await _book(ctx, "payment.refunded", payment, row.id, amounts, row.day)
    ctx.emit(
        PaymentRefunded(
            payment_id=payment.id,
            payment_no=payment.payment_no,
            account_id=payment.account_id,
            amount=amount,
        )
    )
    return row


async def apply(ctx: Ctx, payment: Payment, invoices: Sequence[UUID]) -> int:
    """Use what is left of a payment for open bills; how much was used."""
    await _hold(ctx, payment)
    bills = named(await open_bills(ctx, payment.account_id), invoices)
    used = allocate(ctx, payment, bills)
    await ctx.db.flush()
    if used:
        amounts, today = {"amount": used}, ctx.clock().date()
        await _book(ctx, "credit.applied", payment, uuid7(), amounts, today)
    return used


async def release(ctx: Ctx, payment: Payment, invoice: UUID) -> int:
    """Take a payment off a bill; the amount is credit again, and the bill is open."""
    await _hold(ctx, payment)
    freed = await take_back(ctx, payment, invoice)
    await ctx.db.flush()
    amounts, today = {"amount": freed}, ctx.clock().date()
    await _book(ctx, "credit.released", payment, uuid7(), amounts, today)
    return freed


async def apply_credits(open_: Open) -> int:
    """Use credit of all accounts for their open bills, many at a time; how much was used."""
    done, last = 0, UUID(int=0)
    unpaid = (InvoiceStatus.ISSUED, InvoiceStatus.PARTIALLY_PAID)
    owing = select(Invoice.id).where(
        Invoice.account_id == Payment.account_id, Invoice.status.in_(unpaid), Invoice.total > 0
    )
    while True:
        stmt = (
            select(Payment.account_id)
            .where(Payment.credit > 0, Payment.account_id > last, owing.exists())
            .distinct()
            .order_by(Payment.account_id)
            .limit(CREDITS)
        )
        async with open_() as ctx:
            accounts = list(await ctx.db.scalars(stmt))
            facts = [f for a in accounts for f in await _apply_all(ctx, a)]
            await ctx.db.flush()
            await ctx.get(LEDGER).record(ctx, facts)
        if not accounts:
            return done
        done += sum(f.amounts["amount"] for f in facts)
        last = accounts[-1]


async def _apply_all(ctx: Ctx, account: UUID) -> list[Fact]:
    await hold_account(ctx, account)
    stmt = (
        select(Payment)
        .where(Payment.account_id == account, Payment.credit > 0)
        .order_by(Payment.day, Payment.number)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    today, payments = ctx.clock().date(), list(await ctx.db.scalars(stmt))
    bills = await open_bills(ctx, account)
    return [
        _fact("credit.applied", payment, uuid7(), {"amount": used}, today)
        for payment in payments
        if (used := allocate(ctx, payment, bills))
    ]
