"""A centre's dispatcher and senders, to be killed. Arguments: DSN, folder, settings of plugins."""

import asyncio
import contextlib
import importlib
import json
import sys
from types import SimpleNamespace

import pluggy

from hub.contract import plugin as hooks
from hub.contract.plugin import PROJECT, Role
from hub.kernel.app import Hub
from hub.kernel.central import foundation
from hub.testing.pytest_plugin import MODULES


async def main(dsn: str, folder: str, own: str = "{}") -> None:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hooks)
    plugins = {}
    for name in MODULES:
        module = importlib.import_module(name)
        plugin = module.hub_plugin()
        manager.register(module, plugin.name)
        plugins[plugin.name] = plugin
    settings = SimpleNamespace(
        site=SimpleNamespace(runtime_root=folder),
        auth=SimpleNamespace(encryption_key=""),
        http=SimpleNamespace(allow=("127.0.0.0/8",)),
        plugin={"events": {"lease_seconds": 1.0}, **json.loads(own)},
    )
    hub = Hub(settings, Role.CENTRAL, plugins, manager)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(foundation(hub, dsn, size=6))
        for name in ("events", "notifications"):
            for service in manager.get_plugin(name).hub_services(hub):
                await stack.enter_async_context(service)
        hub.started.set()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
