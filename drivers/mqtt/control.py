"""Orders to meters, followed until it is known what became of them.

An order is confirmed by what the meter says, never by the fact that it was sent. It is tried again
while nothing is heard, then by the other ways, and never after it has expired.
"""

import asyncio
import contextlib
import heapq
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from msgspec import structs

from hub import Conflict, Invalid, LinkError, MeterOrder, NoResponse, Unavailable
from hub import MeterOrderKind as Kind
from hub import MeterOrderState as State
from hub import MeterProgress as Progress

from .acrel_events import Confirm, DisconnectConfirm, Event, ReconnectConfirm, StatusChange
from .rows import read_time

SECOND = 1_000_000
KEEP = 100_000  # orders that are remembered
STALE = 60 * SECOND  # a state said so long before the order was sent confirms nothing


class Way(Protocol):
    """A way to a meter: MQTT, an HTTP interface. tries: how often, one `wait` apart."""

    name: str
    tries: int

    def ready(self) -> bool:
        """Whether sending makes sense now."""

    async def send(self, order: MeterOrder) -> str | None:
        """Hand the order over; a text is why the other side refuses it.

        Raises LinkError or Unavailable when nothing was handed over, NoResponse when that is not
        known: then it counts as sent.
        """


class MeterControl:
    """All open orders of one process. Whoever drives it calls `run`.

    wait: seconds for a confirmation. pause: seconds until a way that is down is tried again.
    changed: told every new state before it is acted upon, so that it can be kept; what was open
    when the process ended is given back through `restore`.
    """

    def __init__(
        self,
        ways: Sequence[Way],
        clock: Callable[[], int],
        changed: Callable[[Progress], None],
        *,
        wait: float = 30.0,
        pause: float = 1.0,
        parallel: int = 50,
    ) -> None:
        self._ways = [way for way in ways for _ in range(way.tries)]
        self._clock, self._changed = clock, changed
        self._wait, self._pause = int(wait * SECOND), int(pause * SECOND)
        self._known: dict[str, Progress] = {}
        self._open: dict[str, dict[str, None]] = {}
        self._timeouts: dict[str, str] = {}
        self._due: list[tuple[int, str]] = []
        self._next: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._parallel = parallel

    def request(self, order: MeterOrder) -> Progress:
        """Take an order; the same id gives what is known of it. Conflict while one like it runs."""
        known = self._known.get(order.id)
        if known is not None:
            if known.order != order:
                raise Conflict(f"order {order.id!r} was another one")
            return known
        check_order(order)
        for other in self._open.get(order.meter, ()):
            if clash(self._known[other].order.kind, order.kind):
                raise Conflict(f"meter {order.meter} is busy with order {other!r}")
        progress = self._put(Progress(order=order, asked=self._clock()))
        self._plan(progress.asked, order.id)
        return progress

    def restore(self, kept: Iterable[Progress]) -> None:
        """Go on with what an earlier process had open; what was sent is waited for first."""
        now = self._clock()
        for progress in kept:
            self._remember(progress)
            if progress.state.open:
                due = now if progress.state is State.REQUESTED else now + self._wait
                self._plan(due, progress.order.id)

    def state(self, identifier: str) -> Progress | None:
        return self._known.get(identifier)

    @property
    def waiting(self) -> list[str]:
        """Orders that are open."""
        return [ident for mine in self._open.values() for ident in mine]

    def observe(self, event: Event) -> list[Progress]:
        """What a meter says of itself: settles the orders that it answers."""
        settled = []
        candidates = [self._known[i] for i in self._open.get(event.meter_id, ())]
        if isinstance(event, DisconnectConfirm | ReconnectConfirm) and event.command_id:
            named = self._known.get(event.command_id)
            candidates = [named] if named and named.order.meter == event.meter_id else []
        elif event.meter_id in self._timeouts:
            candidates.append(self._known[self._timeouts[event.meter_id]])
        for progress in candidates:
            verdict = self._verdict(progress, event)
            if verdict is not None:
                state, detail = verdict
                late = progress.state is State.TIMEOUT
                done = structs.replace(progress, state=state, detail=detail, late=late)
                settled.append(self._put(done))
        return settled

    def wake(self) -> None:
        """A way has come back: try at once what waits for it."""
        now = self._clock()
        for identifier in [i for i in self._next if self._known[i].state is State.REQUESTED]:
            self._plan(now, identifier)

    async def run(self) -> None:
        """Send, wait, repeat, give up; until cancelled."""
        gate = asyncio.Semaphore(self._parallel)
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._wake.clear()
                for identifier in self._ready():
                    await gate.acquire()
                    task = tasks.create_task(self._step(identifier))
                    task.add_done_callback(lambda _: gate.release())
                await self._rest()

    def _ready(self) -> list[str]:
        """Orders whose time has come. An entry that a later plan replaced is passed over."""
        now, ready = self._clock(), []
        while self._due and self._due[0][0] <= now:
            when, identifier = heapq.heappop(self._due)
            if self._next.get(identifier) == when:
                del self._next[identifier]
                ready.append(identifier)
        return ready

    async def _rest(self) -> None:
        delay = (self._due[0][0] - self._clock()) / SECOND if self._due else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if delay is None else max(0.0, delay)):
                await self._wake.wait()

    async def _step(self, identifier: str) -> None:
        """The next attempt of an order, or its end."""
        progress, now = self._known[identifier], self._clock()
        if not progress.state.open:
            return
        expired = now >= progress.order.expires
        if expired or progress.attempts >= len(self._ways):
            self._give_up(progress, expired)
            return
        way = self._ways[progress.attempts]
        if not way.ready():
            self._pass_on(progress, way)
            return
        before = progress
        # Said before it is done: after a crash an order counts as sent rather than as new.
        progress = self._put(
            structs.replace(
                progress,
                state=State.SENT,
                attempts=progress.attempts + 1,
                way=way.name,
                sent=progress.sent or now,
            )
        )
        try:
            refusal = await way.send(progress.order)
        except NoResponse:
            refusal = None
        except (LinkError, Unavailable) as error:
            if self._known[identifier] is progress:
                self._pass_on(self._put(structs.replace(before, detail=str(error))), way)
            return
        if not self._known[identifier].state.open:
            return
        if refusal is not None and progress.attempts >= len(self._ways):
            self._put(structs.replace(progress, state=State.FAILED, detail=refusal))
        else:
            self._plan(now if refusal is not None else self._clock() + self._wait, identifier)

    def _pass_on(self, progress: Progress, way: Way) -> None:
        """The way is down: wait for it, or take the next when its time is over."""
        now = self._clock()
        waited = now - progress.asked >= self._wait * way.tries
        other = next((w for w in self._ways[progress.attempts :] if w is not way), None)
        if other is not None and (waited or progress.state is State.SENT):
            self._put(structs.replace(progress, attempts=self._ways.index(other)))
        self._plan(now + self._pause, progress.order.id)

    def _give_up(self, progress: Progress, expired: bool) -> None:
        if progress.state is State.REQUESTED:
            detail = "expired before it could be sent"
            self._put(structs.replace(progress, state=State.FAILED, detail=detail))
        elif expired and self._clock() < (progress.changed + self._wait):
            self._plan(progress.changed + self._wait, progress.order.id)
        else:
            self._put(structs.replace(progress, state=State.TIMEOUT))

    def _verdict(self, progress: Progress, event: Event) -> tuple[State, str] | None:
        """What the event means for this order, None when nothing."""
        if progress.sent is None or progress.state in {
            State.CONFIRMED,
            State.FAILED,
        }:
            return None
        time, _ = read_time(event.timestamp, self._clock())
        if time < progress.sent - STALE:
            return None
        kind, value = progress.order.kind, progress.order.value
        match event:
            case StatusChange(new_status=status, tariff_id=tariff, limit_w=limit):
                told = {
                    Kind.SET_TARIFF: tariff,
                    Kind.SET_POWER_LIMIT: limit,
                }.get(kind)
                if (kind, status) in _STATES or (told is not None and told == value):
                    return State.CONFIRMED, f"status {status}"
            case DisconnectConfirm() | ReconnectConfirm():
                if kind is _CONFIRMS[type(event)]:
                    return _confirmed(event)
        return None

    def _put(self, progress: Progress) -> Progress:
        progress = structs.replace(progress, changed=self._clock())
        self._changed(progress)
        self._remember(progress)
        return progress

    def _remember(self, progress: Progress) -> None:
        order = progress.order
        self._known[order.id] = progress
        mine = self._open.setdefault(order.meter, {})
        if progress.state.open:
            mine[order.id] = None
        else:
            mine.pop(order.id, None)
            if not mine:
                del self._open[order.meter]
            if progress.state is State.TIMEOUT:
                self._timeouts[order.meter] = order.id
            else:
                self._timeouts.pop(order.meter, None)
            self._forget()

    def _forget(self) -> None:
        """Let go of the oldest orders that are over; whoever keeps them has been told."""
        if len(self._known) <= KEEP:
            return
        kept = set(self._timeouts.values())
        over = [i for i, p in self._known.items() if not p.state.open and i not in kept]
        for identifier in over[: KEEP // 10]:
            del self._known[identifier]

    def _plan(self, when: int, identifier: str) -> None:
        self._next[identifier] = when
        heapq.heappush(self._due, (when, identifier))
        self._wake.set()


_STATES = {(Kind.DISCONNECT, "disconnected"), (Kind.RECONNECT, "connected")}
_CONFIRMS: dict[type, Kind] = {
    DisconnectConfirm: Kind.DISCONNECT,
    ReconnectConfirm: Kind.RECONNECT,
}
_SWITCHES = {Kind.DISCONNECT, Kind.RECONNECT}


def clash(one: Kind, other: Kind) -> bool:
    return one is other or {one, other} <= _SWITCHES


def _confirmed(event: Confirm) -> tuple[State, str]:
    return (State.CONFIRMED if event.result == "success" else State.FAILED), event.message


def check_order(order: MeterOrder) -> None:
    if order.kind is Kind.SET_TARIFF and not isinstance(order.value, str):
        raise Invalid("a tariff order names the tariff")
    if order.kind is Kind.SET_POWER_LIMIT and (
        isinstance(order.value, str) or order.value is None or order.value < 0
    ):
        raise Invalid("a power limit is a number of watts")
