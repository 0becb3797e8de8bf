"""Wake-ups between processes: whoever stores readings tells, whoever watches listens."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import psycopg
import structlog

CHANNEL = "busbar_readings"
RETRY = 2.0  # s

_logger = structlog.get_logger(__name__)


class Listener:
    """One LISTEN connection of a process, however many watch."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._watchers: set[asyncio.Event] = set()
        self._ready = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen for as long as the block lasts."""
        task = asyncio.create_task(self._run(), name="readings-listener")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    @contextlib.contextmanager
    def watch(self) -> Iterator[asyncio.Event]:
        """An event that is set whenever readings were stored, and once in the beginning."""
        event = asyncio.Event()
        event.set()
        self._watchers.add(event)
        try:
            yield event
        finally:
            self._watchers.discard(event)

    async def _run(self) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._dsn, autocommit=True
                ) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    self._wake()
                    async for _ in connection.notifies():
                        self._wake()
            except psycopg.Error as error:
                _logger.warning("live readings wait for the database", reason=str(error).strip())
                await asyncio.sleep(RETRY)

    def _wake(self) -> None:
        for event in self._watchers:
            event.set()
