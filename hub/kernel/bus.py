"""Delivers events of the outbox to subscribers: at least once, in any number of processes.

Each event is first spread into one delivery per subscriber that wants it. A delivery is claimed,
handled and removed in one transaction, so a process that dies leaves it for another. A handler that
fails is tried again with growing pauses, then its delivery is dead until somebody replays it. Every
attempt is noted.
"""

import asyncio
import contextlib
import datetime as dt
import logging
import random
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import RowMapping, Select, delete, insert, select, update
from sqlalchemy.dialects import postgresql

from hub.contract.context import Actor, Caller, Ctx
from hub.contract.errors import Invalid, NotFound, TimedOut
from hub.contract.events import Happened, Subscriber
from hub.contract.services import Key

from .database import APP, Database
from .outbox import Attempt, Delivery, Outbox
from .uow import Unit

log = logging.getLogger(__name__)

CHANNEL = "busbar_event"
BATCH = 200
ATTEMPTS = 8
PAUSE = dt.timedelta(seconds=5)
POLL = 5.0
GATHER = 0.05  # one sweep for many commits
WORKERS, SLICE = 3, 1.0
LIMIT = 30.0  # seconds a handler may take
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
                await self._drain()
            except Exception:
                log.exception("events wait", extra={"action": "bus.failed"})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL):
                    await self._wake.wait()
                    await asyncio.sleep(GATHER)

    async def _drain(self) -> None:
        """Spread and deliver until nothing is due; a slow handler leaves the other workers."""
        more = True
        while more:
            more = await self.spread() >= BATCH
            if await self.deliver():
                more = True
                async with asyncio.TaskGroup() as group:
                    for _ in range(WORKERS):
                        group.create_task(self._deliver_all())

    async def _deliver_all(self) -> None:
        """Deliver what is due, but not for so long that new events wait to be spread."""
        loop = asyncio.get_running_loop()
        until = loop.time() + SLICE
        while loop.time() < until and await self.deliver():
            pass

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
        """Handle what is due for one subscriber, if there is anything."""
        claimed: Sequence[RowMapping] = ()
        began = self._unit.clock()
        clock = asyncio.get_running_loop().time
        start = clock()
        try:
            async with self._unit.system() as ctx:
                claimed = await self._claim(ctx)
                if not claimed:
                    return False
                await ctx.db.execute(
                    delete(Delivery).where(Delivery.id.in_([c["delivery"] for c in claimed])),
                    execution_options=_UNAUDITED,
                )
                await self._hand_over(ctx, claimed)
                took = round((clock() - start) * 1000)
                notes = [_note(c, "success", began, took) for c in claimed]
                await ctx.db.execute(insert(Attempt), notes)
        except Exception as error:
            if not claimed:
                raise
            took = round((clock() - start) * 1000)
            await self._failed(claimed, error, began, took)
        return True

    async def _claim(self, ctx: Ctx) -> Sequence[RowMapping]:
        found = await ctx.db.execute(_due(ctx, self._subscribers).limit(1))
        first: Sequence[RowMapping] = found.mappings().all()
        batch = self._subscribers[first[0]["subscriber"]].batch if first else 1
        if batch == 1 or first[0]["attempts"]:
            return first
        more = _due(ctx, [first[0]["subscriber"]]).where(
            Delivery.tenant == first[0]["tenant"],
            Delivery.attempts == 0,
            Delivery.id != first[0]["delivery"],
        )
        return [*first, *(await ctx.db.execute(more.limit(batch - 1))).mappings()]

    async def _hand_over(self, ctx: Ctx, claimed: Sequence[RowMapping]) -> None:
        """Run the handler inside the events' tenant, in the transaction that holds the claim."""
        subscriber = self._subscribers[claimed[0]["subscriber"]]
        tenant = claimed[0]["tenant"]
        connection = await ctx.db.connection()
        await connection.exec_driver_sql(f"SET LOCAL ROLE {APP}")
        await connection.exec_driver_sql(f"SET LOCAL busbar.tenant = '{tenant}'")
        ctx.db.sync_session.info["tenant"] = tenant
        ctx.act_as(Actor(id=f"subscriber:{subscriber.name}", tenant=tenant, kind="system"))
        events = [
            Happened(
                id=c["id"],
                type=c["type"],
                tenant=tenant,
                at=c["at"],
                actor=c["actor"],
                data=c["data"],
                correlation_id=c["correlation_id"],
                causation_id=c["causation_id"],
            )
            for c in claimed
        ]
        ctx.called_by(_chain(claimed))
        try:
            async with asyncio.timeout(LIMIT):
                await subscriber.handler(ctx, events if subscriber.batch > 1 else events[0])
                await ctx.db.flush()
        except TimeoutError:
            raise TimedOut(f"{subscriber.name} took more than {LIMIT:g} s") from None

    async def _failed(
        self, claimed: Sequence[RowMapping], error: Exception, began: dt.datetime, took: int
    ) -> None:
        async with self._unit.system() as ctx:
            for c in claimed:
                number = c["attempts"] + 1
                dead = number >= ATTEMPTS
                log.warning(
                    "%s failed on %s (%d of %d): %r",
                    c["subscriber"],
                    c["type"],
                    number,
                    ATTEMPTS,
                    error,
                    extra={"action": "bus.handler", "event": str(c["id"])},
                )
                pause = PAUSE * 2 ** (number - 1) * random.uniform(0.8, 1.2)  # noqa: S311  -- no secret
                if len(claimed) > 1:
                    pause = dt.timedelta()  # which of them is to blame shows one by one
                await ctx.db.execute(
                    update(Delivery)
                    .where(Delivery.id == c["delivery"])
                    .values(
                        attempts=number,
                        state="dead" if dead else "due",
                        due_at=ctx.clock() + pause,
                        error=repr(error)[:2000],
                    ),
                    execution_options=_UNAUDITED,
                )
            notes = [
                _note(c, "dead" if c["attempts"] + 1 >= ATTEMPTS else "failed", began, took)
                | {"error": repr(error)[:2000]}
                for c in claimed
            ]
            await ctx.db.execute(insert(Attempt), notes)

    @property
    def subscribers(self) -> Mapping[str, Subscriber]:
        return self._subscribers

    async def replay(self, ctx: Ctx, event: UUID, names: Collection[str] | None = None) -> int:
        """Hand an event to subscribers again; see the contract."""
        found = (
            await ctx.db.execute(
                select(Outbox.sequence, Outbox.tenant, Outbox.type).where(
                    Outbox.id == event, Outbox.tenant == ctx.actor.tenant
                )
            )
        ).one_or_none()
        if found is None:
            raise NotFound(f"there is no event {event}", resource="events", identifier=str(event))
        if names is None:
            names = [s.name for s in self._subscribers.values() if s.wants(found.type)]
        if unknown := set(names) - set(self._subscribers):
            raise Invalid(f"there is no subscriber {', '.join(sorted(unknown))}", field="names")
        rows = [
            {
                "tenant": found.tenant,
                "event": found.sequence,
                "subscriber": name,
                "due_at": ctx.clock(),
            }
            for name in sorted(set(names))
        ]
        if rows:
            again = {"state": "due", "attempts": 0, "due_at": ctx.clock()}
            statement = postgresql.insert(Delivery).values(rows)
            await ctx.db.execute(
                statement.on_conflict_do_update(index_elements=["event", "subscriber"], set_=again)
            )
            self._told()
        return len(rows)


