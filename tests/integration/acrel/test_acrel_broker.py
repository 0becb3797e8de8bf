"""The centre's own ear at a real broker: what comes in, what goes out, and what a restart costs."""

import asyncio
import contextlib
import time
from typing import Any

import aiomqtt
import msgspec
import pytest

from drivers.acrel.intake import INTAKE
from hub import MeterOrderKind, MeterOrderState
from simulators.acrel import AcrelMeter, Fleet
from tests.integration.acrel.conftest import (
    METER,
    READING,
    SECRET,
    count,
    happened,
    listener,
    order,
    stored,
)
from tests.integration.mqtt.conftest import broker
from tests.waiting import until

TOPIC = f"acrel/station-3/meter/{METER}"
pytestmark = pytest.mark.usefixtures("heard")


@pytest.fixture
async def mosquitto(tmp_path):
    async with broker(tmp_path, "sys_interval 1") as running:
        yield running


@pytest.fixture
def busbar_settings(mosquitto) -> dict[str, dict[str, Any]]:
    webhooks = {"secret": SECRET.decode(), "allowed": "127.0.0.1"}
    return {"acrel": {"webhooks": webhooks, "broker": listener(mosquitto.port), "wait": 10.0}}


@pytest.fixture
async def heard(central, meter, mosquitto):
    """The centre listens by now."""
    central.get(INTAKE).news.set()  # there is a company since it looked
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
        await client.subscribe("$SYS/broker/subscriptions/count")

        async def listens():
            async for message in client.messages:
                if int(message.payload) >= 5:  # four of the centre, one of ours
                    return

        async with asyncio.timeout(15):
            await listens()


@pytest.fixture
def say(mosquitto):
    """Publish as the meter does."""

    async def publish(word: str, body: Any, topic: str = TOPIC) -> None:
        payload = body if isinstance(body, bytes) else msgspec.json.encode(body)
        async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
            await client.publish(f"{topic}/{word}", payload, qos=1)

    return publish


@contextlib.asynccontextmanager
async def served(port: int):
    """The meter itself, on the broker."""
    fleet = Fleet(1, every=60)
    fleet.meters = {METER: AcrelMeter.number(1234)}
    running = asyncio.create_task(fleet.run("127.0.0.1", port))
    try:
        yield fleet.meters[METER]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_readings_states_and_alerts_of_the_broker_are_values_and_events(
    say, migrated, series, clock
):
    names, at = await series(), clock()
    stamp = at.isoformat()
    await say("data", {"timestamp": stamp, "reading": 15.5, "voltage": 231.2})
    await say("status", {"timestamp": stamp, "new_status": "disconnected"})
    alert = {"timestamp": stamp, "alert_type": "over_voltage", "severity": "critical"}
    await say("alert", alert)
    when = round(at.timestamp() * 1e6)
    await until(lambda: count(migrated, "acrel_receipt", "status = 'processed'"), 15)
    assert await until(lambda: stored(migrated, names["energy"])) == [(15500.0, when)]
    assert await until(lambda: stored(migrated, names["relay"])) == [(0.0, when)]
    await until(lambda: count(migrated, "reading_text", "value = 'over_voltage'"))
    await until(lambda: count(migrated, "scada_alarm", "alarm_type = 'over_voltage' AND is_on"))
    assert await count(migrated, "acrel_receipt", "source = 'mqtt'") == 3
    assert sorted(await happened(migrated)) == [
        "meter.alert", "meter.reading", "meter.status_changed",
    ]  # fmt: skip


async def test_infrastructure_has_values_and_is_no_meter(say, migrated, series):
    names = await series()
    topic = f"acrel/station-3/infrastructure/{METER}"
    await say("data", {"timestamp": time.time(), "data": {"voltage": 229.0}}, topic)
    (row,) = await until(lambda: stored(migrated, names["voltage"]), 15)
    assert row[0] == 229.0
    assert await happened(migrated) == []


@pytest.mark.parametrize("first", ["mqtt", "webhook"])
async def test_a_value_that_comes_both_ways_is_stored_once(
    say, post, migrated, series, clock, first
):
    names, at = await series(), clock()
    body = {"timestamp": at.isoformat(), **READING, "meter_id": METER}
    if first == "mqtt":
        await say("data", body)
        await until(lambda: count(migrated, "acrel_receipt"), 15)
        assert await post(at=at) == (200, {"status": "duplicate"})
    else:
        assert (await post(at=at))[0] == 202
        await say("data", body)
        await say("data", body | {"timestamp": at.timestamp() + 1})
        await until(lambda: count(migrated, "acrel_receipt", "source = 'mqtt'"), 15)
    await until(lambda: stored(migrated, names["energy"]))
    times = [time for _, time in await stored(migrated, names["energy"])]
    assert times.count(round(at.timestamp() * 1e6)) == 1
    assert await count(migrated, "acrel_receipt", "source = 'webhook'") == (first == "webhook")


async def test_messages_that_make_no_sense_are_left_out_and_the_rest_goes_on(say, migrated, series):
    names = await series()
    for nonsense in (b"", b"\xff\xfe", b"[1]", b"{", b"{" * 5000, b'{"data": 5}', b"1" * 300_000):
        await say("data", nonsense)
    await say("status", {"timestamp": 1})
    await say("alert", {"timestamp": 1, "alert_type": "x", "severity": "dreadful"})
    await say("data", {"timestamp": 1, "data": {"x": "\0"}})
    await say("data", {"timestamp": time.time(), "data": {}}, "acrel/station-3/meter/ACR-9")
    await say("data", {"timestamp": time.time(), "data": {"voltage": 230.5}})
    assert (await until(lambda: stored(migrated, names["voltage"]), 15))[0][0] == 230.5
    assert await count(migrated, "acrel_receipt") == 2
    assert await count(migrated, "acrel_receipt", "error = 'unknown_meter'") == 1
    assert sorted(await happened(migrated)) == ["meter.reading", "meter.unknown"]


async def test_orders_go_out_by_the_broker_and_the_meters_state_confirms_them(
    ask, reach, mosquitto, migrated
):
    async with served(mosquitto.port) as meter:
        await until(lambda: count(migrated, "acrel_receipt"), 15)  # its station is known
        for kind, value in (
            (MeterOrderKind.DISCONNECT, None),
            (MeterOrderKind.SET_TARIFF, "T2"),
            (MeterOrderKind.SET_POWER_LIMIT, 5000.0),
        ):
            await ask(order(kind, kind, value=value))
            done = await reach(MeterOrderState.CONFIRMED, kind)
            assert (done.way, done.attempts) == ("mqtt", 1)
        assert (meter.connected, meter.tariff, meter.limit) == (False, "T2", 5000.0)
        assert meter.obeyed == ["disconnect", "set_tariff", "set_power_limit"]


async def test_a_broker_restart_costs_neither_readings_nor_orders(
    say, ask, reach, mosquitto, migrated, series
):
    names = await series()
    async with served(mosquitto.port) as meter:
        await until(lambda: count(migrated, "acrel_receipt"), 15)
        await mosquitto.stop()
        await ask(order("o-1"))
        await ask(order("o-2", MeterOrderKind.SET_TARIFF, seconds=0.3, value="T9"))
        await asyncio.sleep(0.5)
        await mosquitto.start()
        await reach(MeterOrderState.CONFIRMED)
        assert (await reach(MeterOrderState.FAILED, "o-2")).attempts == 0
        await say("data", {"timestamp": time.time(), "data": {"voltage": 228.5}})
        await until(lambda: stored(migrated, names["voltage"]), 15)
    assert meter.obeyed == ["o-1"]
    assert meter.tariff == "T1"
