"""From meter to money: meter on Modbus, gateway, reading, invoice, payment, books."""

import datetime as dt
from uuid import UUID

import pytest
import pytest_asyncio

from hub import UNIT, Actor
from hub.kernel.profiles import Profiles
from plugins import billing, finance, jobs
from plugins.billing.telemetry import Collected, collect
from plugins.finance import SUBLEDGERS, open_books
from plugins.finance.proof import prove
from simulators.modbus import Server, Unit
from tests.integration.billing.town import Town, at
from tests.integration.scada.site import site
from tests.waiting import until

ENERGY = "energy.active.import.total"
METER = """
[[channels]]
name = "street"
driver = "modbus-tcp"
host = "127.0.0.1"
port = {port}
request_timeout = 0.5
backoff = {{ first = 0.05, last = 0.1 }}
[[channels.devices]]
name = "M1"
profile = "generic/modbus_meter"
unit = 1
every = 0.1
station = "S9"
"""


@pytest_asyncio.fixture
async def meter():
    device = Unit(Profiles().find("generic/modbus_meter"))
    device.image.set(ENERGY, 1250.0)
    async with Server({1: device}) as server:
        device.port = server.port
        yield device


@pytest_asyncio.fixture
async def place(tmp_path, database, meter):
    channels = METER.format(port=meter.port)
    async with site(tmp_path, database, channels, more=(finance, billing, jobs)) as made:
        yield made


@pytest.fixture
def central(place):
    return place.centre


@pytest_asyncio.fixture
async def town(place, sign_in):
    me = await sign_in("billing.*", "finance.*", "scada.*", tenant="main")
    return Town(place.client, me)


async def points(town):
    """The meter's points, once the centre knows them and has a value of its counter."""

    async def there():
        rows = (await town.get("/api/v1/scada/points?limit=100"))["items"]
        return [p for p in rows if p["name"].endswith(ENERGY)]

    (counter,) = await until(there, 20)
    url = f"/api/v1/scada/readings/live?points={counter['id']}"

    async def reported():
        return (await town.get(url))["items"]

    await until(reported, 20)
    return counter


async def supplied(town, counter, today):
    """A household for a month, with a meter whose register is what the counter reports."""
    device = await town.get(f"/api/v1/scada/devices/{counter['device_id']}")
    await town.call("PATCH", f"/api/v1/scada/devices/{device['id']}", {"external_id": "MB-1"})
    meter = await town.meter(registers=(), external_id="MB-1")
    register = {"meter_id": meter["id"], "name": "import", "address": counter["address"]}
    await town.post("registers", register | {"capacity": 100_000_000})
    since = str(today - dt.timedelta(days=30))
    account, point = await town.account(), await town.point()
    await town.install(meter, point, at(since), "1000")
    await town.agree(account, point, await town.tariff(), since)
    return account


async def reach(town, run, status):
    async def there():
        row = await town.get(f"runs/{run['id']}")
        return row if row["status"] == status else None

    return await until(there, 20, 0.05)


async def test_what_a_meter_counts_becomes_money_in_the_books(place, town, meter):
    today = dt.datetime.now(dt.UTC).date()
    tenant = UUID((await town.get("/api/v1/auth/me"))["tenant_id"])
    office = Actor(id="office", tenant=tenant, kind="system", permissions=frozenset("*"))
    async with place.centre.get(UNIT)(office) as ctx:
        await open_books(ctx, currency="USD", year=today.year)
    account = await supplied(town, await points(town), today)

    body = {
        "cycle": "monthly",
        "until": str(today + dt.timedelta(days=1)),
        "issue_date": str(today),
    }
    run = await town.post("runs", body)
    await reach(town, run, "calculated")
    (reading,) = (await town.get("readings?source=telemetry"))["items"]
    assert (reading["value"], reading["status"]) == (1_250_000, "valid")
    await town.post(f"runs/{run['id']}/approve", status=200)
    await reach(town, run, "issued")
    (invoice,) = (await town.get("invoices"))["items"]
    assert (invoice["quantity"], invoice["estimated"]) == (250_000, False)

    money = {"account": account["number"], "source": "counter-1", "reference": "R-1"}
    tenders = [{"means": "cash", "amount": invoice["total"] + 100}]
    await town.post("payments", money | {"currency": "USD", "tenders": tenders})
    assert (await town.get(f"invoices/{invoice['id']}"))["status"] == "paid"
    assert (await town.get(f"accounts/{account['id']}/balance"))["balance"] == -100

    trial = await town.get("/api/v1/finance/reports/trial-balance")
    cash = next(r for r in trial["rows"] if r["code"] == "1110")
    assert cash["debit"] == f"{(invoice['total'] + 100) / 100:.2f}"
    async with place.centre.get(UNIT)(office) as ctx:
        assert (await prove(ctx, place.centre.get(SUBLEDGERS))).faults == {}

    await place.stop_gateway()
    tomorrow = today + dt.timedelta(days=1)

    def open_():
        return place.centre.get(UNIT)(office)

    await collect(open_, "monthly", tomorrow)
    again = await collect(open_, "monthly", tomorrow)
    assert again == Collected(known=1), "the same value is the same reading"
    assert await collect(open_, "monthly", today) == Collected(silent=1)
