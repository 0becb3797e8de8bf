"""Time-activated controls: the device executes them by its own clock."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from hub import Kind, Outcome
from simulators.iec61850 import SimulatedIed
from tests.integration.iec61850.hub_side import command, driver, opened, rows, spec
from tests.integration.iec61850.peer import Peer
from tests.waiting import until

DIRECT = spec("CTRL/GGIO1.SPCSO6.stVal[ST]", Kind.BINARY, writable=True)
SELECTED = spec("CTRL/GGIO1.SPCSO7.stVal[ST]", Kind.BINARY, writable=True)
UNTIMED = spec("CTRL/GGIO1.SPCSO4.stVal[ST]", Kind.BINARY, writable=True)
SPECS = [DIRECT, SELECTED, UNTIMED]


@pytest.fixture
async def simulated() -> AsyncIterator[tuple[SimulatedIed, int]]:
    ied = SimulatedIed()
    async with ied.serve() as port:
        yield ied, port


@pytest.fixture(params=["libiec61850", "simulated"])
def port(
    request: pytest.FixtureRequest, libiec61850: Peer, simulated: tuple[SimulatedIed, int]
) -> int:
    return libiec61850.port if request.param == "libiec61850" else simulated[1]


def soon(seconds: float = 0.5) -> int:
    return int((time.time() + seconds) * 1e6)


@pytest.mark.parametrize("point", [0, 1])
async def test_the_device_executes_it_when_its_time_comes(port: int, point: int) -> None:
    made, _ = driver(port, SPECS, auto_reports=False)
    async with opened(made) as session:
        await session.startup()
        order = command(made, point, 1, at=soon())
        if point:
            assert (await session.select(order)).outcome is Outcome.DONE
        taken = await session.operate(order)
        assert taken.outcome is Outcome.ACCEPTED, taken
        assert taken.detail.startswith("the device executes it at 2")
        assert rows(await session.read(made.points))[point][0] == 0.0
        await asyncio.sleep(order.at / 1e6 - time.time())

        async def executed() -> bool:
            return rows(await session.read(made.points))[point][0] == 1.0

        await until(executed)


async def test_it_can_be_called_off_before_its_time(port: int) -> None:
    made, _ = driver(port, SPECS, auto_reports=False)
    async with opened(made) as session:
        await session.startup()
        order = command(made, 1, 1, at=soon())
        assert (await session.operate(order)).outcome is Outcome.ACCEPTED
        assert (await session.cancel(order)).outcome is Outcome.DONE
        await asyncio.sleep(0.8)
        assert rows(await session.read(made.points))[1][0] == 0.0


async def test_a_control_without_operating_time_is_never_executed_at_once_instead(
    libiec61850: Peer,
) -> None:
    made, _ = driver(libiec61850.port, SPECS, auto_reports=False)
    async with opened(made) as session:
        await session.startup()
        order = command(made, 2, 1, at=soon())
        for verb in (session.select, session.operate):
            refused = await verb(order)
            assert refused.outcome is Outcome.NOT_SUPPORTED
            assert "operTm" in refused.detail
        late = await session.operate(command(made, 0, 1, at=soon(-1)))
        assert late.outcome is Outcome.EXPIRED
        assert [value for value, _, _ in rows(await session.read(made.points)).values()] == [0] * 3


async def test_what_blocks_it_when_its_time_comes_is_told(
    simulated: tuple[SimulatedIed, int],
) -> None:
    ied, port = simulated
    made, link = driver(port, SPECS, auto_reports=False)
    async with opened(made) as session:
        await session.startup()
        order = command(made, 1, 1, at=soon(0.2))
        assert (await session.operate(order)).outcome is Outcome.ACCEPTED
        ied.data.set("CTRL/GGIO1.Loc.stVal", True)
        await until(lambda: bool(link.warnings))
        assert rows(await session.read(made.points))[1][0] == 0.0
    assert "not executed at its time: AddCause 2" in link.warnings[0]
