"""The conformance suite for drivers, ours and third parties'.

    class TestAcme(DriverKit):
        driver, config = AcmeDriver, {"driver": "acme", "name": "c", "host": "127.0.0.1"}

        @asynccontextmanager
        async def peer(self):
            async with my_simulator() as port:
                yield {"port": port}

pytest collects its tests from the subclass. Every rule is what the supervisor relies on.
"""

import asyncio
import contextlib
import gc
import warnings
from collections.abc import AsyncIterator, Mapping, MutableMapping
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar

import msgspec
import numpy as np
import pytest

from hub.contract.driver import Can, Command, Driver, Outcome, Result, Session
from hub.contract.errors import ConfigError, LinkError, NoResponse, Unsupported
from hub.contract.plugin import Plugin
from hub.contract.points import Point
from hub.contract.readings import ReadingBatch
from hub.kernel.channels import Plan, decode
from hub.kernel.clock import Clock
from hub.kernel.wire import ChannelLink

VERBS = {
    Can.READ: "read",
    Can.EVENTS: "events",
    Can.BROWSE: "browse",
    Can.OPERATE: "operate",
    Can.SELECT: "select",
    Can.SET_CLOCK: "set_clock",
}


class FakeLink(ChannelLink):
    """The hub's own link with the trace on; `frames` is what went over the wire.

    state: what an earlier driver of the channel has kept.
    """

    def __init__(
        self,
        channel: str = "test",
        clock: Clock | None = None,
        state: MutableMapping[str, bytes] | None = None,
    ) -> None:
        super().__init__(channel, clock or Clock(), state)
        self.trace(on=True)

    @property
    def frames(self) -> list[tuple[str, bool, bytes]]:
        return [(f.device, f.sent, f.data) for f in self.ring or ()]


def plan_of(driver: type[Driver[Any]], config: Mapping[str, Any]) -> Plan:
    """Read a channel's configuration as the hub does; config.Faults when it is wrong."""
    plugin = Plugin(name="under-test", drivers={"under-test": driver})
    (plan,) = decode([dict(config)], {"under-test": plugin}, _NoProfiles())
    ids = {p.key: p.id for p in plan.points}
    return plan.with_ids(ids)


class _NoProfiles:
    def find(self, code: str) -> Any:
        raise ConfigError(f"tests of a driver give points, not the profile {code!r}")


