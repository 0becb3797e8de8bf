"""The driver under the hub's own supervisor, on simulated meters with shipped profiles."""

import asyncio

import pytest

from drivers.modbus.driver import ModbusDriver
from hub import LOST, Cause, PointSpec, ReadingBatch
from hub.kernel.clock import Clock
from hub.kernel.points import Points
from hub.kernel.profiles import Profiles
from hub.kernel.supervisor import State, Supervisor
from hub.kernel.wire import ChannelLink
from simulators.modbus import Server, Unit

from .conftest import channel, points

PROFILES = {
    f"{profile.header.manufacturer} {profile.header.model}": profile
    for profile in Profiles().all()
    if profile.protocol == "modbus"
}


@pytest.fixture
async def server():
    """Units 1 to 3, a meter each."""
    profile = Profiles().find("eastron/sdm630")
    async with Server({unit: Unit(profile) for unit in (1, 2, 3)}) as running:
        yield running


async def test_every_shipped_profile_is_read_to_the_last_point(link):
    for name, profile in PROFILES.items():
        async with Server({1: Unit(profile)}) as server:
            config = channel(port=server.port)
            wanted = points(config, *profile.points)
            async with ModbusDriver(config, wanted, link).open() as session:
                batch = await session.read(wanted)
        refused = [p.spec.name for p, q in zip(wanted, batch.quality, strict=True) if q == 2]
        assert not refused, f"{name}: {refused}"
    assert link.warnings == []


class Log:
    """A `hub.Journal` that keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[object] = []

    def record(self, record: object) -> None:
        self.records.append(record)


@pytest.fixture
async def supervised(server):
    """(supervisor, batches so far); polls three meters ten times a second."""
    devices = [{"name": f"m{unit}", "unit": unit, "every": 0.1} for unit in server.units]
    config = channel(port=server.port, devices=devices, request_timeout=0.2)
    spec = PointSpec(name="u", address="ir:0", type="float32", every=0.1)
    wanted = [
        point
        for number, device in enumerate(config.devices)
        for point in points(config, spec, device=device.name, first=number)
    ]
    batches: list[ReadingBatch] = []
    store = Points(Clock(), lambda batch, stream: batches.append(batch))
    store.define(wanted)
    link = ChannelLink("c", Clock())
    supervisor = Supervisor(ModbusDriver(config, wanted, link), link, store, Log())
    task = asyncio.ensure_future(supervisor.run())
    yield supervisor, batches
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until(condition) -> None:
    async with asyncio.timeout(15):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.02)


def good(batches: list[ReadingBatch], start: int = 0) -> set[int]:
    """Points with a good polled value since."""
    return {
        int(batch.point[row])
        for batch in batches[start:]
        if batch.cause is Cause.POLL
        for row in range(len(batch))
        if batch.quality[row] == 0
    }


async def test_a_half_open_link_is_given_up_and_made_anew(server, supervised):
    supervisor, batches = supervised
    await until(lambda: good(batches) == {0, 1, 2})
    server.half_open = True
    await until(lambda: supervisor.state is State.BACKOFF)
    assert {int(q) for q in batches[-1].quality} <= {LOST}
    server.half_open = False
    before = len(batches)
    await until(lambda: good(batches, before) == {0, 1, 2})
    assert supervisor.connection >= 2


async def test_a_silent_meter_leaves_the_connection_to_the_others(server, supervised):
    supervisor, batches = supervised
    await until(lambda: good(batches) == {0, 1, 2})
    server.units[2].faults.silent = True
    await until(lambda: supervisor.devices["m2"].online is False)
    before = len(batches)
    await until(lambda: len(batches) > before + 20)
    assert good(batches, before) == {0, 2}
    server.units[2].faults.silent = False
    await until(lambda: supervisor.devices["m2"].online)
    assert supervisor.connection == 1
