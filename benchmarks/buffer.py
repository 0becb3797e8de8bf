"""Readings per second into the gateway's buffer, beside SQLite alone writing the same frames."""

import asyncio
import contextlib
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import zstandard

from benchmarks.figures import Figure, console, report
from hub import ReadingBatch
from sync.buffer import Buffer

POINTS, POLLS, FRAME, RUNS = 1_000, 1_000, 5_000, 3


def polls() -> list[ReadingBatch]:
    """One batch a device and poll: voltages with a step of 0.1 V, as meters give them."""
    random = np.random.default_rng(1)
    base = random.integers(2200, 2400, POINTS)
    return [
        ReadingBatch(
            np.arange(1, POINTS + 1, dtype=np.uint32),
            np.full(POINTS, 1_700_000_000_000_000 + n * 1_000_000),
            (base + random.integers(-20, 20, POINTS)) * 0.1,
            np.zeros(POINTS, np.uint16),
        )
        for n in range(POLLS)
    ]


async def ours(folder: Path, batches: list[ReadingBatch]) -> tuple[float, float]:
    """Readings/s until all are on disk (FULL), and bytes a reading."""
    async with Buffer.opened(folder / "ours.db") as buffer:
        await buffer.point_ids([f"m.{n}" for n in range(POINTS)])
        begin = time.perf_counter()
        for number, batch in enumerate(batches):
            buffer.readings(batch)
            if number % 200 == 199:
                await buffer.flush()
        await buffer.flush()
        took = time.perf_counter() - begin
        status = buffer.status()
        if status.committed != POINTS * POLLS:
            raise RuntimeError(f"{status.committed} readings on disk of {POINTS * POLLS}")
        return POINTS * POLLS / took, status.bytes / status.committed


def ceiling(folder: Path, batches: list[ReadingBatch], *, packed: bool) -> float:
    """Bare sqlite3, a frame of 5,000 readings a commit, FULL; frames packed before or in the loop.

    In the loop means: columns as bytes, zstd level 1, no chain, no queue, no threads.
    """
    step = FRAME // POINTS
    parts = [batches[n : n + step] for n in range(0, POLLS, step)]
    pack = zstandard.ZstdCompressor(level=1).compress

    def frame(part: list[ReadingBatch]) -> bytes:
        names = ("point", "time", "value", "quality")
        return pack(b"".join(getattr(b, name).tobytes() for name in names for b in part))

    ready = [frame(part) for part in parts] if packed else []
    with contextlib.closing(sqlite3.connect(folder / "raw.db", isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("DROP TABLE IF EXISTS frame")
        database.execute("CREATE TABLE frame (seq INTEGER PRIMARY KEY, bytes BLOB)")
        begin = time.perf_counter()
        for seq, part in enumerate(parts):
            data = ready[seq] if packed else frame(part)
            database.execute("INSERT INTO frame VALUES (?, ?)", (seq, data))
        return POINTS * POLLS / (time.perf_counter() - begin)


def main() -> None:
    """Alternate all, so that what else the machine does meets all of them."""
    batches, size = polls(), 0.0
    mine: list[float] = []
    raw: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
            for packed, rates in raw.items():
                rates.append(ceiling(Path(folder), batches, packed=packed))
            rate, size = asyncio.run(ours(Path(folder), batches))
            mine.append(rate)
    speed = statistics.median(mine)
    against = [
        (statistics.median(raw[False]), "raw SQLite, packing and writing", 0.5),
        (statistics.median(raw[True]), "raw SQLite, only writing", None),
        (500_000.0, "goal of 500,000 readings/s", 1.0),
    ]
    report(
        "Buffer: 1,000 points a poll, synchronous=FULL",
        [
            Figure(
                name="readings on disk",
                ours=speed,
                ceiling=limit,
                unit="/s",
                against=name,
                goal=goal,
            )
            for limit, name, goal in against
        ],
    )
    console.print(f"{size:.2f} bytes a reading")
