"""A gateway at work: channels, points, commands, clock; started and stopped as one service."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from hub.contract.driver import Can, Command
from hub.contract.errors import NotFound, Unavailable, Unsupported
from hub.contract.journal import Catalogue, CatalogueEntry, Gap, GapCause, Journal, Note, Stream
from hub.contract.readings import ReadingBatch
from hub.kernel.alarms import COMMS_AFTER, Alarms
from hub.kernel.app import Key
from hub.kernel.channels import Plan
from hub.kernel.clock import Clock
from hub.kernel.commands import Commands, Guard
from hub.kernel.devices import Device
from hub.kernel.keep import Keep
from hub.kernel.lane import NotSent
from hub.kernel.operator import Operator
from hub.kernel.points import Points
from hub.kernel.states import States
from hub.kernel.supervisor import Supervisor
from hub.kernel.switches import Switches
from hub.kernel.wire import ChannelLink

log = logging.getLogger(__name__)

CLOSING = 2.0
CHUNK = 500


@dataclass
class Channel:
    """One channel and whatever runs for it. enabled: whether a person wants it to run."""

    plan: Plan
    link: ChannelLink
    supervisor: Supervisor
    enabled: bool
    task: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return self.plan.config.name

    @property
    def state(self) -> str:
        return str(self.supervisor.state) if self.enabled else "disabled"


class Gateway:
    """All channels of one site. plans: as `channels.decode` gives them.

    comms_after: seconds without a word from a device until that is an alarm. keep, alarms,
    operator: there while it runs.
    """

    keep: Keep
    alarms: Alarms
    operator: Operator

    def __init__(
        self,
        plans: Sequence[Plan],
        journal: Journal,
        data_dir: Path,
        *,
        guard: Guard = lambda command: [],
        clock: Clock | None = None,
        comms_after: float = COMMS_AFTER,
    ) -> None:
        self.clock, self._comms_after = clock or Clock(), comms_after
        self.journal, self._plans, self._data = journal, plans, data_dir
        self.points = Points(self.clock, self._keep)
        self.commands = Commands(self.points, journal, self._find, guard)
        self.channels: dict[str, Channel] = {}
        self._states = States(journal)
        self.started = self.clock.now()

    def _keep(self, batch: ReadingBatch, stream: Stream) -> None:
        self.journal.readings(batch, stream)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Gateway"]:
        """Start every channel; on leaving stop them and put all readings on disk."""
        await self._assign_ids()
        for plan in self._plans:
            self._add(plan)
        self._tell_idle()
        await self._publish()
        async with (
            Keep.opened(self._data) as self.keep,
            self._states.running(self.keep),
            self._alarming(),
            self._operating(),
        ):
            clock = asyncio.create_task(self._watch_clock(), name="clock")
            for channel in self.channels.values():
                self._launch(channel)
            try:
                yield self
            finally:
                clock.cancel()
                await self._stop_all()
                await self.commands.close()
        await self.journal.flush()

    @contextlib.asynccontextmanager
    async def _alarming(self) -> AsyncIterator[None]:
        self.alarms = Alarms(
            self.clock, self.journal, self.keep, self.devices, comms_after=self._comms_after
        )
        points = [p for plan in self._plans for p in plan.points]
        stations = {n: d.station for plan in self._plans for n, d in plan.devices.items()}
        switches = Switches(self.journal)
        switches.define(points)
        async with self.alarms.running(points, stations):
            listeners = (self.alarms.take, switches.take)
            self.points.listeners.extend(listeners)
            try:
                yield
            finally:
                for listener in listeners:
                    self.points.listeners.remove(listener)

    @contextlib.asynccontextmanager
    async def _operating(self) -> AsyncIterator[None]:
        self.operator = Operator(
            self.clock, self.journal, self.keep, self.points, self.commands, self.alarms
        )
        async with self.operator.running():
            yield

    def devices(self) -> Iterator[Device]:
        """All devices of all channels."""
        for channel in self.channels.values():
            yield from channel.supervisor.devices.values()

    def channel(self, name: str) -> Channel:
        """The channel, or NotFound."""
        try:
            return self.channels[name]
        except KeyError:
            raise NotFound(f"no channel is called {name!r}") from None

    async def restart(self, name: str) -> None:
        """Close the channel's connection and begin anew; also ends FAULTED."""
        channel = self.channel(name)
        await self._stop(channel)
        self._renew(channel)
        self._launch(channel)

    async def enable(self, name: str, enabled: bool) -> None:
        """Let the channel run, or stop it: its points are then lost, its gap says DISABLED."""
        channel = self.channel(name)
        if channel.enabled is enabled:
            return
        channel.enabled = enabled
        await self._stop(channel)
        if enabled:
            self._renew(channel)
        self._launch(channel)

    def device(self, point_key: str) -> tuple[Channel, Device]:
        """Who brings this point, or NotFound."""
        point = self.points.by_key.get(point_key)
        for channel in self.channels.values():
            if point is not None and point.device in channel.supervisor.devices:
                return channel, channel.supervisor.devices[point.device]
        raise NotFound(f"no point is called {point_key!r}")

    async def ask(self, point_key: str) -> int:
        """Ask a device for one value now; its answer is a reading like any other.

        How many readings came. Raises what the driver raises, Unavailable when it cannot be asked.
        """
        channel, _ = self.device(point_key)
        supervisor, point = channel.supervisor, self.points.by_key[point_key]
        if Can.READ not in supervisor.driver.can:
            raise Unsupported(f"{channel.name} tells its values by itself and cannot be asked")
        try:
            batch: ReadingBatch = await supervisor.ask(lambda session: session.read((point,)))
        except NotSent as e:
            raise Unavailable(str(e)) from None
        self.points.take(batch)
        return len(batch)

    async def _assign_ids(self) -> None:
        keys = [p.key for plan in self._plans for p in plan.points]
        ids = dict(zip(keys, await self.journal.point_ids(keys), strict=True))
        self._plans = [plan.with_ids(ids) for plan in self._plans]

    def _add(self, plan: Plan) -> None:
        for device in plan.devices:
            members = [p for p in plan.points if p.device == device]
            self.points.define(members, plan.record(device))
        name = plan.config.name
        link = ChannelLink(name, self.clock, self._states.of(name))
        supervisor = self._supervisor(plan, link)
        self.channels[name] = Channel(plan, link, supervisor, plan.config.enabled)

    def _supervisor(self, plan: Plan, link: ChannelLink) -> Supervisor:
        driver = plan.driver(plan.config, plan.points, link)
        return Supervisor(driver, link, self.points, self.journal)

    def _renew(self, channel: Channel) -> None:
        """A fresh driver; what is known of its devices stays."""
        devices = channel.supervisor.devices
        channel.supervisor = self._supervisor(channel.plan, channel.link)
        channel.supervisor.adopt(devices)

    def _launch(self, channel: Channel) -> None:
        if not channel.enabled:
            channel.supervisor.lost(GapCause.DISABLED, "switched off")
            return
        channel.task = asyncio.create_task(channel.supervisor.run(), name=channel.name)

    async def _stop(self, channel: Channel) -> None:
        if channel.task is not None:
            channel.task.cancel()
            await asyncio.wait((channel.task,), timeout=CLOSING)
            channel.task = None

    async def _stop_all(self) -> None:
        tasks = {c.task for c in self.channels.values() if c.task is not None}
        for task in tasks:
            task.cancel()
        if tasks:
            _, hanging = await asyncio.wait(tasks, timeout=CLOSING)
            for task in hanging:
                extra = {"action": "channel.hangs", "channel": task.get_name()}
                log.error("%s does not stop", task.get_name(), extra=extra)

    def _find(self, command: Command) -> Supervisor | None:
        for channel in self.channels.values():
            if command.point.device in channel.supervisor.devices and channel.enabled:
                return channel.supervisor
        return None

    async def _publish(self) -> None:
        """Tell the centre of points that are new or changed since the last time."""
        state = self._data / "catalogue.json"
        before = await asyncio.to_thread(_read, state)
        entries = [e for plan in self._plans for e in plan.catalogue()]
        now = {_key(e): _digest(e) for e in entries}
        new = [e for e in entries if before.get(_key(e)) != now[_key(e)]]
        for i in range(0, len(new), CHUNK):
            points = tuple(new[i : i + CHUNK])
            self.journal.record(Catalogue(at=self.clock.now(), points=points))
        if before != now:
            await self.journal.flush()
            await asyncio.to_thread(_write, state, now)

    def _tell_idle(self) -> None:
        at = self.clock.now()
        for plan in self._plans:
            for device in plan.idle:
                self.journal.record(Gap(at=at, device=device, cause=GapCause.DISABLED, since=at))

    async def _watch_clock(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            if jump := self.clock.check():
                way = "forward" if jump > 0 else "back"
                message = f"the clock jumped {way} by {abs(jump) / 1e6:.3f} s"
                log.warning(message, extra={"action": "clock.jump"})
                at = self.clock.now()
                note = Note(at=at, level="warning", code="clock_jump", message=message)
                self.journal.record(note)


def _read(state: Path) -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads(state.read_text())
    except (OSError, ValueError):
        return {}
    return found


def _write(state: Path, digests: Mapping[str, str]) -> None:
    try:
        state.parent.mkdir(parents=True, exist_ok=True)
        draft = state.with_suffix(".tmp")
        draft.write_text(json.dumps(digests))
        draft.replace(state)
    except OSError as e:
        extra = {"action": "catalogue"}
        log.warning("%s: %s: the catalogue is sent again next time", state, e, extra=extra)


def _key(entry: CatalogueEntry) -> str:
    return f"{entry.device}.{entry.spec.name}"


def _digest(entry: CatalogueEntry) -> str:
    return blake2b(msgspec.msgpack.encode(entry), digest_size=8).hexdigest()


def snapshot(gateway: Gateway, keys: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """Newest values for people, with age in seconds and whether they are stale."""
    points = gateway.points
    chosen = [points.by_key[k] for k in (keys if keys is not None else points.by_key)]
    ids = np.array([p.id for p in chosen], np.uint32)
    batch = points.latest(ids)
    row_of = {int(i): row for row, i in enumerate(batch.point)}
    stale, now = points.stale(ids), gateway.clock.now()
    found = []
    for point, old in zip(chosen, stale.tolist(), strict=True):
        row = row_of.get(point.id)
        entry: dict[str, Any] = {"key": point.key, "id": point.id, "unit": point.spec.unit}
        if row is not None:
            value, time = float(batch.value[row]), int(batch.time[row])
            entry["value"] = batch.text.get(row, None if np.isnan(value) else value)
            entry |= {"time": time, "age": (now - time) / 1e6, "quality": int(batch.quality[row])}
        found.append(entry | {"stale": old})
    return found


GATEWAY = Key[Gateway]("gateway")
