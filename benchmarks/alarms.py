"""What alarms cost on the way of every reading: `Points.take` with and without them, in one run.

10,000 points with four limits each; blocks of 100 and of 5,000 readings; a quiet plant, then one in
which every hundredth reading changes an alarm.

    python -m benchmarks alarms
"""

import asyncio
import tempfile
import time
from pathlib import Path

import numpy as np

from hub import Point, PointSpec, ReadingBatch
from hub.kernel.alarms import Alarms
from hub.kernel.clock import Clock
from hub.kernel.keep import Keep
from hub.kernel.points import Points
from hub.testing.journal import MemoryJournal

POINTS, SECONDS, RATE = 10_000, 1.0, 40_000


def points() -> list[Point]:
    spec = PointSpec(
        name="v", address="1", low_limit=0.0, alarm_low=200.0, alarm_high=250.0, high_limit=400.0
    )
    return [Point(id=n, key=f"d{n}.v", device=f"d{n}", spec=spec, address=1) for n in range(POINTS)]


def blocks(size: int, share: float) -> list[ReadingBatch]:
    """Readings of all points in turn; `share` of the points goes over a limit and back."""
    rng, found = np.random.default_rng(1), []
    for start in range(0, 20 * POINTS, size):
        ids = np.arange(start, start + size) % POINTS
        value = rng.uniform(220.0, 240.0, size)
        odd = (start // POINTS) % 2 == 1
        value[(ids < share * POINTS) & odd] = 260.0
        found.append(ReadingBatch.of(ids.tolist(), 1_700_000_000_000_000 + start, value.tolist()))
    return found


def rate(target: Points, work: list[ReadingBatch]) -> float:
    """Readings a second."""
    count, began = 0, time.perf_counter()
    while (passed := time.perf_counter() - began) < SECONDS:
        for block in work:
            target.take(block)
            count += len(block)
    return count / passed


async def run() -> None:
    clock, known = Clock(), points()
    print(f"{'block':>6} {'changes':>8} {'without/s':>12} {'with/s':>12} {'ratio':>6}  at 40,000/s")
    for size in (100, 5_000):
        for share in (0.0, 0.01):
            work = blocks(size, share)
            plain = Points(clock, lambda *_: None)
            plain.define(known)
            watched = Points(clock, lambda *_: None)
            watched.define(known)
            with tempfile.TemporaryDirectory() as folder:
                async with Keep.opened(Path(folder)) as keep:
                    alarms = Alarms(clock, MemoryJournal(), keep, list)
                    async with alarms.running(known, {}):
                        watched.listeners.append(alarms.take)
                        without, with_ = rate(plain, work), rate(watched, work)
            cost = RATE / with_ - RATE / without
            print(
                f"{size:>6} {share:>8.0%} {without:>12,.0f} {with_:>12,.0f} "
                f"{with_ / without:>6.2f}  {cost:.2%} of one core"
            )


def main() -> None:
    asyncio.run(run())
