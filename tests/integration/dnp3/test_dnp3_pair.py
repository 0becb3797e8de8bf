"""Our master and our outstation over TCP, one procedure after another."""

import asyncio
from typing import Any

import pytest

from drivers.dnp3.codec.app import Function, Iin
from drivers.dnp3.codec.commands import AnalogOutput, CommandStatus, ControlCode, Crob
from drivers.dnp3.codec.objects import PointType
from drivers.dnp3.master import Measurements, Origin, Refused, Strings, operations

START = 1_700_000_000_000
Pair = Any


def states(pair: Pair, point: PointType, *, events: bool) -> dict[int, float]:
    found: dict[int, float] = {}
    for report in pair.reports:
        if not isinstance(report, Measurements) or report.point is not point:
            continue
        if report.is_event is events:
            cols = report.columns
            found |= zip(cols.index.tolist(), cols.values().tolist(), strict=True)
    return found


async def until(what: Any, seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.005)


async def test_start_up_brings_every_point_and_clears_the_restart(pair: Pair) -> None:
    iin = await operations.startup(pair.peer, clock=lambda: START + 777)
    assert not iin & Iin.DEVICE_RESTART
    for point in (PointType.BI, PointType.DBI, PointType.CTR, PointType.AI, PointType.AO):
        assert states(pair, point, events=False) == {i: float(i % 2) for i in range(10)}
    texts = [r.rows for r in pair.reports if isinstance(r, Strings) and not r.is_event]
    assert [row for rows in texts for row in rows] == [(0, b"north"), (1, b"south bay")]
    assert abs(pair.device.times[0] - (START + 777)) < 1000
    answer = await pair.peer.request(Function.READ, operations.CLASSES[1])
    assert answer.iin == Iin.NONE


async def test_changes_are_reported_unsolicited_with_the_device_time(pair: Pair) -> None:
    await operations.startup(pair.peer, clock=lambda: START)
    pair.reports.clear()
    pair.database.update(PointType.AI, 3, 12.75, time=START + 40)
    pair.database.update(PointType.BI, 4, 1.0, time=START + 41)
    await until(lambda: states(pair, PointType.BI, events=True))
    assert states(pair, PointType.AI, events=True) == {3: 12.75}
    first = next(r for r in pair.reports if isinstance(r, Measurements))
    assert first.origin is Origin.UNSOLICITED
    assert first.synchronised
    assert first.columns.time is not None
    assert first.columns.time.tolist() == [START + 40]
    await until(lambda: len(pair.server.outstation.events) == 0)


async def test_polled_events_leave_the_outstation_only_when_confirmed(pair: Pair) -> None:
    await operations.startup(pair.peer, unsolicited=(), clock=lambda: START)
    pair.reports.clear()
    for n in range(3):
        pair.database.update(PointType.CTR, 7, 100.0 + n, time=START + n)
    assert len(pair.server.outstation.events) == 3
    await operations.poll(pair.peer, (1, 2, 3))
    values = [r.columns.value.tolist() for r in pair.reports]
    assert values == [[100.0, 101.0, 102.0]]
    await until(lambda: len(pair.server.outstation.events) == 0)


@pytest.mark.parametrize("status", list(CommandStatus))
async def test_every_status_of_a_control_comes_back(pair: Pair, status: CommandStatus) -> None:
    pair.device.answer = status
    commands = [(2, Crob(ControlCode.LATCH_ON))]
    assert await operations.direct_operate(pair.peer, commands) == [status]
    assert await operations.select_operate(pair.peer, commands) == [status]
    assert len(pair.device.operated) == (2 if status is CommandStatus.SUCCESS else 0)


async def test_select_before_operate_moves_several_outputs_together(pair: Pair) -> None:
    commands = [
        (1, Crob(ControlCode.CLOSE, 1, 500, 0)),
        (2, AnalogOutput(12.5, 3)),
        (3, AnalogOutput(-7, 2)),
        (4, AnalogOutput(70_000, 1)),
        (5, AnalogOutput(1e100, 4)),
    ]
    done = await operations.select_operate(pair.peer, commands)
    assert done == [CommandStatus.SUCCESS] * 5
    assert pair.device.operated == commands


