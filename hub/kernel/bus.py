"""Delivers events of the outbox to subscribers: at least once, in any number of processes.

Each event is first spread into one delivery per subscriber that wants it. A delivery is claimed,
handled and removed in one transaction, so a process that dies leaves it for another. A handler that
fails is tried again with growing pauses, then its delivery is dead until somebody replays it.
"""

import asyncio
import contextlib
import datetime as dt
import logging
import random
from collections.abc import AsyncIterator, Iterable
from typing import Any

import psycopg
from sqlalchemy import RowMapping, delete, insert, select, update

from hub.contract.context import Actor, Ctx
from hub.contract.events import Happened, Subscriber
from hub.contract.services import Key

from .database import APP, Database
from .outbox import Delivery, Outbox
from .uow import Unit

log = logging.getLogger(__name__)

CHANNEL = "busbar_event"
BATCH = 200
ATTEMPTS = 8
PAUSE = dt.timedelta(seconds=5)
POLL = 5.0
GATHER = 0.05  # one sweep for many commits
_UNAUDITED = {"unaudited": True}


class Bus:
    """One dispatcher. Wakes when this or another process wrote events, and every few seconds."""

    def __init__(self, database: Database, unit: Unit, subscribers: Iterable[Subscriber]) -> None:
        self._database, self._unit = database, unit
        self._subscribers = {s.name: s for s in subscribers}
        self._wake, self._news = asyncio.Event(), asyncio.Event()
        unit.told = self._told

    def _told(self) -> None:
        self._wake.set()
        self._news.set()

    @contextlib.asynccontextmanager
    async def running(self, after: asyncio.Event) -> AsyncIterator[None]:
        """Deliver in the background from `after` on, for as long as the block lasts."""
        work = (self._work(after), self._listen(), self._notify())
        tasks = [asyncio.create_task(w) for w in work]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, after: asyncio.Event) -> None:
        await after.wait()
        while True:
            self._wake.clear()
            try:
                more = True
                while more:
                    more = await self.spread() >= BATCH
                    more = bool(await self.deliver()) or more
            except Exception:
                log.exception("events wait", extra={"action": "bus.failed"})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL):
                    await self._wake.wait()
                    await asyncio.sleep(GATHER)

    async def _listen(self) -> None:
        """Wake on other processes' news; their silence costs at most one poll."""
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(
                    self._database.app_dsn, autocommit=True
                )
                async with connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    async for _ in connection.notifies():
                        self._wake.set()
            except psycopg.OperationalError as error:
                log.warning("cannot listen: %s", error, extra={"action": "bus.listen"})
                await asyncio.sleep(POLL)

    async def _notify(self) -> None:
        """Tell other processes, once for many commits: NOTIFY would make each commit queue."""
        while True:
            await self._news.wait()
            self._news.clear()
            with contextlib.suppress(psycopg.OperationalError):
                async with self._database.pool.connection() as connection:
                    await connection.execute(f"NOTIFY {CHANNEL}")
            await asyncio.sleep(0.1)

    async def spread(self) -> int:
        """Make deliveries of the events that have none yet; how many events."""
        async with self._unit.system() as ctx:
            events = (
                await ctx.db.execute(
                    select(Outbox.sequence, Outbox.tenant, Outbox.type)
                    .where(~Outbox.dispatched)
                    .order_by(Outbox.sequence)
                    .limit(BATCH)
                    .with_for_update(skip_locked=True)
                )
            ).all()
            if not events:
                return 0
            taken, now = [e.sequence for e in events], ctx.clock()
            rows = [
                {"tenant": e.tenant, "event": e.sequence, "subscriber": s.name, "due_at": now}
                for e in events
                for s in self._subscribers.values()
                if s.wants(e.type)
            ]
            if rows:
                await ctx.db.execute(insert(Delivery), rows)
            await ctx.db.execute(
                update(Outbox).where(Outbox.sequence.in_(taken)).values(dispatched=True),
                execution_options=_UNAUDITED,
            )
            return len(events)

    async def deliver(self) -> bool:
        """Handle one delivery that is due, if there is one."""
        claimed: RowMapping | None = None
        try:
            async with self._unit.system() as ctx:
                claimed = await self._claim(ctx)
                if claimed is None:
                    return False
                await ctx.db.execute(
                    delete(Delivery).where(Delivery.id == claimed["delivery"]),
                    execution_options=_UNAUDITED,
                )
                await self._hand_over(ctx, claimed)
        except Exception as error:
            if claimed is None:
                raise
            await self._failed(claimed, error)
        return True

    async def _claim(self, ctx: Ctx) -> RowMapping | None:
        stmt = (
            select(
                Delivery.id.label("delivery"),
                Delivery.subscriber,
                Delivery.attempts,
                Outbox.id,
                Outbox.type,
                Outbox.tenant,
                Outbox.at,
                Outbox.actor,
                Outbox.data,
            )
            .join(Outbox, Outbox.sequence == Delivery.event)
            .where(
                Delivery.state == "due",
                Delivery.due_at <= ctx.clock(),
                Delivery.subscriber.in_(self._subscribers),
            )
            .order_by(Delivery.due_at, Delivery.id)
            .limit(1)
            .with_for_update(of=Delivery, skip_locked=True)
        )
        return (await ctx.db.execute(stmt)).mappings().one_or_none()

    async def _hand_over(self, ctx: Ctx, claimed: RowMapping) -> None:
        """Run the handler inside the event's tenant, in the transaction that holds the claim."""
        subscriber = self._subscribers[claimed["subscriber"]]
        tenant = claimed["tenant"]
        connection = await ctx.db.connection()
        await connection.exec_driver_sql(f"SET LOCAL ROLE {APP}")
        await connection.exec_driver_sql(f"SET LOCAL busbar.tenant = '{tenant}'")
        ctx.db.sync_session.info["tenant"] = tenant
        ctx.act_as(Actor(id=f"subscriber:{subscriber.name}", tenant=tenant, kind="system"))
        event = Happened(
            id=claimed["id"],
            type=claimed["type"],
            tenant=tenant,
            at=claimed["at"],
            actor=claimed["actor"],
            data=claimed["data"],
        )
        await subscriber.handler(ctx, event)

    async def _failed(self, claimed: RowMapping, error: Exception) -> None:
        attempts = claimed["attempts"] + 1
        dead = attempts >= ATTEMPTS
        about: dict[str, Any] = {"action": "bus.handler", "event": str(claimed["id"])}
        log.warning(
            "%s failed on %s (%d of %d): %r",
            claimed["subscriber"],
            claimed["type"],
            attempts,
            ATTEMPTS,
            error,
            extra=about,
        )
        pause = PAUSE * 2 ** (attempts - 1) * random.uniform(0.8, 1.2)  # noqa: S311  -- no secret
        async with self._unit.system() as ctx:
            await ctx.db.execute(
                update(Delivery)
                .where(Delivery.id == claimed["delivery"])
                .values(
                    attempts=attempts,
                    state="dead" if dead else "due",
                    due_at=ctx.clock() + pause,
                    error=repr(error)[:2000],
                ),
                execution_options=_UNAUDITED,
            )

    async def replay(self, delivery: int) -> bool:
        """Try a dead delivery again from the start; whether there was one."""
        async with self._unit.system() as ctx:
            done = await ctx.db.execute(
                update(Delivery)
                .where(Delivery.id == delivery, Delivery.state == "dead")
                .values(state="due", attempts=0, due_at=ctx.clock()),
                execution_options=_UNAUDITED,
            )
        self._told()
        return bool(done.rowcount)  # type: ignore[attr-defined]


BUS = Key[Bus]("bus")
