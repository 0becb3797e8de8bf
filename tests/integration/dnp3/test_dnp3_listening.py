"""Many outstations that call one port: each is known by what it says."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from drivers.dnp3.codec.app import Control, Fragment, Function, Iin
from drivers.dnp3.codec.objects import PointType
from drivers.dnp3.codec.station import Station
from drivers.dnp3.config import Dnp3Config
from drivers.dnp3.driver import Dnp3Driver
from drivers.dnp3.lines import connect_tcp
from drivers.dnp3.listening import ListeningLine
from drivers.dnp3.outstation import OutstationServer, OutstationSettings
from hub import Command, LinkError, NoResponse, Outcome
from tests.integration.dnp3.dnp3_rig import SPECS, START, FakeLink, Plant, database, points
from tests.waiting import until

NAMES = {10: "north", 11: "south", 12: "west"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Caller:
    """An outstation that calls until it is stopped."""

    def __init__(self, address: int, port: int, *, unsolicited: bool = True) -> None:
        self.plant = Plant()
        self.database = database()
        settings = OutstationSettings(
            address=address, keep_alive=None, confirm_timeout=0.5, unsolicited=unsolicited
        )
        self.server = OutstationServer(settings, self.database, self.plant)
        self.port = port
        self.calling = asyncio.ensure_future(self._call())

    async def _call(self) -> None:
        while True:
            with contextlib.suppress(LinkError):
                await self.server.dial("127.0.0.1", self.port)
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        self.calling.cancel()
        await asyncio.gather(self.calling, return_exceptions=True)
        self.server.close()


@contextlib.asynccontextmanager
async def called(port: int, patience: float = 0.3) -> AsyncIterator[tuple[Any, Any, FakeLink]]:
    """A session that listens for the three."""
    config = msgspec.convert(
        {
            "driver": "dnp3-listen",
            "name": "line",
            "host": "127.0.0.1",
            "port": port,
            "request_timeout": patience,
            "devices": [{"name": name, "address": number} for number, name in NAMES.items()],
        },
        Dnp3Config,
    )
    mine = [points(name, 1 + 100 * n) for n, name in enumerate(NAMES.values())]
    link = FakeLink()
    async with Dnp3Driver(config, sum(mine, ()), link).open() as session:
        yield session, mine, link


@contextlib.asynccontextmanager
async def callers(port: int, *addresses: int, **more: Any) -> AsyncIterator[list[Caller]]:
    found = [Caller(address, port, **more) for address in addresses]
    try:
        yield found
    finally:
        for caller in found:
            await caller.stop()


@pytest.mark.parametrize("unsolicited", [True, False])
async def test_three_outstations_share_a_port(unsolicited: bool) -> None:
    port = free_port()
    async with (
        callers(port, *NAMES, unsolicited=unsolicited) as rtus,
        called(port) as (session, mine, _),
    ):
        for rtu in rtus:
            await until(lambda rtu=rtu: rtu.server.connected)
            rtu.database.update(PointType.AI, 0, float(rtu.server.settings.address), time=START)
        await session.startup()
        for number, wanted in zip(NAMES, mine, strict=True):
            batch = await session.read(wanted[:1])
            assert batch.value.tolist() == [float(number)]
        switch = next(p for p in mine[1] if p.spec.name == "switch")
        order = Command(point=switch, value=1, actor="anna", expires=2**62)
        assert (await session.operate(order)).outcome is Outcome.DONE
        assert [len(rtu.plant.operated) for rtu in rtus] == [0, 1, 0]


async def test_one_that_is_not_connected_is_told_at_once_and_served_when_it_comes() -> None:
    port = free_port()
    async with callers(port, 10) as _, called(port, patience=5.0) as (session, mine, link):
        await until(lambda: session._channel.line._owners)
        async with asyncio.timeout(2):
            await session.startup()
        assert any("outstation 11 is not connected" in text for text in link.warnings)
        switch = next(p for p in mine[1] if p.spec.name == "switch")
        order = Command(point=switch, value=1, actor="anna", expires=2**62)
        assert (await session.operate(order)).outcome is Outcome.REJECTED
        async with callers(port, 11) as _:
            await until(lambda: 11 in session._channel.line._owners)
            assert (await session.read(mine[1][: len(SPECS)])).value[0] == 0.0


async def test_one_that_calls_again_is_found_on_its_new_connection() -> None:
    port = free_port()
    async with callers(port, 10, 11) as (north, _), called(port) as (session, mine, _):
        await session.startup()
        old = session._channel.line._owners[10]
        assert north.server._line is not None
        north.server._line.on_data = lambda data: None  # it has lost its memory of this connection
        with pytest.raises(NoResponse):
            await session.read(mine[0][:1])
        north.server.close()
        line = session._channel.line
        await until(lambda: any(way is not old for way in line._nameless()))
        assert len(await session.read(mine[0][:1])) == 1
        assert session._channel.line._owners[10] is not old


async def test_frames_cut_and_mixed_between_connections_arrive_whole() -> None:
    line, port = ListeningLine("test", 8), free_port()
    await line.listen("127.0.0.1", port)
    came: list[bytes] = []
    faults: list[str] = []
    line.on_data, line.on_fault = came.append, faults.append
    answer = Fragment(Control(0), Function.RESPONSE, b"", Iin.NONE).encode()
    north, south = (Station(address, master=False).send(answer, 1) for address in (10, 11))
    ways = [await connect_tcp("127.0.0.1", port, within=2) for _ in range(2)]
    heard: list[list[bytes]] = [[], []]
    for way, pile in zip(ways, heard, strict=True):
        way.on_data = pile.append
    ways[0].write(north[:7])
    ways[1].write(b"GET /" + south)
    await until(lambda: came)
    ways[0].write(north[7:])
    await until(lambda: len(came) == 2)
    assert came == [south, north]
    assert faults == ["5 octets outside a frame"]
    ask = Station(1, master=True).send(b"\xc0\x01", 10)
    line.write(ask)
    everybody = Station(1, master=True).send(b"\xc0\x06", 0xFFFF)
    line.write(everybody)
    await until(lambda: heard[1])
    await until(lambda: b"".join(heard[0]) == ask + everybody)
    assert b"".join(heard[1]) == everybody
    line.close()
    for way in ways:
        way.close()


async def test_strangers_make_room_and_the_last_connection_ends_the_line() -> None:
    line = ListeningLine("test", 2)
    port = free_port()
    await line.listen("127.0.0.1", port)
    strangers = [await connect_tcp("127.0.0.1", port, within=2) for _ in range(3)]
    await until(lambda: not strangers[0].is_open)
    assert strangers[2].is_open
    for stranger in strangers:
        stranger.close()
    await asyncio.wait_for(line.closed, 2)
    with pytest.raises(LinkError):
        await connect_tcp("127.0.0.1", port, within=2)