async def test_one_refused_output_stops_the_whole_selection(pair: Pair) -> None:
    commands = [(1, Crob(ControlCode.LATCH_ON)), (9, Crob(ControlCode.LATCH_ON))]
    done = await operations.select_operate(pair.peer, commands)
    assert done == [CommandStatus.SUCCESS, CommandStatus.BLOCKED]
    assert pair.device.operated == []


async def test_an_index_above_255_is_operated(pair: Pair) -> None:
    pair.device.select = lambda index, control: CommandStatus.SUCCESS
    assert await operations.direct_operate(pair.peer, [(300, Crob(ControlCode.TRIP))]) == [
        CommandStatus.SUCCESS
    ]
    assert pair.device.operated[0][0] == 300


async def test_a_control_without_answer_is_executed(pair: Pair) -> None:
    await operations.direct_operate_no_answer(pair.peer, [(1, AnalogOutput(3.0))])
    await operations.direct_operate_no_answer(pair.peer, [(2, AnalogOutput(4.0))], broadcast=True)
    await until(lambda: len(pair.device.operated) == 2)
    answer = await operations.poll(pair.peer, (1,))
    assert answer.iin & Iin.BROADCAST


async def test_an_operate_without_select_moves_nothing(pair: Pair) -> None:
    from drivers.dnp3.codec.commands import controls, encode

    answer = await pair.peer.request(Function.OPERATE, encode([(1, Crob(ControlCode.LATCH_ON))]))
    echoed = [row for block in answer.blocks() for row in controls(block)]
    assert echoed[0][1].status == CommandStatus.NO_SELECT
    assert pair.device.operated == []


async def test_counters_are_frozen_and_cleared(pair: Pair) -> None:
    await operations.startup(pair.peer, unsolicited=(), clock=lambda: START)
    pair.database.update(PointType.CTR, 2, 4711.0, time=START)
    await operations.freeze(pair.peer, clear=True, start=2, stop=3)
    pair.reports.clear()
    await operations.read_ranges(pair.peer, [(PointType.CTR, 2, 2), (PointType.FCTR, 2, 3)])
    assert states(pair, PointType.CTR, events=False) == {2: 0.0}
    assert states(pair, PointType.FCTR, events=False) == {2: 4711.0, 3: 1.0}
    frozen = next(r for r in pair.reports if r.point is PointType.FCTR)
    assert frozen.columns.time.tolist() == [START + 5, START + 5]


@pytest.mark.parametrize("lan", [False, True])
async def test_the_clock_is_set(pair: Pair, lan: bool) -> None:
    await operations.synchronise(pair.peer, lambda: START + 123, lan=lan)
    assert abs(pair.device.times[0] - (START + 123)) < 1000
    answer = await operations.poll(pair.peer, (1,))
    assert not answer.iin & Iin.NEED_TIME


async def test_a_restart_tells_its_delay_and_shows_in_the_indications(pair: Pair) -> None:
    await operations.startup(pair.peer, clock=lambda: START)
    assert await operations.restart(pair.peer, cold=True) == 1.5
    assert await operations.restart(pair.peer, cold=False) == 200.0
    answer = await operations.poll(pair.peer, (1,))
    assert answer.iin & Iin.DEVICE_RESTART


async def test_points_move_to_another_class(pair: Pair) -> None:
    await operations.startup(pair.peer, unsolicited=(), clock=lambda: START)
    await operations.assign_class(pair.peer, 0, PointType.AI)
    await operations.assign_class(pair.peer, 3, PointType.BI, 4, 5)
    pair.database.update(PointType.AI, 1, 99.0, time=START)
    pair.database.update(PointType.BI, 4, 1.0, time=START)
    answer = await operations.poll(pair.peer, (0,))
    assert answer.iin & (Iin.CLASS_1 | Iin.CLASS_2 | Iin.CLASS_3) == Iin.CLASS_3


async def test_deadbands_are_written_and_obeyed(pair: Pair) -> None:
    await operations.startup(pair.peer, unsolicited=(), clock=lambda: START)
    await operations.write_deadbands(pair.peer, 2, [5.0, 0.5])
    assert (await operations.read_deadbands(pair.peer))[2] == 5.0
    assert not pair.database.update(PointType.AI, 2, 4.0, time=START)
    assert pair.database.update(PointType.AI, 2, 6.0, time=START)
    with pytest.raises(Refused):
        await operations.write_deadbands(pair.peer, 9, [1.0, 1.0])


