"""The life of an alert, step by step and in any order."""

import datetime as dt

import hypothesis.strategies as st
import pytest
from hypothesis import given

from hub import Invalid
from plugins.monitoring.conditions import Absence, Seen, Threshold, judged, read
from plugins.monitoring.rules import RESOLVE_AFTER, Watch, step
from plugins.monitoring.texts import filled

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
QUARTER = dt.timedelta(minutes=15)
NONE = dt.timedelta()


def go(watch, holds, minute, **options):
    known = {"hold_for": NONE, "cooldown": QUARTER} | options
    return step(watch, holds=holds, now=START + dt.timedelta(minutes=minute), **known)


def test_a_second_firing_within_the_cooldown_tells_nobody_and_a_later_one_does():
    first = go(Watch(), True, 0)
    assert (first.fires, first.tells) == (True, True)
    second = go(first.watch, True, 5)
    assert (second.fires, second.tells) == (True, False)
    assert go(second.watch, True, 16).tells


def test_a_condition_must_hold_for_its_time():
    ten = dt.timedelta(minutes=10)
    watch = Watch()
    for minute in range(10):
        done = go(watch, True, minute, hold_for=ten)
        assert not done.fires
        watch = done.watch
    assert go(watch, True, 10, hold_for=ten).fires
    broken = go(watch, False, 10, hold_for=ten)
    assert not go(broken.watch, True, 11, hold_for=ten).fires


def test_an_alert_ends_when_its_condition_was_false_for_five_minutes_but_not_a_security_one():
    watch = go(Watch(), True, 0).watch
    for minute in range(1, 6):
        done = go(watch, False, minute)
        assert not done.resolves
        watch = done.watch
    assert go(watch, False, 6).resolves
    assert not go(watch, False, 6, resolves=False).resolves


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 30)), max_size=80),
    st.integers(1, 60),
    st.integers(0, 20),
)
def test_nobody_is_told_twice_within_a_cooldown_and_nothing_ends_that_is_not_open(
    moves, cooldown, hold
):
    watch, now, told, held_since, is_open = Watch(), START, None, None, False
    pause = dt.timedelta(minutes=cooldown)
    for holds, minutes in moves:
        now += dt.timedelta(minutes=minutes)
        held_since = (held_since or now) if holds else None
        done = step(
            watch, holds=holds, now=now, hold_for=dt.timedelta(minutes=hold), cooldown=pause
        )
        assert done.fires == (
            held_since is not None and now - held_since >= dt.timedelta(minutes=hold)
        )
        if done.tells:
            assert done.fires
            assert told is None or now - told >= pause
            told = now
        if done.resolves:
            assert is_open
            assert not holds
            assert now - watch.clear_since >= RESOLVE_AFTER
        is_open = (is_open or done.fires) and not done.resolves
        assert done.watch.is_open == is_open
        watch = done.watch


@pytest.mark.parametrize(
    ("op", "value", "holds"),
    [(">", 4.9, True), (">", 5.0, False), (">=", 5.0, True), ("<", 5.1, True), ("<=", 4.0, False),
     ("==", 5.0, True), ("!=", 5.0, False)],
)  # fmt: skip
def test_a_threshold_compares_the_aggregate_that_it_names(op, value, holds):
    rule = read(
        "threshold", {"source": "metric", "name": "a", "agg": "avg", "op": op, "value": value}
    )
    assert judged(rule, Seen(count=3, avg=5.0, low=1.0, high=9.0, last=9.0)) == (holds, 5.0)


def test_a_rate_is_the_change_in_a_minute():
    rule = read("rate", {"source": "metric", "name": "a", "op": ">", "value": 2.0})
    assert judged(rule, Seen(count=2, first=10.0, last=25.0, minutes=5.0)) == (True, 3.0)
    assert judged(rule, Seen(count=1, first=10.0, last=10.0)) == (False, None)


def test_events_are_counted_and_their_rate_is_by_the_minute():
    about = {"source": "event", "name": "user.*", "op": ">=", "value": 4.0, "window_s": 120}
    assert judged(read("threshold", about), Seen(count=8)) == (True, 8.0)
    assert judged(read("rate", about), Seen(count=8)) == (True, 4.0)
    assert judged(read("rate", about), Seen(count=7)) == (False, 3.5)


def test_absence_holds_when_nothing_came_and_a_threshold_then_never():
    about = {"source": "reading", "name": "p"}
    assert judged(read("absence", about), Seen())[0]
    assert not judged(read("absence", about), Seen(count=1))[0]
    rule = read("threshold", about | {"op": "<", "value": 1.0})
    assert judged(rule, Seen()) == (False, None)


@pytest.mark.parametrize(
    "wrong",
    [{}, {"source": "moon", "name": "a"}, {"source": "metric", "name": "a", "window_s": 1},
     {"source": "metric", "name": "a", "for": 3}],
)  # fmt: skip
def test_a_condition_that_says_nothing_is_refused_with_its_field(wrong):
    with pytest.raises(Invalid) as refused:
        read("absence", wrong)
    assert refused.value.extra["field"] == "condition_config"


def test_a_text_shows_values_short_and_what_is_missing_as_nothing():
    assert filled("{{value}} > {{threshold}} {{gone}}", {"value": 0.91234567, "threshold": 5}) == (
        "0.912346 > 5 "
    )


def test_conditions_are_told_apart_by_their_type():
    about = {"source": "metric", "name": "a"}
    assert isinstance(read("absence", about), Absence)
    assert isinstance(read("threshold", about | {"op": ">", "value": 1}), Threshold)
