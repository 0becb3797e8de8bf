"""A gateway against a real device over TCP: the traps that gateways fall into."""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub import (
    LOST,
    Catalogue,
    Command,
    CommandDone,
    DeviceState,
    Gap,
    GapCause,
    Note,
    Outcome,
    Stamp,
)
from hub.kernel.channels import decode
from hub.kernel.clock import Clock
from hub.kernel.gateway import Gateway, snapshot
from hub.testing.journal import MemoryJournal
from tests import toy
from tests.waiting import until

PLUGINS = {"toy": toy.hub_plugin()}


class NoProfiles:
    def find(self, code: str) -> Any:
        raise AssertionError(code)


def channel(port: int, *devices: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "driver": "toy",
        "name": "line",
        "host": "127.0.0.1",
        "port": port,
        "request_timeout": 0.2,
        "backoff": {"first": 0.02, "last": 0.05, "auth": 30.0},
        "devices": list(devices),
        **more,
    }


def device(name: str = "m", unit: int = 1, every: float = 0.05, **points: Any) -> dict[str, Any]:
    specs = points or {"v": {}}
    return {
        "name": name,
        "unit": unit,
        "every": every,
        "points": [{"name": n, "address": str(unit), **more} for n, more in specs.items()],
    }


@contextlib.asynccontextmanager
async def running(
    tmp_path: Path, *channels: dict[str, Any], **options: Any
) -> AsyncIterator[tuple[Gateway, MemoryJournal]]:
    journal = MemoryJournal()
    gateway = Gateway(decode(channels, PLUGINS, NoProfiles()), journal, tmp_path, **options)
    async with gateway.running():
        yield gateway, journal


def good(journal: MemoryJournal, point: int) -> list[float]:
    return [v for _, v, q in journal.values(point) if q == 0]


def control(gateway: Gateway, key: str = "m.v", value: float = 1.0, **more: Any) -> Command:
    expires = more.pop("expires", gateway.clock.now() + 10_000_000)
    point = gateway.points.by_key[key]
    return Command(
        point=point, value=value, actor=more.pop("actor", "ann"), expires=expires, **more
    )


async def test_a_register_of_2205_with_scale_a_tenth_is_220_5_volts(tmp_path):
    async with (
        toy.peer(v=2205) as peer,
        running(tmp_path, channel(peer.port, device(v={"scale": 0.1, "unit": "V"}))) as (gw, _),
    ):
        (now,) = await until(lambda: [p for p in snapshot(gw) if "value" in p])
        assert (now["value"], now["quality"], now["stale"], now["unit"]) == (220.5, 0, False, "V")


async def test_the_catalogue_is_told_once_and_again_when_it_changes(tmp_path):
    async with toy.peer(v=1) as peer:
        for expected, more in [(1, {}), (0, {}), (1, {"unit": "kV"})]:
            async with running(tmp_path, channel(peer.port, device(v=more))) as (_, journal):
                assert len(journal.of(Catalogue)) == expected


async def test_a_lost_link_is_told_once_and_the_gap_is_closed_when_it_returns(tmp_path):
    async with toy.peer(v=7) as peer, running(tmp_path, channel(peer.port, device())) as (_gw, j):
        await until(lambda: good(j, 1))
        await peer.stop()
        await until(lambda: j.of(Gap))
        await asyncio.sleep(0.3)
        assert [(v, q) for _, v, q in j.values(1) if q] == [(7.0, LOST)]
        assert [s.online for s in j.of(DeviceState)] == [True, False]
        await peer.start()
        await until(lambda: len(j.of(Gap)) == 2)
        opened, closed = j.of(Gap)
        assert (opened.cause, opened.until) == (GapCause.COMM_DOWN, None)
        assert (closed.since, closed.cause) == (opened.since, opened.cause)
        assert closed.until is not None
        assert closed.until > opened.since
        assert [s.online for s in j.of(DeviceState)] == [True, False, True]


