"""A token sent over MQTT to a prepayment meter: credit, relay and result come back."""

import asyncio
import time
from datetime import UTC, datetime

import pytest

from drivers import mqtt
from drivers.mqtt.session import MqttSession
from drivers.sts import contents as c
from drivers.sts.encoder import encode
from drivers.sts.identity import Meter
from drivers.sts.keys import Secret
from hub import Command, Outcome, Point
from hub.kernel.channels import decode
from hub.kernel.profiles import Profiles
from simulators.prepaid import PrepaidMeter, virtual_meter
from simulators.prepaid_mqtt import PrepaidPublisher
from tests.integration.mqtt.conftest import Mosquitto
from tests.unit.mqtt.kit import StubLink
from tests.waiting import until

IDENTITY = Meter(pan="600727000000000009", supply_group="201457")
KEY = Secret.from_hex("ABABABABABABABAB949494949494949401234567")


class Now(StubLink):
    def now(self) -> int:
        return time.time_ns() // 1000


def order(point: Point, value: float | str) -> Command:
    return Command(point=point, value=value, actor="t", expires=time.time_ns() // 1000 + 10**7)


async def test_a_token_by_mqtt_closes_the_relay_and_a_bad_one_is_named(
    mosquitto: Mosquitto,
) -> None:
    device = PrepaidMeter(virtual_meter(IDENTITY, KEY), demand=2300)
    publisher = PrepaidPublisher(device, every=0.2, clock=lambda: datetime.now(UTC))
    channel = {
        "name": "sts", "driver": "mqtt", "host": "127.0.0.1", "port": mosquitto.port,
        "client_id": "gw", "devices": [publisher.device("m1")],
    }  # fmt: skip
    (plan,) = decode([channel], {"mqtt": mqtt.hub_plugin()}, Profiles())
    points = {p.spec.name: p for p in plan.points}
    serving = asyncio.create_task(publisher.run("127.0.0.1", mosquitto.port))
    latest: dict[int, float | str] = {}

    async def gather(session: MqttSession) -> None:
        async for batch in session.events():
            for row, number in enumerate(batch.point.tolist()):
                latest[number] = batch.text.get(row, batch.value.tolist()[row])

    def shows(name: str, value: float | str) -> bool:
        return latest.get(points[name].id) == value

    async with plan.driver(plan.config, plan.points, Now()).open() as session:
        await session.startup()
        gathering = asyncio.create_task(gather(session))  # type: ignore[arg-type]
        await until(lambda: shows("relay.state", 0))
        token = encode(c.Credit(units=25, tid=10), device.sts.key)
        result = await session.operate(order(points["sts.token"], token))
        assert result.outcome is Outcome.ACCEPTED
        await until(lambda: shows("relay.state", 1) and shows("sts.result", "Accept"))
        assert latest[points["credit.remaining"].id] == pytest.approx(2.5, abs=0.01)
        await session.operate(order(points["sts.token"], token))
        await until(lambda: shows("sts.result", "UsedError"))
        await session.operate(order(points["relay"], 0.0))
        await until(lambda: shows("relay.state", 0) and shows("relay.reason", 4))
        serving.cancel()
        gathering.cancel()
        await asyncio.gather(serving, gathering, return_exceptions=True)
    assert device.last_result == "UsedError"
