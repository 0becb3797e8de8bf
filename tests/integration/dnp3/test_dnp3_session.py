"""The driver on the hub's contract, against our outstation and real sockets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import numpy as np
import pytest

from drivers.dnp3.codec.app import EVENT_CLASSES, Iin
from drivers.dnp3.codec.commands import CommandStatus, Control
from drivers.dnp3.codec.objects import PointType
from drivers.dnp3.config import Dnp3Config, Dnp3Listen, Dnp3Tcp
from drivers.dnp3.driver import Dnp3Driver
from drivers.dnp3.outstation.database import Table
from hub import (
    Cause,
    Flag,
    LinkError,
    NoResponse,
    Outcome,
    ReadingBatch,
    Stamp,
    Validity,
)
from tests.integration.dnp3.dnp3_rig import SPECS, START, FakeLink, Rig, config, points


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    async with rig.server.listen("127.0.0.1", 0) as port:
        driver = Dnp3Driver(config(port), rig.points, rig.link)
        async with driver.open() as session:
            rig.session = session
            yield rig


def values(batch: ReadingBatch) -> dict[int, float]:
    return dict(zip(batch.point.tolist(), batch.value.tolist(), strict=True))


async def test_start_up_gives_the_whole_image(rig: Rig) -> None:
    batch = await rig.session.startup()
    assert batch.cause is Cause.STARTUP
    found = values(batch)
    assert found[1] == 0.0
    assert found[2] == 7 % 3
    assert found[4] == 1.0
    assert [batch.text[n] for n in batch.text] == ["bay 1"]
    assert all(q & 3 == Validity.GOOD for q in batch.quality.tolist())


async def test_events_carry_the_device_time_and_its_trust(rig: Rig) -> None:
    await rig.session.startup()
    stream = rig.session.events()
    first = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    rig.database.update(PointType.BI, 2, 1.0, time=START + 3)
    batch = await asyncio.wait_for(first, 3)
    assert batch.cause is Cause.EVENT
    assert values(batch) == {3: 1.0}
    assert batch.time.tolist() == [(START + 3) * 1000]
    assert batch.quality.tolist()[0] & 0x1800 == Stamp.DEVICE
    await stream.aclose()


async def test_a_point_that_is_not_there_reads_invalid(rig: Rig) -> None:
    await rig.session.startup()
    batch = await rig.session.read(rig.points)
    assert batch.cause is Cause.POLL
    found = dict(zip(batch.point.tolist(), batch.quality.tolist(), strict=True))
    assert set(found) == {p.id for p in rig.points}
    assert found[rig.point("absent").id] == Validity.INVALID
    assert found[1] == Validity.GOOD


async def test_an_outstation_that_refuses_whole_ranges_is_read_point_by_point(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    from drivers.dnp3.outstation import reading

    lenient = reading.rows_of

    def strict(table: Any, block: Any, fault: Any = None) -> list[tuple[int, int]]:
        rows = lenient(table, block, fault)
        return rows if sum(end - first for first, end in rows) == block.count else []

    monkeypatch.setattr(reading, "rows_of", strict)
    await rig.session.startup()
    rig.database.tables[PointType.AI] = Table(
        PointType.AI, [0, 7], rig.database.tables[PointType.AI].defaults
    )
    rig.database.load(PointType.AI, np.array([5.0, 6.0]), 0x01, START)
    for _ in range(2):
        batch = await rig.session.read(rig.points[:2])
        assert values(batch) == {1: 5.0, 2: 6.0}


async def test_flags_become_quality(rig: Rig) -> None:
    await rig.session.startup()
    rig.database.update(PointType.AI, 0, 5.0, time=START, flags=0x21)
    rig.database.update(PointType.AI, 7, 6.0, time=START, flags=0x04)
    rig.database.update(PointType.BI, 2, 1.0, time=START, flags=0x11)
    batch = await rig.session.read(rig.points[:3])
    assert [q & 0x7FF for q in batch.quality.tolist()] == [
        Validity.QUESTIONABLE | Flag.OVERRANGE,
        Validity.INVALID | Flag.COMM_LOST,
        Validity.QUESTIONABLE | Flag.SUBSTITUTED,
    ]


async def test_the_device_sees_select_and_operate(rig: Rig) -> None:
    await rig.session.startup()
    command = rig.command("switch", 1)
    assert (await rig.session.select(command)).outcome is Outcome.DONE
    assert rig.plant.selected == 1
    assert (await rig.session.operate(command)).outcome is Outcome.DONE
    assert rig.plant.selected == 1
    assert [(i, c.code, c.on) for i, c in rig.plant.operated] == [(1, 0x41, 250)]


async def test_a_poll_between_select_and_operate_does_no_harm(rig: Rig) -> None:
    await rig.session.startup()
    command = rig.command("setpoint", 12.5)
    await rig.session.select(command)
    await rig.session.read(rig.points[:1])
    assert (await rig.session.operate(command)).outcome is Outcome.DONE
    assert rig.plant.selected == 2
    assert [c.value for _, c in rig.plant.operated] == [12.5]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (CommandStatus.LOCAL, Outcome.LOCAL),
        (CommandStatus.BLOCKED, Outcome.INTERLOCKED),
        (CommandStatus.NOT_SUPPORTED, Outcome.NOT_SUPPORTED),
        (CommandStatus.HARDWARE_ERROR, Outcome.REJECTED),
        (CommandStatus.TIMEOUT, Outcome.TIMEOUT),
    ],
)
async def test_a_refusal_is_told_in_the_devices_words(
    rig: Rig, status: CommandStatus, outcome: Outcome
) -> None:
    await rig.session.startup()
    rig.plant.answer = status
    answer = await rig.session.operate(rig.command("switch", 0))
    assert (answer.outcome, answer.detail) == (outcome, status.name)
    assert rig.plant.operated == []


async def test_what_cannot_be_sent_is_refused_before_it_is(rig: Rig) -> None:
    await rig.session.startup()
    for command, outcome in (
        (rig.command("switch", 2), Outcome.NOT_SUPPORTED),
        (rig.command("switch", 1, test=True), Outcome.NOT_SUPPORTED),
        (rig.command("setpoint", 1e300), Outcome.REJECTED),
        (rig.command("switch", 1, expires=1), Outcome.EXPIRED),
    ):
        assert (await rig.session.operate(command)).outcome is outcome
    assert rig.plant.selected == 0


async def test_a_control_whose_link_died_is_unknown_and_one_never_sent_is_rejected(
    rig: Rig,
) -> None:
    await rig.session.startup()
    real = rig.plant.operate

    def cut(index: int, control: Control) -> CommandStatus:
        status = real(index, control)
        rig.server.close()
        return status

    rig.plant.operate = cut
    answer = await rig.session.operate(rig.command("switch", 1))
    assert answer.outcome is Outcome.UNKNOWN
    assert len(rig.plant.operated) == 1
    answer = await rig.session.operate(rig.command("switch", 1))
    assert answer.outcome is Outcome.REJECTED
    assert len(rig.plant.operated) == 1


async def test_the_clock_can_be_set(rig: Rig) -> None:
    times: list[int] = []
    rig.plant.set_time = lambda ms: times.append(ms) is None
    await rig.session.startup()
    await rig.session.set_clock("rtu")
    assert len(times) == 2
    assert abs(times[1] - rig.link.now() // 1000) < 2000


async def test_browsing_lists_what_the_outstation_has(rig: Rig) -> None:
    assert [node.name async for node in rig.session.browse()] == ["rtu"]
    found = [node.spec.address async for node in rig.session.browse("rtu")]
    assert len(found) == 10 + 4 + 2 + 1 + 3 + 1 + 1
    assert "dbi:1" in found
    assert "os:0" in found


async def test_a_restarted_outstation_is_started_up_again(rig: Rig) -> None:
    await rig.session.startup()
    stream = rig.session.events()
    first = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.01)
    rig.server.outstation.restart()
    rig.server._tick()
    batch = await asyncio.wait_for(first, 5)
    assert len(batch) >= len(rig.points) - 1
    another = asyncio.ensure_future(anext(stream))
    async with asyncio.timeout(3):
        while rig.server.outstation.enabled != {1, 2, 3}:
            await asyncio.sleep(0.01)
    another.cancel()
    await asyncio.gather(another, return_exceptions=True)
    await stream.aclose()
    assert "rtu: the outstation has restarted" in rig.link.warnings


async def test_indications_that_never_go_away_do_not_keep_the_line_busy(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = Iin.DEVICE_RESTART | Iin.NEED_TIME | Iin.EVENT_BUFFER_OVERFLOW | EVENT_CLASSES
    monkeypatch.setattr(rig.server.outstation, "indications", lambda now: everything)
    await rig.session.startup()
    stream = rig.session.events()
    listening = asyncio.ensure_future(anext(stream))
    before = rig.link.octets
    await asyncio.sleep(0.6)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await stream.aclose()
    assert 0 < rig.link.octets - before < 6000


async def test_events_end_with_the_line(rig: Rig) -> None:
    await rig.session.startup()
    stream = rig.session.events()
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.01)
    rig.server.close()
    with pytest.raises(LinkError):
        await asyncio.wait_for(waiting, 3)


async def test_a_silent_outstation_is_no_response() -> None:
    async def nothing(reader: Any, writer: Any) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    driver = Dnp3Driver(config(port, response_timeout=0.1), points(), FakeLink())
    async with driver.open() as session:
        with pytest.raises(NoResponse):
            await session.startup()
    server.close()
    await server.wait_closed()
    await asyncio.sleep(0.01)


async def test_one_silent_outstation_of_two_does_not_stop_the_other() -> None:
    rig = Rig()
    async with rig.server.listen("127.0.0.1", 0) as port:
        both = msgspec.convert(
            {
                "driver": "dnp3-tcp",
                "name": "line",
                "host": "127.0.0.1",
                "port": port,
                "devices": [
                    {"name": "rtu", "address": 10},
                    {"name": "dead", "address": 11, "response_timeout": 0.1},
                ],
            },
            Dnp3Config,
        )
        mine = points() + points("dead", 100)
        async with Dnp3Driver(both, mine, rig.link).open() as session:
            batch = await session.startup()
            assert max(batch.point.tolist()) < 100
            with pytest.raises(NoResponse):
                await session.read(mine[len(SPECS) :])
            assert len(await session.read(mine[: len(SPECS)])) == len(SPECS)
    assert any("dead" in text for text in rig.link.warnings)


async def test_an_outstation_that_calls_us_is_served() -> None:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    rig = Rig()
    settings = Dnp3Listen(
        name="line", host="127.0.0.1", port=port, devices=config(port).devices, connect_timeout=3
    )

    async def call() -> None:
        for _ in range(50):
            try:
                await rig.server.dial("127.0.0.1", port)
            except LinkError:
                await asyncio.sleep(0.02)
            else:
                return

    calling = asyncio.ensure_future(call())
    async with Dnp3Driver(settings, rig.points, rig.link).open() as session:
        assert len(await session.startup()) >= 8
    await asyncio.wait_for(calling, 5)


async def test_no_listener_is_a_link_error() -> None:
    driver = Dnp3Driver(Dnp3Tcp(name="x", host="127.0.0.1", port=1), (), FakeLink())
    with pytest.raises(LinkError, match=r"127\.0\.0\.1:1"):
        async with driver.open():
            pass


async def test_a_line_that_went_dead_is_noticed_without_traffic() -> None:
    rig = Rig()
    async with rig.server.listen("127.0.0.1", 0) as port:
        quiet = {"unsolicited": [], "class_1": None, "class_2": None, "class_3": None}
        settings = msgspec.structs.replace(config(port, **quiet), keep_alive=0.05)
        settings = msgspec.structs.replace(settings, request_timeout=0.1)
        async with Dnp3Driver(settings, rig.points, rig.link).open() as session:
            await session.startup()
            stream = session.events()
            waiting = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0.3)
            assert not waiting.done()
            assert rig.server._line is not None
            rig.server._line.on_data = lambda data: None
            with pytest.raises(LinkError, match="link status"):
                await asyncio.wait_for(waiting, 3)
