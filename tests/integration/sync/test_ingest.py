"""Frames into real databases: once each, whatever is repeated."""

from uuid import UUID, uuid4

import msgspec
import numpy as np
import pytest

from hub import Gap, GapCause, Note, ReadingBatch, Record, Stream
from sync import frames
from sync.frames import BrokenChain, FrameError
from sync.ingest import Refused
from sync.wire import Need
from tests.integration.sync.parts import START, Centre, catalogue, make_batch


class Sender:
    """Encodes as a buffer does."""

    def __init__(self, epoch: UUID | None = None) -> None:
        self.epoch = epoch or uuid4()
        self._tails = {stream: (0, frames.genesis(self.epoch, stream)) for stream in Stream}

    def readings(self, batch: ReadingBatch) -> bytes:
        seq, chain = self._tails[Stream.TELEMETRY]
        return self._next(Stream.TELEMETRY, frames.encode_readings(seq + 1, chain, batch))

    def records(self, *records: Record) -> bytes:
        seq, chain = self._tails[Stream.EVENTS]
        return self._next(Stream.EVENTS, frames.encode_records(seq + 1, chain, records))

    def _next(self, stream: Stream, data: bytes) -> bytes:
        self._tails[stream] = self._tails[stream][0] + 1, frames.digest(data)
        return data


async def introduced(centre: Centre, points: int = 100) -> Sender:
    sender = Sender()
    await centre.take(Stream.EVENTS, sender.epoch, sender.records(catalogue(points)))
    return sender


async def stored(centre: Centre) -> list[tuple[float, ...]]:
    return await centre.rows(
        "SELECT value, p.name FROM reading r JOIN sync_point p ON p.series = r.point_id"
        " ORDER BY time"
    )


async def test_readings_arrive_exact_and_in_order(centre: Centre) -> None:
    sender = await introduced(centre)
    data = [sender.readings(make_batch(5_000, at)) for at in (0, 5_000)]
    receipt = await centre.take(Stream.TELEMETRY, sender.epoch, *data)
    assert (receipt.watermark, receipt.duplicates) == (2, 0)
    rows = await stored(centre)
    expected = make_batch(10_000, 0)
    assert [row[0] for row in rows] == expected.value.tolist()
    assert [row[1] for row in rows] == [f"p{n}" for n in expected.point.tolist()]


async def test_a_batch_replayed_three_times_leaves_the_same_rows(centre: Centre) -> None:
    sender = await introduced(centre)
    data = [sender.readings(make_batch(1_000, at)) for at in (0, 1_000, 2_000)]
    for _ in range(3):
        await centre.take(Stream.TELEMETRY, sender.epoch, *data[:2])
    receipt = await centre.take(Stream.TELEMETRY, sender.epoch, *data)
    assert (receipt.watermark, receipt.duplicates) == (3, 2)
    assert await centre.rows("SELECT count(*), count(DISTINCT time) FROM reading") == [(3000, 3000)]
    assert await centre.rows("SELECT duplicates FROM sync_cursor WHERE watermark = 3") == [(6,)]


async def test_a_missing_frame_is_asked_for(plain_centre: Centre) -> None:
    sender = await introduced(plain_centre)
    first, second = (sender.readings(make_batch(10, at)) for at in (0, 10))
    with pytest.raises(Refused) as refused:
        await plain_centre.take(Stream.TELEMETRY, sender.epoch, second)
    assert (refused.value.need, refused.value.expected) == (Need.REWIND, 1)
    await plain_centre.take(Stream.TELEMETRY, sender.epoch, first, second)


async def test_an_unknown_point_asks_for_the_catalogue_and_stores_nothing(
    plain_centre: Centre,
) -> None:
    sender = await introduced(plain_centre, points=5)
    data = sender.readings(make_batch(100, 0))
    with pytest.raises(Refused) as refused:
        await plain_centre.take(Stream.TELEMETRY, sender.epoch, data)
    assert refused.value.need is Need.CATALOGUE
    assert await plain_centre.rows("SELECT count(*) FROM reading") == [(0,)]
    await plain_centre.take(Stream.EVENTS, sender.epoch, sender.records(catalogue(100)))
    await plain_centre.take(Stream.TELEMETRY, sender.epoch, data)
    assert await plain_centre.rows("SELECT count(*) FROM reading") == [(100,)]


