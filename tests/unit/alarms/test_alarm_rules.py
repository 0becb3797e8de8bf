"""When a value is an alarm, and when it is none any more."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import AlarmKind, Kind, PointSpec
from hub.kernel.alarm_rules import EVERYWHERE, Rule, hysteresis, meet, message, rules_of

VOLTAGE = PointSpec(
    name="voltage", address="hr:0", unit="V",
    low_limit=150.0, alarm_low=200.0, alarm_high=240.0, high_limit=270.0,
)  # fmt: skip


def follow(rule: Rule, values: list[float]) -> list[bool]:
    states, on = [], False
    for value in values:
        on = rule.holds(value, on)
        states.append(on)
    return states


def rule(spec: PointSpec, kind: AlarmKind) -> Rule:
    return next(r for r in rules_of(spec) if r.kind is kind)


def test_high_is_raised_above_the_limit_and_returns_a_hundredth_of_the_range_below_it() -> None:
    high = rule(VOLTAGE, AlarmKind.HIGH)
    assert follow(high, [239, 245.5, 239.9, 235]) == [False, True, True, False]
    assert high.back == pytest.approx(239.6)


def test_low_is_the_mirror_image() -> None:
    low = rule(VOLTAGE, AlarmKind.LOW)
    assert follow(low, [200, 199.9, 200.3, 200.4, 201]) == [False, True, True, False, False]


def test_a_value_on_the_limit_is_no_alarm() -> None:
    assert not rule(VOLTAGE, AlarmKind.HIGH).holds(240.0, on=False)


@pytest.mark.parametrize(
    ("limits", "limit", "expected"),
    [
        ({"alarm_low": 200.0, "alarm_high": 240.0}, 240.0, 0.4),
        ({"alarm_low": 200.0, "alarm_high": 240.0, "deadband": 2.0}, 240.0, 2.0),
        ({"alarm_high": 240.0}, 240.0, 2.4),
        ({"alarm_low": -50.0}, -50.0, 0.5),
    ],
)
def test_hysteresis(limits: dict[str, float], limit: float, expected: float) -> None:
    assert hysteresis(PointSpec(name="x", address="1", **limits), limit) == pytest.approx(expected)


def test_states_text_and_unlimited_points() -> None:
    plain = PointSpec(name="x", address="1")
    assert rules_of(plain) == ()
    assert rules_of(PointSpec(name="x", address="1", kind=Kind.TEXT, alarm_high=1.0)) == ()
    breaker = PointSpec(
        name="x", address="1", kind=Kind.BINARY, normal_state=1, states={"0": "open", "1": "closed"}
    )
    (state,) = rules_of(breaker)
    assert (state.holds(0, on=False), state.holds(1, on=True)) == (True, False)
    assert message(breaker, "cb.x", state, 0.0) == "cb.x is open, normally closed"


values = st.floats(-1000, 1000)


@given(values, st.booleans(), st.sampled_from(rules_of(VOLTAGE)))
def test_inside_its_band_a_rule_never_changes_and_outside_it_always_does(
    value: float, on: bool, rule: Rule
) -> None:
    low, high = rule.band(on)
    assert (low <= value <= high) == (rule.holds(value, on) == on)


@given(st.sampled_from([(0, 1), (1, 1), (2, 3), (0, 3), (3, 3)]), st.booleans(), st.integers(0, 3))
def test_the_band_of_a_state_misses_no_change(state: tuple[int, int], on: bool, value: int) -> None:
    normal, highest = state
    value = min(value, highest)
    kind = Kind.BINARY if highest == 1 else Kind.DOUBLE
    (rule,) = rules_of(PointSpec(name="x", address="1", kind=kind, normal_state=normal))
    low, high = rule.band(on)
    if low <= value <= high:
        assert rule.holds(float(value), on) == on


def test_bands_meet_in_their_common_part() -> None:
    assert meet([EVERYWHERE, (-math.inf, 240.0), (200.0, math.inf)]) == (200.0, 240.0)
