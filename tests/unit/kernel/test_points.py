"""The way of a reading from raw column to engineering column."""

import asyncio
import math
from typing import Any

import numpy as np
import pytest

from hub import (
    GOOD,
    LOST,
    Cause,
    Flag,
    Invalid,
    Kind,
    Point,
    PointSpec,
    ReadingBatch,
    Stamp,
    Stream,
    Validity,
)
from hub.kernel.clock import Clock
from hub.kernel.points import Points

NOW = 1_800_000_000_000_000


class Time:
    """A clock that a test sets. wall: µs."""

    def __init__(self) -> None:
        self.wall, self.mono = NOW, 0
        self.clock = Clock(lambda: self.wall * 1000, lambda: self.mono * 1000)

    def pass_(self, us: int) -> None:
        self.wall += us
        self.mono += us


class Kept:
    def __init__(self) -> None:
        self.rows: list[tuple[Stream, int, float, int]] = []
        self.batches: list[ReadingBatch] = []

    def __call__(self, batch: ReadingBatch, stream: Stream) -> None:
        self.batches.append(batch)
        for p, v, q in zip(batch.point, batch.value, batch.quality, strict=True):
            self.rows.append((stream, int(p), float(v), int(q)))

    @property
    def values(self) -> list[float]:
        return [v for _, _, v, _ in self.rows]


def make(record: Any = "all", **specs: dict[str, Any]) -> tuple[Points, Kept, Time]:
    time, kept = Time(), Kept()
    points = Points(time.clock, kept)
    points.define(
        [
            Point(
                id=i,
                key=f"d.{name}",
                device="d",
                spec=PointSpec(name=name, address="0", **more),
                address=0,
                every=more.get("every", 1.0),
            )
            for i, (name, more) in enumerate(specs.items(), 3)
        ],
        record,
    )
    return points, kept, time


def test_scale_and_offset_make_engineering_values():
    points, kept, _ = make(a={"scale": 0.1}, b={"scale": 2, "offset": -1})
    out = points.take(ReadingBatch.of([3, 4], NOW, [2205, 4]))
    assert out.value.tolist() == [220.5, 7]
    assert kept.values == [220.5, 7]


def test_a_value_outside_its_limits_is_kept_as_overrange_and_questionable():
    points, kept, _ = make(a={"low_limit": 0, "high_limit": 10})
    points.take(ReadingBatch.of([3, 3, 3], [NOW, NOW + 1, NOW + 2], [-1, 10, 11]))
    doubt = Flag.OVERRANGE | Validity.QUESTIONABLE
    assert [q for *_, q in kept.rows] == [doubt, GOOD, doubt]
    points.take(ReadingBatch.of([3], NOW, [99], int(Validity.INVALID)))
    assert kept.rows[-1][3] == Flag.OVERRANGE | Validity.INVALID


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_invalid_and_has_no_value(bad):
    points, kept, _ = make(a={"low_limit": 0, "high_limit": 10})
    points.take(ReadingBatch.of([3], NOW, [bad]))
    ((_, _, value, quality),) = kept.rows
    assert math.isnan(value)
    assert quality == Validity.INVALID


def test_the_drivers_arrays_are_never_changed():
    points, _, _ = make(a={"scale": 2.0})
    raw = ReadingBatch.of([3, 3], NOW, [math.inf, 1])
    points.take(raw)
    assert raw.value.tolist() == [math.inf, 1]
    assert raw.quality.tolist() == [0, 0]


def test_text_has_no_number_and_is_good():
    points, kept, _ = make(a={"kind": Kind.TEXT}, b={})
    points.take(ReadingBatch.of([4, 3], NOW, [1, math.nan], text={1: "SN-7"}))
    assert kept.rows[1][3] == GOOD
    assert points.text == {3: "SN-7"}
    assert points.latest(np.array([3], np.uint32)).text == {0: "SN-7"}


def test_readings_of_unknown_points_are_counted_and_dropped():
    points, kept, _ = make(a={})
    points.take(ReadingBatch.of([0, 3, 900], NOW, [1, 2, 3]))
    assert kept.values == [2]
    assert points.unknown == 2


def test_change_keeps_what_differs_by_more_than_the_deadband_or_in_quality_or_is_old():
    points, kept, time = make("change", a={"deadband": 0.5}, c={"kind": Kind.COUNTER})
    for value, quality in [(10, GOOD), (10.5, GOOD), (10.6, GOOD), (10.6, 1), (10.6, 1)]:
        points.take(ReadingBatch.of([3], time.clock.now(), [value], quality))
    assert kept.values == [10, 10.6, 10.6]
    time.pass_(60_000_000)
    points.take(ReadingBatch.of([3], time.clock.now(), [10.6], 1))
    assert len(kept.rows) == 4
    for seconds in (0, 60, 839, 1):
        time.pass_(seconds * 1_000_000)
        points.take(ReadingBatch.of([4], time.clock.now(), [5]))
    assert [p for _, p, _, _ in kept.rows].count(4) == 2


def test_change_compares_with_what_was_kept_so_a_slow_drift_is_not_missed():
    points, kept, time = make("change", a={"deadband": 1.0})
    for i in range(10):
        points.take(ReadingBatch.of([3], time.clock.now() + i, [i * 0.4]))
    assert kept.values == pytest.approx([0, 1.2, 2.4, 3.6])


def test_change_of_a_text_is_a_change():
    points, kept, time = make("change", a={"kind": Kind.TEXT})
    for i, word in enumerate(["x", "x", "y"]):
        points.take(ReadingBatch.of([3], time.clock.now() + i, [math.nan], text={0: word}))
    assert [b.text for b in kept.batches] == [{0: "x"}, {0: "y"}]


