"""Controls: guard, select, operate, cancel. The machine repeats none of them.

Order: expiry → hook `hub_command_guard` → selection → the device. Every operate and cancel ends in
one CommandDone record, also when the person who asked has gone.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

import msgspec

from hub.contract.driver import Can, Command, Outcome, Result, Session
from hub.contract.errors import ConfigError, HubError, Invalid, LinkError, NoResponse, Unsupported
from hub.contract.journal import CommandDone, Journal
from hub.kernel.app import Key
from hub.kernel.lane import NotSent
from hub.kernel.points import Points
from hub.kernel.supervisor import State, Supervisor

log = logging.getLogger(__name__)

SELECT_FOR = 30.0
UNTIMED = "its driver has no time-activated controls"
Guard = Callable[[Command], list[str | None]]
Find = Callable[[Command], Supervisor | None]


class Selection(NamedTuple):
    """until: monotonic seconds. connection: the one it was made on; it does not outlive it."""

    command: Command
    until: float
    supervisor: Supervisor
    connection: int


class Commands:
    """Controls of one gateway. find: the supervisor that holds a command's point."""

    def __init__(self, points: Points, journal: Journal, find: Find, guard: Guard) -> None:
        self._clock, self._raw = points.clock, points.raw
        self._journal, self._find, self._guard = journal, find, guard
        self._selected: dict[int, Selection] = {}
        self._busy: set[int] = set()
        self._tasks: set[asyncio.Task[Result]] = set()

    async def select(self, command: Command, *, hold: float = SELECT_FOR) -> Result:
        """Reserve the point for one operate by the same actor, of the same value, in `hold` s."""
        return await self._run(self._select(command, hold))

    async def operate(self, command: Command, *, direct: bool = False) -> Result:
        """Execute. direct: without a selection; refused while somebody else holds one."""
        return await self._run(self._told(command, self._operate(command, direct)))

    async def cancel(self, command: Command) -> Result:
        """Give a selection back, or call off what the device shall execute later."""
        return await self._run(self._told(command, self._cancel(command)))

    async def close(self) -> None:
        """Wait for what has been sent; nothing new is accepted by the stopped channels."""
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def _told(self, command: Command, work: Coroutine[Any, Any, Result]) -> Result:
        result = await work
        self._journal.record(
            CommandDone(
                at=self._clock.now(),
                id=command.id,
                key=command.point.key,
                actor=command.actor,
                outcome=result.outcome,
                detail=result.detail,
            )
        )
        extra = {"action": "command", "point": command.point.key, "actor": command.actor}
        log.info("%s: %s %s", command.point.key, result.outcome, result.detail, extra=extra)
        return result

    async def _select(self, command: Command, hold: float) -> Result:
        point = command.point
        if refusal := self._refusal(command):
            return refusal
        held = self._held(point.id)
        if held is not None and not _same(held.command, command):
            return _no(Outcome.REJECTED, f"{held.command.actor} has selected {point.key}")
        supervisor = self._find(command)
        if supervisor is None or supervisor.state is not State.ONLINE:
            return _no(Outcome.REJECTED, f"the channel of {point.key} is not online")
        if not _timely(command, supervisor):
            return _no(Outcome.NOT_SUPPORTED, UNTIMED)
        until = self._clock.monotonic() + min(hold, self._left(command))
        self._selected[point.id] = Selection(command, until, supervisor, supervisor.connection)
        result = Result(outcome=Outcome.DONE)
        if Can.SELECT in supervisor.driver.can:
            result = await self._send(command, supervisor, lambda s, c: s.select(c))
        if result.outcome not in {Outcome.DONE, Outcome.ACCEPTED}:
            self._selected.pop(point.id, None)
        return result

    async def _operate(self, command: Command, direct: bool) -> Result:
        point = command.point
        if refusal := self._refusal(command) or self._unselected(command, direct):
            return refusal
        supervisor = self._find(command)
        if supervisor is None or point.id in self._busy:
            why = "no channel has it" if supervisor is None else "a command of it is under way"
            return _no(Outcome.REJECTED, f"{point.key}: {why}")
        if not _timely(command, supervisor):
            return _no(Outcome.NOT_SUPPORTED, UNTIMED)
        self._busy.add(point.id)
        try:
            return await self._send(command, supervisor, lambda s, c: s.operate(c))
        finally:
            self._busy.discard(point.id)
            supervisor.hurry(point.device)

    def _unselected(self, command: Command, direct: bool) -> Result | None:
        """Why the selection does not allow it. An operate that is not direct uses it up."""
        point = command.point
        if direct:
            held = self._held(point.id)
            if held is None:
                return None
            return _no(Outcome.REJECTED, f"{held.command.actor} has selected {point.key}")
        held = self._selected.pop(point.id, None)
        if held is not None and self._clock.monotonic() >= held.until:
            return _no(Outcome.TIMEOUT, f"the selection of {point.key} is over: select again")
        if held is None or not self._valid(held):
            return _no(Outcome.NO_SELECT, f"select {point.key} first")
        if not _same(held.command, command):
            return _no(Outcome.NO_SELECT, "actor, value or flags differ from the selection")
        return None

    async def _cancel(self, command: Command) -> Result:
        held = self._held(command.point.id)
        if held is None and command.at is not None and (supervisor := self._find(command)):
            return await self._send(command, supervisor, lambda s, c: s.cancel(c), expires=False)
        if held is None or not _same(held.command, command):
            return _no(Outcome.NO_SELECT, f"{command.point.key} is not selected by this command")
        del self._selected[command.point.id]
        if Can.SELECT not in held.supervisor.driver.can:
            return Result(outcome=Outcome.DONE)
        return await self._send(command, held.supervisor, lambda s, c: s.cancel(c), expires=False)

    async def _send(
        self,
        command: Command,
        supervisor: Supervisor,
        verb: Callable[[Session, Command], Coroutine[Any, Any, Result]],
        *,
        expires: bool = True,
    ) -> Result:
        deadline = self._clock.monotonic() + self._left(command)
        try:
            raw = self._encoded(command)
        except Invalid as e:
            return _no(Outcome.REJECTED, str(e))

        def still_wanted() -> str | None:
            late = self._clock.monotonic() >= deadline or self._left(command) <= 0
            return "expired" if expires and late else None

        try:
            return await _sent(supervisor.ask(lambda s: verb(s, raw), still_wanted))
        except NotSent as e:
            if str(e) == "expired":
                return _no(Outcome.EXPIRED, "it expired while it waited")
            return _no(Outcome.REJECTED, str(e))

    def _encoded(self, command: Command) -> Command:
        """The command with the value as the driver encodes it."""
        if isinstance(command.value, str):
            return command
        return msgspec.structs.replace(command, value=self._raw(command.point, command.value))

    def _refusal(self, command: Command) -> Result | None:
        """Why it is not even tried."""
        spec = command.point.spec
        if not spec.writable:
            return _no(Outcome.NOT_SUPPORTED, f"{command.point.key} is not writable")
        if self._left(command) <= 0:
            return _no(Outcome.EXPIRED, "it had expired when it arrived")
        try:
            reasons = [r for r in self._guard(command) if r]
        except Exception as e:
            log.exception("a command guard failed", extra={"action": "command.guard"})
            reasons = [f"a guard failed, so nothing is sent: {e!r}"]
        return _no(Outcome.INTERLOCKED, "; ".join(reasons)) if reasons else None

    def _left(self, command: Command) -> float:
        """Seconds until it expires."""
        return (command.expires - self._clock.now()) / 1e6

    def _held(self, point: int) -> Selection | None:
        held = self._selected.get(point)
        if held is not None and not self._valid(held):
            del self._selected[point]
            return None
        return held

    def _valid(self, held: Selection) -> bool:
        alive = held.supervisor.state is State.ONLINE
        return (
            alive
            and held.connection == held.supervisor.connection
            and self._clock.monotonic() < held.until
        )


