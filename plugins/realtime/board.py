"""Messages to rooms: written with what they tell of, read once a process, handed to mailboxes."""

import asyncio
import contextlib
import datetime as dt
import logging
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import insert, select

from hub import Actor, Ctx, Invalid, LiveMessage, NotFound, Signals, UnitOfWork, uuid7

from .models import Said

log = logging.getLogger(__name__)

TOPIC = "realtime.said"
WAITING = 500
MOST_MISSED = 1_000
KEPT = dt.timedelta(hours=1)
OVERLAP = dt.timedelta(seconds=10)  # a transaction may commit after one that began later


class Mailbox:
    """What one socket has not taken yet; when it is too slow the oldest go, and are counted."""

    def __init__(self, board: "Board") -> None:
        self._board = board
        self._waiting: deque[LiveMessage] = deque()
        self._some = asyncio.Event()
        self.dropped = 0
        self.rooms: Counter[tuple[UUID, str]] = Counter()

    def join(self, tenant: UUID, room: str) -> None:
        """Hear a room; left as often as it was joined."""
        self.rooms[tenant, room] += 1
        self._board.members[tenant, room].add(self)

    def leave(self, tenant: UUID, room: str) -> None:
        self.rooms[tenant, room] -= 1
        if self.rooms[tenant, room] > 0:
            return
        del self.rooms[tenant, room]
        members = self._board.members[tenant, room]
        members.discard(self)
        if not members:
            del self._board.members[tenant, room]

    def put(self, message: LiveMessage) -> None:
        if len(self._waiting) >= WAITING:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(message)
        self._some.set()

    def lose(self) -> None:
        """Nobody knows what was said meanwhile."""
        self.dropped += 1
        self._some.set()

    async def take(self) -> tuple[list[LiveMessage], int]:
        """All that waits, and how many were lost before it; waits until there is something."""
        await self._some.wait()
        self._some.clear()
        taken, lost = list(self._waiting), self.dropped
        self._waiting.clear()
        self.dropped = 0
        return taken, lost


class Board:
    """Serves `LIVE`, and the sockets of this process."""

    def __init__(self, unit: UnitOfWork, signals: Signals) -> None:
        self._unit, self._signals = unit, signals
        self.members: defaultdict[tuple[UUID, str], set[Mailbox]] = defaultdict(set)
        self._wanted: dict[UUID, UUID] = {}
        self._some = asyncio.Event()

    async def send(
        self, ctx: Ctx, room: str, event_type: str, data: Any, *, tenant: UUID | None = None
    ) -> UUID:
        """See the contract."""
        if not 0 < len(room) <= 100 or " " in room:
            raise Invalid("a room's name has 1 to 100 characters and no space", field="room")
        ident, owner, now = uuid7(), tenant or ctx.actor.tenant, ctx.clock()
        row = {
            "tenant": owner, "id": ident, "revision": 1, "created_at": now, "updated_at": now,
            "room": room, "event_type": event_type, "data": msgspec.to_builtins(data),
        }  # fmt: skip
        await ctx.db.execute(insert(Said).values(row))
        await self._signals.tell(ctx, TOPIC, f"{owner} {ident} {room}")
        return ident

    @contextlib.contextmanager
    def mailbox(self) -> Iterator[Mailbox]:
        """For as long as a socket is open."""
        box = Mailbox(self)
        try:
            yield box
        finally:
            for tenant, room in list(box.rooms.elements()):
                box.leave(tenant, room)

    async def missed(self, actor: Actor, room: str, after: UUID) -> list[LiveMessage]:
        """What was said in a room since that message; some from just before may come again."""
        async with self._unit(actor) as ctx:
            since = await ctx.db.scalar(
                select(Said.created_at).where(Said.id == after, Said.room == room)
            )
            if since is None or ctx.clock() - since > KEPT:
                raise NotFound(f"message {after} is no longer kept: read again what you show")
            rows = await ctx.db.scalars(
                select(Said)
                .where(Said.room == room, Said.created_at >= since - OVERLAP, Said.id != after)
                .order_by(Said.created_at, Said.id)
                .limit(MOST_MISSED)
            )
            return [_message(row) for row in rows]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Board"]:
        """Hand out for as long as the block lasts."""
        async with self._signals.listen(TOPIC) as news:
            work = (self._hear(news), self._hand_out())
            tasks = [asyncio.create_task(w) for w in work]
            try:
                yield self
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _hear(self, news: AsyncIterator[tuple[str, str]]) -> None:
        async for _, text in news:
            if not text:
                self._lost()
                continue
            tenant, ident, room = text.split(" ", 2)
            if (UUID(tenant), room) in self.members:
                self._wanted[UUID(ident)] = UUID(tenant)
                self._some.set()

    async def _hand_out(self) -> None:
        """Read what has members here, all that came meanwhile at once, and fill mailboxes."""
        while True:
            await self._some.wait()
            self._some.clear()
            wanted, self._wanted = self._wanted, {}
            try:
                found = await self._read(wanted)
            except Exception:
                log.exception("messages are lost", extra={"action": "realtime.failed"})
                self._lost()
                continue
            for tenant, message in found:
                for box in self.members.get((tenant, message.room), ()):
                    box.put(message)

    async def _read(self, wanted: dict[UUID, UUID]) -> list[tuple[UUID, LiveMessage]]:
        async with self._unit.system() as ctx:
            rows = await ctx.db.scalars(
                select(Said)
                .where(Said.tenant.in_(set(wanted.values())), Said.id.in_(wanted))
                .order_by(Said.created_at, Said.id)
            )
            return [(row.tenant, _message(row)) for row in rows]

    def _lost(self) -> None:
        for box in {box for boxes in self.members.values() for box in boxes}:
            box.lose()


def _message(row: Said) -> LiveMessage:
    return LiveMessage(
        event_type=row.event_type, data=row.data, room=row.room, id=row.id, at=row.created_at
    )