def test_events_are_all_kept_and_those_of_switches_go_to_the_events_stream():
    points, kept, _ = make("change", a={"deadband": 100}, s={"kind": Kind.BINARY})
    times = [NOW, NOW + 1, NOW + 2, NOW + 3]
    points.take(ReadingBatch.of([4, 3, 4, 3], times, [1, 5, 0, 5], cause=Cause.EVENT))
    assert [(s, p, v) for s, p, v, _ in kept.rows] == [
        (Stream.EVENTS, 4, 1),
        (Stream.EVENTS, 4, 0),
        (Stream.TELEMETRY, 3, 5),
        (Stream.TELEMETRY, 3, 5),
    ]


def test_an_old_event_is_kept_but_does_not_hide_the_newer_value():
    points, kept, _ = make(a={})
    ids = np.array([3], np.uint32)
    points.take(ReadingBatch.of([3], NOW, [2]))
    points.take(ReadingBatch.of([3, 3], [NOW - 5, NOW - 9], [1, 0], cause=Cause.EVENT))
    assert points.latest(ids).value.tolist() == [2]
    points.take(ReadingBatch.of([3, 3], [NOW + 9, NOW + 5], [8, 7], cause=Cause.EVENT))
    assert points.latest(ids).value.tolist() == [8]
    assert kept.values == [2, 1, 0, 8, 7]


def test_a_stamp_far_in_the_future_does_not_hide_what_follows():
    points, _, _ = make(a={})
    far = NOW + 10**15
    points.take(ReadingBatch.of([3], far, [1], cause=Cause.EVENT))
    points.take(ReadingBatch.of([3], NOW, [2], cause=Cause.EVENT))
    assert points.latest(np.array([3], np.uint32)).value.tolist() == [2]


def test_loss_is_published_once_with_the_last_value():
    points, kept, _ = make(a={}, b={})
    points.take(ReadingBatch.of([3], NOW, [5]))
    ids = np.array([3, 4], np.uint32)
    points.lost(ids)
    points.lost(ids)
    assert [q for *_, q in kept.rows] == [GOOD, LOST, LOST]
    assert kept.values[1] == 5
    assert math.isnan(kept.values[2])


def test_a_point_is_stale_after_three_periods_but_not_before_five_seconds():
    points, _, time = make(a={"every": 1.0}, b={"every": 10.0})
    ids = np.array([3, 4], np.uint32)
    assert points.stale(ids).tolist() == [True, True]
    points.take(ReadingBatch.of([3, 4], NOW, [1, 1]))
    assert points.stale(ids).tolist() == [False, False]
    time.pass_(5_100_000)
    assert points.stale(ids).tolist() == [True, False]
    time.pass_(25_000_000)
    assert points.stale(ids).tolist() == [True, True]


def test_after_the_clock_went_back_our_stamps_are_marked_until_it_has_caught_up():
    points, kept, time = make(a={})
    time.wall -= 3_600_000_000
    assert time.clock.check() == -3_600_000_000
    points.take(ReadingBatch.of([3], time.clock.now(), [1]))
    points.take(ReadingBatch.of([3], time.clock.now(), [1], int(Stamp.DEVICE)))
    assert [q for *_, q in kept.rows] == [Stamp.UNSYNCED, Stamp.DEVICE]
    time.pass_(3_600_000_001)
    points.take(ReadingBatch.of([3], time.clock.now(), [1]))
    assert kept.rows[-1][3] == GOOD


def test_time_never_goes_back_between_jumps_and_a_small_drift_is_no_jump():
    time = Time()
    before = time.clock.now()
    time.wall -= 200_000
    assert time.clock.check() == 0
    assert time.clock.now() >= before
    time.wall += 10_000_000
    assert time.clock.check() > 9_000_000
    assert not time.clock.unsure


def test_a_clock_that_was_never_set_marks_its_stamps():
    clock = Clock(lambda: 86_400 * 10**9, lambda: 0)
    clock.now()
    assert clock.unsure


async def test_a_slow_reader_gets_the_newest_values_and_never_a_queue():
    points, _, _time = make(a={}, b={})
    with points.subscribe(np.array([3], np.uint32)) as live:
        stream = aiter(live)
        for value in range(100):
            points.take(ReadingBatch.of([3, 4], NOW + value, [value, 0]))
        first = await anext(stream)
        assert (first.point.tolist(), first.value.tolist()) == ([3], [99])
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        points.take(ReadingBatch.of([4], NOW, [1]))
        await asyncio.sleep(0)
        assert not waiting.done()
        points.take(ReadingBatch.of([3], NOW + 1000, [7]))
        assert (await waiting).value.tolist() == [7]
        await stream.aclose()


def test_a_value_to_write_goes_the_way_of_a_reading_backwards():
    points, _, _ = make(
        sf={}, a={"scale": 0.1, "offset": 2}, b={"scale_from": "sf", "scale": 2}, c={}
    )
    by = points.by_key
    assert points.raw(by["d.a"], 4.5) == pytest.approx(25)
    exact = 2**63 - 1
    assert points.raw(by["d.c"], exact) == exact
    with pytest.raises(Invalid, match="sf has not given its scale yet"):
        points.raw(by["d.b"], 1)
    points.take(ReadingBatch.of([3, 5], NOW, [-2, 150]))
    read = points.latest(np.array([5], np.uint32)).value[0]
    assert read == pytest.approx(3)
    assert points.raw(by["d.b"], read) == pytest.approx(150)
    with pytest.raises(Invalid, match="no number"):
        points.raw(by["d.c"], math.nan)
