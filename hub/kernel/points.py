"""Points at work: raw columns in, engineering columns out, newest values in memory.

All state is arrays indexed by local point id, so a block of readings costs a few vector operations
whatever its length.
"""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hub.contract.driver import Recording
from hub.contract.errors import Invalid
from hub.contract.journal import Stream
from hub.contract.points import Kind, Point
from hub.contract.readings import (
    LOST,
    STAMP_MASK,
    VALIDITY_MASK,
    Cause,
    Flag,
    ReadingBatch,
    Stamp,
    Validity,
)
from hub.kernel.app import Key
from hub.kernel.clock import Clock

log = logging.getLogger(__name__)

NEVER = 0xFFFF  # quality of a point that has no reading yet
HEARTBEAT = 60_000_000
COUNTER_HEARTBEAT = 900_000_000
STALE_PERIODS, STALE_LEAST = 3, 5.0
REST = 0xFFFF - VALIDITY_MASK
AHEAD = 60_000_000  # a device stamp further in the future than this does not hide what follows

COLUMNS: Mapping[str, tuple[Any, Any]] = {
    "known": (np.bool_, False),
    "scale": (np.float64, 1.0),
    "offset": (np.float64, 0.0),
    "power": (np.int64, -1),  # id of the point that gives a power of ten (`scale_from`)
    "gives": (np.bool_, False),
    "exponent": (np.float64, np.nan),
    "absent": (np.float64, np.nan),
    "low": (np.float64, -np.inf),
    "high": (np.float64, np.inf),
    "deadband": (np.float64, 0.0),
    "heartbeat": (np.int64, HEARTBEAT),
    "sparse": (np.bool_, False),
    "state": (np.bool_, False),
    "period": (np.float64, np.inf),
    "value": (np.float64, np.nan),
    "time": (np.int64, 0),
    "quality": (np.uint16, NEVER),
    "seen": (np.float64, -np.inf),
    "kept_value": (np.float64, np.nan),
    "kept_time": (np.int64, 0),
    "kept_quality": (np.uint16, NEVER),
}
MOST_EXPONENT = 10  # SunSpec `sunssf`: -10…10, anything else means "not implemented"
Ids = NDArray[np.uint32]
Sink = Callable[[ReadingBatch, Stream], None]


