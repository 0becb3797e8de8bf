"""Fixtures for us and for authors of plugins: a hub at the centre on an empty database.

Import them in a conftest, and say there which packages are loaded:

    from hub.testing.pytest_plugin import busbar_template, central, clock, migrated

    @pytest.fixture(scope="session")
    def busbar_modules():
        return ("plugins.identity", "acme_parking")
"""

import contextlib
import datetime as dt
import importlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pluggy
import psycopg
import pytest
import pytest_asyncio

from hub.contract import plugin as hooks
from hub.contract.plugin import PROJECT, Role
from hub.kernel.app import Hub
from hub.kernel.central import foundation
from hub.kernel.migrate import upgrade


class FrozenClock:
    """A clock that only goes when told; it begins at the real time."""

    def __init__(self) -> None:
        self.now = dt.datetime.now(dt.UTC).replace(microsecond=0)

    def __call__(self) -> dt.datetime:
        return self.now

    def forward(self, **delta: float) -> None:
        self.now += dt.timedelta(**delta)


@pytest.fixture(scope="session")
def busbar_modules() -> tuple[str, ...]:
    return ("plugins.identity", "plugins.scada")


@pytest.fixture(scope="session")
def busbar_template(postgres: str, busbar_modules: tuple[str, ...]) -> str:
    """Name of a migrated database that each test gets a copy of."""
    name = f"template{os.urandom(6).hex()}"  # other folders may load other plugins
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
    dsn = psycopg.conninfo.make_conninfo(postgres, dbname=name)
    upgrade(dsn, [importlib.import_module(m).hub_plugin() for m in busbar_modules])
    return name


@pytest.fixture
def migrated(postgres: str, busbar_template: str) -> Iterator[str]:
    """DSN of a migrated, empty database that lives for one test."""
    name = f"m{os.urandom(6).hex()}"
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{busbar_template}"')
    yield psycopg.conninfo.make_conninfo(postgres, dbname=name)
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def busbar_settings() -> dict[str, dict[str, Any]]:
    """Tables `[plugin.<name>]`."""
    return {}


@pytest_asyncio.fixture
async def central(
    migrated: str,
    busbar_modules: tuple[str, ...],
    busbar_settings: dict[str, dict[str, Any]],
    clock: FrozenClock,
    tmp_path: Path,
) -> AsyncIterator[Any]:
    """A running hub at the centre: `central.get(UNIT)(actor)` opens a unit of work."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hooks)
    plugins = {}
    for name in busbar_modules:
        module = importlib.import_module(name)
        plugin = module.hub_plugin()
        manager.register(module, plugin.name)
        plugins[plugin.name] = plugin
        for resource in plugin.resources:
            resource.plugin = plugin.name
    settings = _settings(tmp_path)
    settings.plugin = busbar_settings
    hub = Hub(settings, Role.CENTRAL, plugins, manager)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(foundation(hub, migrated, size=4, clock=clock))
        for name in plugins:
            start = getattr(manager.get_plugin(name), "hub_services", None)
            for service in start(hub) if start else ():
                await stack.enter_async_context(service)
        yield hub


def _settings(folder: Path) -> Any:
    return SimpleNamespace(
        site=SimpleNamespace(runtime_root=str(folder)),
        auth=SimpleNamespace(jwt_secret_key="", jwt_secret_key_previous="", access_minutes=15),
    )
