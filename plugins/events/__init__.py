"""Events: their catalogue and log, and webhooks that carry them to other systems."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from hub import HTTP, SIGNALS, UNIT, Plugin, hookimpl

from .cleaning import DAILY, clean
from .expressions import compile_
from .fanout import spread
from .happenings import EVENTS
from .live import watch
from .log import TYPES, dead_letters, known, log, processing, types
from .publishing import publish
from .sender import Sender
from .subscriptions import subscriptions
from .webhooks import attempts, deliveries, endpoints

__all__ = ["EVENTS", "compile_"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """lease_seconds: how long a delivery may wait in a process that may have died."""

    lease_seconds: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    send: bool = True


@hookimpl
def hub_plugin() -> Plugin:
    return Plugin(
        name="events",
        title="Events and webhooks",
        urls=("webhooks",),
        resources=(log, processing, dead_letters, subscriptions, endpoints, deliveries, attempts),
        actions=(types, publish),
        rooms=(watch,),
        subscribers=(spread,),
        events=EVENTS,
        jobs=(clean,),
        schedules=(DAILY,),
        settings=Settings,
        locale=Path(__file__).parent / "locale",
        migrations=Path(__file__).parent / "migrations",
    )


@hookimpl
def hub_services(hub: Any) -> list[contextlib.AbstractAsyncContextManager[Any]]:
    return [_sending(hub)]


@contextlib.asynccontextmanager
async def _sending(hub: Any) -> AsyncIterator[None]:
    settings = msgspec.convert(hub.settings.plugin.get("events", {}), Settings)
    hub.provide(TYPES, known(hub.plugins.values()))
    if not settings.send:
        yield
        return
    sender = Sender(hub.get(UNIT), hub.get(HTTP), hub.get(SIGNALS), lease=settings.lease_seconds)
    async with sender.running(hub.started):
        yield
