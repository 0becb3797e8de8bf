"""Bill runs: selected, calculated, held, issued; each period once, each number once."""

import datetime as dt
from uuid import UUID

import psycopg
import pytest

from plugins.billing.issuing import issue
from plugins.billing.measuring import Stuck
from tests.integration.billing.books import quiet
from tests.integration.billing.town import TOU, at

FEB, MAR = "2028-02-01", "2028-03-01"


async def bills(office):
    return await office.sql("SELECT * FROM billing_invoice ORDER BY series, number")


async def read_all(office, clock, day, **dials):
    clock.now = dt.datetime.combine(dt.date.fromisoformat(day), dt.time(9), dt.UTC)
    await office.town.load(*((office.houses[k]["meter"], at(day), v) for k, v in dials.items()))


@pytest.fixture
async def houses(office):
    tariff = await office.town.tariff()
    office.tariff = tariff
    office.houses = {
        name: await office.town.household(tariff, "2028-01-01", "1000") for name in "abc"
    }
    return office.houses


async def test_a_run_bills_each_agreement_and_every_line_can_be_checked(office, houses, clock):
    await read_all(office, clock, FEB, a="1250", b="1100", c="1000")
    done = await office.bill(FEB)
    assert done["issued"]["count"] == 3
    found = await bills(office)
    assert [(b.invoice_no, b.net, b.tax, b.total) for b in found] == [
        ("INV-2028-000001", 4000, 200, 4200),
        ("INV-2028-000002", 1500, 75, 1575),
        ("INV-2028-000003", 500, 25, 525),
    ]
    said = await office.town.get(f"invoices/{found[0].id}")
    lines = said["statement"]["lines"]
    assert [x["amount"] for x in lines] == [1000, 1500, 1000, 500, 200]
    (measure,) = said["statement"]["measures"]
    assert (measure["first"], measure["last"]) == (1_000_000, 1_250_000)
    assert (said["period_start"], said["period_end"]) == ("2028-01-01", FEB)
    assert said["due_date"] == "2028-02-16"
    await office.sound()


async def test_a_second_run_of_the_same_days_bills_nothing(office, houses, clock):
    await read_all(office, clock, FEB, a="1250", b="1100", c="1000")
    first, second = await office.select(FEB), await office.select(FEB)
    for run in (first, second):
        await office.calculate(run)
    await office.issue(first)
    done = await office.issue(second)
    assert {state: v["count"] for state, v in done.items()} == {"left": 3}
    assert await office.bill(FEB) == {}
    assert len(await bills(office)) == 3
    await office.sound()


async def test_what_cannot_be_billed_is_named_and_the_others_go_on(office, houses, clock):
    await read_all(office, clock, FEB, a="1250")
    run = await office.select(FEB, estimate=False)
    await office.calculate(run)
    assert await office.held(run) == ["no_reading", "no_reading"]
    done = await office.issue(run)
    assert (done["issued"]["count"], done["failed"]["count"]) == (1, 2)


