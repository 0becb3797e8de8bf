"""Payments: each once whoever tells of it, used by rule, taken back whole, and always booked."""

import asyncio
import datetime as dt

import psycopg
import pytest

from plugins.billing.models_payments import Channel, Means, Tender
from plugins.billing.receiving import Money, apply_credits, receive
from tests.integration.billing.town import at

FEB, MAR = "2028-02-01", "2028-03-01"
CASH = {"means": "cash", "amount": 4200}


@pytest.fixture
async def billed(office, clock):
    """One household with two bills, 4200 for January and less for February."""
    tariff = await office.town.tariff()
    office.house = await office.town.household(tariff, "2028-01-01", "1000")
    for day, dial in ((FEB, "1250"), (MAR, "1395")):
        clock.now = dt.datetime.combine(dt.date.fromisoformat(day), dt.time(9), dt.UTC)
        await office.town.load((office.house["meter"], at(day), dial))
        await office.bill(day)
    return office


async def bills(office):
    rows = await office.sql("SELECT * FROM billing_invoice ORDER BY issue_date, series, number")
    return [(r.total, r.paid, r.status) for r in rows]


async def invoice(office, place):
    rows = await office.sql("SELECT id FROM billing_invoice ORDER BY number")
    return str(rows[place].id)


def told(office, *tenders, reference="R-1", **given):
    number = office.house["account"]["number"]
    body = {"account": number, "source": "counter-1", "reference": reference, "currency": "USD"}
    return body | {"tenders": list(tenders)} | given


async def pay(office, *tenders, status=201, **given):
    return await office.town.post("payments", told(office, *tenders, **given), status)


async def balance(office):
    found = await office.town.get(f"accounts/{office.house['account']['id']}/balance")
    return found["owed"], found["credit"], found["balance"]


async def owed(office):
    return sum(total - paid for total, paid, _ in await bills(office))


async def booked(office, kind):
    return await office.sql(
        "SELECT a.purpose, l.amount FROM finance_entry e JOIN finance_line l"
        " ON l.tenant = e.tenant AND l.entry_id = e.id JOIN finance_account a"
        " ON a.tenant = l.tenant AND a.id = l.account_id WHERE e.kind = :kind"
        " ORDER BY l.amount DESC", kind=kind
    )  # fmt: skip


async def test_the_oldest_bill_is_paid_first_and_what_is_short_stays_open(billed):
    (_, first), (_, second) = [b[:2] for b in await bills(billed)]
    assert (first, second) == (0, 0)
    receipt = await pay(billed, CASH, {"means": "bank", "amount": 800, "reference": "T9"})
    assert (receipt["payment_no"], receipt["credit"]) == ("PAY-2028-000001", 0)
    (january, february) = await bills(billed)
    assert january == (4200, 4200, "paid")
    assert february[1:] == (800, "partially_paid")
    assert [c["amount"] for c in receipt["covered"]] == [4200, 800]
    lines = [(r.purpose, r.amount) for r in await booked(billed, "payment.received")]
    assert lines == [("cash", 4200), ("bank", 800), ("receivables", -5000)]
    await billed.sound()


async def test_a_named_bill_is_paid_before_older_ones_and_the_rest_is_credit(billed):
    (_, february) = await bills(billed)
    named = await invoice(billed, 1)
    receipt = await pay(billed, CASH, invoices=[named])
    assert receipt["credit"] == 4200 - february[0]
    assert [b[2] for b in await bills(billed)] == ["issued", "paid"]
    assert await balance(billed) == (4200, receipt["credit"], february[0])
    await pay(billed, CASH, invoices=[named], reference="R-2", status=422)
    await billed.sound()


async def test_one_payment_told_by_two_channels_at_once_is_taken_once(billed):
    money = Money(
        account=billed.house["account"]["number"],
        source="wallet",
        reference="W-77",
        currency="USD",
        tenders=(Tender(means=Means.CLEARING, amount=4200),),
    )

    async def tell(channel):
        async with billed() as ctx:
            done = await receive(ctx, money, channel)
            return done.payment.id, done.replayed

    done = await asyncio.gather(*(tell(c) for c in (*Channel, *Channel)))
    assert len({ident for ident, _ in done}) == 1
    assert sorted(replayed for _, replayed in done) == [False] + [True] * 5
    assert len(await billed.sql("SELECT FROM billing_payment")) == 1
    assert (await bills(billed))[0] == (4200, 4200, "paid")
    await billed.sound()


async def test_a_payment_told_again_moves_nothing_and_another_under_its_number_is_refused(billed):
    first = await pay(billed, CASH)
    again = await pay(billed, CASH, status=200)
    assert (again["id"], again["replayed"]) == (first["id"], True)
    await pay(billed, CASH | {"amount": 1}, status=409)
    owing = await owed(billed)
    assert await balance(billed) == (owing, 0, owing)
    await billed.sound()


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"currency": "EUR"}, 422),
        ({"day": "2028-12-31"}, 422),
        ({"account": "nobody"}, 404),
        ({"tenders": []}, 422),
        ({"tenders": [{"means": "cash", "amount": -1}]}, 422),
        ({"tenders": [{"means": "gold", "amount": 1}]}, 422),
    ],
)
async def test_money_that_cannot_be_right_leaves_no_trace(billed, given, status):
    before = await bills(billed)
    await billed.town.post("payments", told(billed, CASH) | given, status)
    assert await billed.sql("SELECT FROM billing_payment") == []
    assert await bills(billed) == before
    await billed.sound()


