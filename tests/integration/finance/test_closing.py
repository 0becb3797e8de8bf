"""Periods, statements, proofs and the chain over a year of postings."""

import asyncio
import datetime as dt
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import select

from hub import Conflict
from plugins.finance import (
    Entry,
    Line,
    Period,
    PeriodClosed,
    balances,
    credit,
    debit,
    post,
    post_many,
)
from plugins.finance.chain import seal, verify
from plugins.finance.models import Account
from plugins.finance.periods import Close, Reopen, close, periods, reopen
from plugins.finance.proof import SubLedgers, prove

PARTY = UUID(int=7)


def sale(day, amount=100, key=None, **more):
    lines = (debit("1110", amount), credit("4110", amount))
    return Entry(kind="sale", key=key, day=day, description="sale", lines=lines, **more)


async def period(ctx, number):
    return await ctx.db.scalar(select(Period).where(Period.period_no == number))


async def closed(books, *numbers):
    for number in numbers:
        async with books() as ctx:
            await close(ctx, await period(ctx, number), Close())


async def net(books, code, at):
    async with books() as ctx:
        account = await ctx.db.scalar(select(Account.id).where(Account.code == code))
        return (await balances.sums(ctx, at)).get(account, balances.NOTHING).net


async def test_r16_a_closed_period_takes_nothing_by_value_date(books):
    await closed(books, 1)
    with pytest.raises(PeriodClosed, match=r"period 1 of 2026.*is closed"):
        async with books() as ctx:
            await post(ctx, sale(dt.date(2026, 1, 31)))
    async with books() as ctx:
        await post(ctx, sale(dt.date(2026, 2, 1)))


async def test_r16_a_soft_closed_period_takes_only_from_those_who_may_close(books):
    async with books() as ctx:
        await periods.actions["soft-close"].handler(ctx, await period(ctx, 1))
    async with books() as ctx:
        await post(ctx, sale(dt.date(2026, 1, 5)))
    books.actor = type(books.actor)(
        id="clerk", tenant=books.tenant, permissions=frozenset({"finance.journal.post"})
    )
    with pytest.raises(PeriodClosed, match="closing"):
        async with books() as ctx:
            await post(ctx, sale(dt.date(2026, 1, 5)))


async def test_r17_a_late_fact_is_booked_in_the_first_open_period_with_its_own_date(books):
    await closed(books, 1, 2)
    async with books() as ctx:
        late = await post(ctx, sale(dt.date(2026, 1, 15), next_open=True))
    found = await books.sql("SELECT entry_date, event_date FROM finance_entry")
    assert late.day == dt.date(2026, 3, 1)
    assert found == [(dt.date(2026, 3, 1), dt.date(2026, 1, 15))]


async def test_periods_close_in_order_and_reopen_from_the_end(books):
    with pytest.raises(Conflict, match="period 2026-01 is not closed yet"):
        await closed(books, 2)
    await closed(books, 1, 2)
    with pytest.raises(Conflict, match="a later period is closed"):
        async with books() as ctx:
            await reopen(ctx, await period(ctx, 1), Reopen(reason="late bill"))
    async with books() as ctx:
        await reopen(ctx, await period(ctx, 2), Reopen(reason="late bill"))
    async with books() as ctx:
        await post(ctx, sale(dt.date(2026, 2, 1)))


async def test_clearing_accounts_that_are_not_zero_have_to_be_accepted(books):
    lines = (debit("@clearing", 5), credit("4110", 5))
    async with books() as ctx:
        await post(ctx, Entry(kind="p", day=dt.date(2026, 1, 3), description="x", lines=lines))
    with pytest.raises(Conflict, match="clearing accounts are not zero"):
        await closed(books, 1)
    async with books() as ctx:
        await close(ctx, await period(ctx, 1), Close(accept_open_items=True))


async def test_a_period_closed_under_a_posting_lets_it_in_whole_or_not_at_all(books):
    day = dt.date(2026, 1, 9)

    async def one(n):
        async with books() as ctx:
            await post(ctx, sale(day, key=str(n)))

    async def shut():
        await asyncio.sleep(0.02)
        await closed(books, 1)
        return await books.sql("SELECT count(*) FROM finance_entry")

    done = await asyncio.gather(shut(), *(one(n) for n in range(40)), return_exceptions=True)
    ((at_close,),) = done[0]
    ((after,),) = await books.sql("SELECT count(*) FROM finance_entry")
    assert after == at_close == sum(d is None for d in done[1:])
    assert all(d is None or "period" in str(d) for d in done[1:]), done


async def test_r16_the_database_refuses_a_closed_period_whoever_writes(books, migrated):
    await closed(books, 1)
    async with books() as ctx:
        posted = await post(ctx, sale(dt.date(2026, 2, 1)))
    with psycopg.connect(migrated) as owner:
        owner.execute(
            "UPDATE finance_period SET status = 'closed' WHERE period_no = 3;"
            "ALTER TABLE finance_entry DISABLE TRIGGER finance_entry_stays;"
            "UPDATE finance_entry SET entry_date = '2026-03-01', period_id ="
            " (SELECT id FROM finance_period WHERE period_no = 3)"
        )
        with pytest.raises(psycopg.errors.CheckViolation, match="is of a period that is closed"):
            owner.commit()
    assert (await books.sql("SELECT id FROM finance_entry WHERE entry_date = '2026-02-01'")) == [
        (posted.id,)
    ]