async def test_an_estimate_is_trued_up_by_the_next_reading(office, houses, clock):
    await read_all(office, clock, FEB, a="1250", b="1100", c="1000")
    await office.bill(FEB)
    await read_all(office, clock, MAR, b="1200", c="1001")
    await office.bill(MAR)
    (guess,) = [b for b in await bills(office) if b.estimated]
    assert guess.period_end == dt.date(2028, 3, 1)
    (reading,) = await office.sql("SELECT * FROM billing_reading WHERE condition = 'estimated'")
    assert (reading.rule, reading.total) == ("recent", 1_000_000 + 250_000 + 250_000 * 29 // 31 + 1)
    await read_all(office, clock, "2028-04-01", a="1800", b="1300", c="1002")
    await office.bill("2028-04-01")
    mine = [b for b in await bills(office) if b.agreement_id == guess.agreement_id]
    assert sum(b.quantity for b in mine) == 800_000
    await office.sound()


async def test_the_third_estimate_in_a_row_is_refused(office, houses, clock):
    await read_all(office, clock, FEB, a="1250", b="1100", c="1000")
    await office.bill(FEB)
    for month in (3, 4, 5):
        day = f"2028-{month:02}-01"
        await read_all(office, clock, day, b=str(1000 + 100 * month), c=str(1000 + month))
        run = await office.select(day)
        await office.calculate(run)
        assert await office.held(run) == ([] if month < 5 else ["must_read"])
        await office.issue(run)


async def test_a_reading_below_the_estimate_takes_the_estimated_bill_back(office, houses, clock):
    """R30: nothing is clamped to 0; the estimated bill is cancelled and both months billed."""
    await read_all(office, clock, FEB, a="1250", b="1100", c="1000")
    await office.bill(FEB)
    await read_all(office, clock, MAR, b="1200", c="1001")
    await office.bill(MAR)
    (guess,) = [b for b in await bills(office) if b.estimated]
    await read_all(office, clock, "2028-04-01", a="1300", b="1300", c="1002")
    run = await office.select("2028-04-01", low=0)
    await office.calculate(run)
    assert await office.held(run) == ["below_estimate"]
    await office.town.post(f"invoices/{guess.id}/cancel", {"reason": "estimated too high"}, 200)
    await office.sql("UPDATE billing_run SET status = 'selected' WHERE id = :id", id=run)
    await office.sql("UPDATE billing_run_item SET state = 'selected' WHERE state = 'held'")
    await office.calculate(run)
    await office.issue(run)
    last = (await bills(office))[-1]
    live = [b for b in await bills(office) if b.agreement_id == guess.agreement_id]
    assert sum(b.quantity for b in live if b.status != "cancelled") == 300_000
    both = [b for b in live if b.period_start == dt.date(2028, 2, 1) and b.status != "cancelled"]
    assert [(b.period_end, b.quantity) for b in both] == [(dt.date(2028, 4, 1), 50_000)]
    assert last.status == "issued"
    await office.sound()


async def test_an_exchange_and_other_transformers_bill_the_sum_of_what_was_measured(
    office, houses, clock
):
    clock.now = dt.datetime(2028, 2, 1, 9, tzinfo=dt.UTC)
    fresh = await office.town.meter()
    body = {
        "at": at("2028-01-10"),
        "readings": {"import": "1030"},
        "new_meter_id": fresh["id"],
        "new_readings": {"import": "5"},
    }
    point = houses["a"]["point"]["id"]
    await office.town.post(f"service-points/{point}/exchange", body, 200)
    rewire = {"at": at("2028-01-10"), "readings": {"import": "1002"}, "multiplier": "40"}
    await office.town.post(f"meters/{houses['b']['meter']['id']}/rewire", rewire, 200)
    houses["a"]["meter"] = fresh
    await read_all(office, clock, FEB, a="75", b="1004", c="1001")
    await office.bill(FEB)
    assert [b.quantity for b in await bills(office)] == [100_000, 82_000, 1_000]
    await office.sound()


async def test_a_bill_far_from_the_last_one_waits_for_a_person(office, houses, clock):
    await read_all(office, clock, FEB, a="1100", b="1100", c="1100")
    await office.bill(FEB)
    await read_all(office, clock, MAR, a="1600", b="1201", c="1201")
    (doubtful,) = (await office.town.get("readings?status=suspect"))["items"]
    accept = {"note": "a party, seen on site"}
    await office.town.post(f"readings/{doubtful['id']}/accept", accept, 200)
    run = await office.select(MAR)
    await office.calculate(run)
    assert await office.held(run) == ["high"]
    url = f"runs/{run}/decide"
    (held,) = await office.town.get(f"runs/{run}/items?state=held")
    assert held["bill"]["quantity"] == 500_000
    body = {"places": [held["place"]], "decision": "release"}
    assert await office.town.post(url, body, 200) == {"changed": 1}
    done = await office.issue(run)
    assert done["issued"]["count"] == 3


async def test_a_tariff_that_changes_inside_the_month_cuts_the_bill_by_days(office, houses, clock):
    terms = {"charges": [{"kind": "flat", "name": "energy", "price": 100_000_000}]}
    await office.town.version(office.tariff, terms, "2028-01-17")
    await read_all(office, clock, FEB, a="1310", b="1031", c="1000")
    await office.bill(FEB)
    lines = (await bills(office))[0].statement["lines"]
    assert lines[-1]["quantity"] == 150_000
    assert (lines[-1]["start"], lines[-1]["amount"]) == ("2028-01-17", 15_000)
    assert lines[-1]["note"] == "use divided by days"


@pytest.mark.parametrize(("dial", "bill"), [("730", [15_300, 2_100]), ("800", "sum_check")])
async def test_time_of_use_is_priced_by_intervals_that_agree_with_the_dials(
    office, clock, dial, bill
):
    """30 days of London at 1 kW; days of NEM12 begin at 14:00 UTC of the day before."""
    town, clock.now = office.town, dt.datetime(2028, 2, 3, 9, tzinfo=dt.UTC)
    account, point, meter = await town.account(), await town.point(), await town.meter()
    await town.install(meter, point, at("2028-01-01", 14))
    await town.agree(account, point, await town.tariff("TOU", TOU), "2028-01-02")
    await town.read(meter, at("2028-01-02"), "10", reason="move_in")
    await town.read(meter, at(FEB), dial)
    first, values = dt.date(2028, 1, 2), ",".join(["0.5"] * 48)
    days = (f"{first + dt.timedelta(days=n):%Y%m%d}" for n in range(32))
    rows = [f"300,{day},{values},A,,,20280301000000," for day in days]
    head = ["100,NEM12,202803010000,MDP1,UMPLP", "200,NEM1,E1,1,E1,N1,01009,kWh,30,"]
    content = "\n".join([*head, *rows, "900", ""])
    body = {"format": "nem12", "meter": meter["number"], "content": content}
    done = await town.post("readings/load", body, 200)
    assert done["intervals"] == 32 * 48
    run = await office.select(FEB)
    await office.calculate(run)
    if bill == "sum_check":
        assert await office.held(run) == ["sum_check"]
        return
    await office.issue(run)
    (made,) = await bills(office)
    assert [x["amount"] for x in made.statement["lines"]] == bill
    assert made.quantity == 720_000


async def test_a_corrected_reading_names_the_bills_that_it_was_in(office, houses, clock):
    await read_all(office, clock, FEB, a="1250", b="1100", c="1000")
    await office.bill(FEB)
    assert await office.town.get("rebill-candidates") == []
    rows = (await office.town.get("readings?reason=periodic"))["items"]
    wrong = next(r for r in rows if r["value"] == 1_250_000)
    body = {"value": "1150", "note": "misread 1 for 2"}
    await office.town.post(f"readings/{wrong['id']}/correct", body, 200)
    (candidate,) = await office.town.get("rebill-candidates")
    assert (candidate["invoice_no"], candidate["cause"]) == ("INV-2028-000001", "reading")
    await office.town.post(f"invoices/{candidate['id']}/cancel", {"reason": "misread"}, 200)
    await office.bill(FEB)
    found = await bills(office)
    assert [
        (b.number, b.quantity, b.status) for b in found if b.quantity in (150_000, 250_000)
    ] == [
        (1, 250_000, "cancelled"),
        (4, 150_000, "issued"),
    ]
    assert await office.town.get("rebill-candidates") == []
    await office.sound()


async def test_a_tariff_from_an_earlier_day_names_the_bills_that_it_would_change(
    office, houses, clock
):
    await read_all(office, clock, FEB, a="1250", b="1100", c="1000")
    await office.bill(FEB)
    clock.forward(days=1)
    terms = {"charges": [{"kind": "flat", "name": "energy", "price": 9_000_000}]}
    await office.town.version(office.tariff, terms, "2028-01-01")
    found = await office.town.get("rebill-candidates")
    assert [c["cause"] for c in found] == ["tariff"] * 3


async def test_bills_are_taken_back_newest_first_and_once(office, houses, clock):
    await read_all(office, clock, FEB, a="1250", b="1100", c="1000")
    await office.bill(FEB)
    await read_all(office, clock, MAR, a="1400", b="1200", c="1001")
    await office.bill(MAR)
    mine = [b for b in await bills(office) if str(b.agreement_id) == houses["a"]["agreement"]["id"]]
    because = {"reason": "wrong tariff"}
    await office.town.post(f"invoices/{mine[0].id}/cancel", because, 409)
    for bill in reversed(mine):
        await office.town.post(f"invoices/{bill.id}/cancel", because, 200)
        await office.sound()
    await office.town.post(f"invoices/{mine[0].id}/cancel", because, 409)


async def test_notes_give_back_and_charge_with_numbers_of_their_own(office, houses, clock):
    await read_all(office, clock, FEB, a="1250", b="1100", c="1000")
    await office.bill(FEB)
    first = (await bills(office))[0]
    body = {"amount": 1001, "reason": "voltage was low"}
    note = await office.town.post(f"invoices/{first.id}/credit", body, 200)
    assert (note["invoice_no"], note["total"], note["tax"]) == ("CN-2028-000001", -1001, -48)
    await office.town.post(f"invoices/{first.id}/credit", body | {"amount": 3200}, 409)
    fee = {"amount": 700, "reason": "seal broken"}
    charged = await office.town.post(f"invoices/{first.id}/debit", fee, 200)
    assert (charged["invoice_no"], charged["total"]) == ("DN-2028-000001", 700)
    await office.sound()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE billing_invoice SET total = 1, net = 1, tax = 0",
        "UPDATE billing_invoice SET statement = '{}'",
        "DELETE FROM billing_invoice",
        "UPDATE billing_numbers SET last = 0",
        "DELETE FROM billing_numbers",
    ],
)
async def test_the_database_lets_nobody_change_a_bill(office, houses, clock, migrated, statement):
    await read_all(office, clock, FEB, a="1250")
    await office.bill(FEB, estimate=False)
    with psycopg.connect(migrated) as owner, pytest.raises(psycopg.errors.RestrictViolation):
        owner.execute(statement)


