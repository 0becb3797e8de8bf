"""Pricing: a use and the versions of a tariff give a bill."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from . import energy, money, netting
from .charges import (
    Blocks,
    Demand,
    Fixed,
    Flat,
    Levy,
    Minimum,
    NetMetering,
    PowerFactor,
    Rounding,
    Slab,
    Subsidy,
    Tax,
    TimeOfUse,
)
from .errors import SumMismatch, TariffError, Unpriced
from .split import cut
from .state import State
from .usage import Bill, Line, Usage
from .version import Version

MOST = 10**12


def rate(versions: Sequence[Version] | Version, usage: Usage) -> Bill:
    """The bill of a use.

    Where the tariff or a tax changes inside the period, the use is split by days, and each part
    is priced as that part of a period. Raises Unpriced when no version is valid on the first day.
    """
    if isinstance(versions, Version):
        versions = (versions,)
    ordered = sorted(versions, key=lambda v: v.valid_from)
    if len({v.currency for v in ordered}) != 1:
        raise TariffError("the versions of a tariff have one currency")
    changes = {d for v in ordered for d in v.changes}
    lines: list[Line] = []
    bank = usage.bank
    for part in cut(usage, changes):
        bill = _rate_part(valid(ordered, part.start), msgspec.structs.replace(part, bank=bank))
        lines += bill.lines
        bank = bill.bank
    return Bill(currency=ordered[0].currency, lines=tuple(lines), bank=bank)


def valid(versions: Sequence[Version], day: dt.date) -> Version:
    """The version that prices a day; of two from one day the later in the sequence."""
    begun = [v for v in versions if v.valid_from <= day]
    if not begun:
        raise Unpriced(f"the tariff has no version that is valid on {day}")
    last = max(v.valid_from for v in begun)
    return [v for v in begun if v.valid_from == last][-1]


def _rate_part(version: Version, usage: Usage) -> Bill:
    _check_sums(usage)
    state = State(version, usage)
    for charge in version.charges:
        _WAYS[type(charge)](charge, state)
    return Bill(currency=version.currency, lines=tuple(state.lines), bank=tuple(state.bank))


def _check_sums(usage: Usage) -> None:
    """A register is what its buckets sum to (R33, R34), and is not less than nothing (R30)."""
    for register, parts in usage.buckets.items():
        total, whole = sum(parts.values()), usage.quantities.get(register)
        if whole is not None and total != whole:
            raise SumMismatch(f"{register}: the buckets sum to {total}, the register to {whole}")
    for register, quantity in usage.quantities.items():
        if quantity < 0:
            raise Unpriced(
                f"{register}: {quantity} is negative: credit the bill that was estimated too high"
            )


_WAYS: dict[type, Callable[[Any, State], None]] = {
    Blocks: energy.blocks,
    Flat: energy.flat,
    Levy: energy.flat,
    Fixed: energy.fixed,
    TimeOfUse: energy.time_of_use,
    Demand: energy.demand,
    NetMetering: netting.net_metering,
    PowerFactor: money.power_factor,
    Minimum: money.minimum,
    Subsidy: money.subsidy,
    Tax: money.tax,
    Slab: money.slab,
    Rounding: money.rounding,
}


def affordable(version: Version, usage: Usage, amount: int) -> int:
    """The most of register `import` (thousandths) whose bill is at most `amount` minor units.

    A bill may jump or fall where a case or a subsidy begins or ends, but only rises between two
    such places; so these spans are searched, the highest first.
    """

    def fits(quantity: int) -> bool:
        quantities = usage.quantities | {"import": quantity}
        try:
            bill = rate(version, msgspec.structs.replace(usage, quantities=quantities, buckets={}))
        except Unpriced:
            return False
        return bill.total <= amount

    edges = sorted({0, MOST, *_edges(version, State(version, usage))})
    for low, high in reversed(list(pairwise(edges))):
        if fits(low + 1):
            return _last(fits, low + 1, high)
    return 0


def _edges(version: Version, state: State) -> Iterator[int]:
    for charge in version.charges:
        if isinstance(charge, Blocks):
            yield from (state.scaled(c.upto) for c in charge.cases if c.upto is not None)
        elif isinstance(charge, Subsidy):
            yield from (state.scaled(x) for x in (charge.over, charge.upto) if x is not None)


def _last(fits: Callable[[int], bool], low: int, high: int) -> int:
    """The greatest of low..high that fits; low does."""
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low
