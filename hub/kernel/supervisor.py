"""Keeps one channel alive: connect, start up, poll, listen, command, back off.

    STOPPED → CONNECTING → STARTING → ONLINE ─ link lost ─→ BACKOFF → CONNECTING …
                  └─ ConfigError, or a bug in the driver → FAULTED (until a person restarts it)

One task talks to the device. What was asked for but not sent when a connection ends is refused and
never reaches the next one.
"""

import asyncio
import contextlib
import enum
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from hub.contract.driver import Can, Driver, Session
from hub.contract.errors import (
    AuthError,
    ConfigError,
    Invalid,
    LinkError,
    NoResponse,
    ProtocolError,
    Unsupported,
)
from hub.contract.journal import GapCause, Journal
from hub.contract.readings import Flag, ReadingBatch
from hub.kernel.devices import Device
from hub.kernel.lane import Job, Lane, NotSent
from hub.kernel.points import Points
from hub.kernel.polls import Group, Schedule
from hub.kernel.wire import ChannelLink

log = logging.getLogger(__name__)
T = TypeVar("T")

HARMLESS = (Unsupported, ConfigError, Invalid)
PATIENCE, CLOSING = 2.0, 1.5


class State(enum.StrEnum):
    STOPPED = "stopped"
    CONNECTING = "connecting"
    STARTING = "starting"
    ONLINE = "online"
    BACKOFF = "backoff"
    FAULTED = "faulted"


