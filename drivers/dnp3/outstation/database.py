"""The points of an outstation as columns, and the rules by which a change becomes an event."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from drivers.dnp3.codec.objects import STATIC_GROUP, PointType
from drivers.dnp3.codec.values import COMM_LOST, ONLINE, RESTART, Columns

from .events import Event, EventBuffer


class Defaults(Struct, frozen=True, kw_only=True):
    """How points of one type are reported unless the master asks otherwise.

    static, event: variations. klass: event class, 0 for none; commands: of the commands that an
    output is given (g13, g43). class_0: whether a class 0 poll brings them. deadband: below 0,
    every update is an event, and so is every freeze.
    """

    static: int
    event: int
    klass: int = 1
    commands: int = 0
    class_0: bool = True
    deadband: float = 0.0


_DEFAULTS = {
    PointType.BI: Defaults(static=2, event=2),
    PointType.DBI: Defaults(static=2, event=2),
    PointType.BO: Defaults(static=2, event=2, klass=2),
    PointType.CTR: Defaults(static=1, event=5, klass=3),
    PointType.FCTR: Defaults(static=5, event=5, klass=3),
    PointType.AI: Defaults(static=5, event=7, klass=2),
    PointType.FAI: Defaults(static=7, event=7, klass=3),
    PointType.AO: Defaults(static=3, event=7, klass=2),
    PointType.OS: Defaults(static=0, event=0, klass=3),
}
FROZEN = {PointType.CTR: PointType.FCTR, PointType.AI: PointType.FAI}
COMMANDS = {PointType.BO: PointType.BOC, PointType.AO: PointType.AOC}
_MISSING = -1


class Table:
    """All points of one type: parallel arrays in the order of their index."""

    def __init__(self, point: PointType, indexes: Sequence[int], defaults: Defaults) -> None:
        self.point, self.defaults = point, defaults
        self.index: NDArray[np.uint32] = np.unique(np.asarray(indexes, np.uint32))
        n = len(self.index)
        self.value: NDArray[np.float64] = np.zeros(n)
        self.flags: NDArray[np.uint8] = np.full(n, RESTART | COMM_LOST, np.uint8)
        self.time: NDArray[np.int64] = np.zeros(n, np.int64)
        self.klass: NDArray[np.uint8] = np.full(n, defaults.klass, np.uint8)
        self.commands: NDArray[np.uint8] = np.full(n, defaults.commands, np.uint8)
        self.deadband: NDArray[np.float64] = np.full(n, defaults.deadband)
        self.reported: NDArray[np.float64] = np.zeros(n)
        self.text: dict[int, bytes] = {}
        self._row = {int(index): row for row, index in enumerate(self.index)}
        breaks = np.flatnonzero(np.diff(self.index.astype(np.int64)) != 1) + 1
        edges = [0, *breaks.tolist(), n] if n else []
        self.runs = list(pairwise(edges))

    def __len__(self) -> int:
        return len(self.index)

    def row(self, index: int) -> int | None:
        return self._row.get(index)

    def within(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Rows [first, end) of each unbroken run of indexes in start…stop."""
        low = int(np.searchsorted(self.index, start, "left"))
        high = int(np.searchsorted(self.index, stop, "right"))
        return [
            (max(first, low), min(end, high))
            for first, end in self.runs
            if first < high and end > low
        ]

    def columns(self, first: int, end: int) -> Columns:
        cut = slice(first, end)
        return Columns(self.index[cut], self.value[cut], self.flags[cut], self.time[cut])


