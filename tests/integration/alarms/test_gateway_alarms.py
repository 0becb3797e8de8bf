"""Alarms on a gateway with a real device, over restarts and broken links."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub import AlarmTold, Mark, Mask, ReadingBatch, SwitchTold
from hub.kernel.alarms import Alarms
from hub.kernel.channels import decode
from hub.kernel.clock import Clock
from hub.kernel.gateway import Gateway
from hub.kernel.keep import Keep
from hub.kernel.points import Points
from hub.testing.journal import MemoryJournal
from tests import toy
from tests.waiting import until

LIMITS = {"alarm_low": 200.0, "alarm_high": 240.0}


class NoProfiles:
    def find(self, code: str) -> Any:
        raise AssertionError(code)


@contextlib.asynccontextmanager
async def running(
    tmp_path: Path, port: int, journal: MemoryJournal | None = None, after: float = 120.0,
    **points: Any,
) -> AsyncIterator[tuple[Gateway, MemoryJournal]]:  # fmt: skip
    journal = journal or MemoryJournal()
    channel = {
        "driver": "toy", "name": "line", "host": "127.0.0.1", "port": port,
        "request_timeout": 0.2, "backoff": {"first": 0.02, "last": 0.05},
        "devices": [
            {
                "name": "m", "every": 0.02, "station": "SS1",
                "points": [{"name": n, "address": "1", **more} for n, more in points.items()],
            }
        ],
    }  # fmt: skip
    plans = decode([channel], {"toy": toy.hub_plugin()}, NoProfiles())
    gateway = Gateway(plans, journal, tmp_path, comms_after=after)
    async with gateway.running():
        yield gateway, journal


def steps(journal: MemoryJournal) -> list[tuple[str, str]]:
    return [(t.alarm.kind, t.step) for t in journal.of(AlarmTold)]


async def told(journal: MemoryJournal, count: int) -> list[tuple[str, str]]:
    await until(lambda: len(steps(journal)) >= count)
    return steps(journal)


async def test_one_alarm_at_245_5_that_returns_at_235_only(tmp_path):
    async with toy.peer(v=239) as peer, running(tmp_path, peer.port, v=LIMITS) as (_gw, j):
        await until(lambda: j.batches)
        for value in (245.5, 239.9, 235):
            peer.values[1, "v"] = value
            await asyncio.sleep(0.1)
        assert await told(j, 2) == [("high", "raised"), ("high", "cleared")]
        first = j.of(AlarmTold)[0].alarm
        assert (first.value, first.threshold, first.device, first.point) == (245.5, 240, "m", "v")
        assert (first.station, first.severity) == ("SS1", "warning")
        assert first.message == "m.v is 245.5, above 240"
        times = [t for t, v, _ in j.values(1) if v == 245.5]
        assert first.raised_at == times[0]


async def test_grave_limits_are_alarms_of_their_own(tmp_path):
    limits = LIMITS | {"high_limit": 260.0}
    async with toy.peer(v=300) as peer, running(tmp_path, peer.port, v=limits) as (gw, j):
        assert await told(j, 2) == [("high_high", "raised"), ("high", "raised")]
        assert [a.kind for a in gw.alarms.live()] == ["high_high", "high"]


async def test_a_condition_must_last_as_long_as_its_delay(tmp_path):
    limits = LIMITS | {"alarm_delay": 0.4}
    async with toy.peer(v=250) as peer, running(tmp_path, peer.port, v=limits) as (_gw, j):
        await until(lambda: j.batches)
        await asyncio.sleep(0.1)
        peer.values[1, "v"] = 220
        await asyncio.sleep(0.7)
        assert steps(j) == []
        peer.values[1, "v"] = 250
        assert await told(j, 1) == [("high", "raised")]


async def test_too_fast_a_change_is_an_alarm(tmp_path):
    limits = {"rate_limit": 1_000.0, "clear_delay": 0.0}
    async with toy.peer(v=1) as peer, running(tmp_path, peer.port, v=limits) as (_gw, j):
        await until(lambda: len(j.values(1)) > 3)
        peer.values[1, "v"] = 9_000
        assert await told(j, 2) == [("rate_of_change", "raised"), ("rate_of_change", "cleared")]


async def test_a_switch_that_is_not_in_its_normal_state(tmp_path):
    spec = {"kind": "binary", "normal_state": 1, "states": {"0": "open", "1": "closed"}}
    async with toy.peer(v=1) as peer, running(tmp_path, peer.port, v=spec) as (_gw, j):
        await until(lambda: j.batches)
        peer.values[1, "v"] = 0
        await told(j, 1)
        peer.values[1, "v"] = 1
        assert await told(j, 2) == [("state", "raised"), ("state", "cleared")]
        assert j.of(AlarmTold)[0].alarm.message == "m.v is open, normally closed"


async def test_a_silent_device_is_an_alarm_and_its_last_values_raise_none(tmp_path):
    async with (
        toy.peer(v=220) as peer,
        running(tmp_path, peer.port, after=0.3, v=LIMITS) as (_gw, j),
    ):
        await until(lambda: j.batches)
        await peer.stop()
        assert await told(j, 1) == [("comms_lost", "raised")]
        await peer.start()
        assert await told(j, 2) == [("comms_lost", "raised"), ("comms_lost", "cleared")]


async def test_a_channel_that_was_switched_off_is_no_alarm(tmp_path):
    async with toy.peer(v=1) as peer, running(tmp_path, peer.port, after=0.3, v={}) as (gw, j):
        await until(lambda: j.batches)
        await gw.enable("line", enabled=False)
        await asyncio.sleep(0.8)
        assert steps(j) == []


async def test_a_restart_raises_nothing_again_and_keeps_what_people_said(tmp_path):
    async with toy.peer(v=250, w=250) as peer:
        points = {"v": LIMITS, "w": LIMITS}
        async with running(tmp_path, peer.port, **points) as (gw, j):
            await told(j, 2)
            first = next(a for a in gw.alarms.live() if a.point == "v")
            gw.alarms.acknowledge(first.id, Mark(at=gw.clock.now(), by="ann"))
            mask = Mask(device="m", point="w", until=gw.clock.now() + 60_000_000, by="ann")
            gw.alarms.mask(mask)
            await told(j, 4)
        async with running(tmp_path, peer.port, **points) as (gw, j):
            await until(lambda: len(j.values(1)) > 3)
            found = {a.point: (a.id, a.status, a.masked) for a in gw.alarms.live()}
            assert found["v"] == (first.id, "acknowledged", None)
            assert found["w"][1:] == ("active", mask)
            assert steps(j) == []
            peer.values[1, "v"] = 220
            assert await told(j, 1) == [("high", "cleared")]
            assert j.of(AlarmTold)[0].alarm.status == "closed"


async def test_a_limit_that_was_taken_away_ends_its_alarm(tmp_path):
    async with toy.peer(v=250) as peer:
        async with running(tmp_path, peer.port, v=LIMITS) as (gw, j):
            await told(j, 1)
        async with running(tmp_path, peer.port, v={"alarm_low": 200.0}) as (gw, j):
            assert await told(j, 1) == [("high", "closed")]
            assert gw.alarms.live() == []


async def test_what_was_kept_but_not_told_before_a_kill_is_told_after_it(tmp_path):
    class Deaf(MemoryJournal):
        async def flush(self) -> None:
            await asyncio.Event().wait()

    async with toy.peer(v=250) as peer:
        deaf = Deaf()
        killed = asyncio.create_task(alarmed(tmp_path, peer.port, deaf))
        await until(lambda: deaf.of(AlarmTold))
        killed.cancel()
        with pytest.raises(asyncio.CancelledError):
            await killed
        async with running(tmp_path, peer.port, v=LIMITS) as (_gw, j):
            (again,) = list(deaf.of(AlarmTold))
            await told(j, 1)
            assert j.of(AlarmTold) == [again]


async def alarmed(tmp_path: Path, port: int, journal: MemoryJournal) -> None:
    plans = decode(
        [{"driver": "toy", "name": "line", "host": "127.0.0.1", "port": port,
          "devices": [{"name": "m", "points": [{"name": "v", "address": "1", **LIMITS}]}]}],
        {"toy": toy.hub_plugin()}, NoProfiles(),
    )  # fmt: skip
    clock = Clock()
    points = Points(clock, lambda batch, stream: None)
    points.define(plans[0].points)
    async with Keep.opened(tmp_path) as keep:
        alarms = Alarms(clock, journal, keep, list)
        await alarms._load()
        alarms._define(plans[0].points)
        alarms.take(ReadingBatch.of([plans[0].points[0].id], clock.now(), [250.0]))
        await alarms._settle()


async def test_a_corrupt_state_is_set_aside(tmp_path):
    (tmp_path / "state.db").write_bytes(b"not a database, " * 300)
    async with toy.peer(v=250) as peer, running(tmp_path, peer.port, v=LIMITS) as (_gw, j):
        assert await told(j, 1) == [("high", "raised")]
        assert list(tmp_path.glob("state.db.corrupt-*"))


async def test_every_move_of_a_switch_is_told_once(tmp_path):
    spec = {"kind": "binary", "is_switch": True}
    async with toy.peer(v=1) as peer, running(tmp_path, peer.port, v=spec) as (_gw, j):
        for position in (0, 1):
            await until(lambda: len(j.values(1)) > 3)
            peer.values[1, "v"] = position
            await until(lambda wanted=position: j.values(1)[-1][1] == wanted)
        await until(lambda: len(j.of(SwitchTold)) == 2)
        assert [(s.device, s.point, s.old, s.new) for s in j.of(SwitchTold)] == [
            ("m", "v", 1.0, 0.0), ("m", "v", 0.0, 1.0),
        ]  # fmt: skip
