"""A whole gateway on an IED: image, breaker through the command path, move by report, lost link."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from drivers.iec61850 import hub_plugin
from drivers.iec61850.mms.data import Bits
from hub import Command, DeviceState, Flag, Outcome, Stamp, Stream
from hub.kernel.channels import decode
from hub.kernel.gateway import Gateway
from hub.kernel.profiles import Profiles
from hub.testing.journal import MemoryJournal
from simulators.iec61850 import SimulatedIed
from tests.integration.iec61850.peer import Peer

OFF, ON = 1.0, 2.0
SERVER_TIME = 1_700_000_000_000_000


async def until(what: Callable[[], Any], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not what():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


@asynccontextmanager
async def gateway_on(port: int, journal: MemoryJournal, folder: Path) -> AsyncIterator[Gateway]:
    channels = [
        {
            "driver": "iec61850",
            "name": "station",
            "host": "127.0.0.1",
            "port": port,
            "request_timeout": 1.0,
            "backoff": {"first": 0.05, "last": 0.1},
            "devices": [{"name": "bay", "ied": "BAY1", "profile": "generic/iec61850_ied"}],
        }
    ]
    plans = decode(channels, {"iec61850": hub_plugin()}, Profiles())
    async with Gateway(plans, journal, folder).running() as gateway:
        yield gateway


async def operated(gateway: Gateway, journal: MemoryJournal, on: int) -> None:
    """Select and operate the breaker as an operator does; its new position reaches history."""
    position = journal.ids["bay.switch.position"]
    points = gateway.channels["station"].supervisor.driver.points
    breaker = next(point for point in points if point.key == "bay.breaker")
    order = Command(point=breaker, value=on, actor="anna", expires=gateway.clock.now() + 5_000_000)
    before = gateway.clock.now()
    assert (await gateway.commands.select(order)).outcome is Outcome.DONE
    done = await gateway.commands.operate(order)
    assert (done.outcome, done.detail) == (Outcome.DONE, "terminated")
    wanted = ON if on else OFF
    await until(lambda: journal.values(position)[-1][1] == wanted)
    when, _, quality = journal.values(position)[-1]
    assert when >= before - 2_000
    assert quality == int(Stamp.DEVICE)
    told = [batch for stream, batch in journal.batches if stream is Stream.EVENTS]
    assert any(position in batch.point.tolist() for batch in told)


async def lost(stop: Callable[[], Awaitable[object]], journal: MemoryJournal) -> None:
    position = journal.ids["bay.switch.position"]
    await stop()
    await until(lambda: journal.values(position)[-1][2] & Flag.COMM_LOST)
    assert journal.of(DeviceState)[-1].online is False


async def test_a_gateway_lives_with_a_simulated_ied(tmp_path: Path) -> None:
    ied, journal = SimulatedIed(), MemoryJournal()
    async with contextlib.AsyncExitStack() as served:
        port = await served.enter_async_context(ied.serve())
        ied.data.set("CTRL/XCBR1.Pos.stVal", Bits(2, 2), at=SERVER_TIME)
        async with gateway_on(port, journal, tmp_path) as gateway:
            position = journal.ids["bay.switch.position"]
            await until(lambda: journal.values(position))
            assert journal.values(position)[0] == (SERVER_TIME, ON, int(Stamp.DEVICE))
            await operated(gateway, journal, 0)
            await operated(gateway, journal, 1)
            ied.data.set("MEAS/MMXU1.TotW.mag.f", 12.5, q=0x1000, at=SERVER_TIME)
            watts = journal.ids["bay.power.active.total"]
            await until(lambda: journal.values(watts)[-1][1] == 12_500.0)
            await lost(served.aclose, journal)


async def test_a_gateway_lives_with_libiec61850(libiec61850: Peer, tmp_path: Path) -> None:
    journal = MemoryJournal()
    async with gateway_on(libiec61850.port, journal, tmp_path) as gateway:
        position = journal.ids["bay.switch.position"]
        await until(lambda: journal.values(position))
        await operated(gateway, journal, 1)
        await operated(gateway, journal, 0)
        await libiec61850.tell("dbpos CTRL/XCBR1.Pos.stVal 2 1700000000123")
        moved = (1_700_000_000_123_000, ON, int(Stamp.DEVICE))
        await until(lambda: moved in journal.values(position))
        await lost(libiec61850.kill, journal)
