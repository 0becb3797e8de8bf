"""What other domains tell becomes entries by the company's posting rules."""

import datetime as dt

import pytest
import pytest_asyncio

from hub import LEDGER, Conflict, Fact, Invalid, NotFound, uuid7
from plugins.finance import KeyReused, PeriodClosed, Unbalanced
from plugins.finance.chart import CHART
from plugins.finance.posting_defaults import DEFAULTS
from plugins.finance.proof import prove

DAY = dt.date(2026, 6, 10)
PARTY = uuid7()
RULES = "/api/v1/finance/posting-rules"


def invoice(key="INV-1", **given):
    amounts = {"total": 11_500, "energy": 9_000, "standing": 1_000, "tax": 1_500}
    return Fact(
        **{
            "kind": "invoice.issued",
            "key": key,
            "day": DAY,
            "description": key,
            "amounts": amounts,
            "party_type": "account",
            "party_id": PARTY,
        }
        | given
    )


@pytest_asyncio.fixture
async def tell(central, books):
    async def record(*facts):
        async with books() as ctx:
            return await central.get(LEDGER).record(ctx, facts)

    return record


async def balances(books):
    rows = await books.sql(
        "SELECT a.code, sum(l.amount)::bigint AS total FROM finance_line l"
        " JOIN finance_account a ON a.tenant = l.tenant AND a.id = l.account_id"
        " GROUP BY a.code HAVING sum(l.amount) <> 0"
    )
    return {r.code: r.total for r in rows}


def test_every_rule_that_ships_names_accounts_of_the_chart_and_parties_where_they_belong():
    chart = {f"@{s.purpose}": s.marks for s in CHART if s.purpose}
    for kind, lines in DEFAULTS.items():
        assert {x.account for x in lines} <= set(chart), kind
        assert {x.side for x in lines} == {"debit", "credit"}, kind
        assert [x.account for x in lines if ("c" in chart[x.account]) != x.party] == [], kind


async def test_an_issued_invoice_moves_the_accounts_of_its_parts(books, tell):
    (booked,) = await tell(invoice())
    assert (booked.entry_no, booked.replayed) == ("JV-2026-000001", False)
    assert await balances(books) == {"1210": 11_500, "4110": -9_000, "4130": -1_000, "2210": -1_500}


async def test_a_fact_told_twice_is_booked_once_and_another_under_its_key_is_refused(books, tell):
    (first,) = await tell(invoice())
    (again,) = await tell(invoice())
    assert (again.entry_id, again.replayed) == (first.entry_id, True)
    with pytest.raises(KeyReused):
        await tell(invoice(amounts={"total": 1, "energy": 1}))
    assert (await balances(books))["1210"] == 11_500


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"amounts": {"total": 100, "energy": 90}}, Unbalanced),
        ({"amounts": {"total": 100, "magic": 100}}, Invalid),
        ({"kind": "nobody.knows"}, Invalid),
        ({"party_id": None}, Invalid),
        ({"amounts": {"total": 0}}, Unbalanced),
    ],
)
async def test_what_does_not_fit_the_rule_is_refused_with_all_that_came_with_it(
    books, tell, given, error
):
    with pytest.raises(error):
        await tell(invoice("good"), invoice("bad", **given))
    assert await balances(books) == {}


async def test_a_negative_part_goes_to_the_other_side(books, tell):
    await tell(invoice(amounts={"total": 7_000, "energy": 9_000, "subsidy": -2_000}))
    assert await balances(books) == {"1210": 7_000, "4110": -9_000, "4400": 2_000}


async def test_what_was_booked_is_undone_once(central, books, tell):
    await tell(invoice())
    ledger = central.get(LEDGER)
    async with books() as ctx:
        await ledger.undo(ctx, "invoice.issued", "INV-1", reason="wrong meter", day=DAY)
    assert await balances(books) == {}
    async with books() as ctx:
        with pytest.raises(Conflict):
            await ledger.undo(ctx, "invoice.issued", "INV-1", reason="again", day=DAY)
        with pytest.raises(NotFound):
            await ledger.undo(ctx, "invoice.issued", "INV-9", reason="which?", day=DAY)
    async with books() as ctx:
        assert (await prove(ctx)).faults == {}


async def test_a_late_fact_goes_to_the_first_open_period_unless_it_must_not(books, tell):
    await books.sql("UPDATE finance_period SET status = 'closed' WHERE period_no <= 6")
    (booked,) = await tell(invoice())
    assert booked.day == dt.date(2026, 7, 1)
    with pytest.raises(PeriodClosed):
        await tell(invoice("late", next_open=False))


async def test_a_company_moves_a_part_to_another_account(central, client, sign_in):
    me = await sign_in("finance.*")
    setup = {"currency": "USD", "year": 2026}
    assert (await client.post("/api/v1/finance/setup", json=setup, headers=me)).status == 204
    found = await (await client.get(f"{RULES}?event_type=payment.refunded", headers=me)).json()
    (rule,) = found["items"]
    url = f"{RULES}/{rule['id']}"
    lines = [
        {"side": "debit", "account": "@advances", "part": "amount", "party": True},
        {"side": "credit", "account": "1120", "part": "bank"},
    ]
    changed = await client.put(url, json={"lines": lines}, headers=me)
    assert changed.status == 200, await changed.json()
    heading = [*lines[:1], lines[1] | {"account": "1100"}]
    assert (await client.put(url, json={"lines": heading}, headers=me)).status == 422
    nobody = [lines[0] | {"party": False}, lines[1]]
    assert (await client.put(url, json={"lines": nobody}, headers=me)).status == 422


async def test_a_rule_that_is_switched_off_books_nothing(books, tell):
    await books.sql("UPDATE finance_posting_rule SET is_active = false")
    with pytest.raises(Conflict):
        await tell(invoice())
