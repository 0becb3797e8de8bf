import math

import numpy as np
import pytest

from simulators.electrical import Meter, generating
from simulators.series import Replay, Series

HALF_HOUR = 1800


def series(*kwh: float, gap_after: int | None = None) -> Series:
    starts = np.arange(len(kwh), dtype=np.int64) * HALF_HOUR * 1_000_000
    if gap_after is not None:
        starts[gap_after + 1 :] += HALF_HOUR * 1_000_000
    return Series(
        name="test",
        seconds=HALF_HOUR,
        start=starts,
        energy=np.rint(np.array(kwh) * 1e6).astype(np.int64),
        reactive=np.zeros(len(kwh), np.int64),
        voltage=np.full(len(kwh), np.nan),
    )


def imported(replay: Replay, elapsed: float) -> float:
    return replay.at(elapsed).values()["energy.active.import.total"]


def test_power_is_the_interval_mean_and_the_register_rises_evenly() -> None:
    replay = Replay(series(0.5, 1.5), base=100.0)
    assert sum(replay.at(0).active) == pytest.approx(1000.0)
    assert sum(replay.at(HALF_HOUR).active) == pytest.approx(3000.0)
    assert [imported(replay, t) for t in (0, 900, 1800, 2700, 3600)] == pytest.approx(
        [100.0, 100.25, 100.5, 101.25, 102.0]
    )


def test_nothing_is_drawn_in_a_gap_and_after_the_end() -> None:
    replay = Replay(series(0.5, 1.5, gap_after=0))
    assert replay.duration == 3 * HALF_HOUR
    assert sum(replay.at(HALF_HOUR + 1).active) == 0
    assert imported(replay, 2 * HALF_HOUR) == pytest.approx(0.5)
    assert imported(replay, replay.duration + 1e6) == pytest.approx(2.0)
    assert sum(replay.at(replay.duration + 1).active) == 0


def test_what_is_fed_in_goes_to_the_export_register() -> None:
    values = Replay(series(0.5, -0.25)).at(2 * HALF_HOUR).values()
    assert values["energy.active.import.total"] == pytest.approx(0.5)
    assert values["energy.active.export.total"] == pytest.approx(0.25)
    assert values["energy.active.net.total"] == pytest.approx(0.25)


def test_three_phases_share_the_energy_without_losing_any() -> None:
    values = Replay(series(0.000001, 0.1), phases=3).at(2 * HALF_HOUR).values()
    phases = [values[f"energy.active.import.l{n}"] for n in (1, 2, 3)]
    assert sum(phases) == pytest.approx(0.100001, abs=1e-12)
    assert max(phases) - min(phases) < 1e-5


def test_a_meter_agrees_with_itself() -> None:
    meter = Meter((230.0, 231.0, 229.0), (2000.0, 1000.0, 1500.0), (500.0, 100.0, 300.0))
    values = meter.values()
    assert values["power.apparent.total"] == pytest.approx(math.hypot(4500, 900))
    assert values["power_factor.total"] == pytest.approx(4500 / math.hypot(4500, 900))
    assert values["current.l1"] == pytest.approx(math.hypot(2000, 500) / 230)
    assert values["voltage.l12"] == pytest.approx(math.sqrt(3) * 230.5, rel=1e-3)


def test_balanced_currents_leave_nothing_in_the_neutral() -> None:
    even = Meter((230.0,) * 3, (1000.0,) * 3, (0.0,) * 3).values()
    single = Meter((230.0,) * 3, (2300.0, 0.0, 0.0), (0.0,) * 3).values()
    assert even["current.n"] == pytest.approx(0, abs=1e-6)
    assert single["current.n"] == pytest.approx(10)


def test_an_inverter_counts_what_it_gives_as_positive() -> None:
    values = generating(Meter((230.0,) * 3, (-1000.0,) * 3, (0.0,) * 3).values())
    assert values["power.active.total"] == 3000.0
    assert values["power.dc.total"] == pytest.approx(values["voltage.dc"] * values["current.dc"])
