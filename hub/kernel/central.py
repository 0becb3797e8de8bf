"""What every process at the centre stands on: the database, its schema, the unit of work."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from hub.contract.context import Clock, utcnow

from .app import UNIT, Hub
from .database import DATABASE, Database, embedded
from .migrate import upgrade
from .uow import Unit


@contextlib.asynccontextmanager
async def central(
    hub: Hub, *, dsn: str = "", folder: Path | None = None, size: int = 10, clock: Clock = utcnow
) -> AsyncIterator[None]:
    """Open the database (an embedded one in `folder` without a DSN), migrate, offer the services.

    Enter it before the services of the plugins; what they `provide` in their manifests is offered
    too.
    """
    async with contextlib.AsyncExitStack() as stack:
        if not dsn:
            if folder is None:
                raise ValueError("no database: give a DSN, or a folder for an embedded one")
            dsn = await stack.enter_async_context(embedded(folder))
        for plugin in hub.plugins.values():
            for resource in plugin.resources:
                resource.plugin = plugin.name
        await asyncio.to_thread(upgrade, dsn, list(hub.plugins.values()))
        database = await stack.enter_async_context(Database(dsn, size=size))
        hub.provide(DATABASE, database)
        hub.provide(UNIT, Unit(database, clock, hub.services))
        for plugin in hub.plugins.values():
            for key, service in plugin.providers.items():
                hub.provide(key, service)
        yield
