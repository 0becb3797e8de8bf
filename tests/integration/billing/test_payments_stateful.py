"""Payments against a model: any order of steps, and books, bills and balances agree after each."""

import asyncio
import datetime as dt

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import select, text

from hub import LEDGER, Actor, Conflict, uuid7
from hub.kernel.database import Database
from hub.kernel.uow import Unit
from plugins.billing import receiving
from plugins.billing.invoices import Note
from plugins.billing.invoices import credit as give_credit
from plugins.billing.issuing import fact, lock_series, take_numbers
from plugins.billing.models_bills import Invoice, InvoiceKind, Party, Statement
from plugins.billing.models_network import Account, Customer
from plugins.billing.models_payments import Channel, Means, Payment, Tender
from plugins.billing.parts import parts_of
from plugins.billing.payments import balance, totals
from plugins.billing.tariff import Line
from plugins.finance import open_books
from plugins.finance.posting import Books
from plugins.finance.proof import SubLedgers, prove

NOW = dt.datetime(2026, 5, 5, 12, tzinfo=dt.UTC)
DAY = NOW.date()
AMOUNTS = st.integers(1, 10_000)
PARTY = Party(
    number="A", code="C", name_ar="م", name_en=None, address=None, tax_no=None, place="p",
    language="ar", tariff="T",
)  # fmt: skip
WRONG = text("""
SELECT 'bill' FROM billing_invoice i WHERE i.paid <> (
  SELECT coalesce(sum(a.amount) FILTER (WHERE a.invoice_id = i.id), 0)
       - coalesce(sum(a.amount) FILTER (WHERE a.note_id = i.id), 0)
    FROM billing_allocation a WHERE i.id IN (a.invoice_id, a.note_id))
   OR (i.status = 'paid') <> (i.paid = i.total)
UNION ALL
SELECT 'payment' FROM billing_payment p WHERE p.settled <> (
  SELECT coalesce(sum(a.amount), 0) FROM billing_allocation a WHERE a.payment_id = p.id)
   OR p.refunded <> (
  SELECT coalesce(sum(r.amount), 0) FROM billing_refund r WHERE r.payment_id = p.id)
   OR p.settled + p.refunded > p.amount
""")