class Database:
    """What an outstation reports; shared by the sessions of all its masters."""

    def __init__(
        self,
        points: Mapping[PointType, Iterable[int]],
        defaults: Mapping[PointType, Defaults] | None = None,
    ) -> None:
        chosen = {**_DEFAULTS, **(defaults or {})}
        self.tables = {
            point: Table(point, list(points.get(point, ())), chosen[point])
            for point in STATIC_GROUP
        }
        self._buffers: list[EventBuffer] = []

    def attach(self, buffer: EventBuffer) -> None:
        """From now on changes go into this buffer too."""
        self._buffers.append(buffer)

    def detach(self, buffer: EventBuffer) -> None:
        self._buffers.remove(buffer)

    def update(
        self,
        point: PointType,
        index: int,
        value: float,
        *,
        time: int,
        flags: int = ONLINE,
        event: bool | None = None,
    ) -> bool:
        """Set a point; whether that made an event. event: None decides by change and deadband.

        value: 0 or 1 of a binary, 0…3 of a double-bit. time: ms since 1970 UTC. LookupError when
        there is no such point.
        """
        table = self.tables[point]
        row = table.row(index)
        if row is None:
            raise LookupError(f"the outstation has no point {point}:{index}")
        flags &= _FLAG_MASK.get(point, 0xFF)
        changed = self._is_event(table, row, value, flags)
        table.value[row], table.flags[row], table.time[row] = value, flags, time
        if not (changed if event is None else event) or not table.klass[row]:
            return False
        table.reported[row] = value
        self._emit(table, row)
        return True

    def update_text(self, index: int, text: bytes, *, time: int) -> bool:
        """Set an octet string of 1 to 255 octets; whether that made an event."""
        if not 1 <= len(text) <= 255:
            raise ValueError(f"an octet string has 1 to 255 octets, not {len(text)}")
        table = self.tables[PointType.OS]
        row = table.row(index)
        if row is None:
            raise LookupError(f"the outstation has no point os:{index}")
        if table.text.get(row) == text:
            return False
        table.text[row], table.time[row], table.flags[row] = text, time, ONLINE
        if table.klass[row]:
            self._emit(table, row)
        return bool(table.klass[row])

    def load(self, point: PointType, values: NDArray[np.float64], flags: int, time: int) -> None:
        """Set all points of a type at once, in order of index, without events."""
        table = self.tables[point]
        table.value[:] = values
        table.flags[:] = flags & _FLAG_MASK.get(point, 0xFF)
        table.time[:] = time
        table.reported[:] = values

    def freeze(
        self, point: PointType, indexes: Iterable[int], time: int, *, clear: bool = False
    ) -> None:
        """Copy counters or analog inputs into the frozen points of the same index.

        clear: set them to zero afterwards.
        """
        table, frozen = self.tables[point], self.tables[FROZEN[point]]
        for index in indexes:
            row = table.row(index)
            if row is None:
                continue
            if frozen.row(index) is not None:
                value, flags = float(table.value[row]), int(table.flags[row])
                self.update(FROZEN[point], index, value, time=time, flags=flags)
            if clear:
                table.value[row] = table.reported[row] = 0

    def commanded(
        self, point: PointType, index: int, value: float, *, status: int, time: int, variation: int
    ) -> bool:
        """An output was commanded, by whomever; whether that made an event (g13, g43).

        status: what became of it, as of a control. variation: of the event.
        """
        table = self.tables[point]
        row = table.row(index)
        if row is None or not table.commands[row]:
            return False
        event = Event(
            number=_MISSING,
            point=COMMANDS[point],
            index=index,
            value=value,
            flags=status,
            time=time,
            klass=int(table.commands[row]),
            variation=variation,
        )
        self._add(event)
        return True

    def assign(
        self, point: PointType, rows: Iterable[tuple[int, int]], klass: int, *, commands: bool
    ) -> None:
        """Move points (runs of rows) to an event class; 0 stops their events.

        commands: the events of their commands, not of their states.
        """
        table = self.tables[point]
        for first, end in rows:
            (table.commands if commands else table.klass)[first:end] = klass

    @staticmethod
    def _is_event(table: Table, row: int, value: float, flags: int) -> bool:
        if flags != table.flags[row]:
            return True
        moved: Any = abs(value - table.reported[row])
        return bool(moved > table.deadband[row])

    def _emit(self, table: Table, row: int) -> None:
        event = Event(
            number=_MISSING,
            point=table.point,
            index=int(table.index[row]),
            value=float(table.value[row]),
            flags=int(table.flags[row]),
            time=int(table.time[row]),
            klass=int(table.klass[row]),
            variation=table.defaults.event,
            text=table.text.get(row, b""),
        )
        self._add(event)

    def _add(self, event: Event) -> None:
        for buffer in self._buffers:
            buffer.add(structs.replace(event))


# The state of binaries travels in the octet of flags but is kept as the value.
_FLAG_MASK = {PointType.BI: 0x7F, PointType.BO: 0x7F, PointType.DBI: 0x3F}
