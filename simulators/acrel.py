"""A fleet of Acrel meters on an MQTT broker, as the IoT-EMS platform shows it.

Meters publish readings, obey orders and say what they did. An order that is too late or was obeyed
before is not obeyed.
"""

import asyncio
import logging
import math
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import cycle
from typing import Any

import aiomqtt
import msgspec

log = logging.getLogger(__name__)
PROFILE = "acrel/adl200_mqtt"


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class AcrelMeter:
    """energy: kWh. tampering with `offline` makes it silent and deaf. obeyed: ids of orders."""

    id: str
    station: str
    energy: float
    peak: float
    phase: float
    connected: bool = True
    tariff: str = "T1"
    limit: float | None = None
    offline: bool = False
    obeyed: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @classmethod
    def number(cls, n: int, stations: int = 4) -> "AcrelMeter":
        """The n-th meter of a fleet, always the same."""
        noise = random.Random(n)  # noqa: S311 - a load, not a secret
        return cls(
            id=f"ACR-{n:06d}",
            station=f"station-{n % stations + 1}",
            energy=noise.uniform(100, 20_000),
            peak=noise.uniform(300, 6_000),
            phase=noise.uniform(-3, 3),
        )

    def power(self, now: datetime) -> float:
        """W: a daily curve with an evening peak; nothing while disconnected."""
        if not self.connected:
            return 0.0
        hour = now.hour + now.minute / 60 + now.second / 3600
        shape = 0.35 + 0.65 * max(0.0, math.cos((hour - 20 + self.phase) * math.pi / 12)) ** 3
        return self.peak * shape

    def run(self, seconds: float, now: datetime) -> None:
        self.energy += self.power(now) * seconds / 3.6e6

    def data(self, now: datetime) -> dict[str, Any]:
        power = self.power(now)
        voltage = 231.0 - power / 900
        return {
            "event_type": "meter_reading",
            "timestamp": _stamp(now),
            "meter_id": self.id,
            "meter_type": "ADL200",
            "data": {
                "reading": round(self.energy, 3),
                "voltage": round(voltage, 1),
                "current": round(power / voltage / 0.96, 3),
                "power": round(power, 1),
                "power_factor": 0.96 if power else 1.0,
            },
        }

    def status(self, now: datetime, reason: str, previous: bool) -> dict[str, Any]:
        words = {True: "connected", False: "disconnected"}
        return {
            "event_type": "status_change",
            "timestamp": _stamp(now),
            "meter_id": self.id,
            "previous_status": words[previous],
            "new_status": words[self.connected],
            "reason": reason,
            "tariff_id": self.tariff,
            "limit_w": self.limit,
        }

    def obey(self, payload: bytes, now: datetime) -> dict[str, Any] | None:
        """What the meter answers to an order; None when it does not obey it."""
        try:
            order = msgspec.json.decode(payload)
            number, expires = str(order.get("command_id", "")), order.get("expires_at")
            late = expires is not None and datetime.fromisoformat(expires) <= now
        except (msgspec.DecodeError, AttributeError, ValueError, TypeError):
            return None
        if late or self.offline:
            self.refused.append(number)
            return None
        previous = self.connected
        if not number or number not in self.obeyed:
            self._apply(order)
            self.obeyed.append(number)
        return self.status(now, "remote_command", previous)

    def _apply(self, order: dict[str, Any]) -> None:
        match order.get("command"):
            case "relay_off":
                self.connected = False
            case "relay_on":
                self.connected = True
            case "set_tariff":
                self.tariff = str(order.get("tariff_id"))
            case "set_power_limit":
                self.limit = float(order.get("limit_w", 0))


class Fleet:
    """Meters behind one connection. every: seconds between two readings of one meter."""

    def __init__(
        self, count: int, *, every: float = 10.0, clock: Callable[[], datetime] = _now
    ) -> None:
        made = (AcrelMeter.number(n) for n in range(1, count + 1))
        self.meters = {meter.id: meter for meter in made}
        self._every, self._clock = every, clock
        self.published = 0

    async def run(self, host: str, port: int) -> None:
        """Serve until cancelled; comes back by itself when the broker does."""
        while True:
            try:
                await self._serve(host, port)
            except* aiomqtt.MqttError as lost:
                log.debug("the broker is gone: %s", lost.exceptions)
            await asyncio.sleep(0.5)

    async def _serve(self, host: str, port: int) -> None:
        async with aiomqtt.Client(host, port, identifier="acrel-fleet") as client:
            await client.subscribe("acrel/+/meter/+/command", qos=1)
            for meter in self.meters.values():
                status = meter.status(self._clock(), "power_up", meter.connected)
                await self._publish(client, meter, "status", status, retain=True)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._measure(client))
                tasks.create_task(self._obey(client))

    async def _measure(self, client: aiomqtt.Client) -> None:
        """Readings spread evenly over the period, as those of a real fleet are."""
        loop = asyncio.get_running_loop()
        began, gap = loop.time(), self._every / len(self.meters)
        seen = dict.fromkeys(self.meters, began)
        for number, meter in enumerate(cycle(self.meters.values())):
            await asyncio.sleep(max(0.0, began + number * gap - loop.time()))
            if meter.offline:
                continue
            now, at = self._clock(), loop.time()
            meter.run(at - seen[meter.id], now)
            seen[meter.id] = at
            await self._publish(client, meter, "data", meter.data(now))

    async def _obey(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            meter = self.meters.get(message.topic.value.split("/")[3])
            payload = message.payload
            if meter is None or not isinstance(payload, bytes):
                continue
            answer = meter.obey(payload, self._clock())
            if answer is not None:
                await self._publish(client, meter, "status", answer, retain=True)

    async def _publish(
        self,
        client: aiomqtt.Client,
        meter: AcrelMeter,
        word: str,
        body: dict[str, Any],
        retain: bool = False,
    ) -> None:
        topic = f"acrel/{meter.station}/meter/{meter.id}/{word}"
        await client.publish(topic, msgspec.json.encode(body), qos=1, retain=retain)
        self.published += 1

    def channel(self, host: str, port: int) -> dict[str, Any]:
        """The `[[channels]]` table of a gateway that reads this fleet."""
        return {
            "name": "acrel",
            "driver": "mqtt-acrel",
            "host": host,
            "port": port,
            "client_id": "busbar-acrel",
            "devices": [
                {"name": m.id, "id": m.id, "station": m.station, "profile": PROFILE}
                for m in self.meters.values()
            ],
        }


@asynccontextmanager
async def broker(host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[int]:
    """An embedded broker for demonstrations; yields its port. MQTT 3.1.1 only."""
    from amqtt.broker import Broker  # noqa: PLC0415 - an extra, not needed to load this module

    port = port or _free_port(host)
    logging.getLogger("amqtt").setLevel(logging.ERROR)
    running = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{host}:{port}"}},
            "plugins": {
                "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}
            },
        }
    )
    await running.start()
    try:
        yield port
    finally:
        await running.shutdown()


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _stamp(now: datetime) -> str:
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
