"""Answers to READ (IEEE 1815 clause 4.4.1): events in order of occurrence, then static data."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from drivers.dnp3.codec.app import Block, Iin, ranged
from drivers.dnp3.codec.attributes import Attribute, AttributeType
from drivers.dnp3.codec.objects import EVENT_GROUP, STATIC_GROUP, PointType, Variation, variation
from drivers.dnp3.codec.values import Columns, indexes

from .database import Database, Table
from .events import Event, EventBuffer
from .packing import Packer, Part, cut, static_variation

_MAX_NAMED = 4096  # points that one header may name one by one
_STATIC = {group: point for point, group in STATIC_GROUP.items()}
_EVENTS = {group: point for point, group in EVENT_GROUP.items()}
_DEADBAND, _CLASS = 34, 60
_ALL_ATTRIBUTES, _LIST = 254, 255


class Reader:
    """Gathers what one request asks for."""

    def __init__(
        self,
        database: Database,
        events: EventBuffer,
        *,
        room: int,
        now: int,
        synchronised: bool,
        attributes: Sequence[Attribute] = (),
    ) -> None:
        self._database, self._events = database, events
        self._packer = Packer(room)
        self._now, self._synchronised = now, synchronised
        self._attributes = {item.variation: item for item in attributes}
        self._chosen: dict[int, tuple[Event, int]] = {}
        self.iin = Iin.NONE

    def read(self, blocks: Iterable[Block]) -> list[Part]:
        """Fragments' objects; what could not be read is in `iin`."""
        static = [block for block in blocks if not self._select(block)]
        self.pack_events()
        for block in static:
            self._static(block)
        return self._packer.parts

    def take(self, events: Iterable[Event]) -> list[Part]:
        """Fragments of these events."""
        for event in events:
            self._chosen[event.number] = event, 0
        self.pack_events()
        return self._packer.parts

    def _select(self, block: Block) -> bool:
        """Choose events; whether the block asks for events at all."""
        group, number = block.group, block.number
        if group == _CLASS and number in {2, 3, 4}:
            self._choose(block, (e for e in self._events.waiting((number - 1,))), 0)
            return True
        point = _EVENTS.get(group)
        if point is not None:
            if point is PointType.OS and number:
                self.iin |= Iin.OBJECT_UNKNOWN
                return True
            self._choose(block, (e for e in self._events.waiting() if e.point is point), number)
            return True
        return False

    def _choose(self, block: Block, events: Iterable[Event], number: int) -> None:
        if block.is_range or block.prefix:
            self.iin |= Iin.PARAMETER_ERROR
            return
        left = len(self._events) if block.count is None else block.count
        for event in events:
            if left <= 0:
                return
            if event.number not in self._chosen:
                self._chosen[event.number] = event, number
                left -= 1

    def pack_events(self) -> None:
        ordered = [self._chosen[number] for number in sorted(self._chosen)]
        for (point, number), run in groupby(
            ordered, lambda c: (c[0].point, c[1] or c[0].variation)
        ):
            events = [event for event, _ in run]
            if point is PointType.OS:
                self._packer.texts(events)
                continue
            entry = variation(EVENT_GROUP[point], number)
            if entry is None:
                raise LookupError(f"g{EVENT_GROUP[point]}v{number} is not an event variation")
            self._packer.events(entry, events, synchronised=self._synchronised)

    def _static(self, block: Block) -> None:
        group, number = block.group, block.number
        if group == _CLASS:
            for table in self._database.tables.values():
                if table.defaults.class_0:
                    self._table(table, 0, table.runs)
        elif (point := _STATIC.get(group)) is not None:
            table = self._database.tables[point]
            if point is PointType.OS and number:
                self.iin |= Iin.OBJECT_UNKNOWN
                return
            self._table(table, number, rows_of(table, block, self))
        elif group == _DEADBAND:
            table = self._database.tables[PointType.AI]
            entry = variation(_DEADBAND, number or 3)
            self._deadbands(table, entry, rows_of(table, block, self))
        elif group == 0:
            self._attribute(block)
        elif group == 50 and number in {0, 1}:
            self._packer.raw(bytes((50, 1, 0x07, 1)) + self._now.to_bytes(6, "little"))
        else:
            self.iin |= Iin.OBJECT_UNKNOWN

    def _table(self, table: Table, number: int, rows: list[tuple[int, int]]) -> None:
        for first, end in rows:
            if table.point is PointType.OS:
                self._texts(table, first, end)
            else:
                entry = static_variation(table, number, first, end)
                self._packer.static(entry, table.columns(first, end))

    def _texts(self, table: Table, first: int, end: int) -> None:
        for row in range(first, end):
            text, index = table.text.get(row, b"\0"), int(table.index[row])
            self._packer.raw(ranged(STATIC_GROUP[PointType.OS], len(text), index, index) + text)

    def _deadbands(
        self, table: Table, entry: Variation | None, rows: list[tuple[int, int]]
    ) -> None:
        if entry is None:
            self.iin |= Iin.OBJECT_UNKNOWN
            return
        cols = Columns(table.index, table.deadband)
        for first, end in rows:
            self._packer.static(entry, cut(cols, first, end))

    def _attribute(self, block: Block) -> None:
        number = block.number
        if number == _LIST:
            listed = tuple((n, False) for n in sorted(self._attributes))
            found = [Attribute(_LIST, listed, AttributeType.LIST)]
        elif number in {0, _ALL_ATTRIBUTES}:
            found = [self._attributes[n] for n in sorted(self._attributes)]
        else:
            found = [self._attributes[number]] if number in self._attributes else []
        if not found:
            self.iin |= Iin.OBJECT_UNKNOWN
        for item in found:
            self._packer.raw(ranged(0, item.variation, 0, 0) + item.encode())


def rows_of(table: Table, block: Block, fault: "Reader | None" = None) -> list[tuple[int, int]]:
    """The rows that a header names, as runs; what does not exist is a parameter error."""
    missing = False
    if block.count is None:
        rows = table.runs
    elif block.prefix:
        rows = []
        for index in indexes(block).tolist()[:_MAX_NAMED]:
            row = table.row(index)
            missing |= row is None
            if row is not None:
                rows.append((row, row + 1))
    else:
        stop = block.start + block.count - 1
        rows = table.within(block.start, stop)
        missing = sum(end - first for first, end in rows) < block.count
    if missing and fault is not None:
        fault.iin |= Iin.PARAMETER_ERROR
    return rows
