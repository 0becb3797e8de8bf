"""The buffer on real files, full disks and broken media."""

import asyncio
import contextlib
import os
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hub import Gap, GapCause, Note, ReadingBatch, Stream
from sync import frames
from sync.buffer import Buffer
from sync.writer import Limits

Make = Callable[..., ReadingBatch]
DAY = 86_400_000_000


async def contents(buffer: Buffer, stream: Stream = Stream.TELEMETRY) -> list[frames.Frame]:
    """All frames, after checking that sequence and chain hold."""
    found, after, chain = [], 0, None
    while waiting := await buffer.fetch(stream, after, 1 << 20):
        chain = chain or frames.genesis(waiting.epoch, stream)
        for data in waiting.frames:
            frame = frames.decode(data)
            if found or frame.seq == 1:
                assert frame.previous == chain
                assert frame.seq == (found[-1].upto + 1 if found else 1)
            chain = frames.next_hash(frame, data)
            found.append(frame)
        after = waiting.last
    return found


def values(found: list[frames.Frame]) -> np.ndarray:
    parts = [frames.readings(f).value for f in found if f.kind is frames.FrameKind.READINGS]
    return np.concatenate(parts) if parts else np.empty(0)


def numbers(found: list[frames.Frame]) -> np.ndarray:
    """The running numbers that `batch` gave the readings."""
    parts = [frames.readings(f).time for f in found if f.kind is frames.FrameKind.READINGS]
    return (np.concatenate(parts) - 1_700_000_000_000_000) // 1_000


def told(found: list[frames.Frame]) -> list[frames.AnyRecord]:
    return [record for frame in found for record in frames.records(frame)]


