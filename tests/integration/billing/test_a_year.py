"""A year of a small town, through 29 February and both changes of the clock: after every step the
books balance, and at the end every bill can be explained line by line and no energy is missing."""

import datetime as dt
from collections import defaultdict

from plugins.billing.tariff.usage import cost

CENTS = 1_000_000
NEW_TERMS = {
    "charges": [
        {"kind": "flat", "name": "energy", "price": 14 * CENTS},
        {"kind": "fixed", "name": "standing", "price": 600 * CENTS},
        {"kind": "tax", "name": "VAT", "rates": [{"since": "2020-01-01", "share": 50_000}]},
    ]
}
SHOP = {
    "charges": [
        {"kind": "flat", "name": "energy", "price": 18 * CENTS},
        {"kind": "levy", "name": "rural fund", "price": 1 * CENTS},
        {"kind": "fixed", "name": "standing", "price": 900 * CENTS},
        {"kind": "tax", "name": "VAT", "rates": [{"since": "2020-01-01", "share": 150_000}]},
        {"kind": "rounding", "name": "rounding", "to": 10},
    ]
}


def first(month):
    return dt.date(2028 + (month - 1) // 12, (month - 1) % 12 + 1, 1)


def midnight(day):
    """The first instant of a day in London; its summer of 2028 is from 26 March to 29 October."""
    summer = dt.date(2028, 3, 26) < day <= dt.date(2028, 10, 29)
    moment = dt.datetime.combine(day, dt.time(), dt.UTC) - dt.timedelta(hours=summer)
    return moment.isoformat()


class Year:
    """What the meters truly measure, and what the office does about it."""

    def __init__(self, office, clock):
        self.office, self.town, self.clock = office, office.town, clock
        self.used = defaultdict(float)  # kWh behind the multiplier that a household truly used
        self.dials = {}
        self.unread = set()

    async def settle(self):
        town = self.town
        self.home, self.shop = await town.tariff(), await town.tariff("SHOP", SHOP)
        self.houses = {}
        for name, tariff, dial in (
            ("plain", self.home, 1000),
            ("turns", self.home, 99_500),
            ("exchange", self.home, 400),
            ("rewired", self.shop, 10),
            ("shut", self.home, 0),
            ("moves", self.shop, 7_000),
        ):
            self.houses[name] = await town.household(tariff, "2028-01-01", str(dial))
            self.dials[name] = dial

    async def month(self, number, use):
        """Everybody uses so much, is read at the end (unless nobody came) and billed."""
        end = first(number + 1)
        self.clock.now = dt.datetime.combine(end, dt.time(12), dt.UTC)
        rows = []
        for name, house in self.houses.items():
            factor = 40 if name == "rewired" and number > 5 else 1
            self.used[name] += use * factor
            self.dials[name] = (self.dials[name] + use) % 100_000
            if name not in self.unread:
                rows.append((house["meter"], midnight(end), str(self.dials[name])))
        done = await self.town.load(*rows)
        for doubtful in (await self.town.get("readings?status=suspect"))["items"]:
            note = {"note": "seen on site"}
            await self.town.post(f"readings/{doubtful['id']}/accept", note, 200)
        assert done["valid"] + done["suspect"] == len(rows)
        await self.bill(end)

    async def bill(self, end):
        run = await self.office.select(end.isoformat(), high=10**6, low=0)
        await self.office.calculate(run)
        assert await self.office.held(run) == []
        await self.office.issue(run)
        await self.office.sound()

    async def exchange(self, day):
        fresh = await self.town.meter()
        body = {
            "at": midnight(day),
            "readings": {"import": str(self.dials["exchange"])},
            "new_meter_id": fresh["id"],
            "new_readings": {"import": "3"},
        }
        point = self.houses["exchange"]["point"]["id"]
        await self.town.post(f"service-points/{point}/exchange", body, 200)
        self.houses["exchange"]["meter"], self.dials["exchange"] = fresh, 3

    async def rewire(self, day):
        dial = {"import": str(self.dials["rewired"])}
        body = {"at": midnight(day), "readings": dial, "multiplier": "40"}
        await self.town.post(f"meters/{self.houses['rewired']['meter']['id']}/rewire", body, 200)

    async def move(self, day):
        """The agreement ends and somebody else's begins, on one reading."""
        house = self.houses["moves"]
        end = {"until": day.isoformat()}
        await self.town.post(f"agreements/{house['agreement']['id']}/end", end, 200)
        account = await self.town.account()
        await self.town.agree(account, house["point"], self.shop, day.isoformat())

    async def correct(self):
        """A reading of the past was wrong: every bill since is taken back and made again."""
        place = self.houses["plain"]["meter"]["id"]
        (row,) = await self.office.sql(
            "SELECT r.id, r.value FROM billing_reading r JOIN billing_installation i"
            " ON i.id = r.installation_id WHERE i.meter_id = :meter AND r.at = :at",
            meter=place, at=dt.datetime.fromisoformat(midnight(first(9))),
        )  # fmt: skip
        body = {"value": f"{row.value / 1000 - 20:.3f}", "note": "misread"}
        await self.town.post(f"readings/{row.id}/correct", body, 200)
        account = self.houses["plain"]["account"]["id"]
        found = await self.town.get("rebill-candidates")
        wrong = [c for c in found if c["cause"] == "reading"]
        assert {c["account_id"] for c in wrong} == {account}
        assert [c["period_end"] for c in wrong] == ["2028-09-01"]
        url = f"invoices?account_id={account}&period_end__gte=2028-09-01&sort=-issue_date"
        for bill in (await self.town.get(url))["items"]:
            await self.town.post(f"invoices/{bill['id']}/cancel", {"reason": "misread"}, 200)
            await self.office.sound()
        for number in (9, 10, 11):
            await self.bill(first(number))


async def test_a_year_of_a_small_town(office, clock):
    year = Year(office, clock)
    await office.open(2029)
    await year.settle()
    for number in range(1, 13):
        if number == 3:
            await year.exchange(first(3))
        if number == 4:
            year.unread = {"shut"}
        if number == 6:
            year.unread = set()
            await year.rewire(first(6))
        if number == 7:
            await year.town.version(year.home, NEW_TERMS, "2028-07-17")
        if number == 10:
            await year.move(first(10))
        await year.month(number, 100 + 7 * number)
        if number == 10:
            await year.correct()
    await explain(office, year)


async def explain(office, year):
    bills = await office.sql(
        "SELECT b.*, g.service_point_id AS point FROM billing_invoice b JOIN billing_agreement g"
        " ON g.id = b.agreement_id WHERE b.status <> 'cancelled' ORDER BY b.period_start"
    )
    by_point = defaultdict(list)
    for bill in bills:
        by_point[str(bill.point)].append(bill)
        lines, measures = bill.statement["lines"], bill.statement["measures"]
        assert sum(x["amount"] for x in lines if not x["included"]) == bill.total
        for x in lines:
            assert cost(x["quantity"], x["unit_price"], tuple(x["part"])) == x["amount"], x
        for m in measures:
            assert (m["last"] - m["first"]) * int(m["multiplier"]) == m["quantity"]
        assert sum(m["quantity"] for m in measures) == bill.quantity
    assert len(bills) == 12 * 6
    for name, house in year.houses.items():
        mine = by_point[house["point"]["id"]]
        assert [b.period_start for b in mine] == [first(n) for n in range(1, 13)]
        assert [b.period_end for b in mine] == [first(n) for n in range(2, 14)]
        assert sum(b.quantity for b in mine) == year.used[name] * 1000, name
    shut = by_point[year.houses["shut"]["point"]["id"]]
    assert [n for n, b in enumerate(shut, 1) if b.estimated] == [4, 5]
    moved = by_point[year.houses["moves"]["point"]["id"]]
    assert len({b.account_id for b in moved}) == 2
    cut = by_point[year.houses["plain"]["point"]["id"]][6].statement["lines"]
    assert {x["start"] for x in cut} == {"2028-07-01", "2028-07-17"}
    february = by_point[year.houses["plain"]["point"]["id"]][1]
    assert february.quantity == 114_000
