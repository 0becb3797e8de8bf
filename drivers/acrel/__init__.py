"""The Acrel platform at the centre: its webhooks, its broker, and orders to its meters."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from hub import METER_ORDERS, SIGNALS, UNIT, Op, Plugin, Resource, hookimpl

from .happenings import EVENTS
from .intake import INTAKE, WEBHOOKS, Intake
from .models import OrderRow, OrderStep, Receipt
from .orders import Orders
from .settings import AcrelSettings

if TYPE_CHECKING:
    from drivers.mqtt.control import Way

_RECEIPTS = Resource(
    name="receipts",
    model=Receipt,
    ops=Op.READ,
    filters=("source", "event_kind", "meter", "status", "created_at"),
    sort=("sequence", "created_at"),
)
_ORDERS = Resource(
    name="orders",
    model=OrderRow,
    ops=Op.READ,
    filters=("order_id", "meter", "kind", "state", "created_at"),
    sort=("created_at", "changed_at"),
)
_STEPS = Resource(
    name="order-steps",
    model=OrderStep,
    ops=Op.READ,
    filters=("order_row_id", "state", "at"),
    sort=("at",),
)


@hookimpl
def hub_plugin() -> Plugin:
    return Plugin(
        name="acrel",
        title="Acrel platform",
        requires=("identity", "scada"),
        after=("sync",),
        resources=(_RECEIPTS, _ORDERS, _STEPS),
        actions=WEBHOOKS,
        events=EVENTS,
        settings=AcrelSettings,
        providers={METER_ORDERS: Orders()},
        locale=Path(__file__).parent / "locale",
        migrations=Path(__file__).parent / "migrations",
    )


@hookimpl
def hub_services(hub: Any) -> list[contextlib.AbstractAsyncContextManager[Any]]:
    return [_serving(hub)]


@contextlib.asynccontextmanager
async def _serving(hub: Any) -> AsyncIterator[None]:
    """Take events, listen to the broker, carry out orders, as the settings say."""
    from drivers.mqtt.webhooks import Policy

    from .leader import Leader

    own = msgspec.convert(hub.settings.plugin.get("acrel", {}), AcrelSettings)
    policy = None
    if own.webhooks is not None:
        policy = Policy.of(**msgspec.structs.asdict(own.webhooks))
    intake = Intake(policy, own.company)
    hub.provide(INTAKE, intake)
    leader = Leader(hub.get(UNIT), intake, lambda: _ways(hub, own, intake), wait=own.wait)
    tasks = [
        asyncio.create_task(intake.listen(hub.get(SIGNALS)), name="acrel news"),
        asyncio.create_task(leader.run(), name="acrel"),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def _ways(hub: Any, own: AcrelSettings, intake: Intake) -> "AsyncIterator[list[Way]]":
    """The broker first, then the HTTP interface."""
    ways: list[Way] = []
    async with contextlib.AsyncExitStack() as stack:
        if own.broker is not None:
            from .broker import Broker

            broker = Broker(own.broker, hub.get(UNIT), intake, station=own.station)
            await stack.enter_async_context(broker.running())
            ways.append(broker.way)
        if own.http is not None:
            from drivers.acrel_http.client import AcrelHttp
            from drivers.acrel_http.way import HttpWay

            ways.append(HttpWay(AcrelHttp(own.http), lambda: time.time_ns() // 1_000))
        yield ways