async def test_the_last_period_carries_the_result_to_equity(books):
    spent = (debit("5200", 30), credit("1110", 30))
    async with books() as ctx:
        await post(ctx, sale(dt.date(2026, 3, 3), 100))
        await post(ctx, Entry(kind="x", day=dt.date(2026, 4, 1), description="pay", lines=spent))
    await closed(books, *range(1, 14))
    end = dt.date(2026, 12, 31)
    assert [await net(books, c, end) for c in ("1110", "4110", "5200", "3200")] == [70, 0, 0, -70]


async def test_r18_cached_balances_are_those_of_the_lines_at_any_date(books):
    days = [dt.date(2026, m, d) for m in (1, 2, 3, 5, 6) for d in (1, 15, 28)]

    async def check():
        for at in (*days, dt.date(2025, 12, 31), dt.date(2026, 12, 31)):
            ((wanted,),) = await books.sql(
                "SELECT coalesce(sum(amount), 0)::bigint FROM finance_line l JOIN finance_account"
                " a ON a.id = l.account_id WHERE a.code = '1110' AND entry_date <= :at",
                at=at,
            )
            assert await net(books, "1110", at) == wanted, at

    for part in (days[::2], days[1::2]):
        async with books() as ctx:
            await post_many(ctx, [sale(d, n + 1) for n, d in enumerate(part)])
        await check()
        async with books() as ctx:
            assert await balances.roll_up(ctx) == len(part)
            assert await balances.roll_up(ctx) == 0
        await check()
    async with books() as ctx:
        assert (await prove(ctx)).sound


async def test_r18_the_proof_names_what_does_not_agree(books, migrated):
    lines = (debit("@receivables", 70, party_id=PARTY), credit("4110", 70))
    async with books() as ctx:
        await post(ctx, Entry(kind="i", day=dt.date(2026, 1, 3), description="x", lines=lines))
        await balances.roll_up(ctx)
    subledgers = SubLedgers()

    async def billing(_):
        return {"1210": 60}

    subledgers.add("billing", billing)
    with psycopg.connect(migrated, autocommit=True) as owner:
        owner.execute("UPDATE finance_balance SET debit = debit + 1 WHERE debit > 0")
        owner.execute("UPDATE finance_series SET last = last + 1")
    async with books() as ctx:
        proof = await prove(ctx, subledgers)
    assert not proof.sound
    assert proof.faults == {
        "numbers": {"2026": 1},
        "cache": {"1210 2026-01": 1},
        "sub-ledger billing": {"1210": 10},
    }


TAMPER = [
    ("UPDATE finance_line SET amount = amount * 2 WHERE entry_id = %s", (2, "not what was sealed")),
    ("UPDATE finance_entry SET description = 'x' WHERE id = %s", (2, "not what was sealed")),
    ("UPDATE finance_entry SET entry_date = '2026-02-02' WHERE id = %s", (2, "not what was")),
    ("UPDATE finance_entry SET posted_by = 'me' WHERE id = %s", (2, "not what was sealed")),
    ("DELETE FROM finance_line WHERE entry_id = %s", (2, "missing")),
    ("UPDATE finance_seal SET leaves = leaves || '0' WHERE %s IS NOT NULL", (1, "chain itself")),
]


@pytest.mark.parametrize(("statement", "told"), TAMPER)
async def test_r20_the_chain_shows_what_even_the_owner_changed(books, migrated, statement, told):
    day = dt.date(2026, 1, 3)
    async with books() as ctx:
        posted = await post_many(ctx, [sale(day, n) for n in (5, 6, 7)])
        assert await seal(ctx) == 3
    async with books() as ctx:
        await post(ctx, sale(day))
        verdict = await verify(ctx)
        assert (verdict.entries, verdict.waiting, verdict.broken) == (3, 1, [])
    with psycopg.connect(migrated, autocommit=True) as owner:
        owner.execute("SET session_replication_role = replica")  # no trigger stops an owner
        owner.execute(statement, (posted[1].id,))
    async with books() as ctx:
        broken = (await verify(ctx)).broken
    number, why = told
    assert [b.number for b in broken] == [number]
    assert why in broken[0].why


async def test_r20_rates_and_parties_survive_the_way_through_the_database(books):
    from decimal import Decimal

    lines = (
        Line("@receivables", 70, "customer", PARTY, UUID(int=1), UUID(int=2), "نص", Decimal("0.1")),
        Line("4110", -70, fx_rate=Decimal("250.123456789")),
    )
    async with books() as ctx:
        entry = Entry(
            kind="i", key="k", day=dt.date(2026, 1, 3), description='"\\ ☼', lines=lines,
            reference_type="invoice", reference_id=UUID(int=9),
        )  # fmt: skip
        await post(ctx, entry)
        await seal(ctx)
        assert (await verify(ctx)).broken == []
        assert (await post(ctx, entry)).replayed


async def test_two_who_seal_at_once_make_one_chain(books):
    async with books() as ctx:
        await post_many(ctx, [sale(dt.date(2026, 1, 3)) for _ in range(2500)])

    async def run():
        async with books() as ctx:
            return await seal(ctx)

    assert sorted(await asyncio.gather(run(), run())) == [0, 2500]
    async with books() as ctx:
        verdict = await verify(ctx)
    assert (verdict.entries, verdict.broken) == (2500, [])
