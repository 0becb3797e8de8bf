"""Posting: balanced, immutable, numbered without gaps, once per key."""

import asyncio
import datetime as dt
from uuid import UUID

import pytest
from sqlalchemy.exc import IntegrityError

from hub import Conflict, Invalid, NotFound
from plugins.finance import (
    AccountUnusable,
    Entry,
    KeyReused,
    PeriodClosed,
    Unbalanced,
    credit,
    debit,
    post,
    post_many,
    reverse,
)

DAY = dt.date(2026, 6, 15)
PARTY = UUID(int=7)


def invoice(key=None, amount=11_500, day=DAY, **more):
    tax = amount * 3 // 23
    lines = (
        debit("@receivables", amount, party_type="customer", party_id=PARTY),
        credit("4110", amount - tax),
        credit("@tax_payable", tax),
    )
    return Entry(
        kind="billing.invoice", key=key, day=day, description="Energy, June", lines=lines, **more
    )


async def numbers(books):
    found = await books.sql("SELECT number FROM finance_entry WHERE number > 0 ORDER BY number")
    return [n for (n,) in found]


async def trial(books):
    return await books.sql(
        "SELECT a.code, sum(l.amount) FROM finance_line l JOIN finance_account a"
        " ON a.tenant = l.tenant AND a.id = l.account_id GROUP BY a.code ORDER BY a.code"
    )


async def test_an_entry_is_posted_with_its_number_and_lines(books):
    async with books() as ctx:
        posted = await post(ctx, invoice("i1"))
    assert (posted.entry_no, posted.day, posted.replayed) == ("JV-2026-000001", DAY, False)
    assert await trial(books) == [("1210", 11_500), ("2210", -1500), ("4110", -10_000)]
    events = await books.sql("SELECT type, data FROM hub_event")
    assert [e.type for e in events] == ["journal.posted"]
    assert events[0].data["total"] == 11_500


async def test_a_batch_gets_consecutive_numbers_in_its_order(books):
    async with books() as ctx:
        posted = await post_many(ctx, [invoice(f"i{n}", amount=100 + n) for n in range(50)])
    assert [p.entry_no[-3:] for p in posted] == [f"{n:03}" for n in range(1, 51)]
    assert await numbers(books) == list(range(1, 51))


async def test_the_same_key_and_body_is_the_same_entry(books):
    async with books() as ctx:
        first = await post(ctx, invoice("i1"))
    async with books() as ctx:
        again = await post_many(ctx, [invoice("i2"), invoice("i1")])
    assert (again[1].id, again[1].replayed) == (first.id, True)
    assert (again[0].entry_no, again[0].replayed) == ("JV-2026-000002", False)
    assert await numbers(books) == [1, 2]


@pytest.mark.parametrize("change", [{"amount": 11_501}, {"day": dt.date(2026, 6, 16)}])
async def test_the_same_key_with_another_body_is_refused(books, change):
    async with books() as ctx:
        await post(ctx, invoice("i1"))
    with pytest.raises(KeyReused, match="JV-2026-000001"):
        async with books() as ctx:
            await post(ctx, invoice("i1", **change))
    assert await numbers(books) == [1]


async def test_a_rolled_back_post_leaves_no_gap(books):
    async def fail():
        async with books() as ctx:
            await post(ctx, invoice())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with books() as ctx:
        await post(ctx, invoice())
    assert await numbers(books) == [1]


def lines(*amounts, account="1110"):
    return tuple(debit(account, a) for a in amounts)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (lines(100, -90), Unbalanced),
        (lines(100), Unbalanced),
        (lines(100, -100, 0), Unbalanced),
        ((), Unbalanced),
        ((debit("1110", 5), credit("9999", 5)), AccountUnusable),
        ((debit("1110", 5), credit("4000", 5)), AccountUnusable),
        ((debit("@receivables", 5), credit("4110", 5)), AccountUnusable),
    ],
)
async def test_what_cannot_be_posted_is_refused_and_takes_no_number(books, given, error):
    with pytest.raises(error):
        async with books() as ctx:
            await post(ctx, Entry(kind="test", day=DAY, description="x", lines=given))
    async with books() as ctx:
        assert (await post(ctx, invoice())).entry_no == "JV-2026-000001"


async def test_one_bad_entry_keeps_a_whole_batch_out(books):
    bad = Entry(kind="t", day=DAY, description="x", lines=lines(5, -5, account="nope"))
    with pytest.raises(AccountUnusable, match="line 1: account nope does not exist"):
        async with books() as ctx:
            await post_many(ctx, [invoice(), bad])
    assert await numbers(books) == []


async def test_a_day_without_a_period_is_refused(books):
    with pytest.raises(PeriodClosed, match="open its fiscal year"):
        async with books() as ctx:
            await post(ctx, invoice(day=dt.date(2031, 1, 1)))


