"""The state machine of a channel, with a driver in memory and a clock that does not wait."""

import asyncio
import contextlib
from typing import Any

import pytest

from hub import (
    LOST,
    AuthError,
    Backoff,
    Can,
    Cause,
    ChannelConfig,
    ConfigError,
    DeviceState,
    Driver,
    Gap,
    GapCause,
    LinkError,
    NoResponse,
    Point,
    PointSpec,
    ProtocolError,
    ReadingBatch,
    Session,
)
from hub.kernel.clock import Clock
from hub.kernel.lane import Full, NotSent
from hub.kernel.points import Points
from hub.kernel.supervisor import State, Supervisor
from hub.kernel.wire import ChannelLink
from hub.testing.journal import MemoryJournal
from tests.waiting import until


class Config(ChannelConfig, frozen=True, tag="memory"):
    pass


class Memory(Driver[Config], Session):
    """opens: what happens at each attempt to connect; None is success."""

    config_type, can = Config, Can.READ

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.opens: list[Exception | None] = []
        self.closed = 0
        self.reading: Any = self.value
        self.reports: asyncio.Queue[ReadingBatch] = asyncio.Queue()

    @classmethod
    def address(cls, spec: PointSpec, device: Any) -> int:
        return 0

    @contextlib.asynccontextmanager
    async def open(self):
        trouble = self.opens.pop(0) if self.opens else None
        if trouble is not None:
            raise trouble
        try:
            yield self
        finally:
            self.closed += 1

    async def read(self, points: Any) -> ReadingBatch:
        return await self.reading(points)

    async def value(self, points: Any) -> ReadingBatch:
        return ReadingBatch.of([p.id for p in points], self.link.now(), [1.0] * len(points))

    async def events(self):
        while True:
            yield await self.reports.get()


class Reporting(Memory):
    can = Can.EVENTS


class Rig:
    def __init__(self, driver: type[Memory] = Memory, spread: float = 1.0, **config: Any) -> None:
        self.journal, clock = MemoryJournal(), Clock()
        self.points = Points(clock, self.journal.readings)
        every = None if Can.READ not in driver.can else 0.01
        members = tuple(
            Point(
                id=i,
                key=f"{d}.p",
                device=d,
                spec=PointSpec(name="p", address="0"),
                address=0,
                every=every,
            )
            for i, d in enumerate("ab")
        )
        self.points.define(members)
        link = ChannelLink("c", clock)
        self.driver = driver(Config(name="c", **config), members, link)
        self.pauses: list[float] = []
        self.supervisor = Supervisor(
            self.driver, link, self.points, self.journal, sleep=self.pause, spread=lambda: spread
        )

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    @contextlib.asynccontextmanager
    async def running(self):
        task = asyncio.create_task(self.supervisor.run())
        try:
            yield self.supervisor
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def reach(self, state: State) -> None:
        await until(lambda: self.supervisor.state is state, pause=0.0)

    async def turn(self) -> None:
        for _ in range(30):
            await asyncio.sleep(0)


async def test_delays_double_up_to_the_last_so_that_any_outage_ends_within_five_seconds():
    rig = Rig()
    rig.driver.opens = [LinkError("down") for _ in range(50)]
    async with rig.running():
        await rig.reach(State.ONLINE)
    assert rig.pauses[:5] == [0.5, 1.0, 2.0, 3.0, 3.0]
    config = rig.driver.config
    assert max(rig.pauses) == config.backoff.last
    # the attempt under way when the link returns sends its SYN again after at most 2 s
    assert config.backoff.last + min(2.0, config.connect_timeout) <= 5


async def test_delays_are_jittered_down_to_their_half():
    rig = Rig(spread=0.0)
    rig.driver.opens = [LinkError("down") for _ in range(3)]
    async with rig.running():
        await rig.reach(State.ONLINE)
    assert rig.pauses == [0.25, 0.5, 1.0]


async def test_a_refused_credential_takes_its_own_long_delay_at_once():
    rig = Rig(backoff=Backoff(auth=77.0))
    rig.driver.opens = [AuthError("no"), LinkError("down")]
    async with rig.running():
        await rig.reach(State.ONLINE)
    assert rig.pauses == [77.0, 0.5]


@pytest.mark.parametrize(
    "trouble",
    [LinkError("x"), ProtocolError("x"), NoResponse("x"), OSError("x"), TimeoutError("x")],
)
async def test_every_trouble_of_the_link_backs_off(trouble):
    rig = Rig()
    rig.driver.opens = [trouble]
    async with rig.running():
        await rig.reach(State.ONLINE)
    assert len(rig.pauses) == 1


