"""Commands that come from the centre: each at most once, never late, and told to its end.

The id of a command is on disk before anything is sent. Found there without an end after a restart
it ends as UNKNOWN: it may have been executed, and nobody repeats it.
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterator
from uuid import UUID

import msgspec
import numpy as np

from hub.contract.driver import Command, Outcome, Result
from hub.contract.errors import HubError
from hub.contract.journal import CommandState, CommandTold, Journal
from hub.contract.orders import AnyOrder, Condition, MarkAlarm, MaskAlarms, Operate
from hub.contract.points import Kind, Point
from hub.contract.readings import VALIDITY_MASK, Validity
from hub.kernel.alarms import Alarms
from hub.kernel.app import Key
from hub.kernel.clock import Clock
from hub.kernel.commands import Commands
from hub.kernel.keep import Keep
from hub.kernel.points import Points

log = logging.getLogger(__name__)

REMEMBERED = 7 * 86_400_000_000  # µs
LEAST_TOLERANCE = 1e-6
COMPARE = {
    "==": lambda a, b: abs(a - b) <= LEAST_TOLERANCE,
    "!=": lambda a, b: abs(a - b) > LEAST_TOLERANCE,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
DOUBLE = {0.0: 1.0, 1.0: 2.0}  # off and on of a double point (IEC 61850-7-3 DPC)
STATES = {
    Outcome.EXPIRED: CommandState.EXPIRED,
    Outcome.UNKNOWN: CommandState.UNKNOWN,
    Outcome.TIMEOUT: CommandState.TIMEOUT,
}


class Noted(msgspec.Struct, frozen=True, array_like=True):
    """What is on disk of a command. at: µs since 1970 UTC."""

    at: int
    key: str
    ended: bool


class Operator:
    """Takes orders of the centre. local: a person on site has taken over, nothing is executed."""

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        keep: Keep,
        points: Points,
        commands: Commands,
        alarms: Alarms,
    ) -> None:
        self._clock, self._journal, self._keep = clock, journal, keep
        self._points, self._commands, self._alarms = points, commands, alarms
        self._known: dict[str, Noted] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.local = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Operator"]:
        """Learn what was begun before; on leaving say that nobody knows how the rest ends."""
        await self._load()
        try:
            yield self
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def take(self, ident: UUID, order: AnyOrder) -> None:
        """Carry out an order, once however often it comes; returns when it is on disk."""
        match order:
            case Operate():
                await self._begin(order)
            case MarkAlarm():
                self._mark(order)
                await self._alarms.saved()
            case MaskAlarms():
                self._alarms.mask(order.mask)
                await self._alarms.saved()
        log.info("order %s taken", ident, extra={"action": "order", "order": str(ident)})

    async def set_local(self, local: bool) -> None:
        """Take over on site, or give back; kept over a restart."""
        await self._keep.write("mode", {"local": b"1" if local else None})
        self.local = local

    def _mark(self, order: MarkAlarm) -> None:
        """An alarm that is normal by now needs no words any more."""
        for mark, verb in (
            (order.acknowledged, self._alarms.acknowledge),
            (order.closed, self._alarms.close),
        ):
            if mark is not None:
                with contextlib.suppress(HubError):
                    verb(order.alarm, mark)

    async def _begin(self, order: Operate) -> None:
        if order.command in self._known:
            return
        arrived = self._clock.monotonic()
        noted = Noted(self._clock.now(), order.key, ended=False)
        self._known[order.command] = noted
        try:
            await self._note(order.command, noted)
        except (sqlite3.Error, OSError) as error:
            why = f"it cannot be noted on disk, so it is not executed: {error}"
            self._tell(order, Result(outcome=Outcome.REJECTED, detail=why))
            return
        task = asyncio.create_task(self._follow(order, arrived), name=f"command {order.command}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, order: Operate, arrived: float) -> None:
        try:
            await self._execute(order, arrived)
        except asyncio.CancelledError:
            detail = "the gateway was stopped before its end was known"
            self._tell(order, Result(outcome=Outcome.UNKNOWN, detail=detail))
        except Exception as error:
            log.exception("a command failed", extra={"action": "command.bug"})
            detail = f"the gateway failed: {error!r}"
            self._tell(order, Result(outcome=Outcome.UNKNOWN, detail=detail))
        await self._journal.flush()
        with contextlib.suppress(sqlite3.Error, OSError):
            await self._note(order.command, Noted(self._clock.now(), order.key, ended=True))

    async def _execute(self, order: Operate, arrived: float) -> None:
        point = self._points.by_key.get(order.key)
        left = min(
            order.left - (self._clock.monotonic() - arrived),
            (order.expires - self._clock.now()) / 1e6,
        )
        refusal = self._refusal(order, left)
        if refusal is None and point is None:
            refusal = Result(outcome=Outcome.REJECTED, detail=f"no point is called {order.key}")
        if refusal is not None or point is None:
            self._tell(order, refusal or Result(outcome=Outcome.REJECTED))
            return
        if order.test:
            detail = "test: all checks passed, nothing was sent"
            self._tell(order, Result(outcome=Outcome.DONE, detail=detail))
            return
        self._state(order, CommandState.SENT, "")
        result = await self._operate(order, point, left)
        if result.outcome in {Outcome.DONE, Outcome.ACCEPTED} and order.feedback:
            await self._confirm(order, result)
        else:
            self._tell(order, result)

    def _refusal(self, order: Operate, left: float) -> Result | None:
        """Why it is not even tried."""
        if left <= 0:
            return Result(outcome=Outcome.EXPIRED, detail="it came too late")
        if self.local:
            return Result(outcome=Outcome.LOCAL, detail="a person on site has taken over")
        failed = [why for c in order.interlocks if (why := self._broken(c))]
        if failed:
            return Result(outcome=Outcome.INTERLOCKED, detail="; ".join(failed))
        return None

    def _broken(self, condition: Condition) -> str | None:
        """Why an interlock does not hold, by a fresh and valid value."""
        found = self._value(condition.key)
        if found is None:
            return f"{condition.key} has no valid value"
        value, time = found
        if (self._clock.now() - time) / 1e6 > condition.within:
            return f"{condition.key} is older than {condition.within:g} s"
        if not COMPARE[condition.op](value, condition.value):
            return f"{condition.key} is {value:g}, must be {condition.op} {condition.value:g}"
        return None

    def _value(self, key: str) -> tuple[float, int] | None:
        """The newest value of a point if it is valid and not stale, and its time."""
        point = self._points.by_key.get(key)
        if point is None:
            return None
        ids = np.array([point.id], np.uint32)
        batch = self._points.latest(ids)
        if not len(batch) or int(batch.quality[0]) & VALIDITY_MASK == Validity.INVALID:
            return None
        if np.isnan(batch.value[0]) or self._points.stale(ids)[0]:
            return None
        return float(batch.value[0]), int(batch.time[0])

    async def _operate(self, order: Operate, point: Point, left: float) -> Result:
        expires = self._clock.now() + int(left * 1e6)
        command = Command(
            point=point, value=order.value, actor=order.actor, expires=expires, id=order.command
        )
        if order.select:
            result = await self._commands.select(command)
            if result.outcome not in {Outcome.DONE, Outcome.ACCEPTED}:
                detail = f"select: {result.detail}".rstrip(": ")
                return Result(outcome=result.outcome, detail=detail)
        return await self._commands.operate(command, direct=not order.select)

    async def _confirm(self, order: Operate, result: Result) -> None:
        """Wait until the feedback shows it."""
        point = self._points.by_key.get(order.feedback)
        if point is None:
            detail = f"sent; its feedback {order.feedback} is no point"
            self._tell(order, Result(outcome=Outcome.TIMEOUT, detail=detail))
            return
        expected = self._expected(order, point)
        tolerance = max(point.spec.deadband, LEAST_TOLERANCE)
        ids = np.array([point.id], np.uint32)
        with contextlib.suppress(TimeoutError), self._points.subscribe(ids) as news:
            async with asyncio.timeout(order.wait):
                async for _ in news:
                    found = self._value(order.feedback)
                    if found is not None and abs(found[0] - expected) <= tolerance:
                        self._tell(order, result)
                        return
        shown = self._value(order.feedback)
        word = "is not known" if shown is None else f"is {shown[0]:g}"
        detail = f"sent, but after {order.wait:g} s {order.feedback} {word}"
        self._tell(order, Result(outcome=Outcome.TIMEOUT, detail=detail))

    def _expected(self, order: Operate, feedback: Point) -> float:
        """What the feedback must show: a double point shows off as 1 and on as 2."""
        if order.expected is not None:
            return order.expected
        told = self._points.by_key[order.key].spec.kind
        if feedback.spec.kind is Kind.DOUBLE and told is not Kind.DOUBLE:
            return DOUBLE.get(order.value, order.value)
        return order.value

    def _tell(self, order: Operate, result: Result) -> None:
        done = result.outcome in {Outcome.DONE, Outcome.ACCEPTED}
        state = CommandState.CONFIRMED if done else STATES.get(result.outcome, CommandState.FAILED)
        self._state(order, state, result.outcome, result.detail)

    def _state(self, order: Operate, state: CommandState, outcome: str, detail: str = "") -> None:
        told = CommandTold(
            at=self._clock.now(), id=order.command, key=order.key, state=state, outcome=outcome,
            detail=detail,
        )  # fmt: skip
        self._journal.record(told)

    async def _note(self, command: str, noted: Noted) -> None:
        self._known[command] = noted
        await self._keep.write("command", {command: msgspec.msgpack.encode(noted)})

    async def _load(self) -> None:
        self.local = "local" in await self._keep.load("mode")
        decode, now = msgspec.msgpack.Decoder(Noted).decode, self._clock.now()
        found = {k: decode(raw) for k, raw in (await self._keep.load("command")).items()}
        old = [k for k, noted in found.items() if noted.ended and now - noted.at > REMEMBERED]
        self._known = {k: noted for k, noted in found.items() if k not in old}
        unfinished = {k: n for k, n in self._known.items() if not n.ended}
        for command, noted in unfinished.items():
            detail = "the gateway stopped while it was executed"
            self._journal.record(
                CommandTold(
                    at=now, id=command, key=noted.key, state=CommandState.UNKNOWN,
                    outcome=Outcome.UNKNOWN, detail=detail,
                )
            )  # fmt: skip
            self._known[command] = msgspec.structs.replace(noted, ended=True)
        facts = {k: msgspec.msgpack.encode(self._known[k]) for k in unfinished}
        with contextlib.suppress(sqlite3.Error, OSError):
            await self._journal.flush()
            await self._keep.write("command", facts | dict.fromkeys(old))


OPERATOR = Key[Operator]("operator")
