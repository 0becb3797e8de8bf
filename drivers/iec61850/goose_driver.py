"""GOOSE as a driver: one channel is a network interface, a device is a control block."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, ClassVar

from msgspec import Meta, Struct

from hub import (
    Can,
    Cause,
    ChannelConfig,
    ConfigError,
    DeviceConfig,
    Driver,
    Flag,
    HubError,
    Link,
    LinkError,
    Point,
    PointSpec,
    ProtocolError,
    ReadingBatch,
    Session,
    Validity,
    quality,
)

from . import goose
from .ether import Ethernet
from .goose import GooseMessage
from .model import value_at
from .plan import Rows
from .supervision import Stream, Verdict

_ADDRESS = re.compile(r"(?P<value>\d+(\.\d+)*)( q=(?P<q>\d+(\.\d+)*))?( t=(?P<t>\d+(\.\d+)*))?")
_EXPIRED = quality(Validity.INVALID, Flag.COMM_LOST | Flag.OLD)
_QUEUE = 10_000


class GooseDevice(DeviceConfig, frozen=True):
    """control_block: gocbRef, `BAY1CTRL/LLN0$GO$gcbPosition`. simulation: take test sets' too."""

    control_block: str
    appid: Annotated[int, Meta(ge=0, le=0xFFFF)] | None = None
    revision: int | None = None
    data_set: str | None = None
    simulation: bool = False


class Goose(ChannelConfig, frozen=True, tag="goose"):
    interface: str
    devices: tuple[GooseDevice, ...] = ()


class Member(Struct, frozen=True, tag="goose"):
    """Where a value stands in the data set, by positions; and its quality and time, if there."""

    value: tuple[int, ...]
    q: tuple[int, ...] | None = None
    t: tuple[int, ...] | None = None


def parse(text: str) -> Member:
    """`0`, `1.2`, `0 q=1 t=2`. Raises ConfigError that shows the form."""
    found = _ADDRESS.fullmatch(text.strip())
    if found is None:
        raise ConfigError(f"address {text!r} is not of the form `0 q=1`: positions in the data set")
    paths = (tuple(map(int, part.split("."))) if part else None for part in found.group("q", "t"))
    return Member(tuple(map(int, found["value"].split("."))), *paths)


class GooseDriver(Driver[Goose]):
    config_type: ClassVar[Any] = Goose
    can = Can.EVENTS

    @classmethod
    def address(cls, spec: PointSpec, device: DeviceConfig) -> Member:
        return parse(spec.address)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Session]:
        session = GooseSession(self.config, self.points, self.link)
        try:
            yield session
        finally:
            session.close()


class GooseSession(Session):
    """Takes messages of the configured control blocks, and tells when one falls silent."""

    def __init__(self, config: Goose, points: Sequence[Point], link: Link) -> None:
        self._link, self._config = link, config
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[ReadingBatch | None] = asyncio.Queue(_QUEUE)
        self._streams = [
            (device.name, stream(device), [p for p in points if p.device == device.name])
            for device in config.devices
            if device.enabled
        ]
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._seen: dict[int, int] = {}
        self._ethernet = Ethernet(config.interface, self._receive)
        self._ethernet.lost.add_done_callback(lambda _: self._put(None))

    def _receive(self, frame: bytes) -> None:
        self._link.wire(self._config.name, False, frame)
        try:
            message = goose.decode(frame)
        except ProtocolError as error:
            self._link.warn(self._config.name, f"GOOSE frame refused: {error}")
            return
        for device, stream_, points in self._streams if message else ():
            if message and stream_.matches(message):
                self._judge(device, stream_, points, message)

    def _judge(
        self, device: str, stream_: Stream, points: list[Point], message: GooseMessage
    ) -> None:
        verdict = stream_.take(message, int(self._loop.time() * 1e6))
        if verdict in {Verdict.FOREIGN, Verdict.COMMISSIONING}:
            self._link.warn(device, f"{message.control_block} is {verdict}: not used")
        if verdict not in {Verdict.CHANGED, Verdict.REPEATED}:
            return
        self._link.clear(device)
        if device in self._timers:
            self._timers[device].cancel()
        wait = message.ttl / 1000
        self._timers[device] = self._loop.call_later(wait, self._expire, device, points)
        if verdict is Verdict.CHANGED:
            self._put(self._readings(device, points, message))

    def _readings(self, device: str, points: list[Point], message: GooseMessage) -> ReadingBatch:
        rows = Rows(self._link.now(), Cause.EVENT, self._seen)
        for point in points:
            member = point.address
            try:
                value = value_at(message.values, member.value)
                q = value_at(message.values, member.q) if member.q else None
                t = value_at(message.values, member.t) if member.t else message.time
            except ProtocolError:
                self._link.warn(device, f"{message.data_set} has no member {point.spec.address}")
                rows.refuse([point.id])
                continue
            rows.add(point.id, value, q, t)
        if message.simulation:
            rows.mark(Flag.TEST)
        return rows.batch()

    def _expire(self, device: str, points: list[Point]) -> None:
        self._link.warn(device, "GOOSE fell silent: its time allowed to live is over")
        ids = [point.id for point in points]
        empty = [float("nan")] * len(ids)
        self._put(ReadingBatch.of(ids, self._link.now(), empty, _EXPIRED, Cause.LINK))

    def _put(self, batch: ReadingBatch | None) -> None:
        if self._queue.full():
            self._queue.get_nowait()
            self._link.warn(self._config.name, "GOOSE came faster than it was taken: events lost")
        self._queue.put_nowait(batch)

    async def events(self) -> AsyncIterator[ReadingBatch]:
        while (batch := await self._queue.get()) is not None:
            if len(batch):
                yield batch
        error = self._ethernet.lost.exception()
        raise error if isinstance(error, HubError) else LinkError("the interface is gone")

    def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._ethernet.close()


def stream(device: GooseDevice) -> Stream:
    return Stream(
        control_block=device.control_block,
        appid=device.appid,
        revision=device.revision,
        data_set=device.data_set,
        accept_simulation=device.simulation,
    )
