"""History, aggregates, retention and live values, the same on both kinds of database."""

import asyncio
import datetime as dt
from uuid import uuid4

import numpy as np
import pytest

from hub import Aggregate, ReadingBatch, Stream, Validity, quality
from sync import frames
from sync.store.common import Store, aware
from tests.integration.sync.parts import Centre, catalogue

T0 = dt.datetime(2024, 3, 9, tzinfo=dt.UTC)
SECOND = 1_000_000


class Feed:
    """Puts readings of one point in, as a gateway would."""

    def __init__(self, centre: Centre) -> None:
        self.centre, self.epoch, self.seq = centre, uuid4(), 0
        self.chain = frames.genesis(self.epoch, Stream.TELEMETRY)
        self.series = 0

    async def begin(self) -> "Feed":
        told = frames.encode_records(1, frames.genesis(self.epoch, Stream.EVENTS), [catalogue(2)])
        await self.centre.take(Stream.EVENTS, self.epoch, told)
        ((self.series,),) = await self.centre.rows(
            "SELECT series FROM sync_point WHERE local_id = 1"
        )
        return self

    async def put(self, start: dt.datetime, step: float, values: list[float], bad: int = 0) -> None:
        at = int(start.timestamp() * SECOND)
        times = [at + int(n * step * SECOND) for n in range(len(values))]
        for one in range(0, len(values), 10_000):
            part = slice(one, one + 10_000)
            batch = ReadingBatch.of([1] * len(values[part]), times[part], values[part], bad)
            self.seq += 1
            data = frames.encode_readings(self.seq, self.chain, batch)
            self.chain = frames.digest(data)
            await self.centre.take(Stream.TELEMETRY, self.epoch, data)


async def ask(
    feed: Feed, bucket: str, fn: Aggregate, start: dt.datetime, end: dt.datetime, **more: object
) -> list[float | None]:
    found = await feed.centre.store.aggregate(
        [feed.series],
        start,
        end,
        bucket=bucket,
        fn=fn,
        **more,  # type: ignore[arg-type]
    )
    return [bucket.value for bucket in found]


async def test_history_pages_by_time_and_series(centre: Centre) -> None:
    feed = await Feed(centre).begin()
    await feed.put(T0, 1, [float(n) for n in range(1_000)])
    end, got, after = T0 + dt.timedelta(hours=1), [], None
    while True:
        page = await centre.store.history([feed.series], T0, end, limit=300, after=after)
        if not len(page):
            break
        got += page.value.tolist()
        after = aware(int(page.time[-1])), int(page.point[-1])
    assert got == [float(n) for n in range(1_000)]


@pytest.mark.parametrize("rolled", [False, True])
async def test_aggregates_are_the_same_with_and_without_roll_ups(
    centre: Centre, rolled: bool
) -> None:
    feed = await Feed(centre).begin()
    values = np.round(np.sin(np.arange(2 * 1440) / 50) * 100, 3)
    await feed.put(T0, 60, values.tolist())
    if rolled:
        assert await centre.store.refresh_rollups(dt.datetime.now(dt.UTC)) == 2 * 1440
    end = T0 + dt.timedelta(days=2)
    by_hour = values.reshape(48, 60)
    for fn, expected in {
        Aggregate.AVG: by_hour.mean(axis=1), Aggregate.MIN: by_hour.min(axis=1),
        Aggregate.MAX: by_hour.max(axis=1), Aggregate.SUM: by_hour.sum(axis=1),
        Aggregate.FIRST: by_hour[:, 0], Aggregate.LAST: by_hour[:, -1],
        Aggregate.COUNT: np.full(48, 60.0),
    }.items():  # fmt: skip
        assert await ask(feed, "1h", fn, T0, end) == pytest.approx(expected.tolist()), fn
    days = values.reshape(2, 1440).mean(axis=1).tolist()
    assert await ask(feed, "1d", Aggregate.AVG, T0, end) == pytest.approx(days)
    ragged = T0 + dt.timedelta(minutes=30.5)
    first = (await ask(feed, "1d", Aggregate.COUNT, ragged, end))[0]
    assert first == 1440 - 31


async def test_a_late_reading_changes_the_answer_at_once_and_the_roll_up_later(
    centre: Centre,
) -> None:
    feed = await Feed(centre).begin()
    await feed.put(T0, 60, [1.0] * 1440)
    now = dt.datetime.now(dt.UTC)
    await centre.store.refresh_rollups(now)
    await feed.put(T0 + dt.timedelta(hours=5, seconds=30), 60, [100.0])
    end = T0 + dt.timedelta(days=1)
    assert await ask(feed, "1d", Aggregate.MAX, T0, end) == [100.0]
    assert await ask(feed, "1d", Aggregate.COUNT, T0, end) == [1441.0]
    await centre.store.refresh_rollups(now)
    assert await centre.rows("SELECT hi, n FROM reading_1d") == [(100.0, 1441)]
    assert await centre.rows("SELECT count(*) FROM rollup_mark") == [(0,)]
    assert await ask(feed, "1d", Aggregate.COUNT, T0, end) == [1441.0]


