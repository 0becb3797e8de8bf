"""Both roles against an independent stack (dnp3py), where that one follows the standard."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from dnp3.database import (
    AnalogInputConfig,
    BinaryInputConfig,
    BinaryOutputConfig,
    CounterConfig,
    DatabaseConfig,
)
from dnp3.database import Database as TheirDatabase
from dnp3.master import DefaultSOEHandler, Master, MasterConfig, MasterTcpRunner
from dnp3.master.commands import CommandBuilder
from dnp3.outstation import Outstation as TheirOutstation
from dnp3.outstation import OutstationConfig, OutstationTcpRunner
from dnp3.outstation.handler import CommandResult, DefaultCommandHandler

from drivers.dnp3.codec.app import Iin
from drivers.dnp3.codec.commands import AnalogOutput, CommandStatus, ControlCode, Crob
from drivers.dnp3.codec.objects import PointType
from drivers.dnp3.lines import connect_tcp
from drivers.dnp3.master import Association, MasterChannel, Measurements, operations

START = 1_700_000_000_000
Pair = Any


class Relays(DefaultCommandHandler):
    def __init__(self) -> None:
        self.operated: list[tuple[Any, ...]] = []

    def select_binary_output(self, index: int, **control: Any) -> CommandResult:
        return CommandResult.success() if index < 5 else CommandResult.blocked()

    def operate_binary_output(self, index: int, **control: Any) -> CommandResult:
        self.operated.append((index, control["on_time"]))
        return CommandResult.success()

    def direct_operate_binary_output(self, index: int, **control: Any) -> CommandResult:
        self.operated.append((index, control["on_time"]))
        return CommandResult.success()

    def direct_operate_analog_output(self, index: int, value: float) -> CommandResult:
        self.operated.append((index, value))
        return CommandResult.success()


def their_database(size: int) -> TheirDatabase:
    room = DatabaseConfig(
        max_analog_inputs=size, max_binary_inputs=size, max_counters=size, max_binary_outputs=5
    )
    found = TheirDatabase(config=room)
    for n in range(size):
        found.add_analog_input(n, AnalogInputConfig())
        found.update_analog_input(n, value=n * 3 - 50)
        found.add_binary_input(n, BinaryInputConfig())
        found.update_binary_input(n, value=n % 3 == 0)
        found.add_counter(n, CounterConfig())
        found.update_counter(n, value=n * n)
    for n in range(5):
        found.add_binary_output(n, BinaryOutputConfig())
    return found


class Theirs:
    def __init__(self, peer: Association, outstation: TheirOutstation, relays: Relays) -> None:
        self.peer, self.outstation, self.relays = peer, outstation, relays
        self.reports: list[Any] = []
        peer.on_reports = self.reports.extend

    def values(self, point: PointType, *, events: bool = False) -> dict[int, float]:
        found: dict[int, float] = {}
        for report in self.reports:
            if not isinstance(report, Measurements) or report.point is not point:
                continue
            if report.is_event is events:
                cols = report.columns
                found |= zip(cols.index.tolist(), cols.values().tolist(), strict=True)
        return found


@pytest.fixture
async def theirs() -> AsyncIterator[Theirs]:
    """Our master, their outstation with 300 points of each kind."""
    relays = Relays()
    outstation = TheirOutstation(
        database=their_database(300), handler=relays, config=OutstationConfig(address=10)
    )
    runner = OutstationTcpRunner(outstation=outstation, host="127.0.0.1", port=0)
    running = asyncio.ensure_future(runner.run())
    while runner.local_address is None:
        await asyncio.sleep(0.01)
    line = await connect_tcp("127.0.0.1", runner.local_address[1], within=2)
    yield Theirs(Association(MasterChannel(line), 10, timeout=2), outstation, relays)
    line.close()
    await runner.stop()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_our_start_up_works_and_reads_their_points(theirs: Theirs) -> None:
    await operations.startup(theirs.peer, clock=lambda: START)
    assert theirs.values(PointType.AI) == {n: n * 3.0 - 50 for n in range(300)}
    assert theirs.values(PointType.BI) == {n: float(n % 3 == 0) for n in range(300)}
    assert theirs.values(PointType.CTR) == {n: float(n * n) for n in range(300)}
    answer = await operations.poll(theirs.peer, (1,))
    assert not answer.iin & (Iin.DEVICE_RESTART | Iin.NEED_TIME)


async def test_we_read_ranges_and_events_of_theirs(theirs: Theirs) -> None:
    await operations.read_ranges(theirs.peer, [(PointType.AI, 250, 299)])
    # It answers a range with all points of the type; what was asked for must be among them.
    assert theirs.values(PointType.AI).items() >= {n: n * 3.0 - 50 for n in range(250, 300)}.items()
    await operations.integrity(theirs.peer)
    theirs.reports.clear()
    theirs.outstation.database.update_binary_input(7, value=True)
    theirs.outstation.database.update_analog_input(8, value=4711)
    await operations.poll(theirs.peer, (1, 2, 3))
    assert theirs.values(PointType.BI, events=True) == {7: 1.0}
    assert theirs.values(PointType.AI, events=True) == {8: 4711.0}


async def test_we_operate_their_outputs(theirs: Theirs) -> None:
    close = (2, Crob(ControlCode.LATCH_ON, 1, 100, 200))
    assert await operations.direct_operate(theirs.peer, [close]) == [CommandStatus.SUCCESS]
    assert await operations.select_operate(theirs.peer, [close]) == [CommandStatus.SUCCESS]
    assert theirs.relays.operated == [(2, 100), (2, 100)]
    assert await operations.select_operate(theirs.peer, [(6, close[1])]) == [CommandStatus.BLOCKED]
    assert await operations.direct_operate(theirs.peer, [(0, AnalogOutput(12.75))]) == [
        CommandStatus.SUCCESS
    ]
    assert theirs.relays.operated[-1] == (0, 12.75)


@pytest.mark.parametrize("lan", [False, True])
async def test_we_set_their_clock(theirs: Theirs, lan: bool) -> None:
    await operations.synchronise(theirs.peer, lambda: START, lan=lan)
    answer = await operations.poll(theirs.peer, (1,))
    assert not answer.iin & Iin.NEED_TIME


async def test_their_master_reads_our_points(pair: Pair) -> None:
    await operations.poll(pair.peer, (1,))
    port = pair.server._line._socket.getsockname()[1]
    handler = DefaultSOEHandler()
    master = Master(handler=handler, config=MasterConfig(address=1, outstation_address=10))
    async with MasterTcpRunner(master=master, host="127.0.0.1", port=port) as running:
        await running.integrity_poll()
        assert {i: v.value for i, v in handler.analog_inputs.items()} == {
            n: float(n % 2) for n in range(10)
        }
        assert {i: v.value for i, v in handler.binary_inputs.items()} == {
            n: bool(n % 2) for n in range(10)
        }
        assert {i: v.value for i, v in handler.counters.items()} == {n: n % 2 for n in range(10)}
        assert {i: int(v.value) for i, v in handler.analog_outputs.items()} == {
            n: n % 2 for n in range(10)
        }
        pair.database.update(PointType.AI, 3, 99.5, time=START + 1500)
        await running.class_poll(class_1=True, class_2=True, class_3=True)
        event = handler.analog_inputs[3]
        assert event.value == 99.5
        assert event.timestamp is not None
        assert event.timestamp.timestamp() == START / 1000 + 1.5
        task = CommandBuilder().latch_on(2).build_direct_operate()
        await running.request(master.build_direct_operate(task))
        assert pair.device.operated == [(2, Crob(3, 1, 0, 0))]
        chosen = CommandBuilder().latch_off(1)
        await running.request(master.build_select(chosen.build_select()))
        await running.request(master.build_operate(chosen.build_operate()))
        assert pair.device.operated[-1][0] == 1


async def test_their_master_gets_our_unsolicited_responses(pair: Pair) -> None:
    await operations.poll(pair.peer, (1,))
    port = pair.server._line._socket.getsockname()[1]
    handler = DefaultSOEHandler()
    master = Master(handler=handler, config=MasterConfig(address=1, outstation_address=10))
    async with MasterTcpRunner(master=master, host="127.0.0.1", port=port) as running:
        await running.listen_unsolicited(timeout=2)
        await running.enable_unsolicited()
        pair.database.update(PointType.BI, 4, 1.0, time=START)
        await running.listen_unsolicited(timeout=2)
        assert handler.binary_inputs[4].value is True
        async with asyncio.timeout(2):
            while len(pair.server.outstation.events):
                await asyncio.sleep(0.01)
