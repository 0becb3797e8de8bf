"""Administration: dashboard, users and sessions, logs, settings, feature flags, plugins."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from hub import FLAGS, OPTIONS, Plugin, hookimpl

from .accounts import reset_requests, sessions, stats, user_stats, users
from .dashboard import BLOCKED, dashboard, plugins
from .events import EVENTS
from .flags import CompanyFlags, flags, mine
from .logs import audit, operations
from .options import PLUGINS, CompanyOptions, change_settings, settings
from .statistics import NIGHTLY, count_day, statistics

__all__ = ["EVENTS"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """options: what holds for all companies that have not changed it, by plugin."""

    options: dict[str, dict[str, Any]] = {}


@hookimpl
def hub_plugin() -> Plugin:
    return Plugin(
        name="admin",
        title="Administration",
        requires=("identity", "events", "jobs", "notifications", "monitoring"),
        resources=(users, sessions, reset_requests, audit, operations, flags, statistics),
        actions=(dashboard, stats, user_stats, settings, change_settings, mine, plugins),
        events=EVENTS,
        jobs=(count_day,),
        schedules=(NIGHTLY,),
        settings=Settings,
        providers={FLAGS: CompanyFlags()},
        migrations=Path(__file__).parent / "migrations",
        locale=Path(__file__).parent / "locale",
    )


@hookimpl
def hub_services(hub: Any) -> list[contextlib.AbstractAsyncContextManager[Any]]:
    return [_offering(hub)]


@contextlib.asynccontextmanager
async def _offering(hub: Any) -> AsyncIterator[None]:
    """Offer settings of companies; a file that says nonsense stops the start."""
    known = msgspec.convert(hub.settings.plugin.get("admin", {}), Settings).options
    for name, plugin in hub.plugins.items():
        if plugin.options is not None:
            msgspec.convert(known.get(name, {}), plugin.options)
    hub.provide(PLUGINS, dict(hub.plugins))
    hub.provide(BLOCKED, tuple(hub.settings.plugins.blocked))
    hub.provide(OPTIONS, CompanyOptions(known))
    yield
