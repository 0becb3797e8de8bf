"""What a payment is used for: bills named by the payer, or the oldest first (R40, R41).

Every allocation is a row and a mark on its bill, made under the lock of the account.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import func, select

from hub import Conflict, Ctx, Invalid, NotFound

from .events import InvoicePaid, InvoiceReopened
from .models_bills import Invoice, InvoiceStatus
from .models_network import Account
from .models_payments import Allocation, Payment


async def hold_account(ctx: Ctx, account: UUID | str) -> Account:
    """The account by id or number, locked: whatever moves its money waits for each other."""
    known = Account.id == account if isinstance(account, UUID) else Account.number == account
    stmt = select(Account).where(known).with_for_update(key_share=True)
    row = await ctx.db.scalar(stmt.execution_options(populate_existing=True))
    if row is None:
        raise NotFound(f"there is no account {account}")
    return row


async def _hold_bills(ctx: Ctx, account: UUID, *conditions: object) -> list[Invoice]:
    stmt = (
        select(Invoice)
        .where(Invoice.account_id == account, *conditions)  # type: ignore[arg-type]
        .order_by(Invoice.due_date, Invoice.issue_date, Invoice.series, Invoice.number)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return list(await ctx.db.scalars(stmt))


async def open_bills(ctx: Ctx, account: UUID) -> list[Invoice]:
    """What is not paid yet, oldest first, locked; credit notes have cleared what they can."""
    unpaid = (InvoiceStatus.ISSUED, InvoiceStatus.PARTIALLY_PAID)
    rows = await _hold_bills(ctx, account, Invoice.status.in_(unpaid))
    bills = [r for r in rows if r.total > 0]
    for note in rows:
        if note.total < 0:
            _clear(ctx, note, bills)
    return [b for b in bills if b.paid < b.total]


def _clear(ctx: Ctx, note: Invoice, bills: Sequence[Invoice]) -> None:
    """Use a credit note for the bill that it corrects, then for the oldest: the sort is stable."""
    for bill in sorted(bills, key=lambda b: b.id != note.corrects_id):
        amount = min(bill.total - bill.paid, note.paid - note.total)
        if amount > 0:
            ctx.db.add(Allocation(note_id=note.id, invoice_id=bill.id, amount=amount))
            mark(ctx, bill, amount)
            mark(ctx, note, -amount)


def mark(ctx: Ctx, bill: Invoice, amount: int) -> None:
    """Count an amount (of a credit note a negative one) on a bill; its status follows."""
    before = bill.status
    bill.paid += amount
    if bill.paid == bill.total:
        bill.status = InvoiceStatus.PAID
    else:
        bill.status = InvoiceStatus.PARTIALLY_PAID if bill.paid else InvoiceStatus.ISSUED
    if bill.total <= 0 or before is bill.status:
        return
    if bill.status is InvoiceStatus.PAID:
        paid = InvoicePaid(
            invoice_id=bill.id, invoice_no=bill.invoice_no, account_id=bill.account_id
        )
        ctx.emit(paid)
    elif before is InvoiceStatus.PAID:
        reopened = InvoiceReopened(
            invoice_id=bill.id,
            invoice_no=bill.invoice_no,
            account_id=bill.account_id,
            owed=bill.total - bill.paid,
        )
        ctx.emit(reopened)


def named(bills: Sequence[Invoice], wanted: Sequence[UUID]) -> list[Invoice]:
    """The open bills that were named, in that order; all of them if none was."""
    if not wanted:
        return list(bills)
    known = {b.id: b for b in bills}
    if strange := [w for w in wanted if w not in known]:
        raise Invalid(f"{strange[0]} is not an open bill of this account", field="invoices")
    return [known[w] for w in dict.fromkeys(wanted)]


def allocate(ctx: Ctx, payment: Payment, bills: Iterable[Invoice]) -> int:
    """Use the credit of a payment for bills in their order; how much was used."""
    used = 0
    for bill in bills:
        amount = min(payment.credit, bill.total - bill.paid)
        if amount > 0:
            ctx.db.add(Allocation(payment_id=payment.id, invoice_id=bill.id, amount=amount))
            mark(ctx, bill, amount)
            payment.use(amount)
            used += amount
    return used


async def take_back(ctx: Ctx, payment: Payment, invoice: UUID | None = None) -> int:
    """Free what a payment was used for, of one bill or all; how much that was."""
    stmt = (
        select(Allocation.invoice_id, func.sum(Allocation.amount).label("amount"))
        .where(Allocation.payment_id == payment.id)
        .group_by(Allocation.invoice_id)
        .having(func.sum(Allocation.amount) > 0)
    )
    if invoice is not None:
        stmt = stmt.where(Allocation.invoice_id == invoice)
    covered = {r.invoice_id: int(r.amount) for r in await ctx.db.execute(stmt)}
    if invoice is not None and not covered:
        raise Conflict(f"{payment.payment_no} does not pay for {invoice}")
    for bill in await _hold_bills(ctx, payment.account_id, Invoice.id.in_(covered)):
        amount = covered[bill.id]
        ctx.db.add(Allocation(payment_id=payment.id, invoice_id=bill.id, amount=-amount))
        mark(ctx, bill, -amount)
        payment.use(-amount)
    return sum(covered.values())