class Points:
    """The registry of points, their newest values, and the way of every reading.

    keep: takes what is to be stored. Listeners get every reading in engineering units, before the
    deadband, in the order of arrival.
    """

    def __init__(self, clock: Clock, keep: Sink) -> None:
        self.clock, self._keep = clock, keep
        self.by_key: dict[str, Point] = {}
        self.by_id: dict[int, Point] = {}
        self.text: dict[int, str] = {}
        self.taken = self.kept = self.unknown = 0
        self.listeners: list[Callable[[ReadingBatch], None]] = []
        self._kept_text: dict[int, str] = {}
        self._subscriptions: set[Subscription] = set()
        self._size = 0
        self._any_sparse = self._any_power = False
        self._c: dict[str, NDArray[Any]] = {n: np.empty(0, t) for n, (t, _) in COLUMNS.items()}

    def define(self, points: Sequence[Point], record: Recording = "all") -> None:
        """Add points, or change what is known of them; their newest values stay."""
        if not points:
            return
        self._grow(max(p.id for p in points) + 1)
        c = self._c
        for p in points:
            s, i = p.spec, p.id
            self.by_key[p.key] = self.by_id[i] = p
            bounded = s.kind in {Kind.ANALOG, Kind.COUNTER}
            c["known"][i] = True
            c["scale"][i], c["offset"][i], c["deadband"][i] = s.scale, s.offset, s.deadband
            c["low"][i] = s.low_limit if bounded and s.low_limit is not None else -np.inf
            c["high"][i] = s.high_limit if bounded and s.high_limit is not None else np.inf
            c["heartbeat"][i] = COUNTER_HEARTBEAT if s.kind is Kind.COUNTER else HEARTBEAT
            c["sparse"][i] = record == "change"
            c["state"][i] = s.kind in {Kind.BINARY, Kind.DOUBLE}
            c["period"][i] = np.inf if p.every is None else p.every
            c["power"][i] = -1
            c["absent"][i] = np.nan if s.absent is None else s.absent
        self._any_sparse = bool(c["sparse"].any())
        self._powers([p for p in points if p.spec.scale_from])

    def _powers(self, points: Sequence[Point]) -> None:
        """Tie points to those that give their power of ten."""
        c = self._c
        for p in points:
            if source := self.by_key.get(f"{p.device}.{p.spec.scale_from}"):
                c["power"][p.id], c["gives"][source.id] = source.id, True
            else:
                log.warning("%s: no point %r gives its scale", p.key, p.spec.scale_from)
        self._any_power = bool((c["power"] >= 0).any())

    def take(self, batch: ReadingBatch) -> ReadingBatch:
        """Raw readings from a driver → engineering readings, kept and shown to all who listen."""
        batch = self._only_known(batch)
        if not len(batch):
            return batch
        c, p = self._c, _index(batch.point)
        raw = self._multiplied(batch) if self._any_power else batch.value
        value = raw * c["scale"].take(p)
        value += c["offset"].take(p)
        value[batch.value == c["absent"].take(p)] = np.nan
        quality = batch.quality
        finite = np.isfinite(value)
        if np.count_nonzero(finite) < len(p):
            bad = ~finite
            value[bad] = np.nan
            if batch.text:
                bad[list(batch.text)] = False
            quality = np.where(bad, (quality & REST) | Validity.INVALID, quality)
        outside = (value < c["low"].take(p)) | (value > c["high"].take(p))
        if np.count_nonzero(outside):
            doubt = np.maximum(quality & VALIDITY_MASK, Validity.QUESTIONABLE)
            marked = (quality & REST) | doubt | Flag.OVERRANGE
            quality = np.where(outside, marked, quality)
        if self.clock.unsure:
            ours = (quality & STAMP_MASK) == Stamp.GATEWAY
            quality = np.where(ours, quality | Stamp.UNSYNCED, quality)
        quality = quality.astype(np.uint16, copy=False)
        ready = ReadingBatch(batch.point, batch.time, value, quality, batch.cause, batch.text)
        self._spread(ready)
        return ready

    def _multiplied(self, batch: ReadingBatch) -> NDArray[np.float64]:
        """Raw values times the power of ten that another point gives; NaN while it is unknown."""
        c, p = self._c, batch.point
        gives = c["gives"][p]
        given = batch.value[gives]
        sound = (batch.quality[gives] & VALIDITY_MASK) != Validity.INVALID
        sound &= np.abs(given) <= MOST_EXPONENT
        c["exponent"][p[gives]] = np.where(sound, given, np.nan)
        source = c["power"][p]
        scaled = source >= 0
        value: NDArray[np.float64] = batch.value.copy()
        value[scaled] *= 10.0 ** c["exponent"][source[scaled]]
        return value

    def raw(self, point: Point, value: float) -> float:
        """What the device holds for an engineering value; an unscaled integer stays exact.

        Invalid for what is no number, and while the device has not said its power of ten.
        """
        spec, source = point.spec, int(self._c["power"][point.id])
        if not math.isfinite(value):
            raise Invalid(f"{point.key}: {value} is no number")
        if spec.scale != 1.0 or spec.offset != 0.0:
            value = (value - spec.offset) / spec.scale
        if source >= 0:
            exponent = float(self._c["exponent"][source])
            if math.isnan(exponent):
                raise Invalid(f"{point.key}: {spec.scale_from} has not given its scale yet")
            value /= 10.0**exponent
        return value

    def lost(self, ids: Ids, flags: Flag = Flag.COMM_LOST) -> ReadingBatch:
        """Publish the last values of those that are not lost yet as INVALID | COMM_LOST."""
        c = self._c
        held = c["quality"][ids]
        ids = ids[(held == NEVER) | ((held & Flag.COMM_LOST) == 0)]
        n = len(ids)
        texts = {row: self.text[i] for row, i in enumerate(ids.tolist()) if i in self.text}
        batch = ReadingBatch(
            ids,
            np.full(n, self.clock.now(), np.int64),
            c["value"][ids],
            np.full(n, LOST | flags, np.uint16),
            Cause.LINK,
            texts,
        )
        if n:
            self._spread(batch)
        return batch

    def latest(self, ids: Ids) -> ReadingBatch:
        """The newest readings of those of the points that have one."""
        c = self._c
        ids = ids[c["quality"][ids] != NEVER]
        texts = {row: self.text[i] for row, i in enumerate(ids.tolist()) if i in self.text}
        return ReadingBatch(
            ids, c["time"][ids], c["value"][ids], c["quality"][ids], Cause.REQUEST, texts
        )

    def stale(self, ids: Ids) -> NDArray[np.bool_]:
        """Which of these have not been heard of for 3 periods (at least 5 s), or are lost."""
        c = self._c
        limit = np.maximum(c["period"][ids] * STALE_PERIODS, STALE_LEAST)
        old = self.clock.monotonic() - c["seen"][ids] > limit
        held = c["quality"][ids]
        return np.asarray(old | (held == NEVER) | ((held & Flag.COMM_LOST) != 0), np.bool_)

    def subscribe(self, ids: Ids | None = None) -> "Subscription":
        """Newest values of these points (all when None) as they change; see Subscription."""
        return Subscription(self, ids)

    def attach(self, subscription: "Subscription") -> None:
        self._subscriptions.add(subscription)

    def detach(self, subscription: "Subscription") -> None:
        self._subscriptions.discard(subscription)

    @property
    def size(self) -> int:
        """One more than the highest id."""
        return self._size

    def _only_known(self, batch: ReadingBatch) -> ReadingBatch:
        p = _index(batch.point)
        within = len(p) > 0 and np.maximum.reduce(p) < self._size
        if within and np.count_nonzero(self._c["known"].take(p)) == len(p):
            return batch
        good = p < self._size
        good[good] = self._c["known"][p[good]]
        if missing := len(p) - int(good.sum()):
            if not self.unknown:
                log.warning("a driver gave readings of unknown points", extra={"action": "points"})
            self.unknown += missing
        return pick(batch, good)

    def _spread(self, batch: ReadingBatch) -> None:
        self.taken += len(batch)
        self._remember(batch)
        self._store(batch)
        for listener in self.listeners:
            listener(batch)
        for subscription in self._subscriptions:
            subscription.touch(batch.point)

    def _remember(self, batch: ReadingBatch) -> None:
        c, p, t = self._c, _index(batch.point), batch.time
        if batch.cause is Cause.EVENT:
            held = c["time"][p]
            newer = (t >= held) | (held > self.clock.now() + AHEAD)
            c["seen"][p] = self.clock.monotonic()
            rows = np.flatnonzero(newer)
            rows = rows[np.argsort(t[rows], kind="stable")]
            batch = pick(batch, rows)
            p, t = p[rows], batch.time
        c["value"][p], c["time"][p], c["quality"][p] = batch.value, t, batch.quality
        if batch.cause is not Cause.LINK:
            c["seen"][p] = self.clock.monotonic()
        for row, text in batch.text.items():
            self.text[int(p[row])] = text

    def _store(self, batch: ReadingBatch) -> None:
        if self._any_sparse and batch.cause not in {Cause.EVENT, Cause.LINK}:
            batch = self._changed(batch)
        if not len(batch):
            return
        self.kept += len(batch)
        if batch.cause is Cause.EVENT:
            states = self._c["state"][batch.point]
            if states.any():
                self._keep(pick(batch, states), Stream.EVENTS)
                batch = pick(batch, ~states)
        if len(batch):
            self._keep(batch, Stream.TELEMETRY)

    def _changed(self, batch: ReadingBatch) -> ReadingBatch:
        c, p = self._c, batch.point
        before = c["kept_value"][p]
        keep = (
            ~c["sparse"][p]
            | (np.abs(batch.value - before) > c["deadband"][p])
            | (np.isnan(batch.value) != np.isnan(before))
            | (batch.quality != c["kept_quality"][p])
            | (np.abs(batch.time - c["kept_time"][p]) >= c["heartbeat"][p])
        )
        for row, text in batch.text.items():
            keep[row] |= self._kept_text.get(int(p[row])) != text
            self._kept_text[int(p[row])] = text
        if not keep.all():
            batch = pick(batch, keep)
            p = batch.point
        c["kept_value"][p], c["kept_time"][p] = batch.value, batch.time
        c["kept_quality"][p] = batch.quality
        return batch

    def _grow(self, size: int) -> None:
        if size <= self._size:
            return
        for name, (kind, default) in COLUMNS.items():
            column = np.full(size, default, kind)
            column[: self._size] = self._c[name]
            self._c[name] = column
        self._size = size


