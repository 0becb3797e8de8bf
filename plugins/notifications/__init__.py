"""Notifications: what people are told, by which channels, in their language."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from hub import HTTP, NOTIFIER, SIGNALS, UNIT, VAULT, Plugin, hookimpl

from .administration import (
    announce,
    change_type,
    company_rules,
    deliveries,
    receipt,
    send,
    templates,
    types,
)
from .cleaning import DAILY, clean
from .consuming import SETTINGS, Bell, catalogue, consume
from .events import EVENTS
from .inbox import change_preferences, notifications, preferences
from .live import follow
from .making import CATALOGUE
from .outbox import Outbox
from .providers import chains
from .settings import NotificationOptions, NotificationSettings

__all__ = ["EVENTS"]


@hookimpl
def hub_plugin() -> Plugin:
    return Plugin(
        name="notifications",
        title="Notifications",
        requires=("identity", "events", "jobs"),
        resources=(notifications, templates, company_rules, deliveries),
        actions=(preferences, change_preferences, types, change_type, send, receipt),
        rooms=(follow,),
        events=EVENTS,
        subscribers=(consume,),
        jobs=(announce, clean),
        schedules=(DAILY,),
        permissions={"notifications.admin.send": "Tell many people something"},
        settings=NotificationSettings,
        options=NotificationOptions,
        providers={NOTIFIER: Bell()},
        migrations=Path(__file__).parent / "migrations",
        locale=Path(__file__).parent / "locale",
    )


@hookimpl
def hub_services(hub: Any) -> list[contextlib.AbstractAsyncContextManager[Any]]:
    return [_sending(hub)]


@contextlib.asynccontextmanager
async def _sending(hub: Any) -> AsyncIterator[None]:
    settings = msgspec.convert(hub.settings.plugin.get("notifications", {}), NotificationSettings)
    hub.provide(SETTINGS, settings)
    hub.provide(CATALOGUE, catalogue(hub.plugins.values()))
    if not settings.send:
        yield
        return
    unit = hub.get(UNIT)
    ways = chains(settings, hub.get(HTTP), unit.clock)
    lease = settings.lease_seconds
    outbox = Outbox(unit, hub.get(SIGNALS), hub.get(VAULT), ways, lease=lease)
    async with outbox.running(hub.started):
        yield
