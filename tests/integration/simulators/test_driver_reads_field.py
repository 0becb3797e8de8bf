"""From a meter's register to an engineering value: our driver and the hub's scaling, on a field."""

import msgspec
import numpy as np
import pytest

from drivers.modbus.config import ModbusTcp
from drivers.modbus.driver import ModbusDriver
from hub import Point, ReadingBatch
from hub.kernel.clock import Clock
from hub.kernel.points import Points
from hub.kernel.profiles import Profiles
from simulators.field import Field, Outlet, serve_network
from simulators.network import Network

PROFILES = Profiles()


class Quiet:
    """A link that nobody watches."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def now(self) -> int:
        return 1_700_000_000_000_000

    def wire(self, device: str, sent: bool, data: bytes, note: str = "") -> None: ...

    def warn(self, device: str, message: str) -> None:
        self.warnings.append(message)

    def clear(self, device: str) -> None: ...


def points_of(config: ModbusTcp) -> list[Point]:
    found: list[Point] = []
    for device in config.devices:
        assert device.profile is not None
        for spec in PROFILES.find(device.profile).points:
            key, address = f"{device.name}.{spec.name}", ModbusDriver.address(spec, device)
            found.append(
                Point(id=len(found), key=key, device=device.name, spec=spec, address=address)
            )
    return found


async def read_all(outlet: Outlet) -> dict[str, tuple[Point, float, int]]:
    """Every point of an outlet as the hub would have it, by key."""
    config = msgspec.convert(outlet.channel(1.0), ModbusTcp)
    points, link = points_of(config), Quiet()
    hub = Points(Clock(), lambda *_: None)
    hub.define(points)
    found: dict[str, tuple[Point, float, int]] = {}
    async with ModbusDriver(config, points, link).open() as session:
        for device in config.devices:
            raw: ReadingBatch = await session.read(
                tuple(p for p in points if p.device == device.name)
            )
            ready = hub.take(raw)
            rows = zip(ready.point, ready.value, ready.quality, strict=True)
            found |= {points[i].key: (points[i], float(v), int(q)) for i, v, q in rows}
    assert link.warnings == []
    assert len(found) == len(points)
    return found


@pytest.fixture
def network() -> Network:
    return Network(11, start=13 * 3600.0)


async def test_every_value_that_the_network_shows_arrives_good_and_right(network: Network) -> None:
    field: Field
    async with serve_network(network, profiles=PROFILES, speed=0) as field:
        compared = 0
        for outlet in field.outlets:
            got = await read_all(outlet)
            for device in (d for d in network.devices if d.name in outlet.names):
                values = device.values()
                image = field.unit(device.name).image
                for point, value, quality in got.values():
                    expected = values.get(point.spec.measurement)
                    if point.device != device.name or expected is None:
                        continue
                    assert quality & 3 == 0, point.key
                    place = image.fields[point.spec.name]
                    step = place.scale if "int" in point.spec.type else 0.0
                    limit = float(np.finfo(np.float32).eps) * abs(expected) + step * 1.001
                    if point.spec.type.startswith("uint") and expected < 0:
                        continue
                    assert value == pytest.approx(expected, abs=limit), point.key
                    compared += 1
    assert compared > 700


async def test_a_feeder_adds_up_in_what_is_read_over_the_wire(network: Network) -> None:
    async with serve_network(network, profiles=PROFILES, speed=0) as field:
        outlet = next(outlet for outlet in field.outlets if outlet.name == "SS2-F1")
        got = await read_all(outlet)
        drawn = 0.0
        for number, name in enumerate(outlet.names[1:-1], 2):
            profile = outlet.server.units[number].profile
            sign = -1.0 if "generation" in profile.header.capabilities else 1.0
            drawn += sign * got[f"{name}.power.active.total"][1]
        head = got["SS2-F1-HEAD.power.active.total"][1]
        assert 0 < head - drawn < 0.05 * abs(head) + 2000
