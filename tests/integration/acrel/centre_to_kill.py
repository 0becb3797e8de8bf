"""A process of the centre that may lead, to be killed. Arguments: DSN, folder, settings as JSON."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from config.settings import Settings, Site
from hub.contract.plugin import Role
from hub.kernel.app import Hub
from hub.kernel.central import foundation
from hub.kernel.registry import load

MODULES = ("plugins.identity", "plugins.scada", "sync", "drivers.acrel")


@contextlib.asynccontextmanager
async def standing(dsn: str, folder: Path, plugin: dict[str, Any], *services: str) -> AsyncIterator:
    """A hub with only those services of its plugins running."""
    plugins, manager = load(modules=MODULES, installed=False)
    settings = Settings(site=Site(env="test", runtime_root=str(folder)))
    hub = Hub(msgspec.structs.replace(settings, plugin=plugin), Role.CENTRAL, plugins, manager)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(foundation(hub, dsn, size=6))
        for name in services:
            for service in manager.get_plugin(name).hub_services(hub):
                await stack.enter_async_context(service)
        hub.started.set()
        yield hub


async def main(dsn: str, folder: str, plugin: str) -> None:
    async with standing(dsn, Path(folder), json.loads(plugin), "sync", "acrel"):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
