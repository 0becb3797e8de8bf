"""Points of the hub as points of an outstation: Busbar as a slave of a control centre."""

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from msgspec import Struct

from drivers.dnp3.codec.commands import OFF, ON, AnalogOutput, CommandStatus, Control, Crob
from drivers.dnp3.codec.objects import PointType
from drivers.dnp3.codec.values import (
    CHATTER,
    COMM_LOST,
    LOCAL_FORCED,
    ONLINE,
    OVER_RANGE,
    REFERENCE_ERR,
    RESTART,
)
from hub import Flag, ReadingBatch, Validity

from .database import Database, Defaults
from .handler import Handler

_ANALOGS = frozenset({PointType.AI, PointType.AO})
_VALIDITY = 0x03


class Exposed(Struct, frozen=True, kw_only=True):
    """point: the hub's id. klass: event class, 0 for none. deadband: in engineering units."""

    point: int
    type: PointType
    index: int
    klass: int = 1
    deadband: float = 0.0


class Orders(Protocol):
    """Who executes what the control centre commands."""

    def allowed(self, point: int, value: float) -> CommandStatus:
        """May this be done? Asked by SELECT; must answer at once."""

    def execute(self, point: int, value: float) -> CommandStatus:
        """Start it; SUCCESS means accepted. The point's own readings show what became of it."""


class Exposure:
    """Feeds readings of the hub (engineering values) into an outstation's database."""

    def __init__(self, exposed: Sequence[Exposed]) -> None:
        self._places = {item.point: item for item in exposed}
        self._known = np.zeros(max(self._places, default=0) + 1, np.bool_)
        self._known[list(self._places)] = True
        by_type: dict[PointType, list[int]] = {}
        for item in exposed:
            by_type.setdefault(item.type, []).append(item.index)
        self.database = Database(by_type, _DEFAULTS)
        for item in exposed:
            table = self.database.tables[item.type]
            row = table.row(item.index)
            if row is not None:
                table.klass[row], table.deadband[row] = item.klass, item.deadband

    def take(self, batch: ReadingBatch) -> None:
        """Pass on the readings of exposed points."""
        inside = batch.point < len(self._known)
        rows = np.flatnonzero(inside & self._known[np.where(inside, batch.point, 0)])
        columns = (column[rows].tolist() for column in (batch.time, batch.value, batch.quality))
        for row, point, time, value, quality in zip(
            rows.tolist(), batch.point[rows].tolist(), *columns, strict=True
        ):
            place = self._places[point]
            when = time // 1000
            if place.type is PointType.OS:
                text = batch.text.get(row, "").encode()[:255]
                if text:
                    self.database.update_text(place.index, text, time=when)
                continue
            missing = math.isnan(value)
            flags = to_flags(place.type, quality, missing=missing)
            kept = self._last(place) if missing else value
            self.database.update(place.type, place.index, kept, time=when, flags=flags)

    def _last(self, place: Exposed) -> float:
        """What was known before the value went missing."""
        table = self.database.tables[place.type]
        row = table.row(place.index)
        return 0.0 if row is None else float(table.value[row])


class ExposureHandler(Handler):
    """Turns controls of the centre into orders for the hub."""

    def __init__(self, exposed: Sequence[Exposed], orders: Orders) -> None:
        self._points = {(item.type, item.index): item.point for item in exposed}
        self._orders = orders

    def select(self, index: int, control: Control) -> CommandStatus:
        found = self._find(index, control)
        return found if isinstance(found, CommandStatus) else self._orders.allowed(*found)

    def operate(self, index: int, control: Control) -> CommandStatus:
        found = self._find(index, control)
        return found if isinstance(found, CommandStatus) else self._orders.execute(*found)

    def set_time(self, milliseconds: int) -> bool:
        """The hub's clock is not the centre's to set."""
        return False

    def time_is_synchronised(self) -> bool:
        return True

    def _find(self, index: int, control: Control) -> tuple[int, float] | CommandStatus:
        if isinstance(control, AnalogOutput):
            point, value = self._points.get((PointType.AO, index)), control.value
        else:
            point = self._points.get((PointType.BO, index))
            if point is not None and (control.count != 1 or not _is_plain(control)):
                return CommandStatus.NOT_SUPPORTED
            value = control.state
        return (point, value) if point is not None else CommandStatus.NOT_SUPPORTED


def _is_plain(control: Crob) -> bool:
    return control.code in ON or control.code in OFF


def to_flags(point: PointType, quality: int, *, missing: bool = False) -> int:
    """The octet of flags that says what a quality word of the hub says."""
    flags = 0 if missing or quality & _VALIDITY == Validity.INVALID else ONLINE
    for mark, bit in (
        (Flag.COMM_LOST, COMM_LOST),
        (Flag.RESTART, RESTART),
        (Flag.SUBSTITUTED, LOCAL_FORCED),
    ):
        if quality & mark:
            flags |= bit
    if point in _ANALOGS:
        flags |= OVER_RANGE if quality & Flag.OVERRANGE else 0
        flags |= REFERENCE_ERR if quality & Flag.INACCURATE else 0
    elif quality & Flag.OSCILLATING and point in {PointType.BI, PointType.DBI}:
        flags |= CHATTER
    return flags


_DEFAULTS = {
    PointType.AI: Defaults(static=6, event=8),
    PointType.AO: Defaults(static=4, event=8),
}
