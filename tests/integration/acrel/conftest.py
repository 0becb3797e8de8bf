"""A centre that knows the platform, and one meter of it."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from api.testing import client, sign_in
from hub import METERS, UNIT, Actor
from hub.testing.pytest_plugin import busbar_template, central, clock, migrated
from tests.acrel_platform import Platform

__all__ = ["busbar_template", "central", "client", "clock", "migrated", "sign_in"]
METER = "ACR-001234"
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
            "webhooks": {"secret": "sixteen characters", "allowed": "127.0.0.1"},
            "http": {"url": platform.url, "secret": "a shared secret", "timeout": 2},
            "wait": 0.3,
        }
    }


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
