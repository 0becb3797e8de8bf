"""What a station's figures mean."""

import datetime as dt

import pytest

from plugins.scada.models import State, StationRole
from plugins.scada.station_rules import (
    EXPORT,
    IMPORT,
    Flow,
    Watch,
    balance,
    load_kw,
    load_percent,
    outage,
    overload,
    state_of,
)

NOW = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
IN, F, G, C = StationRole.INCOMER, StationRole.FEEDER, StationRole.GENERATION, StationRole.CUSTOMER


@pytest.mark.parametrize(
    ("flows", "expected"),
    [
        ([], None),
        ([Flow(None, None)], None),
        ([Flow(None, 1_000.0), Flow(None, 500.0)], 1.5),
        ([Flow(IN, 5_000.0), Flow(F, 4_900.0), Flow(C, 4_800.0)], 5.0),
        ([Flow(IN, 4_000.0), Flow(G, 1_000.0), Flow(C, 4_800.0)], 5.0),
        ([Flow(IN, None), Flow(F, 3_000.0), Flow(F, float("nan"))], 3.0),
    ],
)
def test_load_counts_nothing_twice(flows: list[Flow], expected: float | None) -> None:
    assert load_kw(flows) == expected


def test_percent_of_an_unknown_capacity_is_unknown() -> None:
    assert load_percent(90.0, 120.0) == 75.0
    assert load_percent(90.0, None) is None
    assert load_percent(None, 120.0) is None


def test_losses_are_what_came_in_and_was_not_delivered() -> None:
    found = balance({(IN, IMPORT): [100.0], (IN, EXPORT): [5.0], (G, EXPORT): [20.0],
                     (F, IMPORT): [110.0], (C, IMPORT): [60.0, 49.0]})  # fmt: skip
    assert (found.purchase, found.generation, found.delivery) == (100.0, 20.0, 109.0)
    assert (found.losses, found.loss_percent) == (6.0, 5.0)


def test_without_a_meter_nothing_is_said() -> None:
    found = balance({(C, IMPORT): [60.0]})
    assert (found.purchase, found.losses, found.loss_percent) == (None, None, None)


def test_states() -> None:
    assert [state_of(*n) for n in ((0, 0), (3, 3), (1, 3), (0, 3))] == [
        State.UNKNOWN, State.ONLINE, State.DEGRADED, State.OFFLINE,
    ]  # fmt: skip


def test_overload_must_last_five_minutes_and_ends_below_85_percent() -> None:
    watch, seen = Watch(None, on=False), []
    for minute, percent in enumerate((95, 95, 89, 95, 95, 95, 95, 95, 95, 88, None, 84)):
        watch = overload(watch, percent, NOW + dt.timedelta(minutes=minute))
        seen.append(watch.on)
    assert seen == [False] * 8 + [True, True, True, False]


def test_an_outage_is_no_voltage_anywhere_and_ends_at_the_first() -> None:
    watch, seen = Watch(None, on=False), []
    for minute, volts in enumerate(
        ([0.0, 230.0], [0.0, None], [0.0, None], [None], [0.0], [0.0], [0.0], [], [229.0, 0.0])
    ):
        watch = outage(watch, volts, NOW + dt.timedelta(minutes=minute))
        seen.append(watch.on)
    assert seen == [False] * 6 + [True, True, False]