async def test_a_run_is_made_approved_and_looked_at_over_the_api(office, houses, clock):
    await read_all(office, clock, FEB, a="1250", b="1100", c="1000")
    body = {"cycle": "monthly", "until": FEB, "issue_date": FEB}
    await office.town.post("runs", body | {"until": "2028-03-05"}, 422)
    run = await office.town.post("runs", body)
    assert run["counts"]["selected"]["count"] == 3
    await office.town.post(f"runs/{run['id']}/approve", status=409)
    await office.calculate(UUID(run["id"]))
    approved = await office.town.post(f"runs/{run['id']}/approve", status=200)
    assert approved["status"] == "approved"
    assert (await issue(office, UUID(run["id"]), quiet))["issued"]["count"] == 3
    await office.town.post(f"runs/{run['id']}/abandon", status=409)
    items = await office.town.get(f"runs/{run['id']}/items?limit=2&after=1")
    assert [(i["place"], i["state"]) for i in items] == [(2, "issued"), (3, "issued")]


async def test_an_abandoned_run_calculates_and_issues_nothing(office, houses, clock):
    await read_all(office, clock, FEB, a="1250", b="1100", c="1000")
    run = await office.select(FEB)
    await office.town.post(f"runs/{run}/abandon", status=200)
    with pytest.raises(Stuck, match="abandoned"):
        await office.calculate(run)
    assert await bills(office) == []


async def test_an_estimate_is_made_from_what_says_most(office, houses, clock):
    """A later reading of the same meter; for somebody new, what his neighbours use."""
    await read_all(office, clock, FEB, a="1250", b="1100", c="1000")
    await office.bill(FEB)
    await office.town.household(office.tariff, FEB)
    await read_all(office, clock, MAR, a="1400", b="1200")
    clock.forward(days=20)
    await office.town.read(houses["c"]["meter"], at("2028-03-21"), "1049")
    run = await office.select(MAR)
    await office.calculate(run)
    await office.issue(run)
    rows = await office.sql(
        "SELECT rule, total FROM billing_reading WHERE condition = 'estimated' ORDER BY rule"
    )
    assert [(r.rule, r.total) for r in rows] == [
        ("between", 1_000_000 + 49_000 * 29 // 49),
        ("peers", round(350_000 / 93 * 29)),
    ]
