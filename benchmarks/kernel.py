"""What the gateway's core costs: supervisor and points, without wire and without disk."""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figures import Figure, console, report
from hub import Can, ChannelConfig, DeviceConfig, Driver, Point, PointSpec, ReadingBatch, Session
from hub.contract.driver import Recording
from hub.kernel.channels import Plan
from hub.kernel.gateway import Gateway
from hub.testing.journal import MemoryJournal

CHANNELS, DEVICES, POINTS = 40, 10, 100
SECONDS = 5.0


class Config(ChannelConfig, frozen=True, tag="memory"):
    """A channel without a wire."""


class Memory(Driver[Config], Session):
    """Answers every poll at once with one block, as a driver's decoder would leave it."""

    config_type, can = Config, Can.READ

    @classmethod
    def address(cls, spec: PointSpec, device: DeviceConfig) -> int:
        return 0

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Session]:
        self.blocks: dict[int, Any] = {}
        yield self

    async def read(self, points: tuple[Point, ...]) -> ReadingBatch:
        ids = self.blocks.get(id(points))
        if ids is None:
            ids = self.blocks[id(points)] = np.array([p.id for p in points], np.uint32)
        self.link.wire(points[0].device, True, b"request")
        self.link.wire(points[0].device, False, b"answer")
        return block(ids, self.link.now())


class Counting(MemoryJournal):
    """Counts readings instead of keeping them."""

    count = 0

    def readings(self, batch: ReadingBatch, stream: Any = None) -> None:
        self.count += len(batch)


def block(ids: Any, now: int) -> ReadingBatch:
    n = len(ids)
    return ReadingBatch(
        ids, np.full(n, now, np.int64), np.arange(n, dtype=np.float64), np.zeros(n, np.uint16)
    )


def plans(record: Recording) -> list[Plan]:
    """40 channels of 10 devices of 100 points, each polled every second."""
    found = []
    for c in range(CHANNELS):
        devices = {f"c{c}d{d}": DeviceConfig(name=f"c{c}d{d}") for d in range(DEVICES)}
        points = tuple(
            Point(
                id=0,
                key=f"{device}.p{i}",
                device=device,
                spec=PointSpec(name=f"p{i}", address="0", scale=0.1, high_limit=1e9, deadband=1),
                address=0,
                every=1.0,
            )
            for device in devices
            for i in range(POINTS)
        )
        found.append(Plan(Config(name=f"c{c}", record=record), Memory, points, devices))
    return found


async def run(record: Recording) -> tuple[float, float]:
    """Points a second, and cores used."""
    gateway = Gateway(plans(record), Counting(), Path(tempfile.mkdtemp(prefix="busbar-")))
    async with gateway.running():
        await asyncio.sleep(1.2)
        taken, wall, cpu = gateway.points.taken, time.perf_counter(), time.process_time()
        await asyncio.sleep(SECONDS)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        return (gateway.points.taken - taken) / wall, cpu / wall


def bare(blocks: int = 20_000) -> float:
    """Points per CPU second when the same blocks are only made and scaled."""
    ids = np.arange(POINTS, dtype=np.uint32)
    start = time.process_time()
    for _ in range(blocks):
        made = block(ids, time.time_ns() // 1000)
        made.value * 0.1
    return blocks * POINTS / (time.process_time() - start)


def main() -> None:
    ceiling, figures = bare(), []
    for record in ("all", "change"):
        rate, cores = asyncio.run(run(record))
        console.print(f"record={record}: {rate:,.0f} points/s at {cores:.3f} core")
        name = f"core of the gateway, record={record}"
        figures.append(
            Figure(
                name=name,
                ours=rate / cores,
                ceiling=ceiling,
                unit="points per CPU second",
                against="blocks made and scaled, no hub",
            )
        )
    report("Supervisor and points", figures)