async def test_frames_of_another_buffer_and_forged_ones_are_refused(plain_centre: Centre) -> None:
    sender, other = await introduced(plain_centre), Sender()
    foreign = other.readings(make_batch(10, 0))
    with pytest.raises(Refused, match="does not follow") as refused:
        await plain_centre.take(Stream.TELEMETRY, sender.epoch, foreign)
    assert refused.value.need is Need.EPOCH
    first = sender.readings(make_batch(10, 0))
    forged = frames.encode_readings(2, frames.digest(b"guess"), make_batch(10, 10))
    with pytest.raises(BrokenChain):
        await plain_centre.take(Stream.TELEMETRY, sender.epoch, first, forged)
    assert await plain_centre.rows("SELECT count(*) FROM reading") == [(0,)]


async def test_a_notice_of_loss_moves_on_and_is_kept_as_a_gap(plain_centre: Centre) -> None:
    sender = await introduced(plain_centre)
    gone = [sender.readings(make_batch(10, at)) for at in (0, 10)]
    kept = sender.readings(make_batch(10, 20))
    notice = frames.encode_lost(
        (1, 2), (START, START + 19_000), 20, frames.genesis(sender.epoch, Stream.TELEMETRY),
        frames.digest(gone[1]), GapCause.DISK_FULL,
    )  # fmt: skip
    receipt = await plain_centre.take(Stream.TELEMETRY, sender.epoch, notice, kept)
    assert receipt.watermark == 3
    assert await plain_centre.rows("SELECT cause, lost FROM sync_gap") == [("disk_full", 20)]


async def test_records_find_their_tables_and_an_open_gap_is_closed(plain_centre: Centre) -> None:
    sender = await introduced(plain_centre)
    gap = Gap(at=START, device="m", cause=GapCause.DEVICE_SILENT, since=START)
    note = Note(at=START, level="alarm", code="clock.jump", message="by 1 h\0")
    await plain_centre.take(Stream.EVENTS, sender.epoch, sender.records(gap, note))
    assert await plain_centre.rows("SELECT until FROM sync_gap") == [(None,)]
    closed = msgspec.structs.replace(gap, until=START + 5_000_000, lost=5)
    await plain_centre.take(Stream.EVENTS, sender.epoch, sender.records(closed))
    ((seconds, lost),) = await plain_centre.rows(
        "SELECT extract(epoch FROM until - since)::int, lost FROM sync_gap"
    )
    assert (seconds, lost) == (5, 5)
    assert await plain_centre.rows("SELECT code, message FROM sync_note") == [
        ("clock.jump", "by 1 h")
    ]


async def test_the_latest_value_is_never_replaced_by_an_older_one(centre: Centre) -> None:
    sender = await introduced(centre)
    for at in (1_000, 0):
        data = sender.readings(make_batch(200, at))
        await centre.take(Stream.TELEMETRY, sender.epoch, data)
    series = [row[0] for row in await centre.rows("SELECT series FROM sync_point")]
    latest = await centre.store.latest(series)
    assert len(latest) == 100
    assert latest.time.min() == make_batch(1, 1_100).time[0]


async def test_text_values_come_back_with_their_readings(centre: Centre) -> None:
    sender = await introduced(centre)
    batch = ReadingBatch.of(
        [1, 2, 1], [START, START + 1, START + 2], [1.5, float("nan"), float("nan")],
        text={1: "ABB", 2: "مقياس"},
    )  # fmt: skip
    await centre.take(Stream.TELEMETRY, sender.epoch, sender.readings(batch))
    series = [r[0] for r in await centre.rows("SELECT series FROM sync_point ORDER BY local_id")]
    from sync.store.common import aware

    found = await centre.store.history(series[:2], aware(START), aware(START + 10), limit=10)
    assert found.text == {1: "ABB", 2: "مقياس"}
    assert (await centre.store.latest(series[:2])).text == {0: "مقياس", 1: "ABB"}
    assert np.isnan(found.value[1:]).all()


async def test_a_zip_bomb_costs_nothing(plain_centre: Centre) -> None:
    import zstandard

    sender = await introduced(plain_centre)
    honest = frames.decode(sender.readings(make_batch(10, 0)))
    bomb = msgspec.structs.replace(honest, body=zstandard.compress(bytes(200 << 20)))
    with pytest.raises(FrameError):
        await plain_centre.take(Stream.TELEMETRY, sender.epoch, msgspec.msgpack.encode(bomb))
