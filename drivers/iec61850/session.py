"""One live association as the hub's session."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from msgspec import Struct, field

from hub import (
    Cause,
    Command,
    HubError,
    Link,
    LinkError,
    Node,
    Point,
    ProtocolError,
    ReadingBatch,
    Result,
    Session,
)

from . import browse, model, scl
from .config import Iec61850
from .ied import Ied
from .mms.pdu import ServiceError
from .model import Model
from .operate import Operator
from .plan import Plan, Rows, Target, plan, readings, resolve
from .reporting import Reporting

_PAUSE, _RESUME = 1000, 500
_PATIENCE = 6


class Memory(Struct):
    """What a driver keeps from one association to the next.

    seen: last device time of points. waits: attempts that found a block still held for us.
    """

    model: Model | None = None
    seen: dict[int, int] = field(default_factory=dict)
    waits: int = 0


class Arrival(Struct, frozen=True):
    """Readings of a report. entry: what to resume behind once they are taken, kept by `key`."""

    batch: ReadingBatch
    key: str = ""
    entry: bytes | None = None


class Iec61850Session(Session):
    def __init__(
        self, config: Iec61850, points: Sequence[Point], link: Link, ied: Ied, memory: Memory
    ) -> None:
        self._config, self._points, self._link = config, tuple(points), link
        self._ied, self._memory = ied, memory
        self._targets: dict[int, Target] = {}
        self._plans: dict[int, tuple[tuple[Point, ...], Plan]] = {}
        self._arrivals: asyncio.Queue[Arrival | None] = asyncio.Queue()
        self._reporting = Reporting(config, ied, link)
        self._operator = Operator(config, ied, link.now)
        self._paused = False
        ied.on_stray = lambda what: link.warn(config.name, f"{config.name}: ignored {what}")
        ied.controls.on_failure = self._failed
        ied.association.lost.add_done_callback(lambda _: self._arrivals.put_nowait(None))

    async def startup(self) -> ReadingBatch:
        """Read the model, enable reports, read once what they do not bring."""
        await self._learn()
        for point in self._points:
            if (target := resolve(self._ied.model, point)) is not None:
                self._targets[point.id] = target
        self._tell_missing()
        await self._report()
        rest = tuple(p for p in self._points if p.id not in self._reporting.covered)
        return await self._read(self._plan(rest), Cause.STARTUP)

    async def _report(self) -> None:
        targets, memory = list(self._targets.values()), self._memory
        try:
            await self._reporting.start(targets, self._arrived, memory.waits < _PATIENCE)
        except LinkError:
            memory.waits += 1
            raise
        memory.waits = 0

    async def _learn(self) -> None:
        try:
            self._memory.model = await self._ied.discover(self._memory.model)
        except ServiceError:
            if not self._config.scl:
                raise
            self._ied.model = await self._expected()
            return
        if self._config.scl:
            faults = model.differences(await self._expected(), self._ied.model)
            if faults:
                more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
                text = f"differs from {self._config.scl}: {'; '.join(faults[:3])}{more}"
                self._link.warn(self._config.name, text)

    async def _expected(self) -> Model:
        document = await asyncio.to_thread(scl.read, Path(self._config.scl))
        return model.from_scl(document.ied(self._config.scl_ied))

    def _tell_missing(self) -> None:
        for device in {point.device for point in self._points}:
            gone = [
                point.spec.address
                for point in self._points
                if point.device == device and point.id not in self._targets
            ]
            if gone:
                shown = ", ".join(gone[:3]) + (f" and {len(gone) - 3} more" if gone[3:] else "")
                self._link.warn(device, f"the device has no {shown}: these points stay invalid")

    async def read(self, points: tuple[Point, ...]) -> ReadingBatch:
        """Poll what no report brings; points in reports cost nothing here."""
        known = self._plans.get(id(points))
        if known is None or known[0] is not points:
            wanted = tuple(p for p in points if p.id not in self._reporting.covered)
            known = self._plans[id(points)] = points, self._plan(wanted)
        if not known[1].names and self._ied.association.silent_for > self._config.keep_alive:
            await self._ied.client.identify()
        return await self._read(known[1], Cause.POLL)

    def _plan(self, points: tuple[Point, ...]) -> Plan:
        found = [self._targets[p.id] for p in points if p.id in self._targets]
        return plan(found, (p.id for p in points if p.id not in self._targets))

    async def _read(self, wanted: Plan, cause: Cause) -> ReadingBatch:
        values = await self._ied.client.read(wanted.names) if wanted.names else []
        rows = Rows(self._link.now(), cause, self._memory.seen)
        try:
            return readings(wanted, values, rows)
        except ProtocolError:
            self._memory.model = None  # its types changed under us
            raise

    def _arrived(self, batch: ReadingBatch, key: str, entry: bytes | None) -> None:
        self._arrivals.put_nowait(Arrival(batch, key, entry))
        if self._arrivals.qsize() >= _PAUSE and not self._paused:
            self._paused = True
            self._ied.association.pause()

    async def events(self) -> AsyncIterator[ReadingBatch]:
        """Reports in their order. An entry counts as taken when the next one is asked for."""
        while (arrival := await self._arrivals.get()) is not None:
            if self._paused and self._arrivals.qsize() <= _RESUME:
                self._paused = False
                self._ied.association.resume()
            if len(arrival.batch):
                yield arrival.batch
            if arrival.entry is not None:
                self._link.state[arrival.key] = arrival.entry
        error = self._ied.association.lost.exception()
        raise error if isinstance(error, HubError) else LinkError("the association ended")

    async def browse(self, path: str = "") -> AsyncIterator[Node]:
        """The next level below `path`: devices, nodes, objects, attributes."""
        if not self._ied.model.devices:
            await self._learn()
        async for node in browse.level(self._ied, path):
            yield node

    def _failed(self, what: str, why: str) -> None:
        """Each of them is news."""
        self._link.clear(what)
        self._link.warn(what, why)

    async def select(self, command: Command) -> Result:
        return await self._operator.select(command)

    async def operate(self, command: Command) -> Result:
        return await self._operator.operate(command)

    async def cancel(self, command: Command) -> Result:
        return await self._operator.cancel(command)

    def closed(self) -> None:
        """Warn no more of what this association did; learn anew what it did not understand."""
        self._ied.on_stray = self._ied.controls.on_failure = None
        lost = self._ied.association.lost
        if lost.done() and isinstance(lost.exception(), ProtocolError):
            self._memory.model = None