async def test_what_bounces_opens_the_bills_again_once(billed):
    receipt = await pay(billed, CASH | {"amount": 100_000})
    assert [b[2] for b in await bills(billed)] == ["paid", "paid"]
    because = {"reason": "no cover"}
    row = await billed.town.post(f"payments/{receipt['id']}/bounce", because, 200)
    assert (row["status"], row["settled"], row["credit"]) == ("bounced", 0, 0)
    assert [b[1:] for b in await bills(billed)] == [(0, "issued"), (0, "issued")]
    await billed.town.post(f"payments/{receipt['id']}/bounce", because, 409)
    await billed.town.post(f"payments/{receipt['id']}/apply", {}, 409)
    await billed.sound()


async def test_what_was_given_back_before_it_bounced_is_owed(billed):
    receipt = await pay(billed, CASH | {"amount": 10_000})
    credit = receipt["credit"]
    back = {"reference": "B-1", "means": "cash", "reason": "moved away", "amount": 500}
    await billed.town.post(f"payments/{receipt['id']}/refund", back, 200)
    await billed.town.post(f"payments/{receipt['id']}/bounce", {"reason": "no cover"}, 200)
    owing = await owed(billed)
    assert credit > 500
    assert await balance(billed) == (owing, -500, owing + 500)
    await billed.sound()


async def test_credit_is_given_back_once_and_never_more_than_there_is(billed):
    receipt = await pay(billed, CASH | {"amount": 10_000})
    url, credit = f"payments/{receipt['id']}/refund", receipt["credit"]
    back = {"reference": "B-1", "means": "bank", "reason": "paid too much"}
    await billed.town.post(url, back | {"amount": credit + 1}, 409)
    await billed.town.post(url, back | {"means": "cash_desk"}, 422)
    for _ in range(2):
        row = await billed.town.post(url, back, 200)
        assert (row["refunded"], row["credit"]) == (credit, 0)
    await billed.town.post(url, back | {"amount": 1}, 409)
    await billed.town.post(url, back | {"reference": "B-2"}, 409)
    assert await balance(billed) == (0, 0, 0)
    await billed.sound()


async def test_credit_pays_the_next_bill_by_itself(billed, clock):
    receipt = await pay(billed, CASH | {"amount": 7_000})
    credit = receipt["credit"]
    clock.now = dt.datetime(2028, 4, 1, 9, tzinfo=dt.UTC)
    await billed.town.load((billed.house["meter"], at("2028-04-01"), "1500"))
    await billed.bill("2028-04-01")
    assert credit > 0
    assert await apply_credits(billed) == credit
    assert (await bills(billed))[-1][1:] == (credit, "partially_paid")
    assert await apply_credits(billed) == 0
    await billed.sound()


async def test_a_paid_bill_is_released_before_it_can_be_cancelled(billed):
    receipt = await pay(billed, CASH | {"amount": 10_000})
    february = await invoice(billed, 1)
    because = {"reason": "misread"}
    await billed.town.post(f"invoices/{february}/cancel", because, 409)
    body = {"invoice_id": february}
    row = await billed.town.post(f"payments/{receipt['id']}/release", body, 200)
    await billed.town.post(f"payments/{receipt['id']}/release", body, 409)
    assert row["credit"] == 10_000 - 4200
    await billed.town.post(f"invoices/{february}/cancel", because, 200)
    row = await billed.town.post(f"payments/{receipt['id']}/apply", {}, 200)
    assert (row["settled"], row["credit"]) == (4200, 5800)
    await billed.sound()


async def test_a_credit_note_clears_the_bill_that_it_corrects(billed):
    february = await invoice(billed, 1)
    note = {"amount": 1000, "reason": "voltage was low"}
    await billed.town.post(f"invoices/{february}/credit", note, 200)
    owing = await owed(billed)
    receipt = await pay(billed, CASH | {"amount": owing})
    assert receipt["credit"] == 0
    assert [b[2] for b in await bills(billed)] == ["paid"] * 3
    rows = await billed.sql(
        "SELECT invoice_id, amount FROM billing_allocation WHERE note_id IS NOT NULL"
    )
    assert [(str(r.invoice_id), r.amount) for r in rows] == [(february, 1000)]
    await billed.sound()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE billing_payment SET amount = 1",
        "UPDATE billing_payment SET settled = 0",
        "DELETE FROM billing_payment",
        "UPDATE billing_allocation SET amount = 1",
        "DELETE FROM billing_allocation",
        "UPDATE billing_invoice SET paid = total + 1",
    ],
)
async def test_the_database_lets_nobody_move_money_by_hand(billed, migrated, statement):
    await pay(billed, CASH)
    wrong = (psycopg.errors.RestrictViolation, psycopg.errors.CheckViolation)
    with psycopg.connect(migrated) as owner, pytest.raises(wrong):
        owner.execute(statement)


async def test_two_payments_of_one_account_share_its_bills_without_paying_twice(billed):
    async def one(reference):
        return await pay(billed, CASH | {"amount": 3000}, reference=reference)

    done = await asyncio.gather(*(one(f"R-{n}") for n in range(4)))
    rows = await bills(billed)
    assert sum(paid for _, paid, _ in rows) == sum(total for total, *_ in rows)
    assert sum(r["settled"] + r["credit"] for r in done) == 12_000
    assert len({r["payment_no"] for r in done}) == 4
    await billed.sound()


async def test_a_number_is_not_reused_for_another_account(billed):
    await pay(billed, CASH)
    other = await billed.town.account()
    body = told(billed, CASH) | {"account": other["number"]}
    await billed.town.post("payments", body, 409)
    assert len(await billed.sql("SELECT FROM billing_payment")) == 1
