"""Wake-ups between processes at the centre: `SELECT pg_notify('busbar_news', topic)` in the
transaction that changes something wakes whoever follows that topic."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import psycopg

CHANNEL = "busbar_news"
RETRY = 2.0  # s

log = logging.getLogger(__name__)


class Bulletin:
    """`hub.News`: one LISTEN connection of a process, however many follow."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._followers: dict[str, set[asyncio.Event]] = {}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Bulletin"]:
        """Listen for as long as the block lasts."""
        task = asyncio.create_task(self._run(), name="bulletin")
        try:
            yield self
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def follow(self, topic: str) -> AsyncIterator[None]:
        """At once, then after each time that somebody told the topic; a slow reader misses none."""
        event = asyncio.Event()
        event.set()
        self._followers.setdefault(topic, set()).add(event)
        try:
            while True:
                await event.wait()
                event.clear()
                yield
        finally:
            self._followers[topic].discard(event)
            if not self._followers[topic]:
                del self._followers[topic]

    async def _run(self) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._dsn, autocommit=True
                ) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    self._wake_all()
                    async for notice in connection.notifies():
                        for event in self._followers.get(notice.payload, ()):
                            event.set()
            except psycopg.Error as error:
                extra = {"action": "bulletin"}
                log.warning("news wait for the database: %s", str(error).strip(), extra=extra)
                await asyncio.sleep(RETRY)

    def _wake_all(self) -> None:
        """What was told while nobody listened is unknown: everybody looks."""
        for events in self._followers.values():
            for event in events:
                event.set()