async def test_a_silent_device_does_not_starve_the_others_on_its_line(tmp_path):
    devices = [device(f"m{u}", u) for u in (1, 2, 3)]
    async with toy.peer() as peer:
        peer.values = {(1, "v"): 1, (3, "v"): 3}
        async with running(tmp_path, channel(peer.port, *devices)) as (_gw, j):
            await until(lambda: len(good(j, 3)) > 20)
            assert len(good(j, 1)) > 15
            silent = [s for s in j.of(DeviceState) if not s.online]
            assert [(s.device, s.reason[:17]) for s in silent] == [("m2", "m2 did not answer")]
            assert [(g.device, g.cause) for g in j.of(Gap)] == [("m2", GapCause.DEVICE_SILENT)]
            assert [q for _, v, q in j.values(2) if math.isnan(v)] == [LOST]
            assert peer.connections == 1
            peer.values[2, "v"] = 2
            await until(lambda: good(j, 2))
            assert len(j.of(Gap)) == 2


async def test_a_half_open_link_is_found_by_the_request_timeout_and_replaced(tmp_path):
    async with toy.peer(v=1) as peer, running(tmp_path, channel(peer.port, device())) as (_gw, j):
        await until(lambda: good(j, 1))
        peer.deaf = True
        await until(lambda: peer.connections > 2)
        assert len(j.of(Gap)) == 1
        peer.deaf = False
        await until(lambda: len(j.of(Gap)) == 2)


async def test_polls_longer_than_their_period_never_pile_up_and_the_true_period_is_shown(tmp_path):
    points = {f"p{i}": {} for i in range(5)}
    async with toy.peer(**dict.fromkeys(points, 1)) as peer:
        peer.delay = 0.02
        async with running(tmp_path, channel(peer.port, device(every=0.01, **points))) as (gw, j):
            await until(lambda: len(good(j, 1)) >= 5)
            (group,) = gw.channels["line"].supervisor.schedule.groups
            assert group.achieved is not None
            assert group.achieved > 0.05
            assert len(peer.asked) <= 5 * (group.polls + 1)
            assert group.late > 0


async def test_two_polls_within_100_ms_are_two_readings(tmp_path):
    async with (
        toy.peer(v=5) as peer,
        running(tmp_path, channel(peer.port, device(every=0.02))) as (_, j),
    ):
        await until(lambda: len(j.values(1)) >= 6)
        times = [t for t, _, _ in j.values(1)]
        assert times == sorted(set(times))


async def test_one_refused_value_does_not_blind_its_neighbours(tmp_path):
    async with (
        toy.peer(a=1, c=3) as peer,
        running(tmp_path, channel(peer.port, device(a={}, b={}, c={}))) as (_, j),
    ):
        await until(lambda: good(j, 3))
        assert (good(j, 1)[0], good(j, 2), good(j, 3)[0]) == (1.0, [], 3.0)


async def test_a_bug_in_a_driver_stops_its_channel_alone(tmp_path, caplog):
    async with toy.peer(v=1) as well, toy.peer(v="bug") as ill:
        channels = (
            channel(well.port, device("well")),
            channel(ill.port, device("ill"), name="other"),
        )
        async with running(tmp_path, *channels) as (gw, j):
            await until(lambda: gw.channels["other"].state == "faulted")
            before = len(good(j, 1))
            await until(lambda: len(good(j, 1)) > before + 3)
            assert ill.connections == 1
            assert "RuntimeError" in caplog.text
            assert "what it did not expect" in gw.channels["other"].supervisor.error
            ill.values[1, "v"] = 9
            await gw.restart("other")
            await until(lambda: good(j, 2))


async def test_a_config_error_is_tried_once_and_a_refusal_waits_longest(tmp_path):
    async with toy.peer(v=1) as alien, toy.peer(v=1) as denying:
        alien.hello, denying.hello = "alien", "denied"
        channels = (
            channel(alien.port, device("a")),
            channel(denying.port, device("d"), name="other"),
        )
        async with running(tmp_path, *channels) as (gw, _):
            await until(lambda: gw.channels["line"].state == "faulted")
            await until(lambda: gw.channels["other"].state == "backoff")
            await asyncio.sleep(0.3)
            assert (alien.connections, denying.connections) == (1, 1)


async def test_a_disabled_channel_has_a_gap_that_says_so_until_it_is_enabled(tmp_path):
    async with toy.peer(v=1) as peer, running(tmp_path, channel(peer.port, device())) as (gw, j):
        await until(lambda: good(j, 1))
        await gw.enable("line", enabled=False)
        assert gw.channels["line"].state == "disabled"
        assert j.values(1)[-1][2] == LOST
        (gap,) = j.of(Gap)
        assert gap.cause is GapCause.DISABLED
        await gw.enable("line", enabled=True)
        await until(lambda: len(j.of(Gap)) == 2)


