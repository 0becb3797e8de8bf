"""An edge node that speaks Sparkplug B by Google's protocol buffers, a real broker, our driver."""

import asyncio
import time
from typing import Any

import aiomqtt

from drivers.mqtt.config import SparkplugConfig, SparkplugDevice
from hub import LOST, Command, Outcome
from tests.integration.mqtt.conftest import Mosquitto
from tests.integration.mqtt.test_session import session
from tests.unit.mqtt.sparkplug_peer import payload_class

INT64, DOUBLE, BOOLEAN = 4, 10, 11


class Edge:
    """Node `N` of group `G` with the metrics `Volts` (alias 1) and `Relay` (alias 2)."""

    def __init__(self) -> None:
        self.seq, self.life, self.volts, self.relay, self.births = 0, 7, 230.0, True, 0
        self.client: aiomqtt.Client | None = None

    def body(self, *metrics: dict[str, Any], seq: bool = True) -> bytes:
        message, now = payload_class()(), time.time_ns() // 1_000_000
        message.timestamp = now
        if seq:
            message.seq, self.seq = self.seq, (self.seq + 1) % 256
        for metric in metrics:
            message.metrics.add(timestamp=now, **metric)
        return bytes(message.SerializeToString())

    @property
    def bd(self) -> dict[str, Any]:
        return {"name": "bdSeq", "datatype": INT64, "long_value": self.life}

    async def say(self, word: str, body: bytes) -> None:
        assert self.client is not None
        await self.client.publish(f"spBv1.0/G/{word}/N", body)

    async def birth(self) -> None:
        self.seq = 0
        self.births += 1
        metrics = (
            self.bd,
            {"name": "Volts", "alias": 1, "datatype": DOUBLE, "double_value": self.volts},
            {"name": "Relay", "alias": 2, "datatype": BOOLEAN, "boolean_value": self.relay},
        )
        await self.say("NBIRTH", self.body(*metrics))

    async def measure(self, volts: float) -> None:
        self.volts = volts
        await self.say("NDATA", self.body({"alias": 1, "double_value": volts}))

    async def run(self, port: int) -> None:
        will = aiomqtt.Will("spBv1.0/G/NDEATH/N", self.body(self.bd, seq=False), 1)
        async with aiomqtt.Client("127.0.0.1", port, will=will) as self.client:
            await self.client.subscribe("spBv1.0/G/NCMD/N", qos=1)
            await self.birth()
            async for message in self.client.messages:
                for metric in payload_class().FromString(message.payload).metrics:
                    if metric.name == "Node Control/Rebirth" and metric.boolean_value:
                        await self.birth()
                    elif metric.name == "Relay":
                        self.relay = metric.boolean_value
                        state = {"alias": 2, "boolean_value": self.relay}
                        await self.say("NDATA", self.body(state))


async def test_an_edge_node_is_born_measures_obeys_loses_a_message_and_dies(
    mosquitto: Mosquitto,
) -> None:
    device = SparkplugDevice(name="n", node="N")
    made = SparkplugConfig(
        name="s", host="127.0.0.1", port=mosquitto.port, group="G", host_id="h", devices=(device,)
    )
    rows = {
        "n": [
            {"name": "volts", "address": "Volts"},
            {"name": "relay", "address": "Relay", "kind": "binary", "writable": True},
        ]
    }
    edge, shown, quality = Edge(), dict[int, float](), dict[int, int]()
    async with session(made, rows) as (opened, points, link):
        link.time = time.time_ns() // 1000
        volts, relay = (p.id for p in points)
        await opened.startup()

        async def gather() -> None:
            async for batch in opened.events():
                shown.update(zip(batch.point.tolist(), batch.value.tolist(), strict=True))
                quality.update(zip(batch.point.tolist(), batch.quality.tolist(), strict=True))

        async def until(point: int, value: float) -> None:
            async with asyncio.timeout(10):
                while shown.get(point) != value:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

        tasks = [asyncio.create_task(gather()), asyncio.create_task(edge.run(mosquitto.port))]
        await until(volts, 230.0)
        await edge.measure(231.0)
        await until(volts, 231.0)
        order = Command(point=points[1], value=0, actor="t", expires=link.time + 10_000_000)
        assert (await opened.operate(order)).outcome is Outcome.ACCEPTED
        await until(relay, 0.0)
        assert edge.relay is False

        link.time += 6_000_000
        born, edge.seq = edge.births, edge.seq + 1  # a message is lost
        await edge.measure(232.0)
        await until(volts, 232.0)  # of the birth that was asked for
        assert edge.births == born + 1

        assert edge.client is not None
        edge.client._client._sock_close()
        async with asyncio.timeout(10):
            while quality[volts] != LOST:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
