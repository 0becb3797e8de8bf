"""Freezing counters and analogs (IEEE 1815 clause 4.4.7): at once, at a time, again and again."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from drivers.dnp3.codec.app import Block, Function, Iin
from drivers.dnp3.codec.objects import PointType
from drivers.dnp3.codec.values import rows

from .database import FROZEN, Database
from .handler import Handler
from .reading import rows_of

NEVER = 2**48 - 1  # the time that cancels a schedule
SHORTEST = 100  # ms: a shorter interval would keep the device busy with nothing else
_HOUR = 3_600_000
_LIVE = {20: PointType.CTR, 30: PointType.AI}
_CLEARING = (Function.FREEZE_CLEAR, Function.FREEZE_CLEAR_NR)


class When(Struct, frozen=True):
    """The time and the interval of a g50v2, ms. time: since 1970 UTC."""

    time: int
    interval: int

    def next(self, now: int) -> int | None:
        """The first freeze not before `now`; None when there is none any more."""
        if not self.interval:
            return self.time if self.time >= now else None
        start = self.time or now - now % _HOUR
        return start if start >= now else now + (start - now) % self.interval


class _Schedule(Struct):
    point: PointType
    indexes: set[int]
    when: When
    due: int


class Freezer:
    """Copies values into the frozen points of the same index.

    clock: ms since 1970 UTC. A schedule holds for its points until they are given another.
    """

    def __init__(self, database: Database, handler: Handler, clock: Callable[[], int]) -> None:
        self._database, self._handler, self._clock = database, handler, clock
        self._schedules: list[_Schedule] = []

    def wait(self) -> float | None:
        """Seconds until the next scheduled freeze."""
        if not self._schedules:
            return None
        return max(0, min(schedule.due for schedule in self._schedules) - self._clock()) / 1000

    def freeze(self, function: int, blocks: Sequence[Block]) -> Iin:
        """At once. Only counters can be cleared."""
        clear, iin = function in _CLEARING, Iin.NONE
        for block in blocks:
            point, indexes, fault = self._named(block)
            if point is PointType.AI and clear:
                fault = Iin.OBJECT_UNKNOWN
            iin |= fault
            if point is not None and indexes and not fault:
                self._copy(point, indexes, clear=clear)
        return iin

    def schedule(self, blocks: Sequence[Block]) -> Iin:
        """Points at the time of the g50v2 before them: 0 is now, or with an interval this hour."""
        when: When | None = None
        iin = Iin.NONE
        for block in blocks:
            if block.group == 50:
                when, fault = _when(block)
                iin |= fault
                continue
            point, indexes, fault = self._named(block)
            iin |= fault
            if when is None:
                iin |= Iin.PARAMETER_ERROR
            elif point is not None and indexes and not fault:
                iin |= self._arrange(point, indexes, when)
        return iin

    def run(self) -> None:
        """Do what has become due. What was missed meanwhile is done once."""
        now = self._clock()
        for schedule in [s for s in self._schedules if s.due <= now]:
            self._copy(schedule.point, sorted(schedule.indexes), clear=False)
            due = schedule.when.next(now + 1)
            if due is None:
                self._schedules.remove(schedule)
            else:
                schedule.due = due

    def _arrange(self, point: PointType, indexes: list[int], when: When) -> Iin:
        now, due = self._clock(), None
        if when.time != NEVER and (when.time or when.interval):
            due = when.next(now)
            if due is None:
                return Iin.PARAMETER_ERROR
        self._forget(point, indexes)
        if due is not None:
            self._schedules.append(_Schedule(point, set(indexes), when, due))
        elif when.time != NEVER:
            self._copy(point, indexes, clear=False)
        return Iin.NONE

    def _forget(self, point: PointType, indexes: list[int]) -> None:
        for schedule in self._schedules:
            if schedule.point is point:
                schedule.indexes.difference_update(indexes)
        self._schedules = [s for s in self._schedules if s.indexes]

    def _named(self, block: Block) -> tuple[PointType | None, list[int], Iin]:
        """The live points that a header names, and what is wrong with it."""
        point = _LIVE.get(block.group)
        if point is None or block.number or not len(self._database.tables[FROZEN[point]]):
            return None, [], Iin.OBJECT_UNKNOWN
        table = self._database.tables[point]
        runs = rows_of(table, block)
        indexes = [int(i) for first, end in runs for i in table.index[first:end]]
        return point, indexes, Iin.NONE if indexes else Iin.PARAMETER_ERROR

    def _copy(self, point: PointType, indexes: Sequence[int], *, clear: bool) -> None:
        self._database.freeze(point, indexes, self._clock(), clear=clear)
        self._handler.frozen(point, indexes, cleared=clear)


def _when(block: Block) -> tuple[When | None, Iin]:
    """The time and interval that a block carries."""
    if block.number != 2:
        return None, Iin.OBJECT_UNKNOWN
    if block.count != 1 or block.prefix:
        return None, Iin.PARAMETER_ERROR
    row = rows(block)[0]
    when = When(int(row["time_low"]) | int(row["time_high"]) << 32, int(row["interval"]))
    if 0 < when.interval < SHORTEST:
        return None, Iin.PARAMETER_ERROR
    return when, Iin.NONE
