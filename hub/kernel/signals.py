"""Signals over PostgreSQL's LISTEN and NOTIFY: one connection a process."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import psycopg
from sqlalchemy import text as sql

from hub.contract.context import Ctx

log = logging.getLogger(__name__)

CHANNEL = "busbar_signal"
WAITING = 1_000
PAUSE = 2.0


class Listener:
    """What one listener has not taken yet; when it is too slow the oldest go."""

    def __init__(self, topics: tuple[str, ...]) -> None:
        self.topics = topics
        self._queue: asyncio.Queue[tuple[str, str]] = asyncio.Queue(WAITING)

    def offer(self, topic: str, text: str) -> None:
        if topic not in self.topics:
            return
        if self._queue.full():
            self._queue.get_nowait()
            text = ""
        self._queue.put_nowait((topic, text))

    def __aiter__(self) -> AsyncIterator[tuple[str, str]]:
        return self

    async def __anext__(self) -> tuple[str, str]:
        return await self._queue.get()


class PgSignals:
    """Signals of one database."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._listeners: set[Listener] = set()

    async def tell(self, ctx: Ctx, topic: str, text: str = "") -> None:
        await ctx.db.execute(
            sql("SELECT pg_notify(:channel, :message)"),
            {"channel": CHANNEL, "message": f"{topic} {text}"},
        )

    @contextlib.asynccontextmanager
    async def listen(self, *topics: str) -> AsyncIterator[AsyncIterator[tuple[str, str]]]:
        listener = Listener(topics)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(self._dsn, autocommit=True)
                async with connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    self._all("")  # what was told meanwhile is lost: let them look
                    async for notice in connection.notifies():
                        topic, _, text = notice.payload.partition(" ")
                        for listener in self._listeners:
                            listener.offer(topic, text)
            except psycopg.OperationalError as error:
                log.warning("cannot listen: %s", error, extra={"action": "signals.listen"})
                await asyncio.sleep(PAUSE)

    def _all(self, text: str) -> None:
        for listener in self._listeners:
            for topic in listener.topics:
                listener.offer(topic, text)
