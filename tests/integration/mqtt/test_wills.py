"""Last words: ours when we vanish or leave, and those of devices."""

import asyncio

import aiomqtt
import msgspec
import pytest

from drivers.mqtt.config import GenericConfig, MqttDevice, SparkplugConfig, SparkplugDevice
from hub import LOST
from tests.integration.mqtt.conftest import Mosquitto
from tests.integration.mqtt.test_session import session


async def test_the_will_says_that_we_are_gone(mosquitto: Mosquitto) -> None:
    device = MqttDevice(name="m1", topics={"data": "m1"})
    made = GenericConfig(
        name="g", host="127.0.0.1", port=mosquitto.port, client_id="g",
        will_topic="busbar/state", devices=(device,),
    )  # fmt: skip
    rows = {"m1": [{"name": "v", "address": "$.v"}]}
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as watcher:
        await watcher.subscribe("busbar/state", qos=1)
        async with session(made, rows) as (opened, _, _):
            await opened.startup()
            async with asyncio.timeout(5):
                message = await anext(aiter(watcher.messages))
            assert message.payload == b"online"
            opened._client._client._sock_close()
        async with asyncio.timeout(5):
            message = await anext(aiter(watcher.messages))
        assert message.payload == b"offline"


async def test_who_leaves_says_goodbye(mosquitto: Mosquitto) -> None:
    device = SparkplugDevice(name="m1", node="N")
    made = SparkplugConfig(
        name="s", host="127.0.0.1", port=mosquitto.port, group="G", host_id="h", devices=(device,)
    )
    async with session(made, {"m1": [{"name": "v", "address": "V"}]}) as (opened, _, _):
        await opened.startup()
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as watcher:
        await watcher.subscribe("spBv1.0/STATE/h", qos=1)
        async with asyncio.timeout(5):
            message = await anext(aiter(watcher.messages))
        assert msgspec.json.decode(message.payload)["online"] is False


async def test_the_will_of_a_device_loses_its_points(mosquitto: Mosquitto) -> None:
    device = MqttDevice(name="m1", id="7", topics={"data": "m/{id}/data", "will": "m/{id}/lwt"})
    made = GenericConfig(
        name="g", host="127.0.0.1", port=mosquitto.port, client_id="g", devices=(device,)
    )
    will = aiomqtt.Will("m/7/lwt", b"offline", 1)
    async with session(made, {"m1": [{"name": "v", "address": "$.v"}]}) as (opened, _, _):
        await opened.startup()
        batches = aiter(opened.events())
        async with aiomqtt.Client("127.0.0.1", mosquitto.port, will=will) as meter:
            await meter.publish("m/7/data", b'{"v": 5}', qos=1)
            async with asyncio.timeout(5):
                assert (await anext(batches)).value.tolist() == [5.0]
            meter._client._sock_close()
            async with asyncio.timeout(5):
                lost = await anext(batches)
            with pytest.raises(aiomqtt.MqttError):
                await meter.publish("m/7/data", b"late", qos=1, timeout=1)
    assert lost.quality.tolist() == [LOST]