async def test_the_device_describes_itself(pair: Pair) -> None:
    found = {item.name: item.value for item in await operations.read_attributes(pair.peer)}
    assert found == {
        "manufacturer": "Busbar",
        "software_version": "1.0",
        "max_transmit_fragment": 2048,
    }


async def test_an_overflow_of_events_is_told_and_the_newest_are_kept(pair: Pair) -> None:
    await operations.startup(pair.peer, unsolicited=(), clock=lambda: START)
    pair.reports.clear()
    for n in range(1500):
        pair.database.update(PointType.AI, 0, 1000.0 + n, time=START + n)
    answer = await operations.poll(pair.peer, (2,))
    assert answer.iin & Iin.EVENT_BUFFER_OVERFLOW
    values = [v for r in pair.reports for v in r.columns.value.tolist()]
    assert values == [1000.0 + n for n in range(500, 1500)]
    assert len(answer.fragments) > 1
    await until(lambda: len(pair.server.outstation.events) == 0)
    assert not (await operations.poll(pair.peer, (2,))).iin & Iin.EVENT_BUFFER_OVERFLOW


async def test_many_requests_at_once_are_answered_each(pair: Pair) -> None:
    answers = await asyncio.gather(
        *(operations.read_ranges(pair.peer, [(PointType.AI, n, n)]) for n in range(10))
    )
    assert [len(a.fragments) for a in answers] == [1] * 10
    assert pair.faults == []


async def test_analogs_are_frozen_at_a_time_and_again(pair: Pair) -> None:
    await operations.startup(pair.peer, unsolicited=(), clock=lambda: START)
    clock = [START]
    pair.server.outstation._requests.freezer._clock = lambda: clock[0]
    await operations.freeze_at(pair.peer, START + 40, 100, PointType.AI, start=2, stop=3)
    pair.database.update(PointType.AI, 2, 7.5, time=START)
    clock[0] = START + 40
    await until(lambda: pair.database.tables[PointType.FAI].value[2] == 7.5)
    pair.reports.clear()
    await operations.poll(pair.peer, (3,))
    assert states(pair, PointType.FAI, events=True) == {2: 7.5}
    pair.reports.clear()
    await operations.read_ranges(pair.peer, [(PointType.FAI, 1, 3)])
    assert states(pair, PointType.FAI, events=False) == {1: 1.0, 2: 7.5, 3: 1.0}
    await operations.end_freezing(pair.peer, PointType.AI)
    assert pair.server.outstation.until_freeze() is None
    with pytest.raises(Refused):
        await operations.freeze(pair.peer, PointType.AI, clear=True)


async def test_a_scheduled_freeze_needs_no_master(pair: Pair) -> None:
    import time

    freezer = pair.server.outstation._requests.freezer
    freezer._clock = lambda: time.time_ns() // 1_000_000
    await operations.freeze_at(pair.peer, time.time_ns() // 1_000_000 + 150)
    pair.database.update(PointType.CTR, 4, 4711.0, time=START)
    pair.peer.channel.line.close()
    await until(lambda: not pair.server.connected)
    await until(lambda: pair.database.tables[PointType.FCTR].value[4] == 4711.0)


async def test_commands_that_others_gave_are_told_to_a_master(pair: Pair) -> None:
    await operations.startup(pair.peer, unsolicited=(), clock=lambda: START)
    for point in (PointType.BOC, PointType.AOC):
        await operations.assign_class(pair.peer, 1, point)
    await operations.direct_operate(pair.peer, [(3, Crob(ControlCode.TRIP))])
    pair.device.answer = CommandStatus.LOCAL
    await operations.direct_operate(pair.peer, [(4, AnalogOutput(12.5))])
    pair.reports.clear()
    await operations.poll(pair.peer, (1,))
    told = [
        (r.point, int(r.columns.index[0]), float(r.columns.value[0]), int(r.columns.flags[0]))
        for r in pair.reports
    ]
    assert told == [
        (PointType.BOC, 3, 0.0, CommandStatus.SUCCESS),
        (PointType.AOC, 4, 12.5, CommandStatus.LOCAL),
    ]
