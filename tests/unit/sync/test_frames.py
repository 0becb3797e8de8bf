"""Frames keep every bit, and refuse what is no frame."""

import contextlib
from uuid import uuid4

import msgspec
import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from hub import Gap, GapCause, Note, ReadingBatch, Stream, Validity
from sync import frames

PREVIOUS = frames.genesis(uuid4(), Stream.TELEMETRY)
NOW = 1_700_000_000_000_000


def same(a: ReadingBatch, b: ReadingBatch) -> bool:
    return (
        np.array_equal(a.point, b.point)
        and np.array_equal(a.time, b.time)
        and np.array_equal(a.value.view(np.uint64), b.value.view(np.uint64))
        and np.array_equal(a.quality, b.quality)
        and dict(a.text) == dict(b.text)
    )


rows = st.lists(
    st.tuples(
        st.integers(0, 2**32 - 1),
        st.integers(0, frames.MAX_TIME),
        st.floats(width=64),
        st.integers(0, frames.QUALITY_MASK),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(rows=rows, text=st.text(st.characters(exclude_characters="\0"), max_size=20))
def test_any_batch_comes_back_bit_by_bit(rows: list[tuple[int, ...]], text: str) -> None:
    point, time, value, quality = zip(*rows, strict=True)
    batch = ReadingBatch.of(point, time, value, quality, text={len(rows) - 1: text})
    frame = frames.decode(frames.encode_readings(7, PREVIOUS, batch))
    assert same(frames.readings(frame), ReadingBatch.of(
        point, time, value, quality, text={len(rows) - 1: frames.plain(text)}
    ))  # fmt: skip
    assert (frame.seq, frame.upto, frame.count, frame.previous) == (7, 7, len(rows), PREVIOUS)
    assert (frame.first, frame.last) == (min(time), max(time))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_raise_nothing_but_a_frame_error(data: bytes) -> None:
    with pytest.raises(frames.FrameError):
        frames.decode(data)


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_flipped_byte_is_an_error_or_changes_the_hash(at: int, flip: int) -> None:
    batch = ReadingBatch.of([1, 2, 3], [NOW, NOW, NOW], [1.5, 2.5, float("nan")], text={2: "on"})
    good = frames.encode_readings(1, PREVIOUS, batch)
    bad = bytearray(good)
    bad[at % len(bad)] ^= flip
    assert frames.digest(bytes(bad)) != frames.digest(good)
    with contextlib.suppress(frames.FrameError):
        frames.readings(frames.decode(bytes(bad)))


def body(frame: frames.Frame, data: bytes, **more: object) -> frames.Frame:
    return msgspec.structs.replace(frame, body=zstandard.compress(data), **more)


def honest(count: int = 10) -> frames.Frame:
    batch = ReadingBatch.of([1] * count, NOW, [1.0] * count)
    return frames.decode(frames.encode_readings(1, PREVIOUS, batch))


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(frames.FrameTooLarge):
        frames.readings(body(honest(), bytes(frames.MAX_BODY + 1)))


def test_a_body_that_hides_its_size_is_refused() -> None:
    packer = zstandard.ZstdCompressor(write_content_size=False)
    hidden = msgspec.structs.replace(honest(), body=packer.compress(bytes(100 << 20)))
    with pytest.raises(frames.FrameError):
        frames.readings(hidden)


@pytest.mark.parametrize("count", [frames.MAX_COUNT + 1, 1 << 61])
def test_a_giant_count_is_refused(count: int) -> None:
    lying = msgspec.structs.replace(honest(), count=count)
    with pytest.raises(frames.FrameTooLarge):
        frames.decode(msgspec.msgpack.encode(lying))


def test_a_body_shorter_than_its_count_is_refused() -> None:
    with pytest.raises(frames.FrameError, match="shorter"):
        frames.readings(msgspec.structs.replace(honest(), count=11))


def test_a_newer_version_is_named() -> None:
    newer = msgspec.msgpack.encode([2, "whatever", {}])
    with pytest.raises(frames.UnknownVersion, match="version 2"):
        frames.decode(newer)


def test_texts_without_rows_and_zero_characters_are_refused() -> None:
    plain = zstandard.decompress(honest().body)
    for text in ({10: "row"}, {0: "a\0b"}, {0: "x" * 2_000}):
        with pytest.raises(frames.FrameError):
            frames.readings(body(honest(), plain + msgspec.msgpack.encode(text)))


def test_a_time_that_is_none_becomes_an_invalid_reading() -> None:
    batch = ReadingBatch.of([1, 2], [-5, NOW], [1.0, 2.0])
    found = frames.readings(frames.decode(frames.encode_readings(1, PREVIOUS, batch)))
    assert found.time.tolist() == [0, NOW]
    assert found.quality.tolist() == [Validity.INVALID, Validity.GOOD]


def test_records_come_back_as_what_they_were() -> None:
    told = [
        Note(at=NOW, level="info", code="a", message="ب"),
        Gap(at=NOW + 1, device="m", cause=GapCause.OVERLOAD, since=NOW, until=None, lost=3),
    ]
    frame = frames.decode(frames.encode_records(3, PREVIOUS, told))
    assert frames.records(frame) == told
    with pytest.raises(frames.FrameError):
        frames.readings(frame)


def test_a_notice_of_loss_carries_the_hash_on() -> None:
    data = frames.encode_lost((4, 9), (NOW, NOW + 5), 60, PREVIOUS, b"h" * 32, GapCause.DISK_FULL)
    frame = frames.decode(data)
    assert frames.next_hash(frame, data) == b"h" * 32
    assert frames.lost(frame) == (b"h" * 32, GapCause.DISK_FULL)
    assert (frame.seq, frame.upto, frame.count) == (4, 9, 60)


def test_meter_values_take_few_bytes() -> None:
    random = np.random.default_rng(1)
    base = random.integers(2200, 2400, 1_000)
    point = np.tile(np.arange(1, 1_001, dtype=np.uint32), 5)
    time = NOW + np.repeat(np.arange(5) * 1_000_000, 1_000)
    value = (np.tile(base, 5) + random.integers(-20, 20, 5_000)) * 0.1
    noise = random.random(5_000)
    quality = np.zeros(5_000, np.uint16)
    volts = frames.encode_readings(1, PREVIOUS, ReadingBatch(point, time, value, quality))
    worst = frames.encode_readings(1, PREVIOUS, ReadingBatch(point, time, noise, quality))
    assert len(volts) / 5_000 < 4
    assert len(worst) / 5_000 < 11
