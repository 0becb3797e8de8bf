"""Which roll-ups answer a question."""

import datetime as dt
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub import Invalid
from sync.store.plan import LEVELS, MAX_BUCKETS, Segment, edges, plan

DAY = 86_400
T0 = 1_699_920_000  # midnight UTC


def test_whole_days_come_from_days_and_ragged_ends_from_finer_levels() -> None:
    assert plan(T0 - 90, T0 + 2 * DAY + 3_661, [], []) == [
        Segment("", T0 - 90, T0 - 60),
        Segment("1m", T0 - 60, T0),
        Segment("1d", T0, T0 + 2 * DAY),
        Segment("1h", T0 + 2 * DAY, T0 + 2 * DAY + 3_600),
        Segment("1m", T0 + 2 * DAY + 3_600, T0 + 2 * DAY + 3_660),
        Segment("", T0 + 2 * DAY + 3_660, T0 + 2 * DAY + 3_661),
    ]


def test_a_dirty_minute_is_answered_from_the_readings_and_the_rest_of_its_day_is_not() -> None:
    found = plan(T0, T0 + 2 * DAY, [T0 + DAY], [T0 + 3_600])
    assert found == [
        Segment("1h", T0, T0 + 3_600),
        Segment("", T0 + 3_600, T0 + 3_660),
        Segment("1m", T0 + 3_660, T0 + 4_500),
        Segment("15m", T0 + 4_500, T0 + 7_200),
        Segment("1h", T0 + 7_200, T0 + DAY),
        Segment("1d", T0 + DAY, T0 + 2 * DAY),
    ]


@settings(max_examples=200, deadline=None)
@given(
    start=st.integers(0, 4 * DAY),
    length=st.integers(0, 3 * DAY),
    inner=st.integers(0, 4 * 24),
    dirty=st.lists(st.integers(0, 7 * 1_440), max_size=10, unique=True),
)
def test_segments_cover_the_range_once_and_never_from_a_dirty_roll_up(
    start: int, length: int, inner: int, dirty: list[int]
) -> None:
    end, marks = start + length, sorted(minute * 60 for minute in dirty)
    found = plan(start, end, [inner * 900], marks)
    at = start
    for level, low, high in found:
        assert low == at < high
        at = high
        if level:
            assert low % LEVELS[level] == high % LEVELS[level] == 0
            assert not any(low <= minute < high for minute in marks)
    assert at == end or length == 0


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def hours(bounds: list[dt.datetime]) -> list[float]:
    return [(after - before).total_seconds() / 3_600 for before, after in pairwise(bounds)]


@pytest.mark.parametrize(
    ("zone", "start", "end", "expected"),
    [
        ("Europe/Berlin", "2024-03-30T23:00", "2024-04-01T22:00", [23, 24]),
        ("Europe/Berlin", "2024-10-26T22:00", "2024-10-28T23:00", [25, 24]),
        ("Asia/Beirut", "2024-03-29T22:00", "2024-04-01T21:00", [24, 23, 24]),
        ("Asia/Riyadh", "2024-03-29T21:00", "2024-03-31T21:00", [24, 24]),
    ],
)
def test_days_of_a_zone_begin_at_its_midnights(
    zone: str, start: str, end: str, expected: list[float]
) -> None:
    assert hours(edges(utc(start), utc(end), "1d", zone)) == expected


def test_months_of_a_zone_follow_its_calendar() -> None:
    found = edges(utc("2024-01-15T00:00"), utc("2024-03-01T00:00"), "1mo", "Asia/Aden")
    assert found == [utc("2023-12-31T21:00"), utc("2024-01-31T21:00"), utc("2024-02-29T21:00"),
                     utc("2024-03-31T21:00")]  # fmt: skip


def test_hours_follow_a_half_hour_zone() -> None:
    found = edges(utc("2024-01-01T00:10"), utc("2024-01-01T02:00"), "1h", "Asia/Kolkata")
    assert found[0] == utc("2023-12-31T23:30")
    assert hours(found) == [1, 1, 1]


def test_too_many_buckets_unknown_ones_and_unknown_zones_are_refused() -> None:
    start = utc("2000-01-01T00:00")
    with pytest.raises(Invalid, match=str(MAX_BUCKETS)):
        edges(start, utc("2024-01-01T00:00"), "1m", "UTC")
    with pytest.raises(Invalid, match="2h"):
        edges(start, utc("2000-01-02T00:00"), "2h", "UTC")
    with pytest.raises(Invalid, match="Mars"):
        edges(start, utc("2000-01-02T00:00"), "1h", "Mars/Base")
