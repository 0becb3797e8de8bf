"""Alarms of a gateway: every reading is looked at, what changes is told once and remembered.

Each point has a band of values that change nothing, so a block of readings costs two comparisons
of arrays whatever its length; only readings outside of their band are looked at one by one.
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from hub.contract.alarms import Alarm, AlarmKind, AlarmStatus, AlarmTold, Mark, Mask, Severity
from hub.contract.ids import uuid7
from hub.contract.journal import Journal
from hub.contract.points import Point
from hub.contract.readings import VALIDITY_MASK, Flag, ReadingBatch, Validity
from hub.kernel.alarm_book import Book, Where
from hub.kernel.alarm_rules import EVERYWHERE, NOWHERE, Rule, meet, message, rules_of
from hub.kernel.app import Key
from hub.kernel.clock import Clock
from hub.kernel.devices import Device
from hub.kernel.keep import Keep

log = logging.getLogger(__name__)

COMMS_AFTER = 120.0  # s without a word from a device
TICK = 0.25  # s
FLUSH_WITHIN = 5.0  # s
UNFIT = VALIDITY_MASK | Flag.TEST


class Wait(NamedTuple):
    """A change of a condition that must last. due: monotonic seconds. at: when it began."""

    on: bool
    due: float
    value: float
    at: int


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """The last step of a live alarm. known: the journal has it."""

    told: AlarmTold
    known: bool


@dataclass(slots=True)
class Watch:
    """One point with rules. waits: by number of the rule."""

    point: Point
    rules: tuple[Rule, ...]
    waits: dict[int, Wait] = field(default_factory=dict)


class Alarms:
    """devices: who is there, asked at every tick. station: of each device. comms_after: seconds."""

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        keep: Keep,
        devices: Callable[[], Iterable[Device]],
        *,
        comms_after: float = COMMS_AFTER,
    ) -> None:
        self._clock, self._journal, self._keep, self._devices = clock, journal, keep, devices
        self._comms_after = comms_after
        self._station: Mapping[str, str] = {}
        self._watched: dict[int, Watch] = {}
        self._waiting: set[int] = set()
        self._low = self._high = self._rate = np.empty(0)
        self._before, self._before_at = np.empty(0), np.empty(0, np.int64)
        self._rated = self._masked = False
        self._told: list[AlarmTold] = []
        self._news, self._settling = asyncio.Event(), asyncio.Lock()
        self.book = Book(self._tell)

    @contextlib.asynccontextmanager
    async def running(
        self, points: Sequence[Point], stations: Mapping[str, str]
    ) -> AsyncIterator["Alarms"]:
        """Go on from what was kept; watch these points until the block ends."""
        self._station = stations
        await self._load()
        self._define(points)
        tasks = [
            asyncio.create_task(self._tick(), name="alarms"),
            asyncio.create_task(self._remember(), name="alarm state"),
        ]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._settle()

    def take(self, batch: ReadingBatch) -> None:
        """Look at readings in engineering units."""
        if not len(self._low):
            return
        p = batch.point.astype(np.intp)
        outside = (batch.value < self._low.take(p)) | (batch.value > self._high.take(p))
        if np.count_nonzero(outside):
            self._look(batch, outside)
        if self._rated:
            self._rates(batch)

    def live(self) -> list[Alarm]:
        """All that is not normal, gravest and newest first."""
        grave = list(Severity)
        return sorted(
            self.book.live.values(), key=lambda a: (-grave.index(a.severity), -a.raised_at)
        )

    def now(self) -> int:
        """µs since 1970 UTC by this gateway's clock."""
        return self._clock.now()

    def acknowledge(self, ident: str, mark: Mark) -> Alarm:
        """Somebody has seen it."""
        return self.book.acknowledge(ident, mark, self._clock.now())

    def close(self, ident: str, mark: Mark) -> Alarm:
        """Somebody ends it."""
        return self.book.close(ident, mark, self._clock.now())

    def mask(self, mask: Mask) -> None:
        """Shelve or suppress until a time; a time in the past ends it."""
        self.book.mask(mask, self._clock.now())
        self._masked = True
        self._news.set()

    async def saved(self) -> None:
        """Return when all that happened so far is on disk."""
        await self._settle()

    def _define(self, points: Sequence[Point]) -> None:
        size = max((p.id for p in points), default=-1) + 1
        self._low, self._high = np.full(size, -np.inf), np.full(size, np.inf)
        self._rate = np.full(size, np.inf)
        self._before, self._before_at = np.full(size, np.nan), np.zeros(size, np.int64)
        for point in points:
            if rules := rules_of(point.spec):
                self._watched[point.id] = Watch(point, rules)
                self._set_band(point.id)
                self._rate[point.id] = min(
                    (r.limit for r in rules if r.kind is AlarmKind.RATE), default=np.inf
                )
        self._rated = bool(np.isfinite(self._rate).any())
        self._forget_unwatched()

    def _forget_unwatched(self) -> None:
        """Close what an earlier configuration raised and this one does not watch."""
        known = {_where(w, r) for w in self._watched.values() for r in w.rules}
        known |= {(d.name, "", str(AlarmKind.COMMS)) for d in self._devices()}
        for where in list(self.book.live):
            if where not in known and where[2] != AlarmKind.FLOOD:
                self.book.dropped(where, self._clock.now(), "nobody watches this any more")

    def _set_band(self, ident: int) -> None:
        watch = self._watched[ident]
        if watch.waits:
            band = NOWHERE
        else:
            band = meet(
                [EVERYWHERE, *(r.band(self.book.on(_where(watch, r))) for r in watch.rules)]
            )
        self._low[ident], self._high[ident] = band

    def _look(self, batch: ReadingBatch, outside: NDArray[np.bool_]) -> None:
        """One by one, in the order of arrival, all readings of points of which one is outside."""
        sound = (batch.quality & UNFIT) < Validity.INVALID
        hot = np.unique(batch.point[outside & sound])
        if not len(hot):
            return
        rows = np.flatnonzero(sound & np.isin(batch.point, hot))
        for row in rows.tolist():
            value = float(batch.value[row])
            if value == value:  # noqa: PLR0124  -- not NaN
                self._judge(int(batch.point[row]), value, int(batch.time[row]))

    def _judge(self, ident: int, value: float, at: int) -> None:
        watch = self._watched[ident]
        for number, rule in enumerate(watch.rules):
            if rule.kind is not AlarmKind.RATE:
                self._apply(watch, number, value, at)
        self._set_band(ident)

    def _apply(self, watch: Watch, number: int, value: float, at: int) -> None:
        rule = watch.rules[number]
        on = self.book.on(_where(watch, rule))
        holds = rule.holds(value, on)
        if holds == on:
            watch.waits.pop(number, None)
        elif delay := rule.on_delay if holds else rule.off_delay:
            due = self._clock.monotonic() + delay
            watch.waits.setdefault(number, Wait(holds, due, value, at))
            self._waiting.add(watch.point.id)
        else:
            self._change(watch, rule, holds, value, at)

    def _change(self, watch: Watch, rule: Rule, on: bool, value: float, at: int) -> None:
        now, point = self._clock.now(), watch.point
        if not on:
            self.book.cleared(_where(watch, rule), at, now, value)
            return
        self.book.raised(
            Alarm(
                id=str(uuid7()),
                device=point.device,
                point=point.spec.name,
                kind=rule.kind,
                severity=rule.severity,
                message=message(point.spec, point.key, rule, value),
                raised_at=at,
                value=value,
                threshold=rule.limit,
                station=self._station.get(point.device, ""),
            ),
            now,
        )

    def _rates(self, batch: ReadingBatch) -> None:
        """Change per second since the reading before, of the points that have a limit for it."""
        fit = np.isfinite(self._rate[batch.point]) & np.isfinite(batch.value)
        fit &= (batch.quality & UNFIT) < Validity.INVALID
        rows = np.flatnonzero(fit)
        rows = rows[np.argsort(batch.point[rows], kind="stable")]
        if not len(rows):
            return
        p, t, v = batch.point[rows], batch.time[rows], batch.value[rows]
        same = np.concatenate(([False], p[1:] == p[:-1]))
        before = np.where(same, np.roll(v, 1), self._before[p])
        passed = (t - np.where(same, np.roll(t, 1), self._before_at[p])) / 1e6
        self._before[p], self._before_at[p] = v, t
        known = (passed > 0) & np.isfinite(before)
        p, t, v, before, passed = p[known], t[known], v[known], before[known], passed[known]
        for ident, at, rate in zip(
            p.tolist(), t.tolist(), (np.abs(v - before) / passed).tolist(), strict=True
        ):
            self._judge_rate(ident, rate, at)

    def _judge_rate(self, ident: int, rate: float, at: int) -> None:
        watch = self._watched[ident]
        number = next(n for n, r in enumerate(watch.rules) if r.kind is AlarmKind.RATE)
        self._apply(watch, number, rate, at)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            try:
                self._delays()
                self._comms()
                if self.book.expire(self._clock.now()):
                    self._masked = True
                    self._news.set()
            except Exception:
                log.exception("alarms: a step failed", extra={"action": "alarm.bug"})

    def _delays(self) -> None:
        now = self._clock.monotonic()
        for ident in list(self._waiting):
            watch = self._watched[ident]
            for number, wait in list(watch.waits.items()):
                if wait.due <= now:
                    del watch.waits[number]
                    self._change(watch, watch.rules[number], wait.on, wait.value, wait.at)
            if not watch.waits:
                self._waiting.discard(ident)
                self._set_band(ident)

    def _comms(self) -> None:
        """Devices that have said nothing for too long, and those that speak again."""
        now = self._clock.now()
        for device in self._devices():
            where = (device.name, "", str(AlarmKind.COMMS))
            on, silent = self.book.on(where), (now - device.heard) / 1e6
            if device.online:
                if on:
                    self.book.cleared(where, now, now)
            elif not on and not device.idle and silent >= self._comms_after:
                self.book.raised(self._lost(device), now)
            elif on and device.idle:
                self.book.cleared(where, now, now)

    def _lost(self, device: Device) -> Alarm:
        why = f": {device.reason}" if device.reason else ""
        return Alarm(
            id=str(uuid7()),
            device=device.name,
            point="",
            kind=AlarmKind.COMMS,
            severity=Severity.ERROR,
            message=f"{device.name} is not heard since {self._comms_after:g} s{why}",
            raised_at=device.heard,
            station=self._station.get(device.name, ""),
        )

    def _tell(self, told: AlarmTold) -> None:
        self._told.append(told)
        self._news.set()
        extra = {"action": f"alarm.{told.step}", "device": told.alarm.device}
        log.info("%s: %s", told.step, told.alarm.message, extra=extra)

    async def _load(self) -> None:
        decode, mask = msgspec.msgpack.Decoder(Kept).decode, msgspec.msgpack.Decoder(Mask).decode
        kept = [decode(raw) for raw in (await self._keep.load("alarm")).values()]
        masks = [mask(raw) for raw in (await self._keep.load("mask")).values()]
        self.book.load((k.told.alarm for k in kept if not _over(k.told.alarm)), masks)
        self._told += [k.told for k in kept if not k.known]
        if self._told:
            self._news.set()

    async def _remember(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            await self._settle()

    async def _settle(self) -> None:
        """First kept, then told, then marked as told: a kill in between tells it once more, and
        whoever is told knows a version that he has seen."""
        async with self._settling:
            await self._settle_alone()

    async def _settle_alone(self) -> None:
        told = self._told[:]
        newest = {t.alarm.id: t for t in told}
        await self._write("alarm", {i: _pack(t, known=False) for i, t in newest.items()})
        for each in told:
            self._journal.record(each)
        del self._told[: len(told)]
        if self._masked:
            self._masked = False
            await self._write("mask", await self._masks())
        if told:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_WITHIN):
                    await self._journal.flush()
                    await self._write("alarm", {i: _told(t) for i, t in newest.items()})

    async def _write(self, kind: str, facts: Mapping[str, bytes | None]) -> None:
        try:
            if facts:
                await self._keep.write(kind, facts)
        except (sqlite3.Error, OSError) as error:
            log.warning("alarms are not kept: %s", error, extra={"action": "alarm.state"})

    async def _masks(self) -> dict[str, bytes | None]:
        facts: dict[str, bytes | None] = dict.fromkeys(await self._keep.load("mask"))
        for key, mask in self.book.masks.items():
            facts["\0".join(key)] = msgspec.msgpack.encode(mask)
        return facts


def _where(watch: Watch, rule: Rule) -> Where:
    return watch.point.device, watch.point.spec.name, str(rule.kind)


def _pack(told: AlarmTold, *, known: bool) -> bytes:
    return msgspec.msgpack.encode(Kept(told, known))


def _told(told: AlarmTold) -> bytes | None:
    return None if _over(told.alarm) else _pack(told, known=True)


def _over(alarm: Alarm) -> bool:
    return alarm.status is AlarmStatus.CLOSED and not alarm.on


ALARMS = Key[Alarms]("alarms")