async def _sent(work: Coroutine[Any, Any, Result]) -> Result:
    """An error of what may have reached the device, as an outcome."""
    try:
        return await work
    except Unsupported as e:
        return _no(Outcome.NOT_SUPPORTED, str(e))
    except (ConfigError, Invalid) as e:
        return _no(Outcome.REJECTED, str(e))
    except (LinkError, NoResponse, TimeoutError, OSError) as e:
        return _no(Outcome.UNKNOWN, f"sent, and then: {e}")
    except HubError as e:
        return _no(Outcome.UNKNOWN, str(e))
    except NotSent:
        raise
    except Exception as e:
        log.exception("a driver failed in a command", extra={"action": "command.bug"})
        return _no(Outcome.UNKNOWN, f"the driver failed: {e!r}")


def _timely(command: Command, supervisor: Supervisor) -> bool:
    """A driver that does not heed the time would execute at once."""
    return command.at is None or Can.TIMED in supervisor.driver.can


def _same(one: Command, other: Command) -> bool:
    def parts(c: Command) -> tuple[Any, ...]:
        return c.actor, c.value, c.test, c.check_interlock, c.check_synchronism, c.at

    return parts(one) == parts(other)


def _no(outcome: Outcome, detail: str) -> Result:
    return Result(outcome=outcome, detail=detail)


COMMANDS = Key[Commands]("commands")
