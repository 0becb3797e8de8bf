"""The driver through the hub's contract, against libiec61850."""

import asyncio
import math
import time

import pytest

from drivers.iec61850.plan import REFUSED
from drivers.iec61850.session import Iec61850Session
from hub import Cause, Flag, Kind, LinkError, NoResponse, Outcome, ReadingBatch, Stamp, Validity
from tests.integration.iec61850.hub_side import command, driver, opened, rows, spec
from tests.integration.iec61850.peer import Peer

BREAKER = spec("CTRL/XCBR1.Pos.stVal[ST]", Kind.DOUBLE, writable=True)
SWITCH = spec("CTRL/CSWI1.Pos.stVal[ST]", Kind.DOUBLE, writable=True)
WATTS = spec("MEAS/MMXU1.TotW.mag.f[MX]")
VOLTS = spec("MEAS/MMXU1.PhV.phsA.cVal.mag.f[MX]")
ENERGY = spec("MEAS/MMTR1.SupWh.actVal[ST]", Kind.COUNTER)
VENDOR = spec("CTRL/LPHD1.PhyNam.vendor[DC]", Kind.TEXT)
SPECS = [BREAKER, WATTS, VOLTS, ENERGY, VENDOR, SWITCH]


async def next_with(
    session: Iec61850Session, point: int
) -> tuple[ReadingBatch, tuple[float, int, int]]:
    async with asyncio.timeout(5):
        async for batch in session.events():
            if point in (found := rows(batch)):
                return batch, found[point]
    raise AssertionError


async def test_reports_bring_what_they_can_and_the_rest_is_read(libiec61850: Peer) -> None:
    made, link = driver(libiec61850.port, SPECS, dynamic_data_sets=False)
    async with opened(made) as session:
        first = await session.startup()
        texts = dict(first.text)
        assert set(rows(first)) == {3, 4, 5}
        assert first.cause == Cause.STARTUP
        assert "Busbar" in texts.values()
        batch, (value, _, _) = await next_with(session, 1)
        assert batch.cause == Cause.STARTUP
        assert value == 0.0
        polled = await session.read(made.points)
        assert set(rows(polled)) == {3, 4, 5}
    assert any("they are polled" in warning for warning in link.warnings)
    assert link.octets


async def test_points_in_no_data_set_get_one_of_their_own(libiec61850: Peer) -> None:
    made, link = driver(libiec61850.port, [ENERGY])
    async with opened(made) as session:
        assert len(await session.startup()) == 0
        await next_with(session, 0)
        await libiec61850.tell("quality MEAS/MMTR1.SupWh.q 0")
        assert len(await session.read(made.points)) == 0
    assert not link.warnings


async def test_a_change_keeps_the_quality_and_time_of_the_device(libiec61850: Peer) -> None:
    made, _ = driver(libiec61850.port, [BREAKER])
    async with opened(made) as session:
        await session.startup()
        await next_with(session, 0)
        await libiec61850.tell("dbpos CTRL/XCBR1.Pos.stVal 2 1700000000123")
        batch, (value, when, quality) = await next_with(session, 0)
    assert batch.cause == Cause.EVENT
    assert (value, when) == (2.0, 1_700_000_000_123_000)
    assert quality == int(Validity.GOOD) | int(Stamp.DEVICE)


async def test_bad_quality_arrives_as_such(libiec61850: Peer) -> None:
    made, _ = driver(libiec61850.port, [WATTS])
    async with opened(made) as session:
        await session.startup()
        await next_with(session, 0)
        # libiec61850 counts quality bits from the other end: 3 questionable, 64 … old data.
        await libiec61850.tell(f"quality MEAS/MMXU1.TotW.q {0x3 | 0x80}")
        _, (_, _, quality) = await next_with(session, 0)
    assert quality & 3 == Validity.QUESTIONABLE
    assert quality & int(Flag.OLD)


async def test_the_breaker_is_operated_and_its_report_tells_the_move(libiec61850: Peer) -> None:
    made, _ = driver(libiec61850.port, [BREAKER, SWITCH])
    async with opened(made) as session:
        await session.startup()
        await next_with(session, 0)
        before = int(time.time() * 1000) * 1000
        closed = await session.operate(command(made, 0, 2))
        assert closed.outcome == Outcome.DONE, closed
        _, (value, when, quality) = await next_with(session, 0)
        assert value == 2.0
        assert when >= before
        assert quality & int(Stamp.DEVICE)
        opened_ = await session.operate(command(made, 0, "open"))
        assert opened_.outcome == Outcome.DONE
        _, (value, _, _) = await next_with(session, 0)
        assert value == 1.0


async def test_select_operate_and_cancel_reach_the_device(libiec61850: Peer) -> None:
    made, _ = driver(libiec61850.port, [SWITCH])
    async with opened(made) as session:
        await session.startup()
        on = command(made, 0, 2)
        assert (await session.select(on)).outcome == Outcome.DONE
        done = await session.operate(on)
        assert (done.outcome, done.detail) == (Outcome.DONE, "terminated")
        assert (await session.select(on)).outcome == Outcome.DONE
        assert (await session.cancel(on)).outcome == Outcome.DONE


async def test_an_order_that_makes_no_sense_is_never_sent(libiec61850: Peer) -> None:
    made, _ = driver(libiec61850.port, [SWITCH, WATTS, spec("CTRL/GGIO1.SPCSO5.stVal[ST]")])
    async with opened(made) as session:
        await session.startup()
        refused = await session.operate(command(made, 0, 7))
        assert refused.outcome == Outcome.REJECTED
        assert "1 (off) or 2 (on)" in refused.detail
        none = await session.operate(command(made, 1, 1))
        assert none.outcome == Outcome.NOT_SUPPORTED
        late = command(made, 0, 2)
        late = type(late)(point=late.point, value=2, actor="operator", expires=1)
        assert (await session.operate(late)).outcome == Outcome.EXPIRED


