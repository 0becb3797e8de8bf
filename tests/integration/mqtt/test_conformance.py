"""The conformance suite on all three dialects, against a real broker."""

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

from drivers.mqtt.driver import MqttDriver
from drivers.mqtt.session import MqttSession
from hub.testing.driver_kit import DriverKit
from tests.integration.mqtt.conftest import broker


class _Mqtt(DriverKit):
    driver, session = MqttDriver, MqttSession
    bad_type = None

    @asynccontextmanager
    async def peer(self) -> AsyncIterator[Mapping[str, Any]]:
        with tempfile.TemporaryDirectory() as folder:
            async with broker(Path(folder)) as running:
                yield {"port": running.port}

    def nobody(self) -> Mapping[str, Any]:
        return {"port": 1}


class TestAcrel(_Mqtt):
    config: ClassVar[Mapping[str, Any]] = {
        "driver": "mqtt-acrel", "name": "c", "host": "127.0.0.1", "client_id": "kit",
        "devices": [
            {
                "name": "m1", "id": "A1",
                "points": [
                    {"name": "voltage", "address": "$.data.voltage"},
                    {"name": "relay", "address": "command:relay", "writable": True},
                ],
            }
        ],
    }  # fmt: skip
    writable = ("m1.relay", 1.0)


class TestGeneric(_Mqtt):
    config: ClassVar[Mapping[str, Any]] = {
        "driver": "mqtt", "name": "c", "host": "127.0.0.1", "client_id": "kit",
        "devices": [
            {
                "name": "m1", "topics": {"data": "m1"},
                "commands": {"relay": ["m1/set", "{value}"]},
                "points": [
                    {"name": "voltage", "address": "$.voltage"},
                    {"name": "relay", "address": "command:relay", "writable": True},
                ],
            }
        ],
    }  # fmt: skip
    writable = ("m1.relay", 1.0)


class TestSparkplug(_Mqtt):
    config: ClassVar[Mapping[str, Any]] = {
        "driver": "mqtt-sparkplug", "name": "c", "host": "127.0.0.1", "group": "G",
        "devices": [
            {
                "name": "m1", "node": "N",
                "points": [
                    {"name": "voltage", "address": "Volts"},
                    {"name": "relay", "address": "Relay", "type": "boolean", "writable": True},
                ],
            }
        ],
    }  # fmt: skip
    writable = ("m1.relay", 1.0)
    bad_address, bad_type = None, "no such type"
