"""A small utility over HTTP: what an office does, in words."""

import datetime as dt

CENT = 1_000_000
API = "/api/v1/billing"
BLOCKS = [
    {"upto": upto, "price": cents * CENT}
    for upto, cents in ((100_000, 10), (200_000, 15), (None, 20))
]
TERMS = {
    "charges": [
        {
            "kind": "blocks",
            "name": "energy",
            "cases": [{"over": 0, "upto": None, "blocks": BLOCKS}],
        },
        {"kind": "fixed", "name": "standing", "price": 500 * CENT},
        {"kind": "tax", "name": "VAT", "rates": [{"since": "2020-01-01", "share": 50_000}]},
    ]
}
TOU = {
    "calendar": {
        "zone": "Europe/London",
        "windows": [
            {"bucket": "night", "start": 0, "end": 420},
            {"bucket": "day", "start": 420, "end": 1440},
        ],
    },
    "charges": [
        {"kind": "tou", "name": "energy", "prices": {"night": 10 * CENT, "day": 30 * CENT}},
    ],
}


def at(day, hour=0):
    """An instant of UTC in the form of the API."""
    return dt.datetime.combine(dt.date.fromisoformat(day), dt.time(hour), dt.UTC).isoformat()


class Town:
    """An office with a browser. `await town.post("meters", …)` answers the body."""

    def __init__(self, client, headers):
        self.client, self.headers, self.count = client, headers, 0

    async def call(self, method, path, body=None, status=200):
        url = path if path.startswith("/") else f"{API}/{path}"
        async with self.client.request(method, url, json=body, headers=self.headers) as answer:
            found = await answer.json() if answer.status != 204 else None
            assert answer.status == status, (answer.status, found)
            return found

    async def post(self, path, body=None, status=201):
        return await self.call("POST", path, body, status)

    async def get(self, path, status=200):
        return await self.call("GET", path, None, status)

    async def tariff(self, code="HOME", terms=TERMS, valid_from="2020-01-01", currency="USD"):
        body = {"code": code, "name_ar": "منزلي", "name_en": code, "currency": currency}
        tariff = await self.post("tariffs", body)
        await self.version(tariff, terms, valid_from)
        return tariff

    async def version(self, tariff, terms, valid_from):
        body = {"tariff_id": tariff["id"], "valid_from": valid_from, "terms": terms}
        version = await self.post("tariff-versions", body)
        return await self.post(f"tariff-versions/{version['id']}/publish", status=200)

    async def account(self, **given):
        self.count += 1
        customer = {"code": f"C{self.count}", "name_ar": "مشترك", "name_en": "A customer"}
        person = await self.post("customers", customer | given)
        body = {"customer_id": person["id"], "number": f"A{self.count}", "currency": "USD"}
        return await self.post("accounts", body)

    async def point(self, **given):
        self.count += 1
        premise = await self.post("premises", {"code": f"P{self.count}", "address": "Main st."})
        body = {"code": f"SP{self.count}", "premise_id": premise["id"], "va": 20_000}
        return await self.post("service-points", body | given)

    async def meter(self, number=None, capacity=100_000_000, registers=("import",), **given):
        self.count += 1
        meter = await self.post("meters", {"number": number or f"M{self.count}"} | given)
        for name in registers:
            body = {"meter_id": meter["id"], "name": name, "capacity": capacity}
            await self.post("registers", body)
        return meter

    async def install(self, meter, point, when, dial="0", multiplier="1", status=200):
        body = {
            "service_point_id": point["id"],
            "at": when,
            "readings": {"import": dial},
            "multiplier": multiplier,
        }
        return await self.post(f"meters/{meter['id']}/install", body, status)

    async def agree(self, account, point, tariff, since, status=201):
        body = {
            "account_id": account["id"],
            "service_point_id": point["id"],
            "tariff_id": tariff["id"],
            "since": since,
        }
        return await self.post("agreements", body, status)

    async def read(self, meter, when, dial, status=200, **given):
        body = {"at": when, "value": dial} | given
        return await self.post(f"meters/{meter['id']}/readings", body, status)

    async def load(self, *rows):
        """Readings in a file; all of them have to be taken."""
        lines = [f"{meter['number']},import,{when},{dial}" for meter, when, dial in rows]
        content = "\n".join(["meter,register,at,value", *lines])
        done = await self.post("readings/load", {"content": content}, 200)
        assert done["refused"] == [], done
        return done

    async def household(self, tariff, since="2026-01-01", dial="0", capacity=100_000_000):
        """An account, its point and its meter, supplied from a day on."""
        account, point = await self.account(), await self.point()
        meter = await self.meter(capacity=capacity)
        await self.install(meter, point, at(since), dial)
        agreement = await self.agree(account, point, tariff, since)
        return {"account": account, "point": point, "meter": meter, "agreement": agreement}
