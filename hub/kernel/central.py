"""What a process at the centre stands on, as a plugin that starts before all others.

It brings the database, its schema, the unit of work, and what plugins `provide` in their manifests.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from hub.contract.context import Clock, utcnow
from hub.contract.plugin import Plugin, Role, hookimpl
from hub.contract.services import DSN, HTTP, REPLAYER, SIGNALS, VAULT

from .app import NEWS, UNIT, Hub
from .bulletin import Bulletin
from .bus import BUS, Bus
from .database import DATABASE, Database, embedded
from .http import Http
from .migrate import upgrade
from .rates import RATES, Rates
from .scopes import Scopes
from .signals import PgSignals
from .uow import Unit
from .vault import AesVault, key_of


@hookimpl
def hub_plugin() -> Plugin:
    return Plugin(name="hub", title="Foundation of the centre", runs_on=Role.CENTRAL)


@hookimpl
def hub_services(hub: Hub) -> list[contextlib.AbstractAsyncContextManager[Any]]:
    database = hub.settings.database
    folder = Path(hub.settings.site.runtime_root) / "postgres"
    return [foundation(hub, database.dsn, folder, size=database.max_connections)]


@contextlib.asynccontextmanager
async def foundation(
    hub: Hub, dsn: str = "", folder: Path | None = None, *, size: int = 10, clock: Clock = utcnow
) -> AsyncIterator[None]:
    """Open the database (an embedded one in `folder` without a DSN), migrate, offer services."""
    plugins = list(hub.plugins.values())
    async with contextlib.AsyncExitStack() as stack:
        if not dsn:
            if folder is None:
                raise ValueError("no database: give a DSN, or a folder for an embedded one")
            dsn = await stack.enter_async_context(embedded(folder))
        await asyncio.to_thread(upgrade, dsn, plugins)
        database = await stack.enter_async_context(Database(dsn, size=size))
        hub.provide(DATABASE, database)
        hub.provide(NEWS, await stack.enter_async_context(Bulletin(dsn).running()))
        rates = Rates(database.pool)
        hub.provide(RATES, rates)
        await stack.enter_async_context(rates.running())
        database.reader.scopes = scopes = Scopes(hub.hooks)
        unit = Unit(database, clock, hub.services, scopes)
        hub.provide(UNIT, unit)
        bus = Bus(database, unit, (s for p in plugins for s in p.subscribers))
        hub.provide(BUS, bus)
        hub.provide(REPLAYER, bus)
        await stack.enter_async_context(_shared(hub, database))
        await stack.enter_async_context(bus.running(hub.started))
        for plugin in plugins:
            for key, service in plugin.providers.items():
                hub.provide(key, service)
        yield


@contextlib.asynccontextmanager
async def _shared(hub: Hub, database: Database) -> AsyncIterator[None]:
    """What plugins share beside the database: signals, the way outside, secrets."""
    runtime = Path(hub.settings.site.runtime_root)
    key = await asyncio.to_thread(key_of, hub.settings.auth.encryption_key, runtime)
    hub.provide(VAULT, AesVault(key))
    hub.provide(DSN, database.app_dsn)
    signals = PgSignals(database.app_dsn)
    hub.provide(SIGNALS, signals)
    async with Http(hub.settings.http.allow) as http, signals.running():
        hub.provide(HTTP, http)
        yield
