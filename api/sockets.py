"""All sockets of one process: alive, still allowed, counted."""

import asyncio
import contextlib
import datetime as dt
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, Protocol
from uuid import UUID

import msgspec
from aiohttp import web

from hub import Actor, LiveMessage
from hub.kernel.app import Hub
from plugins.realtime import BOARD, REGISTER, Board, Figures, Register

log = logging.getLogger(__name__)

TICK = 1.0
NOTED = 10.0
GONE = 1012


class Socket(Protocol):
    """What the keeper needs of a connection."""

    ident: UUID | None
    actor: Actor | None
    sent: int
    received: int
    active_at: dt.datetime
    code: int | None

    @property
    def seats(self) -> Mapping[str, Any]: ...

    async def look(self, *, again: bool = False) -> None: ...
    async def farewell(self) -> None: ...
    def end(self, code: int, reason: str) -> "asyncio.Task[None]": ...


class Sockets:
    """Keeps the sockets of one process. Without the plugin `realtime` nothing is written down."""

    def __init__(self, hub: Hub) -> None:
        self.board: Board | None = hub.services.get(BOARD)
        self.register: Register | None = hub.services.get(REGISTER)
        self._open: set[Socket] = set()
        self._closed: list[tuple[Figures, int]] = []
        self._texts: dict[UUID, str] = {}

    @contextlib.contextmanager
    def holding(self, socket: Socket, gauge: Any) -> Iterator[None]:
        """Look after a socket for as long as the block lasts."""
        self._open.add(socket)
        gauge.inc()
        try:
            yield
        finally:
            gauge.dec()
            self._open.discard(socket)
            if (figures := _figures(socket)) is not None:
                self._closed.append((figures, socket.code or 1006))

    def text(self, message: LiveMessage) -> str:
        """The envelope of a message, made once for all who get it."""
        found = self._texts.get(message.id)
        if found is None:
            if len(self._texts) >= 256:
                self._texts.clear()
            body = {
                "event_type": message.event_type, "data": message.data, "id": message.id,
                "room": message.room, "timestamp": message.at,
            }  # fmt: skip
            found = self._texts[message.id] = msgspec.json.encode(body).decode()
        return found

    async def context(self, app: web.Application) -> AsyncIterator[None]:
        """For `cleanup_ctx`."""
        work = [self._tick()] + ([self._obey(self.register)] if self.register else [])
        tasks = [asyncio.create_task(w) for w in work]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._note()

    async def close(self, app: web.Application) -> None:
        """For `on_shutdown`: clients come back elsewhere."""
        async with asyncio.TaskGroup() as group:
            for socket in list(self._open):
                group.create_task(_farewell(socket))

    async def _tick(self) -> None:
        noted = 0.0
        while True:
            await asyncio.sleep(TICK)
            await self._each(lambda _: True)
            noted += TICK
            if self._closed or noted >= NOTED:
                noted = 0.0
                await self._note()

    async def _each(self, which: Callable[[Socket], bool], *, again: bool = False) -> None:
        for number, socket in enumerate([s for s in self._open if which(s)]):
            try:
                await socket.look(again=again)
            except Exception:
                log.exception("a socket cannot be looked after", extra={"action": "live.failed"})
            if number % 50 == 49:
                await asyncio.sleep(0)

    async def _obey(self, register: Register) -> None:
        """Close and check what other processes, or administrators, say."""
        async with register.orders() as orders:
            async for _, text in orders:
                word, _, rest = text.partition(" ")
                if word == "close":
                    for socket in [s for s in self._open if str(s.ident) == rest]:
                        socket.end(4403, "an administrator closed this connection")
                else:
                    await self._check(rest.partition(" ")[2])

    async def _check(self, user: str) -> None:
        await self._each(lambda s: not user or _is(s, user), again=True)

    async def _note(self) -> None:
        if self.register is None:
            return
        closed, self._closed = self._closed, []
        figures = [f for f, _ in closed] + [f for s in self._open if (f := _figures(s))]
        try:
            await self.register.note(figures, {f.id: code for f, code in closed})
        except Exception:
            log.exception("figures of sockets are lost", extra={"action": "live.failed"})


SOCKETS = web.AppKey("sockets", Sockets)


def _is(socket: Socket, user: str) -> bool:
    return socket.actor is not None and socket.actor.id == user


def _figures(socket: Socket) -> Figures | None:
    if socket.ident is None or socket.actor is None:
        return None
    return Figures(
        id=socket.ident,
        tenant=socket.actor.tenant,
        rooms=list(socket.seats),
        active_at=socket.active_at,
        sent=socket.sent,
        received=socket.received,
    )


async def _farewell(socket: Socket) -> None:
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(1.0):
            await socket.farewell()
    await socket.end(GONE, "the server is closing")