async def test_a_day_in_a_zone_has_23_or_25_hours_when_the_clock_changes(centre: Centre) -> None:
    feed = await Feed(centre).begin()
    await feed.put(T0, 3600, [1.0] * 72)
    await centre.store.refresh_rollups(dt.datetime.now(dt.UTC))
    zone = "America/New_York"  # 2024-03-10 has 23 hours
    start = dt.datetime(2024, 3, 9, 5, tzinfo=dt.UTC)
    end = dt.datetime(2024, 3, 11, 4, tzinfo=dt.UTC)
    assert await ask(feed, "1d", Aggregate.COUNT, start, end, zone=zone) == [24.0, 23.0]
    assert await ask(feed, "1mo", Aggregate.COUNT, start, end, zone=zone) == [47.0]


async def test_the_rise_of_a_counter_is_complete_over_bucket_bounds(centre: Centre) -> None:
    feed = await Feed(centre).begin()
    counter = np.cumsum(np.arange(1, 601) % 7).astype(float)
    counter[400:] -= counter[400]  # a new meter begins at 0
    await feed.put(T0, 300, counter.tolist())
    end = T0 + dt.timedelta(seconds=300 * 600)
    rises = np.maximum(np.diff(counter), 0)
    for rolled in (False, True):
        if rolled:
            await centre.store.refresh_rollups(dt.datetime.now(dt.UTC))
        hours = await ask(feed, "1h", Aggregate.DELTA, T0, end)
        assert sum(hours) == pytest.approx(rises.sum())
        later = T0 + dt.timedelta(hours=1)
        assert (await ask(feed, "1h", Aggregate.DELTA, later, end))[0] == rises[11:23].sum()


async def test_bad_readings_count_only_when_asked_and_empty_buckets_are_none(
    centre: Centre,
) -> None:
    feed = await Feed(centre).begin()
    await feed.put(T0, 1, [1.0] * 30)
    await feed.put(T0 + dt.timedelta(seconds=30), 1, [9.0] * 30, bad=quality(Validity.INVALID))
    end = T0 + dt.timedelta(minutes=2)
    assert await ask(feed, "1m", Aggregate.MAX, T0, end) == [1.0, None]
    assert await ask(feed, "1m", Aggregate.MAX, T0, end, include_bad=True) == [9.0, None]
    found = await centre.store.aggregate([feed.series], T0, end, bucket="1m", fn=Aggregate.AVG)
    assert [(b.count, b.coverage) for b in found] == [(30, 0.5), (0, 0.0)]


async def test_retention_deletes_old_pieces_and_keeps_the_rest(centre: Centre) -> None:
    feed = await Feed(centre).begin()
    now = dt.datetime.now(dt.UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    for days in (30, 20, 1):
        await feed.put(now - dt.timedelta(days=days), 1, [float(days)] * 10)
    assert await centre.store.drop_before(now - dt.timedelta(days=7)) == 2
    assert await centre.rows("SELECT DISTINCT value FROM reading") == [(1.0,)]
    await feed.put(now - dt.timedelta(days=20), 1, [20.0])
    assert await centre.rows("SELECT count(*) FROM reading") == [(11,)]


async def test_who_watches_sees_what_is_stored(centre: Centre) -> None:
    feed = await Feed(centre).begin()
    seen: list[float] = []

    async def watch(store: Store) -> None:
        async for batch in store.live([feed.series]):
            seen.extend(batch.value.tolist())

    task = asyncio.create_task(watch(centre.store))
    await asyncio.sleep(0.3)
    try:
        for n in range(3):
            await feed.put(T0 + dt.timedelta(seconds=n), 1, [float(n)])
            async with asyncio.timeout(5):
                while len(seen) <= n:
                    await asyncio.sleep(0.01)
    finally:
        task.cancel()
    assert seen == [0.0, 1.0, 2.0]


async def test_times_far_from_today_make_no_partitions(plain_centre: Centre) -> None:
    feed = await Feed(plain_centre).begin()
    for year in (1970, 1999, 2150):
        await feed.put(dt.datetime(year, 1, 1, tzinfo=dt.UTC), 1, [1.0])
    assert await plain_centre.rows("SELECT count(*) FROM reading_other") == [(3,)]
