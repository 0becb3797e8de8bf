"""Validation of readings: what a value can be trusted for, said in words (R26, R30, R31).

Pure: a `Seen` is what is known around one reading. Values are thousandths of the unit, before the
multiplier; `w` figures are behind it.
"""

import datetime as dt
import enum
from collections.abc import Callable, Iterator

from msgspec import Struct

FUTURE = dt.timedelta(minutes=5)
HIGH_TIMES, HIGH_FLOOR = 3, 50_000
LOW_PART = 10
IDLE = dt.timedelta(days=25)
OLD = dt.timedelta(days=400)


class Weight(enum.StrEnum):
    """reject: never stored as a reading that could count. suspect: a person decides. note: told."""

    REJECT = "reject"
    SUSPECT = "suspect"
    NOTE = "note"


class Fault(Struct, frozen=True):
    code: str
    weight: Weight
    told: str


class Known(Struct, frozen=True):
    """A reading that counts already."""

    at: dt.datetime
    value: int
    total: int


class Seen(Struct, frozen=True, kw_only=True):
    """A value with what is known around it.

    before, after: the nearest valid readings of the register. same: the one of the same instant.
    daily: mean use of a day, behind the multiplier; None: unknown. va: agreed power; 0: unknown.
    supplied: whether supply was connected all the time since `before`. good: the source trusts it.
    """

    at: dt.datetime
    value: int
    now: dt.datetime
    since: dt.datetime
    until: dt.datetime | None = None
    capacity: int | None = None
    multiplier: float = 1.0
    before: Known | None = None
    after: Known | None = None
    same: Known | None = None
    daily: float | None = None
    va: int = 0
    supplied: bool = True
    good: bool = True


class Verdict(Struct, frozen=True):
    """total: the value with all turns of the dials."""

    total: int
    faults: tuple[Fault, ...]

    @property
    def weight(self) -> Weight | None:
        weights = {f.weight for f in self.faults}
        return next((w for w in Weight if w in weights), None)


def validate(seen: Seen) -> Verdict:
    """All that is wrong with a value, and what it means with the turns of the dials."""
    total, turned = unwrap(seen)
    faults = [f for rule in RULES for f in rule(seen, total)]
    if turned:
        faults.append(Fault("turned", Weight.NOTE, f"the dials passed {_kwh(seen.capacity or 0)}"))
    return Verdict(total=total, faults=tuple(faults))


def unwrap(seen: Seen) -> tuple[int, bool]:
    """The value with all turns, and whether the dials turned since the reading before.

    A fall is a turn only if the capacity is known, the dials were in their last tenth and are in
    their first, and the connection could have drawn that much (R26).
    """
    before = seen.before
    if before is None:
        return seen.value, False
    turns = before.total - before.value
    if seen.value >= before.value or seen.capacity is None:
        return turns + seen.value, False
    near = before.value * 10 > seen.capacity * 9 and seen.value * 10 < seen.capacity
    total = turns + seen.capacity + seen.value
    if near and total - before.total <= _most(seen):
        return total, True
    return turns + seen.value, False


def _most(seen: Seen) -> float:
    """What the connection could have drawn since the reading before, on the dials."""
    if seen.before is None or not seen.va:
        return float("inf")
    hours = (seen.at - seen.before.at).total_seconds() / 3600
    return seen.va * 1.2 * hours / seen.multiplier


def _kwh(value: float) -> str:
    return f"{value / 1000:g} kWh"


def _future(seen: Seen, _: int) -> Iterator[Fault]:
    if seen.at > seen.now + FUTURE:
        yield Fault("future", Weight.REJECT, f"{seen.at:%Y-%m-%d %H:%M} has not come yet")


def _old(seen: Seen, _: int) -> Iterator[Fault]:
    if seen.at < seen.now - OLD:
        yield Fault("old", Weight.SUSPECT, "more than a year has passed since")


def _outside(seen: Seen, _: int) -> Iterator[Fault]:
    if seen.at < seen.since or (seen.until is not None and seen.at > seen.until):
        yield Fault("outside", Weight.REJECT, "the meter was not installed there at that time")


