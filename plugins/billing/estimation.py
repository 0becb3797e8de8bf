"""What a register would show if somebody had read it: five rules, the best that applies first."""

import datetime as dt
from collections.abc import Callable, Sequence

from msgspec import Struct

from hub.contract.units import ratio

YEAR = dt.timedelta(days=365)
NEAR = dt.timedelta(days=20)
PERIODS = 3
LONGEST = 2  # estimates in a row, then a person has to read


class Total(Struct, frozen=True):
    """A valid reading: total of the register (thousandths, with turns). actual: not estimated."""

    at: dt.datetime
    total: int
    actual: bool = True


class Estimate(Struct, frozen=True):
    total: int
    rule: str


class Asked(Struct, frozen=True, kw_only=True):
    """at: the instant wanted. past: valid readings before it, oldest first. later: the first after.

    used: what intervals say was used since the last of `past`, before the multiplier. peers: mean
    daily use of customers alike, before the multiplier. cut: no supply since the last reading.
    """

    at: dt.datetime
    past: Sequence[Total]
    later: Total | None = None
    used: int | None = None
    peers: float | None = None
    cut: bool = False

    @property
    def last(self) -> Total:
        return self.past[-1]


def estimate(asked: Asked) -> Estimate | None:
    """The estimate of the first rule that can make one; None without a reading to begin from."""
    if not asked.past:
        return None
    for name, rule in RULES.items():
        if (rise := rule(asked)) is not None:
            return Estimate(asked.last.total + max(0, rise), name)
    return None


def in_a_row(past: Sequence[Total]) -> int:
    """How many of the latest readings are estimates."""
    count = 0
    for reading in reversed(past):
        if reading.actual:
            break
        count += 1
    return count


def _span(start: dt.datetime, end: dt.datetime) -> int:
    return max(1, round((end - start).total_seconds()))


def _disconnected(asked: Asked) -> int | None:
    return 0 if asked.cut else None


def _intervals(asked: Asked) -> int | None:
    return asked.used


def _between(asked: Asked) -> int | None:
    if asked.later is None or asked.later.total < asked.last.total:
        return None
    whole = _span(asked.last.at, asked.later.at)
    return ratio(asked.later.total - asked.last.total, _span(asked.last.at, asked.at), whole)


def _last_year(asked: Asked) -> int | None:
    start, end = asked.last.at - YEAR, asked.at - YEAR
    real = [r for r in asked.past if r.actual]
    first = min(real, key=lambda r: abs(r.at - start), default=None)
    last = min(real, key=lambda r: abs(r.at - end), default=None)
    if first is None or last is None or last.at <= first.at:
        return None
    if abs(first.at - start) > NEAR or abs(last.at - end) > NEAR:
        return None
    rise, span = last.total - first.total, _span(first.at, last.at)
    return ratio(rise, _span(asked.last.at, asked.at), span)


def _recent(asked: Asked) -> int | None:
    past = asked.past[-PERIODS - 1 :]
    if len(past) < 2 or past[-1].at - past[0].at < dt.timedelta(days=7):
        return None
    rise, span = past[-1].total - past[0].total, _span(past[0].at, past[-1].at)
    return ratio(rise, _span(asked.last.at, asked.at), span)


def _peers(asked: Asked) -> int | None:
    if asked.peers is None:
        return None
    return round(asked.peers * _span(asked.last.at, asked.at) / 86_400)


RULES: dict[str, Callable[[Asked], int | None]] = {
    "disconnected": _disconnected,
    "intervals": _intervals,
    "between": _between,
    "last_year": _last_year,
    "recent": _recent,
    "peers": _peers,
}
