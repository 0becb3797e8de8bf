"""Which variables to read for which points, and how their values become readings. Pure."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from hub import Cause, Flag, Point, ReadingBatch, Stamp, Validity, quality

from . import quality as q61850
from .mms import data
from .mms.data import AccessError, BinaryTime, Bits, UtcTime
from .mms.pdu import ObjectName
from .mms.types import Type
from .model import Model, descend, position, value_at

REFUSED = quality(Validity.INVALID)
Path = tuple[int, ...]


class Place(Struct, frozen=True):
    """A value inside a structure, with its quality and time where the structure has them."""

    point: int
    value: Path
    q: Path | None = None
    t: Path | None = None


class Target(Struct, frozen=True):
    """A point resolved in the model. owner: the object whose structure has the point's `q`."""

    point: int
    owner: ObjectName
    place: Place

    @property
    def whole(self) -> bool:
        return bool(self.place.value)


def resolve(model: Model, point: Point) -> Target | None:
    """Find the point in the model; None when the device has no such value."""
    address = point.address
    try:
        domain = model.domain(address.ied, address.device)
    except LookupError:
        return None
    head = (address.node, address.fc)
    path = address.path
    node = model.devices[domain].nodes.get(address.node)
    if node is None or (leaf := descend(node, (address.fc, *path))) is None:
        return None
    if leaf.kind in {data.STRUCTURE, data.ARRAY}:
        return None
    for depth in range(len(path) - 1, 0, -1):
        owner = descend(node, (address.fc, *path[:depth]))
        if owner is not None and "q" in owner.fields:
            name = ObjectName("$".join((*head, *path[:depth])), domain)
            return Target(point.id, name, _place(point.id, owner, path[depth:]))
    return Target(point.id, address.name(domain), Place(point.id, ()))


def _place(point: int, owner: Type, path: Sequence[str]) -> Place:
    time = tuple(position(owner, ["t"])) if "t" in owner.fields else None
    return Place(point, tuple(position(owner, path)), tuple(position(owner, ["q"])), time)


class Plan(Struct, frozen=True):
    """names: what to read. places: what each of them holds. missing: points not in the model."""

    names: list[ObjectName]
    places: list[list[Place]]
    missing: list[int]


def plan(targets: Iterable[Target], missing: Iterable[int] = ()) -> Plan:
    """Points of one object are read together, so that value, quality and time agree."""
    places: dict[ObjectName, list[Place]] = {}
    for target in targets:
        places.setdefault(target.owner, []).append(target.place)
    return Plan(list(places), list(places.values()), list(missing))


class Rows:
    """Collects readings into columns. `seen` remembers the last device time of each point."""

    def __init__(self, now: int, cause: Cause, seen: dict[int, int]) -> None:
        self._now, self._cause, self._seen = now, cause, seen
        self._points: list[int] = []
        self._times: list[int] = []
        self._values: list[float] = []
        self._qualities: list[int] = []
        self._text: dict[int, str] = {}

    def add(self, point: int, value: Any, q: Any, t: Any, fallback: int | None = None) -> None:
        """One reading. fallback: µs by the device's clock when the value has no time itself.

        A poll or interrogation that finds the same device time again tells what holds now, so it
        carries the gateway's time.
        """
        number, text = numeric(value)
        bits = q61850.word(q) if isinstance(q, Bits) else 0
        if math.isnan(number) and text is None:
            bits |= int(Validity.INVALID)
        whose = q61850.stamp(t) if isinstance(t, UtcTime) else Stamp.GATEWAY
        when = t.us if whose != Stamp.GATEWAY else self._now
        if whose == Stamp.GATEWAY and fallback is not None:
            when, whose = fallback, Stamp.DEVICE
        if whose != Stamp.GATEWAY:
            if self._cause != Cause.EVENT and self._seen.get(point) == when:
                when, whose = self._now, Stamp.GATEWAY
            else:
                self._seen[point] = when
        if text is not None:
            self._text[len(self._points)] = text
        self._points.append(point)
        self._times.append(when)
        self._values.append(number)
        self._qualities.append(bits | int(whose))

    def refuse(self, points: Iterable[int]) -> None:
        """Points for which the device gave no value."""
        for point in points:
            self._points.append(point)
            self._times.append(self._now)
            self._values.append(math.nan)
            self._qualities.append(REFUSED)

    def mark(self, flag: Flag) -> None:
        """Set a flag on all rows collected so far."""
        self._qualities = [quality | int(flag) for quality in self._qualities]

    def batch(self) -> ReadingBatch:
        return ReadingBatch.of(
            self._points, self._times, self._values, self._qualities, self._cause, self._text
        )


def numeric(value: Any) -> tuple[float, str | None]:
    """(number, text) of an MMS value: NaN where it is text, or nothing usable.

    A two-bit string is a double point as the hub counts them; times are seconds since 1970.
    """
    if isinstance(value, str | bytes):
        return math.nan, value if isinstance(value, str) else value.hex()
    if isinstance(value, bool | int | float):
        return float(value), None
    if isinstance(value, Bits):
        return float(value.value), None
    if isinstance(value, UtcTime | BinaryTime) and value.us is not None:
        return value.us / 1e6, None
    return math.nan, None


def readings(plan_: Plan, values: Sequence[Any], rows: Rows) -> ReadingBatch:
    """The answers to a plan as readings."""
    for places, value in zip(plan_.places, values, strict=True):
        if isinstance(value, AccessError):
            rows.refuse(place.point for place in places)
            continue
        for place in places:
            extract(place, value, rows)
    rows.refuse(plan_.missing)
    return rows.batch()


def extract(place: Place, value: Any, rows: Rows, fallback: int | None = None) -> None:
    """One point out of an object's decoded structure."""
    q = value_at(value, place.q) if place.q else None
    t = value_at(value, place.t) if place.t else None
    rows.add(place.point, value_at(value, place.value), q, t, fallback)
