"""Objects into fragments: as many as fit, cut between objects, events with their numbers."""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct, field

from drivers.dnp3.codec.app import indexed
from drivers.dnp3.codec.objects import EVENT_GROUP, STATIC_GROUP, PointType, Variation, variation
from drivers.dnp3.codec.values import ONLINE, STATE, Columns, event_block, static_block

from .database import Table
from .events import Event

_HEADER = 7  # octets of the longest start-stop header
_EVENT_HEADER = 5
_CTO = 10  # octets of a common time of occurrence with its header
_MAX_RELATIVE = 0xFFFF


class Part(Struct):
    """The objects of one fragment and the numbers of the events among them."""

    objects: list[bytes] = field(default_factory=list)
    size: int = 0
    events: list[int] = field(default_factory=list)

    def encode(self) -> bytes:
        return b"".join(self.objects)


class Packer:
    """Fills fragments of at most `room` octets of objects."""

    def __init__(self, room: int) -> None:
        self._room = room
        self.parts = [Part()]

    def _left(self) -> int:
        return self._room - self.parts[-1].size

    def raw(self, block: bytes) -> None:
        """A block that is not cut."""
        if len(block) > self._left() and self.parts[-1].size:
            self.parts.append(Part())
        self.parts[-1].objects.append(block)
        self.parts[-1].size += len(block)

    def static(self, entry: Variation, cols: Columns) -> None:
        """Neighbouring points, cut where a fragment is full."""
        at = 0
        while at < len(cols):
            room = self._left() - _HEADER
            fits = room * 8 // entry.bits & ~7 if entry.bits else room // entry.size
            if fits <= 0:
                self.parts.append(Part())
                continue
            self.raw(static_block(entry, cut(cols, at, at + fits)))
            at += fits

    def events(self, entry: Variation, events: Sequence[Event], *, synchronised: bool) -> None:
        """Events of one variation in order."""
        if entry.has("relative"):
            self._relative(entry, events, synchronised=synchronised)
            return
        at = 0
        while at < len(events):
            fits = (self._left() - _EVENT_HEADER) // (entry.size + 2)
            if fits <= 0:
                self.parts.append(Part())
                continue
            some = events[at : at + fits]
            self._put(event_block(entry, event_columns(some)), some)
            at += fits

    def texts(self, events: Sequence[Event]) -> None:
        """Octet string events, each under its own header: their lengths differ."""
        for event in events:
            block = indexed(EVENT_GROUP[PointType.OS], len(event.text), [(event.index, event.text)])
            if len(block) > self._left():
                self.parts.append(Part())
            self._put(block, [event])

    def _relative(self, entry: Variation, events: Sequence[Event], *, synchronised: bool) -> None:
        at = 0
        while at < len(events):
            fits = (self._left() - _CTO - _EVENT_HEADER) // (entry.size + 2)
            if fits <= 0:
                self.parts.append(Part())
                continue
            base = events[at].time
            end = at
            while end < len(events) and end - at < fits:
                if not 0 <= events[end].time - base <= _MAX_RELATIVE:
                    break
                end += 1
            some = events[at:end]
            common = bytes((51, 1 if synchronised else 2, 0x07, 1)) + base.to_bytes(6, "little")
            cols = event_columns(some)
            since = cols.times() - base
            shifted = Columns(cols.index, cols.value, cols.flags, since, relative=True)
            self._put(common + event_block(entry, shifted), some)
            at = end

    def _put(self, block: bytes, events: Sequence[Event]) -> None:
        self.parts[-1].objects.append(block)
        self.parts[-1].size += len(block)
        self.parts[-1].events += [event.number for event in events]
        for event in events:
            event.written = True


def cut(cols: Columns, first: int, end: int) -> Columns:
    part = slice(first, end)
    return Columns(
        cols.index[part],
        None if cols.value is None else cols.value[part],
        None if cols.flags is None else cols.flags[part],
        None if cols.time is None else cols.time[part],
        cols.relative,
    )


def event_columns(events: Sequence[Event]) -> Columns:
    return Columns(
        np.array([event.index for event in events], np.uint32),
        np.array([event.value for event in events], np.float64),
        np.array([event.flags for event in events], np.uint8),
        np.array([event.time for event in events], np.int64),
    )


def static_variation(table: Table, number: int, first: int, end: int) -> Variation:
    """The variation to answer with: packed forms only tell of points that are plainly online."""
    group = STATIC_GROUP[table.point]
    number = number or table.defaults.static
    entry = variation(group, number)
    if entry is None:
        raise LookupError(f"g{group}v{number} is not a static variation")
    if entry.bits and (table.flags[first:end] & (0xFF ^ STATE) != ONLINE).any():
        entry = variation(group, 2) or entry
    return entry
