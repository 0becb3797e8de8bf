"""Orders of the centre through a gateway to an RTU, confirmed by the breaker's own position."""

import contextlib
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from drivers.dnp3 import hub_plugin
from drivers.dnp3.codec.app import Fragment, Function
from drivers.dnp3.codec.link import FrameParser
from drivers.dnp3.codec.transport import Reassembler
from drivers.dnp3.outstation import OutstationServer, OutstationSettings
from hub import (
    CommandState,
    CommandTold,
    Operate,
    Validity,
)
from hub.kernel.channels import decode
from hub.kernel.gateway import Gateway
from hub.kernel.profiles import Profiles
from hub.testing.journal import MemoryJournal
from simulators.dnp3 import Rtu
from tests.waiting import until

CLOSED, OPEN = 2.0, 1.0
CONTROLS = (
    Function.SELECT,
    Function.OPERATE,
    Function.DIRECT_OPERATE,
)
POINTS = [
    {"name": "breaker.commanded", "address": "boc:0", "kind": "binary"},
    {"name": "limit.commanded", "address": "aoc:0"},
]


class Site:
    """A gateway with an RTU, and what the RTU was asked."""

    def __init__(self, gateway: Gateway, journal: MemoryJournal, rtu: Rtu) -> None:
        self.gateway, self.journal, self.rtu = gateway, journal, rtu
        self.asked: list[int] = []
        self._ids = itertools.count(1)

    def heard(self, sent: bool, data: bytes) -> None:
        whole = Reassembler()
        for frame in FrameParser().feed(b"" if sent else data):
            fragment = whole.feed(frame.data) if frame.data else None
            if fragment is not None and fragment[1] in CONTROLS:
                self.asked.append(Fragment.parse(fragment).function)

    def last(self, key: str) -> tuple[int, float, int]:
        return self.journal.values(self.journal.ids[key])[-1]

    async def order(self, key: str, value: float, **more: Any) -> list[CommandTold]:
        """Everything that the centre is told of one command, to its end."""
        command = str(UUID(int=next(self._ids)))
        fields: dict[str, Any] = {"left": 5.0, "wait": 3.0, "actor": "anna"}
        order = Operate(
            command=command,
            key=key,
            value=value,
            expires=self.gateway.clock.now() + 5_000_000,
            **{**fields, **more},
        )
        await self.gateway.operator.take(UUID(command), order)

        def told() -> list[CommandTold]:
            found = [t for t in self.journal.of(CommandTold) if t.id == command]
            return found if found and found[-1].state is not CommandState.SENT else []

        return list(await until(told))


@asynccontextmanager
async def site(folder: Path, **device: Any) -> AsyncIterator[Site]:
    profiles, journal = Profiles(), MemoryJournal()
    rtu = Rtu(profiles.find("generic/dnp3_rtu"))
    heard: list[Any] = []
    server = OutstationServer(
        OutstationSettings(confirm_timeout=0.5, keep_alive=None),
        rtu.database,
        rtu,
        on_wire=lambda sent, data: heard[0](sent, data) if heard else None,
    )
    bay = {"name": "bay", "profile": "generic/dnp3_rtu", "points": POINTS, "every": 0.1, **device}
    async with contextlib.AsyncExitStack() as stack:
        port = await stack.enter_async_context(server.listen("127.0.0.1", 0))
        channels = [
            {
                "driver": "dnp3-tcp",
                "name": "line",
                "host": "127.0.0.1",
                "port": port,
                "devices": [bay],
            }
        ]
        plans = decode(channels, {"dnp3": hub_plugin()}, profiles)
        gateway = await stack.enter_async_context(Gateway(plans, journal, folder).running())
        found = Site(gateway, journal, rtu)
        heard.append(found.heard)
        position = journal.ids["bay.switch.position"]
        await until(lambda: journal.values(position))
        yield found


@pytest.mark.parametrize(
    ("controls", "select", "wire"),
    [
        ("sbo", True, [Function.SELECT, Function.OPERATE]),
        ("sbo", False, [Function.SELECT, Function.OPERATE]),
        ("direct", True, [Function.DIRECT_OPERATE]),
        ("direct", False, [Function.DIRECT_OPERATE]),
    ],
)
async def test_a_breaker_opens_and_its_position_confirms_it(
    tmp_path: Path, controls: str, select: bool, wire: list[int]
) -> None:
    async with site(tmp_path, controls=controls) as bay:
        assert bay.last("bay.switch.position")[1] == CLOSED
        feedback = {"feedback": "bay.switch.position", "expected": OPEN}
        told = await bay.order("bay.breaker", 0, select=select, **feedback)
        assert [t.state for t in told] == [CommandState.SENT, CommandState.CONFIRMED]
        assert bay.last("bay.switch.position")[1] == OPEN
        assert bay.asked == wire


async def test_a_breaker_that_does_not_move_is_not_confirmed(tmp_path: Path) -> None:
    async with site(tmp_path) as bay:
        bay.rtu._feedback.clear()
        feedback = {"feedback": "bay.switch.position", "expected": OPEN, "wait": 0.3}
        told = await bay.order("bay.breaker", 0, select=True, **feedback)
        assert told[-1].state is CommandState.TIMEOUT
        assert "bay.switch.position is 2" in told[-1].detail
        assert bay.asked == [Function.SELECT, Function.OPERATE]


async def test_a_refusal_is_told_and_nothing_moves(tmp_path: Path) -> None:
    async with site(tmp_path) as bay:
        bay.rtu.local = True
        told = await bay.order("bay.breaker", 0, feedback="bay.switch.position", expected=OPEN)
        assert told[-1].state is CommandState.FAILED
        assert "LOCAL" in told[-1].detail
        assert bay.asked == [Function.SELECT]
        assert bay.last("bay.switch.position")[1] == CLOSED


async def test_a_set_point_is_confirmed_by_its_own_status(tmp_path: Path) -> None:
    async with site(tmp_path) as bay:
        told = await bay.order("bay.power_limit", 42.5, select=True, feedback="bay.power_limit")
        assert told[-1].state is CommandState.CONFIRMED
        assert bay.last("bay.power_limit")[1] == 42.5


async def test_what_others_command_becomes_an_event_that_no_poll_overwrites(
    tmp_path: Path,
) -> None:
    async with site(tmp_path, controls="direct") as bay:
        points = bay.gateway.points.by_key
        assert points["bay.breaker.commanded"].every is None
        await bay.order("bay.breaker", 0, feedback="bay.switch.position", expected=OPEN)
        commanded = bay.journal.ids["bay.breaker.commanded"]
        await until(lambda: bay.journal.values(commanded))
        polls = bay.gateway.channels["line"].supervisor.schedule.groups[0]
        before = polls.polls
        await until(lambda: polls.polls > before + 2)
        [(_, value, quality)] = bay.journal.values(commanded)
        assert (value, quality & 3) == (0.0, Validity.GOOD)
        bay.rtu.local = True
        await bay.order("bay.power_limit", 10.0)
        limit = bay.journal.ids["bay.limit.commanded"]
        refused = (await until(lambda: bay.journal.values(limit)))[-1]
        assert (refused[1], refused[2] & 3) == (10.0, Validity.QUESTIONABLE)