async def test_a_control_goes_out_raw_and_is_recorded(tmp_path):
    spec = {"writable": True, "scale": 0.1}
    async with (
        toy.peer(v=0) as peer,
        running(tmp_path, channel(peer.port, device(v=spec))) as (gw, j),
    ):
        await until(lambda: good(j, 1))
        result = await gw.commands.operate(control(gw, value=22.5, id="c1"), direct=True)
        assert result.outcome is Outcome.DONE
        assert peer.values[1, "v"] == pytest.approx(225)
        (done,) = j.of(CommandDone)
        assert (done.id, done.key, done.actor, done.outcome) == ("c1", "m.v", "ann", "done")


async def test_commands_go_before_polls(tmp_path):
    points = {f"p{i}": {} for i in range(3)}
    async with toy.peer(**dict.fromkeys(points, 0), v=0) as peer:
        peer.delay = 0.02
        spec = device(every=0.001, v={"writable": True}, **points)
        async with running(tmp_path, channel(peer.port, spec, device("n", 1, 0.001))) as (gw, j):
            await until(lambda: good(j, 1))
            await gw.commands.operate(control(gw), direct=True)
            at = peer.asked.index("1 v=1")
            polls = [line for line in peer.asked[:at] if "=" not in line]
            assert len(polls) <= at
            assert len(peer.asked) - at <= 8


async def test_a_control_whose_link_dies_is_unknown_and_one_never_sent_is_rejected(tmp_path):
    spec = device(every=5.0, v={"writable": True})
    async with toy.peer(v=0) as peer, running(tmp_path, channel(peer.port, spec)) as (gw, j):
        await until(lambda: good(j, 1))
        peer.deaf = True
        first = asyncio.create_task(gw.commands.operate(control(gw), direct=True))
        await until(lambda: "1 v=1" in peer.asked)
        await peer.stop()
        assert (await first).outcome is Outcome.UNKNOWN
        await until(lambda: gw.channels["line"].state == "backoff")
        never = await gw.commands.operate(control(gw, value=2), direct=True)
        assert never.outcome is Outcome.REJECTED
        peer.deaf = False
        await peer.start()
        await until(lambda: gw.channels["line"].state == "online")
        await asyncio.sleep(0.2)
        assert [line for line in peer.asked if "=" in line] == ["1 v=1"]


async def test_what_waits_behind_a_dead_control_never_reaches_the_next_connection(tmp_path):
    spec = device(every=5.0, v={"writable": True}, w={"writable": True})
    async with toy.peer(v=0, w=0) as peer, running(tmp_path, channel(peer.port, spec)) as (gw, j):
        await until(lambda: good(j, 1))
        peer.deaf = True
        sent = asyncio.create_task(gw.commands.operate(control(gw), direct=True))
        await until(lambda: "1 v=1" in peer.asked)
        waits = asyncio.create_task(gw.commands.operate(control(gw, "m.w"), direct=True))
        await asyncio.sleep(0.01)
        peer.cut()
        assert [(await t).outcome for t in (sent, waits)] == [Outcome.UNKNOWN, Outcome.REJECTED]
        peer.deaf = False
        await until(lambda: peer.connections > 1)
        await asyncio.sleep(0.2)
        assert not any("w=" in line for line in peer.asked)


async def test_an_expired_control_is_never_executed_even_when_it_expires_in_the_queue(tmp_path):
    spec = device(every=5.0, v={"writable": True}, w={"writable": True})
    async with toy.peer(v=0, w=0) as peer, running(tmp_path, channel(peer.port, spec)) as (gw, j):
        await until(lambda: good(j, 1))
        late = control(gw, expires=gw.clock.now() - 65_000_000)
        assert (await gw.commands.operate(late, direct=True)).outcome is Outcome.EXPIRED
        peer.delay = 0.15
        slow = asyncio.create_task(gw.commands.operate(control(gw, "m.w"), direct=True))
        await asyncio.sleep(0.02)
        soon = control(gw, expires=gw.clock.now() + 60_000)
        assert (await gw.commands.operate(soon, direct=True)).outcome is Outcome.EXPIRED
        assert (await slow).outcome is Outcome.DONE
        assert not any("v=" in line for line in peer.asked)