def _negative(seen: Seen, _: int) -> Iterator[Fault]:
    if seen.value < 0:
        yield Fault("negative", Weight.REJECT, "dials do not show less than nothing")


def _beyond(seen: Seen, _: int) -> Iterator[Fault]:
    if seen.capacity is not None and seen.value >= seen.capacity:
        yield Fault("beyond", Weight.REJECT, f"the dials end at {_kwh(seen.capacity)}")


def _duplicate(seen: Seen, _: int) -> Iterator[Fault]:
    if seen.same is not None and seen.same.value == seen.value:
        yield Fault("duplicate", Weight.REJECT, "this reading is known already")


def _other(seen: Seen, _: int) -> Iterator[Fault]:
    if seen.same is not None and seen.same.value != seen.value:
        told = f"{_kwh(seen.same.value)} was read at the same time; correct that instead"
        yield Fault("contradiction", Weight.REJECT, told)


def _doubtful(seen: Seen, _: int) -> Iterator[Fault]:
    if not seen.good:
        yield Fault("doubtful", Weight.SUSPECT, "its source does not vouch for it")


def _backwards(seen: Seen, total: int) -> Iterator[Fault]:
    if seen.before is not None and total < seen.before.total:
        told = f"less than {_kwh(seen.before.value)} before, and not a turn of the dials"
        yield Fault("backwards", Weight.SUSPECT, told)


def _overtakes(seen: Seen, total: int) -> Iterator[Fault]:
    if seen.after is not None and total > seen.after.total:
        yield Fault("overtakes", Weight.SUSPECT, f"more than {_kwh(seen.after.value)} read later")


def _impossible(seen: Seen, total: int) -> Iterator[Fault]:
    rise = _rise(seen, total)
    if rise is not None and rise > _most(seen):
        yield Fault(
            "impossible", Weight.SUSPECT, f"{_kwh(rise)} is more than {seen.va} VA can draw"
        )


def _high(seen: Seen, total: int) -> Iterator[Fault]:
    rise = _rise(seen, total)
    if rise is None or seen.daily is None:
        return
    used, usual = rise * seen.multiplier, seen.daily * _days(seen)
    if used > HIGH_TIMES * usual and used > HIGH_FLOOR:
        yield Fault("high", Weight.SUSPECT, f"{_kwh(used)}, usual are {_kwh(round(usual))}")


def _low(seen: Seen, total: int) -> Iterator[Fault]:
    rise = _rise(seen, total)
    if rise is None or seen.daily is None or _days(seen) < 1:
        return
    used, usual = rise * seen.multiplier, seen.daily * _days(seen)
    if 0 < used < usual / LOW_PART and usual > HIGH_FLOOR:
        yield Fault("low", Weight.NOTE, f"{_kwh(used)}, usual are {_kwh(round(usual))}")


def _idle(seen: Seen, total: int) -> Iterator[Fault]:
    if seen.before is None or seen.at - seen.before.at < IDLE or not seen.supplied:
        return
    if total == seen.before.total and (seen.daily or 0) > 0:
        yield Fault("idle", Weight.NOTE, "nothing was used, though the supply is connected")


def _cut(seen: Seen, total: int) -> Iterator[Fault]:
    if (_rise(seen, total) or 0) > 0 and not seen.supplied:
        yield Fault("while_cut", Weight.SUSPECT, "used while the supply was disconnected")


def _rise(seen: Seen, total: int) -> int | None:
    return None if seen.before is None else total - seen.before.total


def _days(seen: Seen) -> float:
    assert seen.before is not None  # noqa: S101  -- a rise has a reading before
    return (seen.at - seen.before.at).total_seconds() / 86_400


RULES: tuple[Callable[[Seen, int], Iterator[Fault]], ...] = (
    _future,
    _old,
    _outside,
    _negative,
    _beyond,
    _duplicate,
    _other,
    _doubtful,
    _backwards,
    _overtakes,
    _impossible,
    _high,
    _low,
    _idle,
    _cut,
)