async def test_a_reversal_mirrors_and_links_both_ways_once(books):
    async with books() as ctx:
        first = await post(ctx, invoice("i1"))
    async with books() as ctx:
        back = await reverse(ctx, first.id, reason="wrong meter", day=dt.date(2026, 7, 1))
    rows = await books.sql(
        "SELECT status, reversed_entry_id, reversed_by_id, reversal_reason FROM finance_entry"
        " ORDER BY number"
    )
    assert rows == [
        ("reversed", None, back.id, None),
        ("posted", first.id, None, "wrong meter"),
    ]
    assert {total for _, total in await trial(books)} == {0}
    with pytest.raises(Conflict, match="cannot reverse what is reversed"):
        async with books() as ctx:
            await reverse(ctx, first.id, reason="again")
    with pytest.raises(Invalid):
        async with books() as ctx:
            await reverse(ctx, back.id, reason=" ")
    with pytest.raises(NotFound):
        async with books() as ctx:
            await reverse(ctx, UUID(int=3), reason="x")


async def test_two_who_reverse_at_once_reverse_once(books):
    async with books() as ctx:
        first = await post(ctx, invoice("i1"))

    async def back():
        async with books() as ctx:
            await reverse(ctx, first.id, reason="wrong")

    done = await asyncio.gather(back(), back(), back(), return_exceptions=True)
    assert sorted(type(d).__name__ for d in done) == ["Conflict", "Conflict", "NoneType"]
    assert await numbers(books) == [1, 2]


async def test_posts_at_once_get_consecutive_numbers_though_some_fail(books):
    async def one(n):
        async with books() as ctx:
            await post(ctx, invoice(f"i{n}"))
            if n % 5 == 0:
                raise ZeroDivisionError

    done = await asyncio.gather(*(one(n) for n in range(60)), return_exceptions=True)
    assert sum(d is None for d in done) == 48
    assert await numbers(books) == list(range(1, 49))


async def test_the_same_key_posted_at_once_is_one_entry(books):
    async def one():
        async with books() as ctx:
            return (await post(ctx, invoice("same"))).id

    done = await asyncio.gather(*(one() for _ in range(12)), return_exceptions=True)
    ids = {d for d in done if isinstance(d, UUID)}
    assert len(ids) == 1
    assert all(isinstance(d, UUID | Conflict) for d in done), done
    assert await numbers(books) == [1]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE finance_line SET amount = amount",
        "DELETE FROM finance_line",
        "UPDATE finance_entry SET description = 'x'",
        "UPDATE finance_entry SET key = NULL",
        "UPDATE finance_entry SET status = 'draft'",
        "UPDATE finance_entry SET status = 'reversed'",
        "DELETE FROM finance_entry",
        "TRUNCATE finance_line",
        "UPDATE finance_series SET last = 0",
        "DELETE FROM finance_series",
        "UPDATE finance_account SET currency = 'EUR' WHERE code = '1210'",
        "DELETE FROM finance_account WHERE code = '1210'",
        """INSERT INTO finance_line (tenant, entry_id, line_no, account_id, amount, currency,
        entry_date, fx_rate) SELECT tenant, entry_id, line_no + 10, account_id, amount, currency,
        entry_date, 1 FROM finance_line""",
    ],
)
async def test_the_database_keeps_what_was_posted(books, migrated, statement):
    import psycopg

    async with books() as ctx:
        await post(ctx, invoice("i1"))
    refusals = (psycopg.errors.IntegrityError, psycopg.errors.InsufficientPrivilege)
    with psycopg.connect(migrated) as owner, pytest.raises(refusals):
        owner.execute(statement)
    assert await trial(books) == [("1210", 11_500), ("2210", -1500), ("4110", -10_000)]


RAW = """
WITH e AS (
  INSERT INTO finance_entry (tenant, id, entry_no, fiscal_year, number, entry_date, event_date,
    period_id, description, kind, status, total, line_count, into_closing, adjustment, revision,
    created_at, updated_at)
  SELECT p.tenant, gen_random_uuid(), 'RAW', 2026, 900, '2026-06-15', '2026-06-15', p.id, 'raw',
    'raw', 'posted', 5, :count, false, false, 1, now(), now()
    FROM finance_period p WHERE p.period_no = 6
  RETURNING *)
INSERT INTO finance_line (tenant, entry_id, line_no, account_id, amount, currency, entry_date,
  fx_rate)
SELECT e.tenant, e.id, row_number() OVER (), a.id, v.amount, a.currency, e.entry_date, 1
  FROM e, (VALUES ('1110', :one), ('1120', :two)) v(code, amount)
  JOIN finance_account a ON a.code = v.code
 WHERE v.amount <> 0
"""


@pytest.mark.parametrize(
    ("one", "two", "count", "constraint"),
    [
        (5, -4, 2, "finance_entry_balanced"),
        (5, -5, 3, "finance_entry_whole"),
        (5, 0, 1, "finance_entry_balanced"),
        (0, 0, 0, "finance_entry_whole"),
    ],
)
async def test_the_database_balances_whoever_writes(books, one, two, count, constraint):
    with pytest.raises(Invalid, match=constraint):
        await books.sql(RAW, one=one, two=two, count=count)
    await books.sql(RAW, one=5, two=-5, count=2)


async def test_a_zero_line_cannot_be_written(books):
    with pytest.raises((Invalid, IntegrityError), match="ck_finance_line_moves"):
        await books.sql(RAW.replace("WHERE v.amount <> 0", ""), one=0, two=0, count=2)
