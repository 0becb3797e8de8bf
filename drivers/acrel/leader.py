"""The one process that carries out orders and works off what arrived; the others stand by.

What is known of orders lives in `MeterControl` while a process leads. Every change is written down
before a message leaves, and what the meters say is written in the transaction that ticks off its
receipt: after a crash the next leader begins with what the tables say. Only the leader is connected
to the broker, whose session is named once for all processes.
"""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from drivers.mqtt.control import MeterControl, Way
from hub import (
    Actor,
    Ctx,
    HubError,
    MeterOrder,
    MeterOrderState,
    MeterProgress,
    Unavailable,
    UnitOfWork,
)

from .intake import Intake
from .orders import keep, new_orders, unfinished
from .processing import BATCH, process

POLL = 1.0  # s between looks for what other processes wrote
RETRY = 2.0  # s until we try again to lead, or after a failure
LATE = dt.timedelta(days=7)  # how long a time-out may still turn into a confirmation
_LOCK = 0x6163_7265_6C  # "acrel"

_logger = structlog.get_logger(__name__)


Ways = Callable[[], AbstractAsyncContextManager[Sequence[Way]]]


class Leader:
    """ways: opened for as long as this process leads; in the order of preference.

    wait: seconds for a confirmation.
    """

    def __init__(self, unit: UnitOfWork, intake: Intake, ways: Ways, *, wait: float) -> None:
        self._unit, self._intake, self._ways, self._wait = unit, intake, ways, wait
        self._changed: dict[str, MeterProgress] = {}
        self._writing = asyncio.Lock()
        self._actor: Actor | None = None
        self.leading = asyncio.Event()

    async def run(self) -> None:
        """Lead when nobody else does, for ever."""
        trouble = ""
        while True:
            try:
                async with self._unit.system() as ctx:
                    self._actor = await self._intake.actor(ctx)
                await self._lead(self._actor)
                trouble = ""
            except (HubError, SQLAlchemyError, OSError) as error:
                if str(error) != trouble:
                    trouble = str(error)
                    _logger.warning("meters wait", reason=trouble)
            except Exception:
                _logger.exception("meters wait")
            finally:
                self.leading.clear()
            await self._news(RETRY)

    async def _lead(self, actor: Actor) -> None:
        """Work for as long as the lock is ours; it is bound to one open transaction."""
        async with self._unit(actor) as lock:
            mine = await lock.db.scalar(text("SELECT pg_try_advisory_xact_lock(:k)"), {"k": _LOCK})
            if not mine:
                return
            hold = _Hold(lock)
            async with self._ways() as ways:
                kept = [_Kept(way, self._flush, hold) for way in ways]
                await self._carry_out(actor, kept, hold)

    async def _carry_out(self, actor: Actor, ways: Sequence[Way], hold: "_Hold") -> None:
        """Begin with what the tables say; ends by an exception only."""
        self._changed.clear()
        control = MeterControl(ways, self._now, self._note, wait=self._wait)
        async with self._unit(actor) as ctx:
            control.restore(await unfinished(ctx, ctx.clock() - LATE))
        running = asyncio.create_task(control.run(), name="meter orders")
        self.leading.set()
        try:
            while not running.done():
                await hold.check()
                await self._round(actor, control)
            await running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def _round(self, actor: Actor, control: MeterControl) -> None:
        async with self._unit(actor) as ctx:
            for order in await new_orders(ctx, control.waiting):
                self._take(control, order)
        await self._flush()
        while await self._work_off(actor, control) == BATCH:
            pass
        await self._news(POLL)

    async def _news(self, seconds: float) -> None:
        """Wait until something of this process waits for us, or so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._intake.news.wait()
        self._intake.news.clear()

    def _take(self, control: MeterControl, order: MeterOrder) -> None:
        try:
            control.request(order)
        except HubError as error:
            now = self._now()
            self._note(
                MeterProgress(
                    order=order, asked=now, state=MeterOrderState.FAILED, changed=now,
                    detail=str(error),
                )
            )  # fmt: skip

    async def _work_off(self, actor: Actor, control: MeterControl) -> int:
        """Process what arrived; settled orders are written in the same transaction."""
        async with self._writing:
            async with self._unit(actor) as ctx:
                events = await process(ctx)
                for event in events:
                    control.observe(event)
                written = dict(self._changed)
                await keep(ctx, written.values())
            self._forget(written)
        return len(events)

    async def _flush(self) -> None:
        """Write down what changed; Unavailable when that cannot be done now."""
        async with self._writing:
            written = dict(self._changed)
            if not written or self._actor is None:
                return
            try:
                async with self._unit(self._actor) as ctx:
                    await keep(ctx, written.values())
            except (SQLAlchemyError, OSError) as error:
                raise Unavailable("the database does not answer") from error
            self._forget(written)

    def _forget(self, written: dict[str, MeterProgress]) -> None:
        for ident, progress in written.items():
            if self._changed.get(ident) is progress:
                del self._changed[ident]

    def _note(self, progress: MeterProgress) -> None:
        self._changed[progress.order.id] = progress
        self._intake.news.set()

    def _now(self) -> int:
        return round(dt.datetime.now(dt.UTC).timestamp() * 1_000_000)


class _Hold:
    """The lock, which is ours for as long as its connection lives."""

    def __init__(self, ctx: Ctx) -> None:
        self._ctx, self._asking = ctx, asyncio.Lock()

    async def check(self) -> None:
        """Unavailable when it may be another process's by now."""
        async with self._asking:
            try:
                await self._ctx.db.execute(text("SELECT 1"))
            except (SQLAlchemyError, OSError) as error:
                raise Unavailable("the lock of the leader is lost") from error


class _Kept:
    """A way that is taken only after it is written down that it will be, and only by the leader."""

    def __init__(self, way: Way, flush: Callable[[], Awaitable[None]], hold: _Hold) -> None:
        self._way, self._flush, self._hold = way, flush, hold
        self.name, self.tries = way.name, way.tries

    def ready(self) -> bool:
        return self._way.ready()

    async def send(self, order: MeterOrder) -> str | None:
        await self._flush()
        await self._hold.check()
        return await self._way.send(order)