def _due(ctx: Ctx, names: Collection[str]) -> Select[Any]:
    """Deliveries that these subscribers should have now, locked."""
    return (
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
            Outbox.request_id,
            Outbox.correlation_id,
            Outbox.causation_id,
            Outbox.depth,
        )
        .join(Outbox, Outbox.sequence == Delivery.event)
        .where(
            Delivery.state == "due",
            Delivery.due_at <= ctx.clock(),
            Delivery.subscriber.in_(names),
        )
        .order_by(Delivery.due_at, Delivery.id)
        .with_for_update(of=Delivery, skip_locked=True)
    )


def _chain(claimed: Sequence[RowMapping]) -> Caller:
    """What a handler does follows from its event; from several at once, from the last one."""
    last = claimed[-1]
    return Caller(
        request_id=last["request_id"],
        correlation_id=last["correlation_id"] or str(last["id"]),
        causation_id=last["id"],
        depth=max(c["depth"] for c in claimed) + 1,
    )


def _note(claimed: RowMapping, status: str, began: dt.datetime, took: int) -> dict[str, Any]:
    return {
        "tenant": claimed["tenant"],
        "event": claimed["id"],
        "subscriber": claimed["subscriber"],
        "status": status,
        "number": claimed["attempts"] + 1,
        "started_at": began,
        "duration_ms": took,
        "error": None,
    }


BUS = Key[Bus]("bus")
