import math

import numpy as np
import pytest

from hub import LOST, Point, PointSpec, ReadingBatch, Validity
from hub.kernel.clock import Clock
from hub.kernel.points import Points

NOW = 1_700_000_000_000_000


@pytest.fixture
def points() -> Points:
    made = Points(Clock(lambda: NOW * 1000, lambda: 0), lambda *_: None)
    specs = (
        PointSpec(name="power", address="hr:1", scale_from="W_SF"),
        PointSpec(name="W_SF", address="hr:2"),
        PointSpec(name="energy", address="hr:3", scale=0.001, scale_from="Wh_SF"),
        PointSpec(name="Wh_SF", address="hr:5"),
        PointSpec(name="plain", address="hr:6", scale=2.0),
    )
    made.define(
        [
            Point(id=i + 10, key=f"m.{s.name}", device="m", spec=s, address=None)
            for i, s in enumerate(specs)
        ]
    )
    return made


def take(points: Points, *readings: tuple[int, float, int]) -> list[float]:
    ids, values, quality = zip(*readings, strict=True)
    return points.take(ReadingBatch.of(ids, NOW, values, quality)).value.tolist()


def test_values_are_multiplied_by_the_powers_read_with_them(points: Points) -> None:
    got = take(points, (10, 1234, 0), (11, -1, 0), (12, 50, 0), (13, 2, 0), (14, 7, 0))
    assert got == pytest.approx([123.4, -1, 5.0, 2, 14])


def test_the_last_known_power_holds_until_another_is_read(points: Points) -> None:
    take(points, (10, 5, 0), (11, 2, 0))
    assert take(points, (10, 5, 0)) == [500]
    assert take(points, (11, 3, 0), (10, 5, 0)) == [3, 5000]


@pytest.mark.parametrize(
    "power", [(11, -32768.0, 0), (11, math.nan, int(Validity.INVALID)), (11, 1.0, LOST)]
)
def test_without_a_sound_power_there_is_no_value(
    points: Points, power: tuple[int, float, int]
) -> None:
    take(points, (10, 5, 0), (11, 2, 0))
    batch = points.take(ReadingBatch.of((10, 11), NOW, (5, power[1]), (0, power[2])))
    assert np.isnan(batch.value[0])
    assert batch.quality[0] & 3 == Validity.INVALID


def test_before_any_power_was_read_there_is_no_value(points: Points) -> None:
    batch = points.take(ReadingBatch.of((10, 14), NOW, (5, 5)))
    assert np.isnan(batch.value[0])
    assert batch.value[1] == 10


def test_a_value_that_says_there_is_none_is_none(points: Points) -> None:
    spec = PointSpec(name="t", address="hr:9", type="int16", scale=0.1, absent=-32768)
    points.define([Point(id=30, key="m.t", device="m", spec=spec, address=None)])
    batch = points.take(ReadingBatch.of((30, 14, 30), NOW, (-32768, -32768, 215)))
    assert np.isnan(batch.value[0])
    assert batch.quality[0] & 3 == Validity.INVALID
    assert batch.value[1:].tolist() == pytest.approx([-65536, 21.5])
