"""The hub's side of a driver: a link that remembers, points, an open session."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from drivers.iec61850.config import Iec61850, Iec61850Device
from drivers.iec61850.driver import Iec61850Driver
from drivers.iec61850.session import Iec61850Session
from hub import Command, Kind, Point, PointSpec, ReadingBatch


class RecordingLink:
    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.octets = 0
        self.state: dict[str, bytes] = {}

    def now(self) -> int:
        return time.time_ns() // 1000

    def wire(self, device: str, sent: bool, data: bytes, note: str = "") -> None:
        self.octets += len(data)

    def warn(self, device: str, message: str) -> None:
        self.warnings.append(message)

    def clear(self, device: str) -> None:
        pass


def driver(
    port: int, specs: Sequence[PointSpec], **config: Any
) -> tuple[Iec61850Driver, RecordingLink]:
    device = Iec61850Device(name="bay", ied="BAY1", points=tuple(specs))
    settings = Iec61850(name="bay", host="127.0.0.1", port=port, devices=(device,), **config)
    points = [
        Point(
            id=n,
            key=f"bay.{spec.name}",
            device="bay",
            spec=spec,
            address=Iec61850Driver.address(spec, device),
            every=1.0,
        )
        for n, spec in enumerate(specs)
    ]
    link = RecordingLink()
    return Iec61850Driver(settings, points, link), link


def spec(address: str, kind: Kind = Kind.ANALOG, **more: Any) -> PointSpec:
    name = address.partition("[")[0]
    return PointSpec(name=name, address=address, kind=kind, **more)


@asynccontextmanager
async def opened(made: Iec61850Driver) -> AsyncIterator[Iec61850Session]:
    async with made.open() as session:
        assert isinstance(session, Iec61850Session)
        yield session


def command(made: Iec61850Driver, point: int, value: float | str, **more: Any) -> Command:
    expires = time.time_ns() // 1000 + 30_000_000
    target = made.points[point]
    return Command(point=target, value=value, actor="operator", expires=expires, **more)


def rows(batch: ReadingBatch) -> dict[int, tuple[float, int, int]]:
    """point → (value, time, quality), the last of each."""
    columns = (batch.point, batch.value, batch.time, batch.quality)
    return {int(p): (float(v), int(t), int(q)) for p, v, t, q in zip(*columns, strict=True)}