def occupy(path: Path) -> None:
    """Write until the disk is full."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


async def eventually(condition: Callable[[], bool], timeout: float = 10.0) -> None:
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.02)


async def test_what_was_flushed_is_there_after_reopening_in_order(
    tmp_path: Path, batch: Make
) -> None:
    async with Buffer.opened(tmp_path / "b.db") as buffer:
        for at in range(0, 30_000, 700):
            buffer.readings(batch(700, at))
        await buffer.flush()
    async with Buffer.opened(tmp_path / "b.db") as buffer:
        buffer.readings(batch(700, 30_100))
        await buffer.flush()
        found = await contents(buffer)
        assert np.array_equal(values(found), batch(30_800, 0).value)
        assert max(frame.count for frame in found) <= 5_000
        assert buffer.status().depth == 30_800
        (gap,) = told(await contents(buffer, Stream.EVENTS))
        assert isinstance(gap, Gap)
        assert gap.cause is GapCause.GATEWAY_DOWN


async def test_point_ids_stay_with_their_keys_for_ever(tmp_path: Path) -> None:
    async with Buffer.opened(tmp_path / "b.db") as buffer:
        first = await buffer.point_ids(["a.x", "a.y", "a.x"])
    async with Buffer.opened(tmp_path / "b.db") as buffer:
        second = await buffer.point_ids(["b.z", "a.y", "a.x"])
    assert first == [1, 2, 1]
    assert second[1:] == [2, 1]
    assert second[0] > 2


async def test_acknowledged_frames_are_kept_as_history_until_their_age(
    tmp_path: Path, batch: Make
) -> None:
    now = 1_700_000_000_000_000
    clock = iter(lambda: now, None)
    async with Buffer.opened(tmp_path / "b.db", clock=lambda: next(clock)) as buffer:
        for at in (0, 5_000):
            buffer.readings(batch(5_000, at))
            await buffer.flush()
        buffer.acknowledge(Stream.TELEMETRY, 1)
        buffer.readings(batch(10, 10_000))
        await buffer.flush()
        assert len(await contents(buffer)) == 3
        assert buffer.status().depth == 5_010
        now += 30 * DAY
        buffer.readings(batch(10, 10_010))
        await buffer.flush()
        assert [frame.seq for frame in await contents(buffer)] == [2, 3, 4]
    with sqlite3.connect(tmp_path / "b.db") as database:
        rows = database.execute("SELECT count(*) FROM frame WHERE seq = 1").fetchone()
    database.close()
    assert rows == (0,)


async def test_at_the_size_limit_the_oldest_unsent_telemetry_goes_and_is_counted(
    tmp_path: Path, batch: Make
) -> None:
    async with Buffer.opened(tmp_path / "b.db", Limits(max_bytes=200_000)) as buffer:
        for at in range(0, 200_000, 5_000):
            buffer.readings(batch(5_000, at))
            await buffer.flush()
        await buffer.flush()
        found = await contents(buffer)
        lost, kept = found[0], values(found)
        assert lost.kind is frames.FrameKind.LOST
        assert lost.count == 200_000 - len(kept) == buffer.status().dropped > 0
        assert np.array_equal(kept, batch(200_000, 0).value[-len(kept) :])
        assert buffer.status().bytes <= 200_000
        notes = told(await contents(buffer, Stream.EVENTS))
        assert {note.code for note in notes if isinstance(note, Note)} == {"buffer.dropped"}


async def test_a_full_disk_is_told_and_heals_with_nothing_doubled(
    small_disk: Path, batch: Make
) -> None:
    ballast = small_disk / "somebody-elses-file"
    async with Buffer.opened(small_disk / "b.db", max_queue=20_000) as buffer:
        buffer.readings(batch(5_000, 0))
        await buffer.flush()
        occupy(ballast)
        for at in range(5_000, 200_000, 5_000):
            buffer.readings(batch(5_000, at))
            await asyncio.sleep(0.01)
        await eventually(lambda: not buffer.status().healthy)
        assert "full" in buffer.status().message
        ballast.unlink()
        await asyncio.wait_for(buffer.flush(), 10)
        await eventually(lambda: buffer.status().healthy)
        await buffer.flush()
        found = await contents(buffer)
        kept = numbers(found)
        assert (np.diff(kept) > 0).all()
        assert kept[-1] == 199_999
        events = told(await contents(buffer, Stream.EVENTS))
        told_lost = sum(e.lost for e in events if isinstance(e, Gap))
        told_lost += sum(f.count for f in found if f.kind is frames.FrameKind.LOST)
        assert len(kept) + told_lost == 200_000
        assert {e.cause for e in events if isinstance(e, Gap)} <= {GapCause.DISK_FULL}
        assert "buffer.healed" in {e.code for e in events if isinstance(e, Note)}


async def test_when_the_log_itself_fills_the_disk_the_newest_readings_stay(
    small_disk: Path, batch: Make
) -> None:
    async with Buffer.opened(small_disk / "b.db") as buffer:
        for at in range(0, 400_000, 5_000):
            buffer.readings(batch(5_000, at))
            await asyncio.wait_for(buffer.flush(), 10)
        await buffer.flush()
        found = await contents(buffer)
        assert found[0].kind is frames.FrameKind.LOST
        kept = values(found)
        assert len(kept) + found[0].count == 400_000
        assert np.array_equal(kept, batch(400_000, 0).value[-len(kept) :])


async def test_a_read_only_medium_is_waited_for(small_disk: Path, batch: Make) -> None:
    def remount(mode: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{mode}", small_disk], check=True)

    async with Buffer.opened(small_disk / "b.db") as buffer:
        buffer.readings(batch(100, 0))
        await buffer.flush()
    remount("ro")
    try:
        async with Buffer.opened(small_disk / "b.db") as buffer:
            assert not buffer.status().healthy
            ids = await buffer.point_ids(["m.p"])
            late = batch(100, 100)
            buffer.readings(ReadingBatch.of(ids * 100, late.time.tolist(), late.value.tolist()))
            await eventually(lambda: not buffer.status().healthy)
            remount("rw")
            await asyncio.wait_for(buffer.flush(), 10)
            assert np.array_equal(values(await contents(buffer)), batch(200, 0).value)
            assert buffer.status().healthy
    finally:
        remount("rw")


@pytest.mark.parametrize("where", [0, 4096 * 3])
async def test_a_corrupt_file_is_set_aside_and_a_new_epoch_begins(
    tmp_path: Path, batch: Make, where: int
) -> None:
    path = tmp_path / "b.db"
    async with Buffer.opened(path) as buffer:
        buffer.readings(batch(5_000, 0))
        await buffer.flush()
        waiting = await buffer.fetch(Stream.TELEMETRY, 0, 1)
        assert waiting
    with path.open("r+b") as file:
        file.seek(where)
        file.write(os.urandom(8192))
    async with Buffer.opened(path) as buffer:
        buffer.readings(batch(5_000, 5_000))
        await buffer.flush()
        await buffer.flush()
        fresh = await buffer.fetch(Stream.TELEMETRY, 0, 1)
        assert fresh
        assert fresh.epoch != waiting.epoch
        assert fresh.first == 1
        events = told(await contents(buffer, Stream.EVENTS))
        assert {e.cause for e in events if isinstance(e, Gap)} == {GapCause.CORRUPT}
        assert "buffer.corrupt" in {e.code for e in events if isinstance(e, Note)}
    assert list(tmp_path.glob("b.db.corrupt-*Z"))


async def test_damage_that_the_uplink_meets_at_work_begins_a_new_epoch(
    tmp_path: Path, batch: Make
) -> None:
    path = tmp_path / "b.db"
    async with Buffer.opened(path) as buffer:
        (one,) = await buffer.point_ids(["m.p"])
        buffer.readings(batch(5_000, 0))
        await buffer.flush()
        for name in ("b.db", "b.db-wal"):
            with (tmp_path / name).open("r+b") as file:
                file.write(b"\xa5" * 65_536)
        with pytest.raises(sqlite3.DatabaseError):
            await buffer.fetch(Stream.TELEMETRY, 0, 1)
        buffer.readings(batch(5_000, 5_000))
        await buffer.flush()
        assert await buffer.point_ids(["m.p"]) == [one]
        assert np.array_equal(values(await contents(buffer)), batch(5_000, 5_000).value)
        (gap,) = [e for e in told(await contents(buffer, Stream.EVENTS)) if isinstance(e, Gap)]
        assert (gap.cause, gap.lost) == (GapCause.CORRUPT, 5_000)
        assert buffer.status().healthy


async def test_one_damaged_frame_in_a_sound_file_is_told_as_lost(
    tmp_path: Path, batch: Make
) -> None:
    async with Buffer.opened(tmp_path / "b.db") as buffer:
        for at in range(3):
            buffer.readings(batch(10, at * 10))
            await buffer.flush()
        with contextlib.closing(sqlite3.connect(tmp_path / "b.db")) as database, database:
            database.execute("UPDATE frame SET bytes = zeroblob(99) WHERE seq = 2")
        found = await contents(buffer)
        assert [frame.kind for frame in found] == [
            frames.FrameKind.READINGS, frames.FrameKind.LOST, frames.FrameKind.READINGS
        ]  # fmt: skip
        assert frames.lost(found[1])[1] is GapCause.CORRUPT
        assert found[1].count == 10


async def test_overload_lets_the_oldest_go_and_tells_the_gap(tmp_path: Path, batch: Make) -> None:
    async with Buffer.opened(tmp_path / "b.db", Limits(period=0.5), max_queue=4_500) as buffer:
        for at in range(0, 20_000, 1_000):
            buffer.readings(batch(1_000, at))
        await buffer.flush()
        await buffer.flush()
        kept = values(await contents(buffer))
        gaps = [e for e in told(await contents(buffer, Stream.EVENTS)) if isinstance(e, Gap)]
        assert {gap.cause for gap in gaps} == {GapCause.OVERLOAD}
        assert sum(gap.lost for gap in gaps) + len(kept) == 20_000
        assert buffer.status().dropped == 20_000 - len(kept)
        assert kept[-1] == batch(20_000, 0).value[-1]


async def test_a_reading_is_found_in_its_frame_until_nothing_holds_it(tmp_path):
    async with Buffer.opened(tmp_path / "b.db") as buffer:
        assert await buffer.locate(1, 5) is None
        buffer.readings(ReadingBatch.of([7, 8, 9], [10, 20, 30], [0.1, 0.2, 0.3]))
        await buffer.flush()
        place = await buffer.locate(8, 20)
        assert place is not None
        assert (place.stream, place.seq, place.row, place.acknowledged) == (
            Stream.TELEMETRY, 1, 1, False,
        )  # fmt: skip
        assert await buffer.locate(8, 30) is None
        buffer.acknowledge(Stream.TELEMETRY, 1)
        buffer.record(Note(at=1, level="info", code="x", message="y"))
        await buffer.flush()
        place = await buffer.locate(8, 20)
        assert place is not None
        assert place.acknowledged


async def test_a_second_reader_follows_the_telemetry_into_another_epoch(
    tmp_path: Path, batch: Make
) -> None:
    async with Buffer.opened(tmp_path / "b.db") as buffer:
        assert await buffer.after(None, 0, 1 << 20) is None
        buffer.readings(batch(12_000, 0))
        await buffer.flush()
        first = await buffer.after(None, 0, 1 << 10)
        assert first is not None
        assert (first.first, first.last) == (1, 1)
        rest = await buffer.after(first.epoch, first.last, 1 << 20)
        assert rest is not None
        assert rest.first == 2
        found = np.concatenate([b.value for b in (*first.batches, *rest.batches)])
        assert np.array_equal(found, batch(12_000, 0).value)
        assert await buffer.after(rest.epoch, rest.last, 1 << 20) is None
        await buffer.renew(0)
        buffer.readings(batch(10, 12_000))
        await buffer.flush()
        anew = await buffer.after(rest.epoch, rest.last, 1 << 20)
        assert anew is not None
        assert anew.first == 1
        assert anew.epoch != rest.epoch
        assert np.concatenate([b.value for b in anew.batches])[-1] == batch(10, 12_000).value[-1]
