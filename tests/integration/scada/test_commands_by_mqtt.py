"""A meter behind a broker is operated from the centre as a breaker is, on good and bad days."""

import asyncio

import pytest

from hub import uuid7
from simulators.acrel import Fleet
from tests.integration.mqtt.conftest import broker
from tests.waiting import until

METER = "ACR-000001"
CHANNEL = """
[[channels]]
name = "acrel"
driver = "mqtt-acrel"
host = "127.0.0.1"
port = {port}
client_id = "g1"
protocol = "5"
qos = 2
backoff = {{ first = 0.05, last = 0.1 }}
[[channels.devices]]
name = "H1"
id = "ACR-000001"
station = "station-2"
profile = "acrel/adl200_mqtt"
"""


@pytest.fixture
async def mosquitto(tmp_path):
    folder = tmp_path / "broker"
    folder.mkdir()
    async with broker(folder) as running:
        yield running


@pytest.fixture
async def meter(place, mosquitto):
    """The meter itself; the gateway has heard of it."""
    fleet = Fleet(1, every=0.5)
    running = asyncio.create_task(fleet.run("127.0.0.1", mosquitto.port))
    await place.stop_gateway()
    place.channels = CHANNEL.format(port=mosquitto.port)
    await place.start_gateway()
    await place.linked()
    yield fleet.meters[METER]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
def shown(place, me):
    """Wait until its relay shows that it is closed, or nothing; gives the id of the control."""

    async def wait(*, stale=False):
        async def seen():
            rows = (await place.get("scada/controls/present", me))["items"]
            return next(
                (r["id"] for r in rows if r["name"] == "relay" and r["stale"] is stale), None
            )

        return await until(seen, 15, 0.1)

    return wait


@pytest.fixture
async def relay(meter, shown):
    return await shown()


@pytest.fixture
async def me(person):
    return await person("scada.*")


@pytest.fixture
def execute(place, me, relay):
    async def ask(value, **given):
        body = {"value": value, "reason": "unpaid since March"} | given
        path = f"scada/controls/{relay}/execute"
        got, row = await place.send("POST", path, me, body, str(uuid7()))
        assert got == 202, row
        return row["id"]

    return ask


async def test_a_relay_opens_and_closes_and_its_own_word_confirms_it(place, me, meter, execute):
    for value in (0, 1):
        ident = await execute(value)
        row = await place.command(ident, me, "confirmed", "failed", "timeout", "unknown")
        assert (row["state"], meter.connected) == ("confirmed", bool(value))
    assert len(meter.obeyed) == 2


async def test_a_deaf_meter_is_a_time_out_and_is_never_called_confirmed(
    place, me, meter, relay, execute
):
    meter.offline = True
    got, row = await place.send("PUT", f"scada/controls/{relay}", me, {"timeout_seconds": 1})
    assert got == 200, row
    row = await place.command(await execute(0), me, "confirmed", "failed", "timeout", "unknown")
    assert (row["state"], meter.connected, meter.obeyed) == ("timeout", True, [])
    assert len(meter.refused) == 1


async def test_without_a_broker_nothing_is_sent_and_nothing_waits_for_its_return(
    place, me, meter, execute, shown, mosquitto
):
    await mosquitto.stop()
    await shown(stale=True)
    row = await place.command(await execute(0), me, "failed", "timeout", "unknown", "confirmed")
    assert row["state"] == "failed"
    await mosquitto.start()
    await shown()
    ident = await execute(0)
    row = await place.command(ident, me, "failed", "timeout", "unknown", "confirmed")
    assert (row["state"], meter.obeyed) == ("confirmed", [ident])
