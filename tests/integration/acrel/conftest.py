"""A centre that knows the platform, and one meter of it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest

from api.testing import client, sign_in
from drivers.mqtt.webhooks import signature
from hub import METER_ORDERS, METERS, UNIT, Actor, MeterOrder, MeterOrderKind
from hub.testing.pytest_plugin import busbar_template, central, clock, migrated
from tests.acrel_platform import Platform
from tests.waiting import until

__all__ = ["busbar_template", "central", "client", "clock", "migrated", "sign_in"]
METER = "ACR-001234"
SECRET = b"sixteen characters"
READING = {"event_type": "meter_reading", "data": {"reading": 15.5, "voltage": 231.2}}
POINTS = {
    "energy": ("$.data.reading", "counter"),
    "voltage": ("$.data.voltage", "analog_input"),
    "relay": ("status:$.new_status", "binary_input"),
    "alert": ("alert:$.alert_type", "string"),
}


@pytest.fixture(scope="session")
def busbar_modules() -> tuple[str, ...]:
    return ("plugins.identity", "plugins.scada", "sync", "drivers.acrel")


@pytest.fixture
async def platform():
    async with Platform().running() as made:
        yield made


@pytest.fixture
def busbar_settings(platform) -> dict[str, dict[str, Any]]:
    return {
        "acrel": {
            "webhooks": {"secret": SECRET.decode(), "allowed": "127.0.0.1"},
            "http": {"url": platform.url, "secret": "a shared secret", "timeout": 2},
            "wait": 0.3,
        }
    }


def listener(port: int) -> dict[str, Any]:
    """`[plugin.acrel.broker]`."""
    return {
        "driver": "mqtt-acrel", "name": "acrel", "host": "127.0.0.1", "port": port,
        "client_id": "centre", "protocol": "5", "backoff": {"first": 0.05, "last": 0.1},
    }  # fmt: skip


@pytest.fixture
async def me(client, sign_in) -> dict[str, str]:
    return await sign_in("*")


@pytest.fixture
async def actor(client, me) -> Actor:
    found = await (await client.get("/api/v1/auth/me", headers=me)).json()
    return Actor(id="billing", tenant=UUID(found["tenant_id"]), kind="system", name="billing")


async def create(client, me, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post(f"/api/v1/scada/{path}", json=body, headers=me)
    assert answer.status == 201, await answer.text()
    return await answer.json()


@pytest.fixture
async def meter(client, me) -> dict[str, str]:
    """Ids of the points of a meter that somebody entered by hand, by name."""
    device = await create(
        client, me, "devices", {"code": "H12", "name": "House 12", "external_id": METER}
    )
    made = {}
    for name, (address, kind) in POINTS.items():
        body = {
            "device_id": device["id"], "name": name, "address": address, "point_type": kind,
            "scale_factor": 1000.0 if name == "energy" else 1.0,
        }  # fmt: skip
        made[name] = (await create(client, me, "points", body))["id"]
    return made


@pytest.fixture
def series(central, actor, meter) -> Callable[[], Awaitable[dict[str, int]]]:
    async def find() -> dict[str, int]:
        async with central.get(UNIT)(actor) as ctx:
            points = (await central.get(METERS).points(ctx, [METER]))[METER]
        addresses = {address: name for name, (address, _) in POINTS.items()}
        return {addresses[p.address]: p.series for p in points}

    return find


@pytest.fixture
def post(client, clock):
    """Send an event as the platform does. at: of the body; now: in the header."""

    async def send(event=READING, *, meter=METER, at=None, now=None, name=None, secret=SECRET,
                   **headers):  # fmt: skip
        stamp = (now or clock()).isoformat()
        body = event | {"meter_id": meter, "timestamp": (at or clock()).isoformat()}
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        name = name or event["event_type"].replace("_", "-")
        headers |= {
            "X-Acrel-Timestamp": stamp,
            "X-Acrel-Signature": signature(secret, stamp, data),
        }
        answer = await client.post(f"/api/v1/acrel/webhooks/{name}", data=data, headers=headers)
        return answer.status, await answer.json()

    return send


def _stored(dsn: str, series: int) -> list[tuple[float, int]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(
            "SELECT value, (extract(epoch FROM time) * 1000000)::int8 FROM reading"
            " WHERE point_id = %s ORDER BY time",
            (series,),
        ).fetchall()


def _count(dsn: str, table: str, where: str = "true") -> int:
    with psycopg.connect(dsn) as connection:
        return (
            connection.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone() or (0,)
        )[0]


def _happened(dsn: str) -> list[str]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT type FROM hub_event ORDER BY sequence").fetchall()
    return [type_ for (type_,) in rows if type_.startswith("meter.")]


async def stored(*given):
    """Off the loop: the table may be locked by what runs on it."""
    return await asyncio.to_thread(_stored, *given)


async def count(*given):
    return await asyncio.to_thread(_count, *given)


async def happened(*given):
    return await asyncio.to_thread(_happened, *given)


def order(ident="o-1", kind=MeterOrderKind.DISCONNECT, meter=METER, seconds=60.0, value=None):
    expires = time.time_ns() // 1000 + int(seconds * 1e6)
    return MeterOrder(id=ident, meter=meter, kind=kind, expires=expires, value=value)


@pytest.fixture
def ask(central, actor):
    async def request(wanted):
        async with central.get(UNIT)(actor) as ctx:
            return await central.get(METER_ORDERS).request(ctx, wanted)

    return request


@pytest.fixture
def reach(central, actor):
    """Wait until an order has a state."""

    async def wait(state, ident="o-1"):
        async def there():
            async with central.get(UNIT)(actor) as ctx:
                found = await central.get(METER_ORDERS).state(ctx, ident)
            return found if found.state is state else None

        return await until(there, 15)

    return wait
