"""The virtual prepayment meter on an MQTT broker, for the generic dialect.

sts/{drn}/data     out   {"time", "credit", "energy", "power", "voltage", "relay", …}
sts/{drn}/state    out   `online`, and `offline` by its last will
sts/{drn}/token    in    20 digits
sts/{drn}/relay    in    0 opens, 1 closes
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import aiomqtt
import msgspec

from drivers.sts.identity import MeterPan
from simulators.prepaid import PrepaidMeter

POINTS: tuple[dict[str, Any], ...] = (
    {"name": "voltage.l1", "address": "$.voltage"},
    {"name": "power.active.total", "address": "$.power"},
    {"name": "energy.active.import.total", "address": "$.energy", "kind": "counter"},
    {"name": "credit.remaining", "address": "$.credit"},
    {"name": "relay.state", "address": "$.relay", "kind": "binary"},
    {"name": "relay.reason", "address": "$.reason"},
    {"name": "tamper", "address": "$.tamper", "kind": "binary"},
    {"name": "sts.result", "address": "$.result", "kind": "text"},
    {"name": "sts.token", "address": "command:token", "kind": "text", "writable": True},
    {"name": "relay", "address": "command:relay", "kind": "binary", "writable": True},
)


def _now() -> datetime:
    return datetime.now(UTC)


class PrepaidPublisher:
    """One meter with a connection of its own. every: seconds between publications."""

    def __init__(
        self,
        meter: PrepaidMeter,
        *,
        every: float = 5.0,
        speed: float = 1.0,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self.meter, self._every, self._speed, self._clock = meter, every, speed, clock
        self.drn = MeterPan.parse(meter.sts.identity.pan).drn
        self._base = f"sts/{self.drn}"

    async def run(self, host: str, port: int) -> None:
        """Serve until cancelled; MqttError when the broker goes."""
        will = aiomqtt.Will(f"{self._base}/state", "offline", 1, True)
        async with aiomqtt.Client(host, port, identifier=f"sts-{self.drn}", will=will) as client:
            await client.subscribe([(f"{self._base}/token", 1), (f"{self._base}/relay", 1)])
            await client.publish(f"{self._base}/state", "online", 1, True)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._measure(client))
                tasks.create_task(self._obey(client))

    async def _measure(self, client: aiomqtt.Client) -> None:
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            now = loop.time()
            self.meter.run((now - last) * self._speed)
            last = now
            await self._show(client)
            await asyncio.sleep(self._every)

    async def _obey(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            word = message.topic.value.rpartition("/")[2]
            body = message.payload if isinstance(message.payload, bytes) else b""
            if word == "token":
                self.meter.enter(body.decode(errors="replace"), self._clock())
            elif body in {b"0", b"1"}:
                self.meter.remote_open = body == b"0"
            await self._show(client)

    async def _show(self, client: aiomqtt.Client) -> None:
        meter = self.meter
        body = {
            "time": self._clock().isoformat(),
            "credit": round(meter.balance / 1000, 3),
            "energy": round(meter.energy / 1000, 3),
            "power": meter.power,
            "voltage": meter.voltage,
            "relay": int(meter.closed),
            "reason": meter.reason,
            "tamper": int(meter.sts.tampered),
            "result": str(meter.last_result or ""),
        }
        await client.publish(f"{self._base}/data", msgspec.json.encode(body), 1, True)

    def device(self, name: str) -> dict[str, Any]:
        """The entry in a generic MQTT channel that reads this meter."""
        return {
            "name": name,
            "id": self.drn,
            "topics": {"data": "sts/{id}/data", "will": "sts/{id}/state"},
            "commands": {
                "token": ["sts/{id}/token", "{value}"],
                "relay": ["sts/{id}/relay", "{value}"],
            },
            "time": "$.time",
            "points": list(POINTS),
        }
