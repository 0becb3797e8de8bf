"""A whole gateway on a simulated RTU: image, events, control, restart of the device, lost link."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drivers.dnp3 import hub_plugin
from drivers.dnp3.outstation import OutstationServer, OutstationSettings
from hub import Command, DeviceState, Flag, Outcome, Stream
from hub.kernel.channels import decode
from hub.kernel.gateway import Gateway
from hub.kernel.profiles import Profiles
from hub.testing.journal import MemoryJournal
from simulators.dnp3 import Rtu

CLOSED, OPEN = 2.0, 1.0


async def until(what: Callable[[], Any], seconds: float = 8) -> None:
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.01)


async def test_a_gateway_lives_with_an_rtu(tmp_path: Path) -> None:
    profiles, journal = Profiles(), MemoryJournal()
    rtu = Rtu(profiles.find("generic/dnp3_rtu"))
    settings = OutstationSettings(need_time=True, confirm_timeout=0.5, keep_alive=None)
    server = OutstationServer(settings, rtu.database, rtu)
    async with contextlib.AsyncExitStack() as stack:
        port = await stack.enter_async_context(server.listen("127.0.0.1", 0))
        channels = [
            {
                "driver": "dnp3-tcp",
                "name": "line",
                "host": "127.0.0.1",
                "port": port,
                "request_timeout": 1.0,
                "backoff": {"first": 0.05, "last": 0.1},
                "devices": [{"name": "bay", "profile": "generic/dnp3_rtu"}],
            }
        ]
        plans = decode(channels, {"dnp3": hub_plugin()}, profiles)
        async with Gateway(plans, journal, tmp_path).running() as gateway:
            position = journal.ids["bay.switch.position"]
            await until(lambda: journal.values(position))
            assert journal.values(position)[-1][1] == CLOSED
            assert len(journal.values(journal.ids["bay.voltage.l12"])) >= 1

            points = gateway.channels["line"].plan.points
            breaker = next(p for p in points if p.key == "bay.breaker")
            breaker = next(
                p for p in gateway.channels["line"].supervisor.driver.points if p.key == breaker.key
            )

            def order(value: float) -> Command:
                expires = gateway.clock.now() + 5_000_000
                return Command(point=breaker, value=value, actor="anna", expires=expires)

            first = order(0)
            assert (await gateway.commands.select(first)).outcome is Outcome.DONE
            assert (await gateway.commands.operate(first)).outcome is Outcome.DONE
            await until(lambda: journal.values(position)[-1][1] == OPEN)
            told = [
                batch
                for stream, batch in journal.batches
                if stream is Stream.EVENTS and position in batch.point.tolist()
            ]
            assert told, "a breaker that moves belongs into the sequence of events"

            rtu.local = True
            answer = await gateway.commands.operate(order(1), direct=True)
            assert answer.outcome is Outcome.LOCAL
            rtu.local = False

            server.outstation.restart()
            server._tick()
            await until(lambda: server.outstation.enabled == {1, 2, 3})
            assert gateway.channels["line"].state == "online"

            await stack.aclose()
            await until(lambda: journal.values(position)[-1][2] & Flag.COMM_LOST)
            assert journal.of(DeviceState)[-1].online is False