def _index(ids: Ids) -> NDArray[np.intp]:
    """numpy gathers and scatters by its own integers in half the time."""
    return ids.astype(np.intp)


def pick(batch: ReadingBatch, rows: NDArray[Any]) -> ReadingBatch:
    """Some rows of a batch, by mask or by index."""
    texts: dict[int, str] = {}
    if batch.text:
        chosen = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        texts = {
            new: batch.text[old] for new, old in enumerate(chosen.tolist()) if old in batch.text
        }
    return ReadingBatch(
        batch.point[rows],
        batch.time[rows],
        batch.value[rows],
        batch.quality[rows],
        batch.cause,
        texts,
    )


class Subscription:
    """An async iterator of newest values: at once what is there, then what changed since the last
    step. A slow reader gets fewer batches, never a queue. Use it as a context manager."""

    def __init__(self, points: Points, ids: Ids | None = None) -> None:
        self._points = points
        self._ids = ids
        self._dirty = np.zeros(points.size, np.bool_)
        self._wanted: NDArray[np.bool_] | None = None
        if ids is not None:
            self._wanted = np.zeros(points.size, np.bool_)
            self._wanted[ids] = True
        self._dirty[:] = True if self._wanted is None else self._wanted
        self._ready = asyncio.Event()
        self._ready.set()

    def __enter__(self) -> Self:
        self._points.attach(self)
        return self

    def __exit__(self, *exc: object) -> None:
        self._points.detach(self)

    def touch(self, ids: Ids) -> None:
        if int(ids.max()) >= len(self._dirty):
            grown = np.zeros(self._points.size, np.bool_)
            grown[: len(self._dirty)] = self._dirty
            self._dirty = grown
        self._dirty[ids] = True
        if not self._ready.is_set():
            self._ready.set()

    async def __aiter__(self) -> AsyncIterator[ReadingBatch]:
        while True:
            await self._ready.wait()
            self._ready.clear()
            dirty = self._dirty.copy()
            self._dirty[:] = False
            if self._wanted is not None:
                dirty[: len(self._wanted)] &= self._wanted
                dirty[len(self._wanted) :] = False
            batch = self._points.latest(np.flatnonzero(dirty).astype(np.uint32))
            if len(batch):
                yield batch


POINTS = Key[Points]("live points")