class Money(RuleBasedStateMachine):
    """owed: bills less notes. got: payments that did not bounce, less refunds."""

    dsn = ""

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.database = Database(self.dsn, size=2)
        self.unit = Unit(self.database, services={LEDGER: Books()}, clock=lambda: NOW)
        self.actor = Actor(id="t", tenant=uuid7(), permissions=frozenset({"*"}))
        self.bills, self.payments, self.told = {}, {}, []
        self.owed = self.got = 0
        self.proofs = SubLedgers()
        self.proofs.add("billing", totals)
        self.account = self.run(self._open)

    def run(self, work):
        async def inside():
            async with self.unit(self.actor) as ctx:
                return await work(ctx)

        return self.loop.run_until_complete(inside())

    async def _open(self, ctx):
        await open_books(ctx, currency="USD", year=2026)
        customer = Customer(id=uuid7(), code="C", name_ar="م", language="ar")
        ctx.db.add(customer)
        await ctx.db.flush()
        account = Account(id=uuid7(), customer_id=customer.id, number="A", currency="USD")
        ctx.db.add(account)
        return account.id

    @rule(amount=AMOUNTS, due=st.integers(0, 30))
    def bill(self, amount, due):
        async def work(ctx):
            series, last, day = await lock_series(ctx, "INV", DAY)
            line = Line(
                kind="flat", name="energy", start=DAY, end=DAY, quantity=1000, unit="kWh",
                unit_price=amount, amount=amount,
            )  # fmt: skip
            row = Invoice(
                id=uuid7(), invoice_no=f"{series}-{last + 1}", series=series, number=last + 1,
                kind=InvoiceKind.FEE, account_id=self.account, issue_date=day,
                due_date=day + dt.timedelta(days=due), currency="USD", net=amount, tax=0,
                total=amount, paid=0, readings=[], statement=Statement(party=PARTY, lines=(line,)),
            )  # fmt: skip
            ctx.db.add(row)
            await ctx.db.flush()
            await take_numbers(ctx, series, last + 1, day)
            told = fact(row.id, row.invoice_no, self.account, parts_of((line,)), day)
            await ctx.get(LEDGER).record(ctx, [told])
            return row.id

        self.bills[self.run(work)] = amount
        self.owed += amount

    @precondition(lambda self: self.bills)
    @rule(data=st.data(), amount=AMOUNTS)
    def note(self, data, amount):
        ident = data.draw(st.sampled_from(list(self.bills)))

        async def work(ctx):
            row = await ctx.db.scalar(select(Invoice).where(Invoice.id == ident))
            await give_credit(ctx, row, Note(amount=amount, reason="too high"))

        try:
            self.run(work)
        except Conflict:
            assert amount > self.bills[ident]
            return
        self.bills[ident] -= amount
        self.owed -= amount

    @rule(amount=AMOUNTS, means=st.sampled_from(Means))
    def pay(self, amount, means):
        tender = Tender(means=means, amount=amount)
        told = receiving.Money(
            account="A", source="s", reference=f"R{len(self.told)}", currency="USD",
            tenders=(tender,),
        )  # fmt: skip
        done = self.run(lambda ctx: receiving.receive(ctx, told, Channel.COUNTER))
        assert not done.replayed
        self.told.append((told, done.payment.id))
        self.payments[done.payment.id] = (amount, 0)
        self.got += amount

    @precondition(lambda self: self.told)
    @rule(data=st.data(), other=st.booleans())
    def tell_again(self, data, other):
        told, ident = data.draw(st.sampled_from(self.told))
        tenders = (*told.tenders, Tender(means=Means.CASH, amount=1)) if other else told.tenders
        again = receiving.Money(
            account="A", source="s", reference=told.reference, currency="USD", tenders=tenders
        )
        try:
            done = self.run(lambda ctx: receiving.receive(ctx, again, Channel.FILE))
        except Conflict:
            assert other
            return
        assert not other
        assert (done.replayed, done.payment.id) == (True, ident)

    def on_payment(self, ident, work):
        """What `work` did, or None where a Conflict refused it."""

        async def inside(ctx):
            row = await ctx.db.scalar(select(Payment).where(Payment.id == ident))
            return await work(ctx, row), row.amount - row.settled - row.refunded

        try:
            return self.run(inside)
        except Conflict:
            return None

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def bounce(self, data):
        _, ident = data.draw(st.sampled_from(self.told))
        done = self.on_payment(ident, lambda ctx, row: receiving.bounce(ctx, row, "no cover"))
        assert (done is not None) == (ident in self.payments)
        if done is not None:
            self.got -= self.payments.pop(ident)[0]

    @precondition(lambda self: self.payments)
    @rule(data=st.data(), amount=AMOUNTS)
    def refund(self, data, amount):
        ident = data.draw(st.sampled_from(list(self.payments)))
        body = receiving.GiveBack(
            reference=str(uuid7()), means=Means.CASH, reason="too much", amount=amount
        )
        if self.on_payment(ident, lambda ctx, row: receiving.refund(ctx, row, body)):
            self.got -= amount
            whole, back = self.payments[ident]
            self.payments[ident] = (whole, back + amount)
            assert back + amount <= whole

    @precondition(lambda self: self.payments)
    @rule(data=st.data())
    def apply(self, data):
        ident = data.draw(st.sampled_from(list(self.payments)))
        assert self.on_payment(ident, lambda ctx, row: receiving.apply(ctx, row, ()))

    @precondition(lambda self: self.payments and self.bills)
    @rule(data=st.data())
    def release(self, data):
        ident = data.draw(st.sampled_from(list(self.payments)))
        bill = data.draw(st.sampled_from(list(self.bills)))
        done = self.on_payment(ident, lambda ctx, row: receiving.release(ctx, row, bill))
        assert done is None or done[0] > 0

    @rule()
    def use_all_credit(self):
        self.loop.run_until_complete(receiving.apply_credits(lambda: self.unit(self.actor)))

    @invariant()
    def books_bills_and_payments_agree(self):
        async def work(ctx):
            assert (await prove(ctx, self.proofs)).faults == {}
            assert (await ctx.db.execute(WRONG)).all() == []
            row = await ctx.db.scalar(select(Account).where(Account.id == self.account))
            return await balance(ctx, row)

        found = self.run(work)
        assert found.balance == self.owed - self.got

    def teardown(self):
        self.loop.run_until_complete(self.database.engine.dispose())
        self.loop.close()


def test_any_order_of_payments_keeps_books_bills_and_balances_together(migrated):
    machine = type("MoneyHere", (Money,), {"dsn": migrated})
    Case = machine.TestCase  # noqa: N806
    Case.settings = settings(
        max_examples=10,
        stateful_step_count=15,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    Case("runTest").runTest()