async def test_a_config_error_is_tried_once(caplog):
    rig = Rig()
    rig.driver.opens = [ConfigError("no such set"), LinkError("never")]
    await asyncio.wait_for(rig.supervisor.run(), 3)
    assert rig.supervisor.state is State.FAULTED
    assert (rig.supervisor.error, len(rig.driver.opens)) == ("no such set", 1)
    assert rig.pauses == []


async def test_failure_and_recovery_are_logged_once_each(caplog):
    caplog.set_level("INFO")
    rig = Rig()
    rig.driver.opens = [LinkError("cable is out") for _ in range(20)]
    async with rig.running():
        await rig.reach(State.ONLINE)
        await rig.turn()
    text = [r.getMessage() for r in caplog.records if "c:" in r.getMessage()]
    assert text == ["c: cable is out", "c: works again"]


async def test_loss_is_told_once_however_often_it_fails_to_reconnect():
    rig = Rig()
    rig.driver.opens = [None, *(LinkError("down") for _ in range(9))]
    async with rig.running():
        await rig.reach(State.ONLINE)
        await rig.turn()

        async def dies(points: Any) -> ReadingBatch:
            rig.driver.reading = rig.driver.value
            raise LinkError("reset")

        rig.driver.reading = dies
        await rig.reach(State.BACKOFF)
        await rig.reach(State.ONLINE)
        await rig.turn()
    lost = [v for v in rig.journal.values(0) if v[2] == LOST]
    assert [v for _, v, _ in lost] == [1.0]
    assert [s.online for s in rig.journal.of(DeviceState) if s.device == "a"] == [True, False, True]
    gaps = [g for g in rig.journal.of(Gap) if g.device == "a"]
    assert [(g.cause, g.until is None) for g in gaps] == [
        (GapCause.COMM_DOWN, True),
        (GapCause.COMM_DOWN, False),
    ]


async def test_a_read_that_hangs_without_a_byte_is_given_up():
    rig = Rig(request_timeout=0.02)

    async def hangs(points: Any) -> ReadingBatch:
        rig.driver.reading = rig.driver.value
        await asyncio.sleep(60)
        raise AssertionError

    rig.driver.reading = hangs
    async with rig.running():
        await rig.reach(State.BACKOFF)
        assert "not a byte" in rig.supervisor.error
        await rig.reach(State.ONLINE)
    assert rig.driver.closed == 2


async def test_a_long_read_lives_as_long_as_bytes_come():
    rig = Rig(request_timeout=0.05)

    async def slow(points: Any) -> ReadingBatch:
        for _ in range(20):
            await asyncio.sleep(0.02)
            rig.driver.link.wire("a", False, b"x")
        rig.driver.reading = rig.driver.value
        return await rig.driver.value(points)

    rig.driver.reading = slow
    async with rig.running():
        await until(lambda: rig.journal.values(0))
    assert rig.pauses == []


async def test_reports_show_which_device_speaks_and_which_its_peer_has_lost():
    rig = Rig(Reporting)
    async with rig.running():
        await rig.reach(State.ONLINE)
        now = rig.points.clock.now()
        rig.driver.reports.put_nowait(
            ReadingBatch.of([0, 1], now, [1, 2], [0, LOST], cause=Cause.EVENT)
        )
        await rig.turn()
        states = [(s.device, s.online) for s in rig.journal.of(DeviceState)]
        assert states == [("a", True), ("b", False)]
        rig.driver.reports.put_nowait(ReadingBatch.of([1], now + 1, [3], cause=Cause.EVENT))
        await rig.turn()
        assert [g.until is None for g in rig.journal.of(Gap)] == [True, False]


async def test_requests_are_refused_when_the_lane_is_full_and_when_the_channel_stops():
    rig = Rig(queue=1)
    gate = asyncio.Event()

    async def waits(session: Session) -> str:
        await gate.wait()
        return "done"

    async with rig.running() as supervisor:
        await rig.reach(State.ONLINE)
        first = asyncio.ensure_future(supervisor.ask(waits))
        await rig.turn()
        second = asyncio.ensure_future(supervisor.ask(waits))
        await rig.turn()
        with pytest.raises(Full):
            await supervisor.ask(waits)
        gate.set()
        assert [await first, await second] == ["done", "done"]
        gate.clear()
        third = asyncio.ensure_future(supervisor.ask(waits))
        fourth = asyncio.ensure_future(supervisor.ask(waits))
        await rig.turn()
    with pytest.raises(LinkError):
        await third
    with pytest.raises(NotSent):
        await fourth
    with pytest.raises(NotSent):
        await supervisor.ask(waits)