class DriverKit:
    """Subclass it. config: a channel with at least one device and one point that can be read.

    writable: key of a point that can be operated and the value to give it, where Can.OPERATE.
    bad_address, bad_type: what `Driver.address` must refuse; None where nothing can be wrong.
    session: the class whose methods `can` speaks of.
    """

    driver: ClassVar[type[Driver[Any]]]
    session: ClassVar[type[Session]]
    config: ClassVar[Mapping[str, Any]]
    writable: ClassVar[tuple[str, float | str] | None] = None
    bad_address: ClassVar[str | None] = "no such address"
    bad_type: ClassVar[str | None] = "no such type"

    def peer(self) -> AbstractAsyncContextManager[Mapping[str, Any]]:
        """A device that answers; gives what `config` must say to reach it."""
        raise NotImplementedError

    def nobody(self) -> Mapping[str, Any]:
        """What `config` says when nothing listens there."""
        raise NotImplementedError

    def make(
        self, more: Mapping[str, Any], state: MutableMapping[str, bytes] | None = None
    ) -> tuple[Driver[Any], FakeLink]:
        """A driver of `config` with `more`, and the link that it was given."""
        plan = plan_of(self.driver, {**self.config, **more})
        link = FakeLink(plan.config.name, state=state)
        return plan.driver(plan.config, plan.points, link), link

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[tuple[Driver[Any], Session, FakeLink]]:
        async with self.peer() as more:
            driver, link = self.make(more)
            async with asyncio.timeout(10), driver.open() as session:
                yield driver, session, link

    def test_the_configuration_comes_back_from_what_it_is_written_as(self) -> None:
        config = plan_of(self.driver, {**self.config, **self.nobody()}).config
        assert msgspec.convert(msgspec.to_builtins(config), type(config)) == config

    def test_an_unknown_field_is_refused(self) -> None:
        with pytest.raises(Exception, match="unknown key"):
            plan_of(self.driver, {**self.config, **self.nobody(), "no_such_field": 1})

    def test_can_says_exactly_what_the_session_overrides(self) -> None:
        own = {can for can, verb in VERBS.items() if _overrides(self.session, verb)}
        assert {can for can in VERBS if can in self.driver.can} == own

    def test_a_wrong_address_or_type_is_a_config_error(self) -> None:
        plan = plan_of(self.driver, {**self.config, **self.nobody()})
        point = plan.points[0]
        device = plan.devices[point.device]
        for field, value in (("address", self.bad_address), ("type", self.bad_type)):
            if value is not None:
                spec = msgspec.structs.replace(point.spec, **{field: value})
                with pytest.raises(ConfigError):
                    self.driver.address(spec, device)

    async def test_when_nobody_is_there_opening_is_a_link_error(self) -> None:
        driver, _ = self.make(self.nobody())
        with pytest.raises(LinkError):
            async with asyncio.timeout(10), driver.open():
                pass

    async def test_opening_and_closing_leaves_no_task_and_no_socket(self) -> None:
        async with self.peer() as more:
            driver, _ = self.make(more)
            before = asyncio.all_tasks()
            with warnings.catch_warnings():
                warnings.simplefilter("error", ResourceWarning)
                for _ in range(2):
                    async with asyncio.timeout(10), driver.open() as session:
                        await session.startup()
                await asyncio.sleep(0.05)
                gc.collect()
            left = {t for t in asyncio.all_tasks() - before if _of_driver(t, driver)}
            assert left == set()

    async def test_what_was_kept_before_a_restart_helps_or_does_no_harm(self) -> None:
        async with self.peer() as more:
            driver, link = self.make(more)
            await _lived(driver)
            kept = dict(link.state)
            assert all(isinstance(fact, bytes) for fact in kept.values())
            for state in (kept, dict.fromkeys(kept, b""), dict.fromkeys(kept, b"\xff\x00{")):
                again, _ = self.make(more, state)
                await _lived(again)

    async def test_a_read_gives_rows_of_the_points_asked_for_and_of_now(self) -> None:
        async with self.opened() as (driver, session, link):
            await session.startup()
            if Can.READ not in driver.can:
                pytest.skip("this driver does not poll")
            before = link.now()
            for points in _by_device(driver.points):
                batch = await session.read(points)
                _check(batch, points, before, link.now())
            assert any(sent for _, sent, _ in link.frames), "show sent bytes by link.wire"
            assert any(not sent for _, sent, _ in link.frames), "show received bytes by link.wire"

    async def test_a_cancelled_read_leaves_the_session_usable_or_the_link_lost(
        self,
    ) -> None:
        async with self.opened() as (driver, session, _):
            await session.startup()
            if Can.READ not in driver.can:
                pytest.skip("this driver does not poll")
            points = _by_device(driver.points)[0]
            task = asyncio.ensure_future(session.read(points))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            with contextlib.suppress(LinkError, NoResponse):
                _check(await session.read(points), points, 0, 1 << 62)

    async def test_what_it_cannot_do_is_unsupported(self) -> None:
        async with self.opened() as (driver, session, link):
            command = _command(driver.points[0], 0.0, link)
            device = driver.points[0].device
            calls: dict[Can, Any] = {
                Can.OPERATE: lambda: session.operate(command),
                Can.SELECT: lambda: session.select(command),
                Can.SET_CLOCK: lambda: session.set_clock(device),
            }
            for can, call in calls.items():
                if can not in driver.can:
                    with pytest.raises(Unsupported):
                        await call()

    async def test_a_control_ends_in_an_outcome(self) -> None:
        if Can.OPERATE not in self.driver.can:
            pytest.skip("this driver does not operate")
        assert self.writable is not None, "name a writable point of the configuration"
        key, value = self.writable
        async with self.opened() as (driver, session, link):
            await session.startup()
            point = next(p for p in driver.points if p.key == key)
            if Can.SELECT in driver.can:
                await session.select(_command(point, value, link))
            result = await session.operate(_command(point, value, link))
            assert isinstance(result, Result)
            assert result.outcome in {Outcome.DONE, Outcome.ACCEPTED}, result

    async def test_a_peer_that_goes_away_is_a_link_error_or_no_response(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            more = await stack.enter_async_context(self.peer())
            driver, _ = self.make({**more, "request_timeout": 0.5})
            if Can.READ not in driver.can:
                pytest.skip("this driver does not poll")
            with contextlib.suppress(LinkError):
                async with asyncio.timeout(20), driver.open() as session:
                    await session.startup()
                    await stack.aclose()
                    with pytest.raises((LinkError, NoResponse)):
                        await _read_on(session, _by_device(driver.points)[0])


def _overrides(session: type[Session], verb: str) -> bool:
    return getattr(session, verb) is not getattr(Session, verb)


def _of_driver(task: asyncio.Task[Any], driver: Driver[Any]) -> bool:
    """Whether a task runs code of the driver's package (the peer's own tasks do not count)."""
    package = type(driver).__module__.rpartition(".")[0] or type(driver).__module__
    code = getattr(task.get_coro(), "cr_frame", None)
    module = code.f_globals.get("__name__", "") if code is not None else ""
    return str(module).startswith(package)


def _by_device(points: tuple[Point, ...]) -> list[tuple[Point, ...]]:
    names = dict.fromkeys(p.device for p in points)
    return [tuple(p for p in points if p.device == name) for name in names]


async def _lived(driver: Driver[Any]) -> None:
    """Connect, start up, take the events that come at once, and go."""
    async with asyncio.timeout(10), driver.open() as session:
        await session.startup()
        if Can.EVENTS in driver.can:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    async for _ in session.events():
                        pass


async def _read_on(session: Session, points: tuple[Point, ...]) -> None:
    """A peer's last answers may still be under way when it goes."""
    for _ in range(3):
        await session.read(points)


def _check(batch: ReadingBatch, points: tuple[Point, ...], before: int, after: int) -> None:
    assert batch.point.dtype == np.uint32
    assert batch.time.dtype == np.int64
    assert batch.value.dtype == np.float64
    assert batch.quality.dtype == np.uint16
    assert set(batch.point.tolist()) <= {p.id for p in points}, "a reading of a point not asked for"
    ours = (batch.quality & 0x1800) == 0
    assert bool(((batch.time[ours] >= before) & (batch.time[ours] <= after)).all()), (
        "a gateway's stamp is link.now() at the time of acquisition"
    )


def _command(point: Point, value: float | str, link: FakeLink) -> Command:
    return Command(point=point, value=value, actor="kit", expires=link.now() + 10_000_000)