class Supervisor:
    """One channel. sleep: how to wait between attempts. spread: 0…1, jitter of the back-off."""

    def __init__(
        self,
        driver: Driver[Any],
        link: ChannelLink,
        points: Points,
        journal: Journal,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        spread: Callable[[], float] = random.random,
    ) -> None:
        self.driver, self.link, self.points, self.journal = driver, link, points, journal
        self.config = driver.config
        self.state, self.error, self.since = State.STOPPED, "", points.clock.now()
        self.connection = 0
        self.attempts = 0
        self.schedule = Schedule(
            driver.points if Can.READ in driver.can else (), self.config.backoff
        )
        self.lane = Lane(self.config.queue)
        self._sleep, self._spread = sleep, spread
        self._delay, self._failing = self.config.backoff.first, False
        members: dict[str, list[Any]] = {}
        for point in driver.points:
            members.setdefault(point.device, []).append(point)
        self.devices = {n: Device(n, self.config.name, m, points) for n, m in members.items()}
        ids = [p.id for p in driver.points] or [0]
        self._first = np.uint32(min(ids))
        self._device_of = np.zeros(max(ids) - min(ids) + 1, np.int32)
        self._in_order = list(self.devices.values())
        for number, device in enumerate(self._in_order):
            self._device_of[device.ids - self._first] = number

    async def run(self) -> None:
        """Live until cancelled or FAULTED."""
        try:
            while self.state is not State.FAULTED:
                await self._attempt()
        finally:
            self.lane.close("the channel stops")
            if self.state is not State.FAULTED:
                self._go(State.STOPPED)

    def lost(self, cause: GapCause, reason: str) -> None:
        """Say of all devices that nothing comes from them any more."""
        for device in self._in_order:
            device.lost(self.journal, cause, reason, quiet=True)

    async def ask(self, job: Job, still_wanted: Callable[[], str | None] | None = None) -> Any:
        """Run a job on the live session before the next poll. NotSent when it never ran."""
        if self.state is not State.ONLINE:
            raise NotSent(f"channel {self.config.name} is {self.state}")
        return await self.lane.ask(job, still_wanted)

    def adopt(self, devices: dict[str, Device]) -> None:
        """Go on with what a supervisor of the same points has told of them."""
        self.devices, self._in_order = devices, list(devices.values())

    def hurry(self, device: str) -> None:
        """Poll this device before its turn, to see what a command has done."""
        self.schedule.hurry(device, asyncio.get_running_loop().time())
        self.lane.wake()

    async def _attempt(self) -> None:
        """One connection from its beginning to its end, and the pause behind it."""
        self._go(State.CONNECTING)
        self.attempts += 1
        try:
            await self._connection()
        except Exception as e:
            trouble = _worst(e)
            delay = self._judge(trouble)
            if delay is None:
                log.exception(
                    "%s: a bug in its driver: this channel stops, the others run on",
                    self.config.name,
                    exc_info=trouble,
                    extra={"action": "channel.bug", "channel": self.config.name},
                )
                self._fault(f"bug in the driver: {trouble!r}")
        else:
            delay = self._pause()
        finally:
            self.lane.close("the connection ended before it was sent")
        if self.state is State.FAULTED or delay is None:
            return
        self.lost(GapCause.COMM_DOWN, self.error)
        self._go(State.BACKOFF)
        await self._sleep(delay)

    async def _connection(self) -> None:
        config, stack = self.config, contextlib.AsyncExitStack()
        try:
            try:
                async with asyncio.timeout(config.connect_timeout):
                    session = await stack.enter_async_context(self.driver.open())
            except TimeoutError as e:
                raise LinkError(f"no connection within {config.connect_timeout:g} s") from e
            self.connection += 1
            self._go(State.STARTING)
            self._take(await self._watched(session.startup()))
            self._go(State.ONLINE)
            self.lane.open()
            self.schedule.begin(asyncio.get_running_loop().time())
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._work(session))
                if Can.EVENTS in self.driver.can:
                    tasks.create_task(self._listen(session))
        finally:
            async with asyncio.timeout(CLOSING):
                await stack.aclose()

    async def _work(self, session: Session) -> None:
        """The only one who talks to the device: requests first, then polls."""
        loop, lane, schedule = asyncio.get_running_loop(), self.lane, self.schedule
        while True:
            if (request := lane.take()) is not None:
                await self._serve(request, session)
            elif (group := schedule.next(loop.time())) is not None:
                await self._poll(group, session)
                await asyncio.sleep(0)  # a driver that need not wait must not keep the loop
            else:
                await lane.rest(schedule.when())

    async def _serve(self, request: Any, session: Session) -> None:
        try:
            result = await self._watched(request.job(session))
        except (*HARMLESS, NoResponse) as e:
            request.fail(e)
        except BaseException as e:
            request.fail(LinkError("stopped while it was being sent") if _is_stop(e) else e)
            raise
        else:
            if not request.done.done():
                request.done.set_result(result)

    async def _poll(self, group: Group, session: Session) -> None:
        device = self.devices[group.line.name]
        now = asyncio.get_running_loop().time
        try:
            batch = await self._watched(session.read(group.points))
        except NoResponse as e:
            suspect = self.schedule.silence(group, now())
            device.lost(self.journal, GapCause.DEVICE_SILENT, str(e))
            if suspect:
                raise LinkError("no device of the channel answers") from e
            return
        self.schedule.answered(group, now())
        if len(batch):
            self.points.take(batch)
        device.answered(self.journal)
        if self._failing:
            self._well()

    async def _listen(self, session: Session) -> None:
        async for batch in session.events():
            self._take(batch)
        raise LinkError("the device ended its reports")

    def _take(self, batch: ReadingBatch) -> None:
        """Readings of any devices, not asked for by a poll."""
        if not len(batch):
            return
        self.points.take(batch)
        place = batch.point - self._first  # of foreign points it wraps to a huge number
        known = place < len(self._device_of)
        owner = self._device_of[place[known]]
        alive = (batch.quality[known] & Flag.COMM_LOST) == 0
        speaking = np.unique(owner[alive])
        for number in speaking.tolist():
            device = self._in_order[number]
            device.answered(self.journal)
            self.schedule.heard(device.name, asyncio.get_running_loop().time())
        for number in np.setdiff1d(owner, speaking).tolist():
            reason = "reported as lost by its peer"
            self._in_order[number].lost(self.journal, GapCause.DEVICE_SILENT, reason)
        if self._failing and len(speaking):
            self._well()

    async def _watched(self, work: Awaitable[T]) -> T:
        """Await it as long as bytes keep coming; LinkError when the line has been dead too long."""
        limit = self.config.request_timeout * PATIENCE
        try:
            async with asyncio.timeout(limit) as deadline:
                self.link.watch(deadline, limit)
                return await work
        except TimeoutError as e:
            if deadline.expired():
                raise LinkError(f"not a byte for {limit:g} s") from e
            raise
        finally:
            self.link.watch(None)

    def _judge(self, trouble: BaseException) -> float | None:
        """Seconds to the next attempt; None for a bug."""
        name = self.config.name
        extra = {"action": "channel.trouble", "channel": name}
        if isinstance(trouble, ConfigError):
            log.error("%s: %s", name, trouble, extra=extra)
            self._fault(str(trouble))
            return 0.0
        if not isinstance(trouble, LinkError | NoResponse | ProtocolError | TimeoutError | OSError):
            return None
        self.error = str(trouble) or repr(trouble)
        if not self._failing:
            log.warning("%s: %s", name, self.error, extra=extra)
        self._failing = True
        if isinstance(trouble, AuthError):
            return float(self.config.backoff.auth)
        return self._pause()

    def _pause(self) -> float:
        """The next delay: doubling, jittered in [d/2, d]."""
        delay = self._delay
        self._delay = min(delay * 2, self.config.backoff.last)
        return float(delay / 2 + self._spread() * delay / 2)

    def _well(self) -> None:
        self._failing, self._delay, self.error = False, self.config.backoff.first, ""
        extra = {"action": "channel.well", "channel": self.config.name}
        log.info("%s: works again", self.config.name, extra=extra)

    def _fault(self, reason: str) -> None:
        self.error = reason
        self._go(State.FAULTED)
        self.lost(GapCause.COMM_DOWN, reason)

    def _go(self, state: State) -> None:
        if state is not self.state:
            self.state, self.since = state, self.points.clock.now()
            extra = {"action": "channel.state", "channel": self.config.name}
            log.debug("%s is %s", self.config.name, state, extra=extra)


def _is_stop(error: BaseException) -> bool:
    return isinstance(error, asyncio.CancelledError | GeneratorExit | KeyboardInterrupt)


def _worst(error: BaseException) -> BaseException:
    """Of a group of errors the one that decides: a bug, then configuration, then the link."""
    found: list[BaseException] = []
    stack: list[BaseException] = [error]
    while stack:
        each = stack.pop()
        if isinstance(each, BaseExceptionGroup):
            stack.extend(each.exceptions)
        else:
            found.append(each)
    ranks: Sequence[Any] = (
        AuthError,
        (LinkError, NoResponse, ProtocolError, TimeoutError, OSError),
        ConfigError,
    )

    def rank(e: BaseException) -> int:
        return next((i for i, kinds in enumerate(ranks) if isinstance(e, kinds)), len(ranks))

    return max(found, key=rank)
