"""A simulated fleet, a real broker, our driver, the meter control: from order to confirmation."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiomqtt
import pytest

from drivers import mqtt
from drivers.mqtt.acrel_events import Event, read_event
from drivers.mqtt.acrel_way import AcrelWay
from drivers.mqtt.control import MeterControl
from drivers.mqtt.dialect import Publication
from drivers.mqtt.session import MqttSession
from hub import Command, LinkError, MeterOrder, Outcome, Point
from hub import MeterOrderKind as Kind
from hub import MeterOrderState as State
from hub import MeterProgress as Progress
from hub.kernel.channels import decode
from hub.kernel.profiles import Profiles
from simulators.acrel import Fleet, broker
from tests.integration.mqtt.conftest import Mosquitto
from tests.unit.mqtt.kit import StubLink


class Now(StubLink):
    def now(self) -> int:
        return time.time_ns() // 1000


@asynccontextmanager
async def gateway(fleet: Fleet, port: int) -> AsyncIterator[tuple[MqttSession, dict[str, Point]]]:
    """The session of a gateway that was configured by what the simulator writes."""
    (plan,) = decode([fleet.channel("127.0.0.1", port)], {"mqtt": mqtt.hub_plugin()}, Profiles())
    driver = plan.driver(plan.config, plan.points, Now())
    async with driver.open() as session:
        yield session, {point.key: point for point in plan.points}


@asynccontextmanager
async def served(fleet: Fleet, port: int) -> AsyncIterator[None]:
    running = asyncio.create_task(fleet.run("127.0.0.1", port))
    try:
        yield
    finally:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


class Shown:
    """Latest value of each point of a session, gathered in the background."""

    def __init__(self, session: MqttSession) -> None:
        self.session, self.values = session, dict[int, float]()
        self.count: Counter[int] = Counter()

    async def gather(self) -> None:
        self._add(await self.session.startup())
        async for batch in self.session.events():
            self._add(batch)

    def _add(self, batch: object) -> None:
        for number, value in zip(batch.point.tolist(), batch.value.tolist(), strict=True):  # type: ignore[attr-defined]
            self.values[number] = value
            self.count[number] += 1

    async def until(self, point: Point, value: float) -> None:
        async with asyncio.timeout(20):
            while self.values.get(point.id) != value:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_every_meter_of_the_fleet_is_read_and_an_order_comes_back_as_a_state(
    mosquitto: Mosquitto,
) -> None:
    fleet = Fleet(50, every=0.5)
    async with served(fleet, mosquitto.port), gateway(fleet, mosquitto.port) as (session, points):
        shown = Shown(session)
        task = asyncio.create_task(shown.gather())
        for meter in fleet.meters:
            await shown.until(points[f"{meter}.relay.state"], 1)
        async with asyncio.timeout(20):
            while len(shown.values) < 50 * 6:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        relay, state = points["ACR-000007.relay"], points["ACR-000007.relay.state"]
        for value in (0.0, 1.0):
            expires = time.time_ns() // 1000 + 10_000_000
            order = Command(point=relay, value=value, actor="t", expires=expires, id=f"c{value}")
            assert (await session.operate(order)).outcome is Outcome.ACCEPTED
            await shown.until(state, value)
            assert fleet.meters["ACR-000007"].connected == bool(value)
        task.cancel()
    assert fleet.meters["ACR-000007"].obeyed == ["c0.0", "c1.0"]


async def test_the_fleet_runs_on_the_embedded_broker_too() -> None:
    fleet = Fleet(10, every=0.5)
    async with broker() as port, served(fleet, port), gateway(fleet, port) as (session, points):
        shown = Shown(session)
        task = asyncio.create_task(shown.gather())
        await shown.until(points["ACR-000010.relay.state"], 1)
        async with asyncio.timeout(20):
            while len(shown.values) < 10 * 6:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        task.cancel()


class Platform:
    """Meter control on a connection of its own that comes back when the broker does."""

    def __init__(self, fleet: Fleet, port: int) -> None:
        self.port, self.client = port, None
        self.told: dict[str, list[State]] = {}
        way = AcrelWay(
            self.publish,
            ready=lambda: self.client is not None,
            station=lambda meter: fleet.meters[meter].station,
            clock=Now().now,
        )
        self.control = MeterControl([way], Now().now, self.changed, wait=30.0, pause=0.05)

    def changed(self, progress: Progress) -> None:
        self.told.setdefault(progress.order.id, []).append(progress.state)

    async def publish(self, publication: Publication) -> None:
        if self.client is None:
            raise LinkError("no broker")
        try:
            await self.client.publish(publication.topic, publication.payload, qos=1, timeout=2)
        except aiomqtt.MqttError as error:
            raise LinkError(str(error)) from error

    async def listen(self) -> None:
        while True:
            try:
                async with aiomqtt.Client("127.0.0.1", self.port) as client:
                    await client.subscribe("acrel/+/meter/+/status", qos=1)
                    self.client = client
                    self.control.wake()
                    async for message in client.messages:
                        self.control.observe(self.event(message))
            except aiomqtt.MqttError:
                self.client = None
                await asyncio.sleep(0.05)

    @staticmethod
    def event(message: aiomqtt.Message) -> Event:
        assert isinstance(message.payload, bytes)
        return read_event(message.payload).event


async def test_orders_outlive_a_broker_restart_and_each_meter_obeys_once(
    mosquitto: Mosquitto,
) -> None:
    fleet = Fleet(10_000, every=600)
    platform = Platform(fleet, mosquitto.port)
    async with served(fleet, mosquitto.port):
        tasks = [asyncio.create_task(w) for w in (platform.control.run(), platform.listen())]
        await asyncio.sleep(0.3 if fleet.published else 15)
        await mosquitto.stop()
        expires = time.time_ns() // 1000 + 200_000_000
        for meter in fleet.meters:
            late = meter.endswith("9")
            platform.control.request(
                MeterOrder(
                    id=f"order-{meter}", meter=meter, kind=Kind.DISCONNECT,
                    expires=time.time_ns() // 1000 + 100_000 if late else expires,
                )
            )  # fmt: skip
        await asyncio.sleep(0.3 if fleet.published else 15)
        await mosquitto.start()
        async with asyncio.timeout(110):
            while any(s[-1].open for s in platform.told.values()):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    ended = Counter(states[-1] for states in platform.told.values())
    assert ended == {State.CONFIRMED: 9_000, State.FAILED: 1_000}
    for meter in fleet.meters.values():
        late = meter.id.endswith("9")
        assert meter.connected is late
        assert meter.obeyed == ([] if late else [f"order-{meter.id}"])


async def test_a_meter_that_is_silent_ends_in_timeout_after_three_tries(
    mosquitto: Mosquitto,
) -> None:
    fleet = Fleet(1, every=60)
    platform = Platform(fleet, mosquitto.port)
    async with served(fleet, mosquitto.port):
        tasks = [asyncio.create_task(w) for w in (platform.control.run(), platform.listen())]
        await asyncio.sleep(0.3 if fleet.published else 15)
        (meter,) = fleet.meters.values()
        meter.offline = True
        expires = time.time_ns() // 1000 + 200_000_000
        platform.control.request(
            MeterOrder(id="o", meter=meter.id, kind=Kind.DISCONNECT, expires=expires)
        )
        async with asyncio.timeout(110):
            while platform.told["o"][-1].open:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert platform.told["o"][-1] is State.TIMEOUT
    assert meter.refused == ["o", "o", "o"]
    assert meter.connected
