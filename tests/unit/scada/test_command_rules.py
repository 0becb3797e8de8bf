"""What may be commanded, and whose word counts."""

import itertools

import pytest

from hub import CommandState, uuid7
from plugins.scada.alarm_statistics import Raised, statistics
from plugins.scada.command_rules import FINAL, broken, follows, fresh_for, not_allowed, value_of
from plugins.scada.control_models import Interlock
from plugins.scada.sheets import csv_of


def test_a_known_end_stays_and_an_unknown_one_can_still_be_learned() -> None:
    for known, told in itertools.product(CommandState, CommandState):
        if known in FINAL:
            assert not follows(known, told)
    assert follows(CommandState.UNKNOWN, CommandState.CONFIRMED)
    assert follows(CommandState.QUEUED, CommandState.SENT)
    assert not follows(CommandState.UNKNOWN, CommandState.SENT)


@pytest.mark.parametrize(
    ("value", "allowed", "low", "high", "ok"),
    [
        (1.0, [0.0, 1.0], None, None, True),
        (2.0, [0.0, 1.0], None, None, False),
        (50.0, [], 0.0, 100.0, True),
        (-1.0, [], 0.0, 100.0, False),
        (101.0, [], 0.0, 100.0, False),
        (1e9, [], None, None, True),
    ],
)
def test_values(
    value: float, allowed: list[float], low: float | None, high: float | None, ok: bool
) -> None:
    assert (not_allowed(value, allowed, low, high) is None) is ok


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ((0.0, 1.0), None),
        ((1.0, 1.0), "local is 1, must be == 0"),
        ((0.0, 60.0), "local is 60 s old"),
        (None, "local has no valid value"),
    ],
)
def test_an_interlock_needs_a_fresh_value_that_holds(
    found: tuple[float, float] | None, reason: str | None
) -> None:
    lock = Interlock(point_id=uuid7(), op="==", value=0.0)
    assert broken(lock, "local", found, 10.0) == reason


def test_freshness_is_three_periods_and_at_least_five_seconds() -> None:
    assert (fresh_for(1_000, None), fresh_for(10_000, None), fresh_for(1_000, 2.0)) == (5, 30, 2)


def test_words_and_numbers_of_a_command() -> None:
    states = {"0": "open", "1": "close"}
    assert value_of("close", states, {}) == 1.0
    assert value_of("breaker", states, {"value": 0}) == 0.0
    assert value_of("breaker", states, {"value": True}) is None
    assert value_of("explode", states, {}) is None


def test_nothing_in_a_table_is_a_formula() -> None:
    data = csv_of(["a"], [["=1+1"], ["-x"], [-1.5], ["plain"]]).decode("utf-8-sig")
    assert data.splitlines() == ["a", "'=1+1", "'-x", "-1.5", "plain"]


def test_alarm_figures_of_two_operators() -> None:
    raised = [Raised(float(n), "a", "error") for n in range(30)]
    found = statistics(raised, 3_600.0, 2)
    assert (found.per_operator_hour, found.verdict, found.peak) == (15.0, "overloaded", 30)
    assert found.flood_share == pytest.approx(600 / 3_600, abs=1e-4)
    assert statistics([], 3_600.0, 1).per_operator_hour == 0
