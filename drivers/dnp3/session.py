"""A live DNP3 channel as the hub's supervisor sees it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hub import (
    Cause,
    Command,
    HubError,
    Link,
    LinkError,
    Node,
    NoResponse,
    Outcome,
    Point,
    PointSpec,
    ProtocolError,
    ReadingBatch,
    Result,
    Session,
    Unsupported,
    Validity,
    quality,
)

from .codec.app import Function, Iin
from .codec.commands import CommandStatus, Control
from .codec.objects import PointType
from .config import Controls, Dnp3Config, Dnp3Device
from .image import Image, join, spans
from .lines import Line
from .master import (
    Association,
    MasterChannel,
    Measurements,
    Priority,
    Refused,
    Report,
    Strings,
    operations,
)
from .outcomes import result
from .peer import Peer

_MAX_QUEUED = 200_000  # readings that wait for the hub; beyond, events stay with the outstation
Worker = Callable[[Peer, Point, Control], Awaitable[CommandStatus]]
_MAX_SPANS = 50  # ranges in one request: devices take only so many headers
INVALID = Validity.INVALID
_IRREVERSIBLE = (Function.OPERATE, Function.DIRECT_OPERATE)


class _Plan(Struct, frozen=True):
    points: tuple[Point, ...]
    spans: list[tuple[PointType, int, int]]
    ids: NDArray[np.uint32]
    exact: bool = False


class Dnp3Session(Session):
    """One connection with its outstations; its own polls run while `events` is listened to."""

    def __init__(self, config: Dnp3Config, points: Sequence[Point], link: Link, line: Line) -> None:
        self._config, self._link, self._line = config, link, line
        confirmed = getattr(config, "confirmed", False)
        self._names = {d.address: d.name for d in config.devices if d.enabled}
        self._channel = MasterChannel(
            line, config.master, confirmed=confirmed, on_wire=self._wire, on_fault=self._fault
        )
        self._peers: dict[str, Peer] = {}
        self._images: dict[str, Image] = {}
        self._plans: dict[int, _Plan] = {}
        self._selected: dict[int, tuple[int, float]] = {}
        self._queue: list[ReadingBatch] = []
        self._queued = 0
        self._news = asyncio.Event()
        for device in config.devices:
            if device.enabled:
                self._add(device, [p for p in points if p.device == device.name])

    def _add(self, device: Dnp3Device, points: list[Point]) -> None:
        timeout = device.response_timeout or self._config.request_timeout
        association = Association(self._channel, device.address, timeout=timeout)
        self._peers[device.name] = Peer(device, association, self._link, self._take)
        self._images[device.name] = Image(points)

    def _wire(self, sent: bool, data: bytes) -> None:
        at = 4 if sent else 6
        address = int.from_bytes(data[at : at + 2], "little")
        self._link.wire(self._names.get(address, self._config.name), sent, data)

    def _fault(self, text: str) -> None:
        self._link.wire(self._config.name, False, b"", text)

    # What the supervisor calls

    async def startup(self) -> ReadingBatch:
        """The image of every outstation that answers; NoResponse when none does."""
        silent: list[HubError] = []
        for peer in self._peers.values():
            try:
                await peer.startup()
                self._link.clear(peer.device.name)
            except (NoResponse, ProtocolError) as error:
                peer.started = False
                silent.append(error)
                self._link.warn(peer.device.name, str(error))
        if silent and len(silent) == len(self._peers):
            raise silent[0]
        return self._drain(Cause.STARTUP)

    async def _work(self) -> None:
        """Poll and react until the line is lost; LinkError then."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._channel.wait_closed())
                tasks.create_task(self._keep_alive())
                for peer in self._peers.values():
                    tasks.create_task(peer.run())
        except ExceptionGroup as group:
            raise group.exceptions[0] from None

    async def read(self, points: tuple[Point, ...]) -> ReadingBatch:
        found: list[Report] = []
        peer = self._peer(points[0].device)
        plan = self._plan(points)
        refused = await self._ranges(peer, plan, found)
        image, now = self._images[peer.device.name], self._link.now()
        batch = _complete(image.readings(found, now, Cause.POLL), plan.ids, now)
        lacking = bool(np.isnan(batch.value).any())
        if refused and lacking and not plan.exact:
            # Some devices answer nothing when one index of a range does not exist.
            self._plans[id(points)] = _Plan(points, spans(points, 0), plan.ids, exact=True)
            return await self.read(points)
        return batch

    @staticmethod
    async def _ranges(peer: Peer, plan: "_Plan", found: list[Report]) -> bool:
        """Read the spans of a plan; whether the outstation refused some of it."""
        iin = Iin.NONE
        for at in range(0, len(plan.spans), _MAX_SPANS):
            some = plan.spans[at : at + _MAX_SPANS]
            iin |= (await operations.read_ranges(peer.association, some, found.extend)).iin
        return bool(iin & Iin.PARAMETER_ERROR)

    async def events(self) -> AsyncIterator[ReadingBatch]:
        """What the outstations report by themselves or to our own polls; LinkError at the end."""
        work = asyncio.ensure_future(self._work())
        try:
            while True:
                news = asyncio.ensure_future(self._news.wait())
                await asyncio.wait((work, news), return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
                if self._queue:
                    yield self._drain(Cause.EVENT)
                if work.done():
                    work.result()
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def browse(self, path: str = "") -> AsyncIterator[Node]:
        """Outstations, then the points that a class 0 poll brings."""
        if not path:
            for name in self._peers:
                yield Node(path=name, name=name, leaf=False)
            return
        found: list[Report] = []
        await self._peer(path).association.request(
            Function.READ, operations.CLASSES[0], taker=found.extend
        )
        for report in found:
            if isinstance(report, Measurements):
                indexes = report.columns.index.tolist()
                kind = str(report.point)
            elif isinstance(report, Strings):
                indexes, kind = [index for index, _ in report.rows], "os"
            else:
                continue
            for index in indexes:
                name = f"{kind}.{index}"
                spec = PointSpec(name=name, address=f"{kind}:{index}")
                yield Node(path=f"{path}/{name}", name=name, leaf=True, spec=spec)

    async def set_clock(self, device: str) -> None:
        await self._peer(device).synchronise()

    async def select(self, command: Command) -> Result:
        """SELECT on the wire, so that the device itself says whether it may be operated."""
        return await self._command(command, self._select)

    async def operate(self, command: Command) -> Result:
        """OPERATE a selection that still stands, else SELECT and OPERATE without a pause."""
        return await self._command(command, self._operate)

    async def cancel(self, command: Command) -> Result:
        """DNP3 has no message for it: the selection lapses in the device, nothing else uses it."""
        self._selected.pop(command.point.id, None)
        return Result(outcome=Outcome.DONE, detail="the selection is left to lapse")

    # Controls

    async def _command(self, command: Command, work: Worker) -> Result:
        if command.test or isinstance(command.value, str):
            return Result(outcome=Outcome.NOT_SUPPORTED, detail="DNP3 has no test controls or text")
        control = command.point.address.control(float(command.value))
        if control is None:
            detail = f"{command.point.address} does not take the value {command.value:g}"
            return Result(outcome=Outcome.NOT_SUPPORTED, detail=detail)
        peer = self._peer(command.point.device)
        async with self._channel.turns.take(Priority.COMMAND):
            if self._link.now() >= command.expires:
                return Result(outcome=Outcome.EXPIRED, detail="it expired while it waited")
            peer.association.last_sent = None
            try:
                return result(await work(peer, command.point, control))
            except (LinkError, NoResponse, ProtocolError) as error:
                return self._failed(peer, error)
            except ValueError as error:
                return Result(outcome=Outcome.REJECTED, detail=str(error))

    @staticmethod
    def _failed(peer: Peer, error: HubError) -> Result:
        """Unknown once an operation was on the line, for it may have been executed."""
        sent = peer.association.last_sent in _IRREVERSIBLE
        refused = isinstance(error, Refused)
        outcome = Outcome.UNKNOWN if sent and not refused else Outcome.REJECTED
        return Result(outcome=outcome, detail=str(error))

    async def _select(self, peer: Peer, point: Point, control: Control) -> CommandStatus:
        self._selected.pop(point.id, None)
        if peer.device.controls is Controls.DIRECT:
            return CommandStatus.SUCCESS
        status = await operations.command(
            peer.association, Function.SELECT, [(point.address.index, control)]
        )
        if status[0] is CommandStatus.SUCCESS:
            until = asyncio.get_running_loop().time() + peer.device.select_timeout
            self._selected[point.id] = peer.association.requests, until
        return status[0]

    async def _operate(self, peer: Peer, point: Point, control: Control) -> CommandStatus:
        association, commands = peer.association, [(point.address.index, control)]
        requests, until = self._selected.pop(point.id, (-1, 0.0))
        if peer.device.controls is Controls.DIRECT:
            return (await operations.command(association, Function.DIRECT_OPERATE, commands))[0]
        standing = requests == association.requests
        if not standing or asyncio.get_running_loop().time() >= until:
            status = (await operations.command(association, Function.SELECT, commands))[0]
            if status is not CommandStatus.SUCCESS:
                return status
        return (await operations.command(association, Function.OPERATE, commands))[0]

    # Readings

    def _peer(self, device: str) -> Peer:
        try:
            return self._peers[device]
        except KeyError:
            raise Unsupported(f"no outstation {device!r} on {self._config.name}") from None

    def _plan(self, points: tuple[Point, ...]) -> "_Plan":
        """What to ask for a tuple of points, remembered by the tuple itself."""
        known = self._plans.get(id(points))
        if known is None or known.points is not points:
            gap = self._peer(points[0].device).device.gap
            ids = np.array([point.id for point in points], np.uint32)
            known = self._plans[id(points)] = _Plan(points, spans(points, gap), ids)
        return known

    def _take(self, peer: Peer, reports: list[Report]) -> None:
        """Queue for the hub. ProtocolError (so no confirmation is sent) when it takes nothing."""
        if self._queued > _MAX_QUEUED:
            raise ProtocolError("the hub does not take events: they stay with the outstation")
        image = self._images[peer.device.name]
        batch = image.readings(reports, self._link.now(), Cause.EVENT)
        if batch is not None:
            self._queue.append(batch)
            self._queued += len(batch)
            self._news.set()

    def _drain(self, cause: Cause) -> ReadingBatch:
        parts, self._queue, self._queued = self._queue, [], 0
        self._news.clear()
        if not parts:
            return ReadingBatch.empty()
        whole = join(parts, cause)
        return ReadingBatch(whole.point, whole.time, whole.value, whole.quality, cause, whole.text)

    async def _keep_alive(self) -> None:
        """Ask an outstation's link when nothing was heard of any for long."""
        every = self._config.keep_alive
        if every is None or not self._peers:
            return
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(every)
            heard = max(peer.association.last_heard for peer in self._peers.values())
            if loop.time() - heard < every:
                continue
            for peer in self._peers.values():
                within = self._config.request_timeout
                if await self._channel.link_status(peer.device.address, within):
                    break
            else:
                raise LinkError(f"{self._line.name}: no outstation answers its link status")


def _complete(batch: ReadingBatch | None, wanted: NDArray[np.uint32], now: int) -> ReadingBatch:
    """Rows of the wanted points alone; those that the outstation did not give are INVALID."""
    if batch is None:
        return ReadingBatch.of(wanted.tolist(), now, [np.nan] * len(wanted), quality(INVALID))
    kept = np.flatnonzero(np.isin(batch.point, wanted))
    if len(kept) != len(batch):
        text = {at: batch.text[row] for at, row in enumerate(kept.tolist()) if row in batch.text}
        columns = batch.point[kept], batch.time[kept], batch.value[kept], batch.quality[kept]
        batch = ReadingBatch(*columns, batch.cause, text)
    missing = np.setdiff1d(wanted, batch.point)
    if not len(missing):
        return batch
    return join((batch, _complete(None, missing, now)), batch.cause)