async def test_a_control_with_a_time_never_reaches_a_driver_that_would_ignore_it(tmp_path):
    spec = device(every=5.0, v={"writable": True})
    async with toy.peer(v=0) as peer, running(tmp_path, channel(peer.port, spec)) as (gw, j):
        await until(lambda: good(j, 1))
        timed = control(gw, at=gw.clock.now() + 60_000_000)
        for verb in (gw.commands.select(timed), gw.commands.operate(timed, direct=True)):
            refused = await verb
            assert refused.outcome is Outcome.NOT_SUPPORTED
            assert "no time-activated" in refused.detail
        assert not any("v=" in line for line in peer.asked)


async def test_a_selection_belongs_to_one_person_one_value_and_one_connection(tmp_path):
    spec = device(every=0.1, v={"writable": True})
    async with toy.peer(v=0) as peer, running(tmp_path, channel(peer.port, spec)) as (gw, j):
        await until(lambda: good(j, 1))
        c = gw.commands
        assert (await c.operate(control(gw))).outcome is Outcome.NO_SELECT
        assert (await c.select(control(gw))).outcome is Outcome.DONE
        bob = control(gw, actor="bob")
        assert (await c.select(bob)).outcome is Outcome.REJECTED
        assert (await c.operate(bob, direct=True)).outcome is Outcome.REJECTED
        assert (await c.operate(control(gw, value=2))).outcome is Outcome.NO_SELECT
        assert (await c.operate(control(gw))).outcome is Outcome.NO_SELECT
        assert (await c.select(control(gw))).outcome is Outcome.DONE
        assert (await c.cancel(control(gw))).outcome is Outcome.DONE
        assert (await c.select(control(gw), hold=0.01)).outcome is Outcome.DONE
        await asyncio.sleep(0.03)
        assert (await c.operate(control(gw))).outcome is Outcome.TIMEOUT
        assert (await c.select(control(gw))).outcome is Outcome.DONE
        peer.cut()
        await until(lambda: peer.connections > 1)
        await until(lambda: gw.channels["line"].state == "online")
        assert (await c.operate(control(gw))).outcome is Outcome.NO_SELECT
        assert not any("=" in line for line in peer.asked)
        assert (await c.select(control(gw))).outcome is Outcome.DONE
        assert (await c.operate(control(gw))).outcome is Outcome.DONE


async def test_an_interlock_and_a_failing_guard_both_stop_a_control(tmp_path):
    reasons: list[Any] = ["earth switch is closed"]

    def guard(command: Command) -> list[str | None]:
        if reasons[0] is None:
            raise RuntimeError("guard broke")
        return reasons

    spec = device(every=5.0, v={"writable": True})
    async with (
        toy.peer(v=0) as peer,
        running(tmp_path, channel(peer.port, spec), guard=guard) as (gw, j),
    ):
        await until(lambda: good(j, 1))
        result = await gw.commands.operate(control(gw), direct=True)
        assert (result.outcome, result.detail) == (Outcome.INTERLOCKED, "earth switch is closed")
        reasons[0] = None
        assert (await gw.commands.operate(control(gw), direct=True)).outcome is Outcome.INTERLOCKED
        assert not any("=" in line for line in peer.asked)


async def test_stopping_flushes_and_leaves_no_task(tmp_path):
    before = asyncio.all_tasks()
    async with toy.peer(v=1) as peer:
        async with running(tmp_path, channel(peer.port, device())) as (_, j):
            await until(lambda: good(j, 1))
            kept = len(j.batches)
        assert j.flushes >= 1
        assert len(j.batches) >= kept
        assert LOST not in [q for _, _, q in j.values(1)]
    assert asyncio.all_tasks() == before


async def test_a_jump_of_the_clock_is_noted_and_marks_what_would_be_taken_for_older(tmp_path):
    shift = 0
    clock = Clock(lambda: time.time_ns() + shift, time.monotonic_ns)
    async with (
        toy.peer(v=1) as peer,
        running(tmp_path, channel(peer.port, device()), clock=clock) as (_, j),
    ):
        await until(lambda: good(j, 1))
        shift = -3_600 * 10**9
        (note,) = await until(lambda: j.of(Note))
        assert note.code == "clock_jump"
        assert "back by 3600" in note.message
        await until(lambda: j.values(1)[-1][2] == Stamp.UNSYNCED)
        shift = 0
        await until(lambda: len(j.of(Note)) == 2)
        await until(lambda: j.values(1)[-1][2] == 0)
