"""Addresses, controls and channels as a configuration names them."""

from typing import Any

import msgspec
import pytest

from drivers.dnp3.address import Dnp3Point, parse
from drivers.dnp3.codec.commands import AnalogOutput, Crob
from drivers.dnp3.codec.objects import PointType
from drivers.dnp3.config import Dnp3Config, Dnp3Device
from drivers.dnp3.driver import Dnp3Driver
from drivers.dnp3.image import spans
from hub import ConfigError, Point, PointSpec


def point(address: str, number: int = 1, key: str = "") -> Point:
    spec = PointSpec(name=f"p{number}", address=address)
    return Point(
        id=number, key=key or f"rtu.p{number}", device="rtu", spec=spec, address=parse(spec)
    )


def channel(**more: Any) -> Dnp3Config:
    whole = {"driver": "dnp3-tcp", "name": "line", "host": "h", **more}
    return msgspec.convert(whole, Dnp3Config)


@pytest.mark.parametrize(
    ("address", "kind", "writable"),
    [
        ("ai:-1", "", False),
        ("xx:1", "", False),
        ("ai:70000", "", False),
        ("ai:1", "", True),
        ("bo:1", "toggle", True),
        ("bo:1", "pulse:long", True),
        ("ao:1", "int64", True),
    ],
)
def test_a_wrong_address_is_refused_with_its_name(address: str, kind: str, writable: bool) -> None:
    spec = PointSpec(name="p", address=address, type=kind, writable=writable)
    with pytest.raises(ConfigError, match="'p'"):
        Dnp3Driver.address(spec, Dnp3Device(name="rtu"))


@pytest.mark.parametrize(
    ("address", "kind", "value", "control"),
    [
        ("bo:2", "", 1, Crob(0x03, 1, 100, 100)),
        ("bo:2", "latch", 0, Crob(0x04, 1, 100, 100)),
        ("bo:2", "pulse:500", 1, Crob(0x01, 1, 500, 500)),
        ("bo:2", "close-trip", 0, Crob(0x81, 1, 100, 100)),
        ("bo:2", "", 2, None),
        ("ao:1", "", 1.5, AnalogOutput(1.5, 3)),
        ("ao:1", "int16", 7, AnalogOutput(7, 2)),
        ("ao:1", "g41v4", 7, AnalogOutput(7, 4)),
    ],
)
def test_a_value_becomes_the_control_that_the_type_names(
    address: str, kind: str, value: float, control: Any
) -> None:
    found = parse(PointSpec(name="p", address=address, type=kind, writable=True))
    assert found.control(float(value)) == control


def test_two_devices_or_points_at_one_place_are_found() -> None:
    twice = channel(devices=[{"name": "rtu"}, {"name": "other"}])
    faults = Dnp3Driver.check(twice, (point("ai:0"), point("ai:1", 2), point("ai:0", 3)))
    assert "link address 10" in faults[0]
    assert "'rtu.p3'" in faults[1]


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="`classs_1`"):
        channel(devices=[{"name": "rtu", "classs_1": 5}])


def test_neighbours_share_a_range_and_distant_points_do_not() -> None:
    wanted = [point(f"ai:{n}", n + 1) for n in (0, 1, 5, 40)] + [point("bi:3", 99)]
    assert spans(wanted, 8) == [(PointType.AI, 0, 5), (PointType.AI, 40, 40), (PointType.BI, 3, 3)]
    assert spans(wanted, 0)[:2] == [(PointType.AI, 0, 1), (PointType.AI, 5, 5)]


def test_a_point_survives_being_written_down() -> None:
    found = parse(PointSpec(name="p", address="bo:7", type="pulse:20", writable=True))
    assert msgspec.json.decode(msgspec.json.encode(found), type=Dnp3Point) == found