async def test_a_setting_or_configuration_is_written(libiec61850: Peer) -> None:
    model = spec("CTRL/CSWI1.Pos.ctlModel[CF]", writable=True)
    made, _ = driver(libiec61850.port, [model, spec("CTRL/CSWI1.Nix.setVal[SP]", writable=True)])
    async with opened(made) as session:
        await session.startup()
        assert (await session.select(command(made, 0, 0))).outcome is Outcome.DONE
        written = await session.operate(command(made, 0, 0))
        assert (written.outcome, written.detail) == (Outcome.DONE, "written")
        assert rows(await session.read(made.points))[0][0] == 0.0
        tried = await session.operate(command(made, 0, 3, test=True))
        assert tried.outcome is Outcome.NOT_SUPPORTED
        none = await session.operate(command(made, 1, 1))
        assert (none.outcome, "has no" in none.detail) == (Outcome.NOT_SUPPORTED, True)
        for wrong in ("x", 1e9):
            refused = await session.operate(command(made, 0, wrong))
            assert (refused.outcome, "not sent" in refused.detail) == (Outcome.REJECTED, True)


async def test_points_that_the_device_lacks_are_invalid_and_named(libiec61850: Peer) -> None:
    made, link = driver(libiec61850.port, [spec("MEAS/MMXU1.Nix.mag.f[MX]"), WATTS])
    async with opened(made) as session:
        first = rows(await session.startup())
    assert math.isnan(first[0][0])
    assert first[0][2] == REFUSED
    assert any("MEAS/MMXU1.Nix.mag.f[MX]" in warning for warning in link.warnings)


async def test_after_a_cut_exactly_the_missed_events_arrive(libiec61850: Peer) -> None:
    made, _ = driver(libiec61850.port, [BREAKER])
    async with opened(made) as session:
        await session.startup()
        await next_with(session, 0)
        for n in range(3):
            await libiec61850.tell(f"dbpos CTRL/XCBR1.Pos.stVal {2 - n % 2} {1700000000000 + n}")
        got = []
        events = session.events()
        async with asyncio.timeout(5):
            while len(got) < 3:
                got.append(rows(await anext(events))[0][1])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await anext(events)
        session._ied.association.abort()
    for n in range(3, 7):
        await libiec61850.tell(f"dbpos CTRL/XCBR1.Pos.stVal {2 - n % 2} {1700000000000 + n}")
    missed = []
    async with opened(made) as session:
        await session.startup()
        async with asyncio.timeout(5):
            async for batch in session.events():
                if batch.cause == Cause.STARTUP:
                    break
                missed.append(rows(batch)[0][1])
    assert missed == [(1700000000000 + n) * 1000 for n in range(3, 7)]


async def test_browsing_finds_points_with_units_and_canonical_names(libiec61850: Peer) -> None:
    made, _ = driver(libiec61850.port, [])
    async with opened(made) as session:
        top = [node.path async for node in session.browse()]
        assert top == ["BAY1CTRL", "BAY1MEAS", "BAY1PROT"]
        assert "BAY1MEAS/MMXU1" in [node.path async for node in session.browse("BAY1MEAS")]
        (leaf,) = [n async for n in session.browse("BAY1MEAS/MMXU1.TotW.mag")]
        assert leaf.spec is not None
        assert leaf.spec.measurement == "power.active.total"
        assert (leaf.spec.unit, leaf.spec.scale) == ("W", 1000.0)
        position = [n async for n in session.browse("BAY1CTRL/CSWI1.Pos") if n.name == "stVal"]
        assert position[0].spec is not None
        assert position[0].spec.is_switch
        assert position[0].spec.kind is Kind.DOUBLE
        found = made.address(leaf.spec, made.config.devices[0])
        assert str(found).endswith("BAY1MEAS/MMXU1.TotW.mag.f[MX]")


async def drain(session: Iec61850Session) -> None:
    async for _ in session.events():
        pass


async def test_a_peer_that_dies_ends_the_session_with_a_link_error(libiec61850: Peer) -> None:
    made, _ = driver(libiec61850.port, [BREAKER, ENERGY], dynamic_data_sets=False)
    async with opened(made) as session:
        await session.startup()
        await libiec61850.kill()
        with pytest.raises(LinkError):
            await asyncio.wait_for(drain(session), 5)
        with pytest.raises(LinkError):
            await session.read(made.points)


async def test_a_silent_peer_never_stops_the_event_loop(libiec61850: Peer) -> None:
    made, _ = driver(libiec61850.port, [ENERGY], dynamic_data_sets=False, request_timeout=0.6)
    beats = 0

    async def heart() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.01)
            beats += 1

    async with opened(made) as session:
        await session.startup()
        libiec61850.freeze()
        beating = asyncio.create_task(heart())
        with pytest.raises(NoResponse):
            await session.read(made.points)
        with pytest.raises(LinkError):
            await session.read(made.points)
        beating.cancel()
    assert beats > 5


async def test_a_device_that_only_reports_is_asked_whether_it_lives(libiec61850: Peer) -> None:
    made, _ = driver(libiec61850.port, [BREAKER], request_timeout=0.6, keep_alive=0.2)
    async with opened(made) as session:
        await session.startup()
        await next_with(session, 0)
        libiec61850.freeze()
        await asyncio.sleep(0.25)
        with pytest.raises(NoResponse):
            await session.read(made.points)
        with pytest.raises(LinkError):
            await session.read(made.points)
