"""Each validation and each estimation rule, alone."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.billing.estimation import Asked, Total, estimate, in_a_row
from plugins.billing.vee import RULES, Known, Seen, Weight, unwrap, validate

NOW = dt.datetime(2026, 6, 15, 12, tzinfo=dt.UTC)
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
MAY, JUNE = dt.datetime(2026, 5, 1, tzinfo=dt.UTC), dt.datetime(2026, 6, 1, tzinfo=dt.UTC)


def seen(**given):
    usual = {
        "at": JUNE,
        "value": 1_300_000,
        "now": NOW,
        "since": START,
        "capacity": 100_000_000,
        "before": Known(MAY, 1_000_000, 1_000_000),
        "daily": 10_000.0,
        "va": 10_000,
    }
    return Seen(**(usual | given))


def codes(**given):
    return [f.code for f in validate(seen(**given)).faults]


def test_an_ordinary_reading_has_no_fault():
    assert codes() == []
    assert len(RULES) >= 10


@pytest.mark.parametrize(
    ("code", "weight", "given"),
    [
        ("future", Weight.REJECT, {"at": NOW + dt.timedelta(minutes=6)}),
        ("outside", Weight.REJECT, {"since": JUNE + dt.timedelta(hours=1)}),
        ("outside", Weight.REJECT, {"until": JUNE - dt.timedelta(hours=1)}),
        ("negative", Weight.REJECT, {"value": -1, "before": None}),
        ("beyond", Weight.REJECT, {"value": 100_000_000, "va": 0, "daily": None}),
        ("duplicate", Weight.REJECT, {"same": Known(JUNE, 1_300_000, 1_300_000)}),
        ("contradiction", Weight.REJECT, {"same": Known(JUNE, 1_200_000, 1_200_000)}),
        ("old", Weight.SUSPECT, {"now": JUNE + dt.timedelta(days=401)}),
        ("doubtful", Weight.SUSPECT, {"good": False}),
        ("backwards", Weight.SUSPECT, {"value": 999_000}),
        ("overtakes", Weight.SUSPECT, {"after": Known(NOW, 1_250_000, 1_250_000)}),
        ("impossible", Weight.SUSPECT, {"va": 100, "daily": None}),
        ("high", Weight.SUSPECT, {"daily": 1_000.0}),
        ("while_cut", Weight.SUSPECT, {"supplied": False}),
        ("low", Weight.NOTE, {"value": 1_010_000}),
        ("idle", Weight.NOTE, {"value": 1_000_000}),
        ("turned", Weight.NOTE, {"value": 5_000, "before": Known(MAY, 99_900_000, 99_900_000)}),
    ],
)
def test_a_fault_is_found_and_weighed(code, weight, given):
    found = {f.code: f.weight for f in validate(seen(**given)).faults}
    assert found == {code: weight}


def test_a_turn_needs_a_known_capacity_and_a_use_that_the_connection_could_draw():
    near = Known(MAY, 99_900_000, 99_900_000)
    assert unwrap(seen(value=5_000, before=near)) == (100_005_000, True)
    assert codes(value=5_000, before=near, capacity=None) == ["backwards"]
    assert codes(value=9_000_000, before=near, va=1_000) == ["backwards"]
    assert codes(value=50_000_000, before=near) == ["backwards"]


def test_a_high_use_below_fifty_units_is_believed():
    assert codes(value=1_049_000, daily=100.0) == []


@given(st.lists(st.integers(0, 9_000), min_size=1, max_size=60), st.integers(0, 9_999))
def test_totals_never_lose_a_turn_whatever_the_dials_show(steps, first):
    """A register of 0 to 9999 that never moves by more than a tenth between readings."""
    truth, at = first, START
    known = Known(at, truth % 10_000, truth)
    for step in steps:
        truth += min(step, 999)
        at += dt.timedelta(days=1)
        look = seen(at=at, value=truth % 10_000, capacity=10_000, before=known, va=0, daily=None)
        total, _ = unwrap(look)
        if known.value * 10 > 90_000 or truth % 10_000 >= known.value:
            assert total == truth
        if total != truth:
            return
        known = Known(at, truth % 10_000, total)


def past(*totals, start=dt.datetime(2025, 12, 1, tzinfo=dt.UTC), actual=True):
    return [Total(start + dt.timedelta(days=30 * n), t, actual) for n, t in enumerate(totals)]


def later(reading, days=30):
    return reading.at + dt.timedelta(days=days)


def test_a_gap_between_two_readings_is_filled_in_proportion():
    known = past(0, 300)
    asked = Asked(at=later(known[-1], 10), past=known, later=Total(later(known[-1]), 600))
    found = estimate(asked)
    assert (found.total, found.rule) == (400, "between")


def test_the_same_days_of_the_year_before_come_before_recent_months():
    known = [Total(START + dt.timedelta(days=365 * y + 30 * m), 10_000 * y + 100 * m * m)
             for y in range(2) for m in range(5)]  # fmt: skip
    asked = Asked(at=later(known[5], 30), past=known[:6])
    found = estimate(asked)
    assert found.rule == "last_year"
    assert found.total == known[5].total + 100


def test_recent_months_serve_where_there_is_no_year():
    known = past(0, 300, 600, 1_200)
    found = estimate(Asked(at=later(known[-1]), past=known))
    assert (found.total, found.rule) == (1_600, "recent")


def test_a_new_customer_is_taken_for_one_like_his_neighbours():
    known = past(50)
    found = estimate(Asked(at=later(known[-1]), past=known, peers=7.0))
    assert (found.total, found.rule) == (260, "peers")
    assert estimate(Asked(at=later(known[-1]), past=known)) is None


def test_intervals_and_a_cut_supply_say_more_than_the_past():
    known = past(0, 300, 600)
    found = estimate(Asked(at=later(known[-1]), past=known, used=123))
    assert (found.total, found.rule) == (723, "intervals")
    found = estimate(Asked(at=later(known[-1]), past=known, cut=True))
    assert (found.total, found.rule) == (600, "disconnected")


def test_estimates_in_a_row_are_counted_from_the_last():
    known = past(0, 300) + past(600, 900, actual=False)
    assert in_a_row(known) == 2
    assert in_a_row(known[:2]) == 0


def test_nothing_is_estimated_from_nothing():
    assert estimate(Asked(at=NOW, past=())) is None
