"""The ledger against a model: any order of steps, and the books balance after each."""

import asyncio
import datetime as dt
from collections import defaultdict

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import select

from hub import Actor, Conflict, HubError, uuid7
from hub.kernel.database import Database
from hub.kernel.uow import Unit
from plugins.finance import Entry, Period, PeriodClosed, credit, debit, open_books, post, post_many
from plugins.finance import reverse as reverse_entry
from plugins.finance.balances import NOTHING, roll_up, sums
from plugins.finance.chain import seal, verify
from plugins.finance.models import Account
from plugins.finance.periods import Close, Reopen, close, reopen
from plugins.finance.proof import prove

CODES = ("1110", "1120", "2110", "3100", "4110", "5200")
END = dt.date(2026, 12, 31)
DAYS = st.dates(dt.date(2026, 1, 1), dt.date(2026, 6, 30))
AMOUNTS = st.integers(1, 10**12)
PARTY = uuid7()


def entry(key, day, amounts):
    """A chain of moves: each amount goes from one account to the next."""
    lines = []
    for n, amount in enumerate(amounts):
        ours, theirs = CODES[n % len(CODES)], CODES[(n + 1) % len(CODES)]
        lines += [debit(ours, amount, party_id=PARTY), credit(theirs, amount, party_id=PARTY)]
    return Entry(kind="s", key=key, day=day, description="step", lines=tuple(lines))


class Ledger(RuleBasedStateMachine):
    dsn = ""

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.database = Database(self.dsn, size=2)
        self.unit = Unit(self.database)
        self.actor = Actor(id="t", tenant=uuid7(), permissions=frozenset({"finance.*"}))
        self.posted, self.reversed, self.closed, self.keys = {}, set(), 0, 0
        self.expected = defaultdict(int)
        self.run(lambda ctx: open_books(ctx, currency="USD", year=2026))

    def run(self, work):
        async def inside():
            async with self.unit(self.actor) as ctx:
                return await work(ctx)

        return self.loop.run_until_complete(inside())

    def count(self, given, sign=1):
        for line in given.lines:
            self.expected[line.account] += sign * line.amount

    def is_open(self, day):
        return day.month > self.closed

    @rule(day=DAYS, batch=st.lists(st.lists(AMOUNTS, min_size=1, max_size=4), max_size=5))
    def post_some(self, day, batch):
        given = []
        for amounts in batch:
            self.keys += 1
            given.append(entry(str(self.keys), day, amounts))
        try:
            done = self.run(lambda ctx: post_many(ctx, given))
        except PeriodClosed:
            assert not self.is_open(day)
            return
        assert self.is_open(day) or not given
        for one, made in zip(given, done, strict=True):
            self.posted[made.id] = (one, made)
            self.count(one)

    @precondition(lambda self: self.posted)
    @rule(data=st.data(), other=st.booleans())
    def post_again(self, data, other):
        one, made = data.draw(st.sampled_from(list(self.posted.values())))
        if other:
            one = entry(one.key, one.day, [1, 2, 3, 4, 5])
        try:
            again = self.run(lambda ctx: post(ctx, one))
            assert (again.id, again.replayed) == (made.id, True)
            assert not other
        except Conflict:
            assert other

    @precondition(lambda self: self.posted)
    @rule(data=st.data(), day=DAYS)
    def reverse(self, data, day):
        ident = data.draw(st.sampled_from(list(self.posted)))
        try:
            self.run(lambda ctx: reverse_entry(ctx, ident, reason="test", day=day))
        except Conflict:  # PeriodClosed is one
            assert ident in self.reversed or not self.is_open(day)
            return
        assert ident not in self.reversed
        self.reversed.add(ident)
        self.count(self.posted[ident][0], -1)

    @rule(day=DAYS, amount=AMOUNTS)
    def fail_after_posting(self, day, amount):
        async def work(ctx):
            await post(ctx, entry(None, day, [amount]))
            raise HubError("too late")

        try:
            self.run(work)
        except HubError:
            return
        raise AssertionError("nothing failed")

    @precondition(lambda self: self.closed < 6)
    @rule()
    def close_next(self):
        self.closed += 1
        self.run(lambda ctx: self._period(ctx, lambda row: close(ctx, row, Close())))

    @precondition(lambda self: self.closed)
    @rule()
    def reopen_last(self):
        self.run(lambda ctx: self._period(ctx, lambda r: reopen(ctx, r, Reopen(reason="test"))))
        self.closed -= 1

    async def _period(self, ctx, work):
        row = await ctx.db.scalar(select(Period).where(Period.period_no == self.closed))
        await work(row)

    @rule()
    def seal_and_roll(self):
        async def work(ctx):
            await seal(ctx)
            await roll_up(ctx)

        self.run(work)

    @invariant()
    def the_books_balance_and_are_what_was_posted(self):
        async def work(ctx):
            assert (await prove(ctx)).faults == {}
            assert (await verify(ctx)).broken == []
            held = await sums(ctx, END)
            rows = await ctx.db.execute(select(Account.id, Account.code))
            return {r.code: held.get(r.id, NOTHING).net for r in rows}

        found = self.run(work)
        assert sum(found.values()) == 0
        assert {c: n for c, n in found.items() if n} == {
            c: n for c, n in self.expected.items() if n
        }

    def teardown(self):
        self.loop.run_until_complete(self.database.engine.dispose())
        self.loop.close()


def test_any_order_of_steps_keeps_the_books_balanced(migrated):
    machine = type("LedgerHere", (Ledger,), {"dsn": migrated})
    Case = machine.TestCase  # noqa: N806
    Case.settings = settings(
        max_examples=15,
        stateful_step_count=20,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    Case("runTest").runTest()
