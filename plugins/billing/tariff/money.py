"""Charges on the amounts of the lines before them."""

import math

from hub.contract.units import MICRO, ratio

from .charges import Minimum, PowerFactor, Rounding, Slab, Subsidy, Tax
from .errors import Unpriced
from .state import State
from .usage import cost


def power_factor(charge: PowerFactor, state: State) -> None:
    """Each hundredth under a step costs that step's share of the bill."""
    factor = state.usage.power_factor
    if factor is None:
        factor = _factor(charge, state)
    share = 0
    for i, step in enumerate(charge.steps):
        end = charge.steps[i + 1].below if i + 1 < len(charge.steps) else 0
        share += step.share * max(0, step.below - max(end, factor))
    if share:
        base = sum(x.amount for x in state.base(charge.on))
        note = f"power factor {factor / 100:.2f}, {share / 10_000:g} %"
        state.add(charge, base * 1000, "minor", share, note=note)


def _factor(charge: PowerFactor, state: State) -> int:
    """Mean power factor in hundredths, half up, of energy and reactive energy of the period."""
    if "kvarh" not in state.usage.quantities:
        raise Unpriced(f"{charge.name}: neither power factor nor reactive energy is known")
    active, reactive = state.usage.quantities.get("import", 0), state.usage.quantities["kvarh"]
    apparent = math.isqrt(active * active + reactive * reactive)
    return ratio(active, 100, apparent) if apparent else 100


def minimum(charge: Minimum, state: State) -> None:
    """What is missing to the minimum."""
    least = ratio(charge.amount, *state.part) if charge.prorate else charge.amount
    missing = least - sum(x.amount for x in state.base(charge.on))
    if missing > 0:
        state.add(charge, 1000, "minor", missing * MICRO, note=f"to a minimum of {least}")


def subsidy(charge: Subsidy, state: State) -> None:
    """Taken off, at most what the lines come to."""
    total = state.quantity(charge.register)
    upto = None if charge.upto is None else state.scaled(charge.upto)
    if total <= state.scaled(charge.over) or (upto is not None and total > upto):
        return
    base = max(0, sum(x.amount for x in state.base(charge.on)))
    if charge.share:
        note = f"{charge.share / 10_000:g} %"
        state.add(charge, -base * 1000, "minor", min(charge.share, MICRO), note=note)
    elif charge.price and cost(total, charge.price) <= base:
        state.add(charge, -total, charge.unit, charge.price)
    elif charge.amount and ratio(charge.amount, *state.part) <= base:
        state.add(charge, -1000, "period", charge.amount * MICRO, prorated=True)
    else:
        state.add(charge, -1000, "minor", base * MICRO, note="all that there was")


def tax(charge: Tax, state: State) -> None:
    """At the rate of the first day of supply; a change of rate cuts the period (R8)."""
    share = [r.share for r in charge.rates if r.since <= state.usage.start][-1]
    lines = state.base(charge.on)
    if charge.inclusive:
        _included(charge, state, share)
    elif charge.rounding == "document":
        base = sum(x.amount for x in lines)
        state.add(charge, base * 1000, "minor", share, note=f"{share / 10_000:g} %")
    else:
        for line in lines:
            note = f"{share / 10_000:g} % on {line.name}"
            state.add(charge, line.amount * 1000, "minor", share, note=note)


def _included(charge: Tax, state: State, share: int) -> None:
    """Tax is gross less net, never a second product (R4)."""
    lines = state.base(charge.on)
    amounts = [x.amount for x in lines]
    grosses = [sum(amounts)] if charge.rounding == "document" else amounts
    for gross in grosses:
        amount = gross - ratio(gross, MICRO, MICRO + share)
        note = f"{share / 10_000:g} % is in the prices"
        part = (MICRO, MICRO + share)
        state.lines.append(
            state.line(charge, gross * 1000, "minor", share, amount, part, note, included=True)
        )


def slab(charge: Slab, state: State) -> None:
    """A share of the amount that grows with it."""
    base = max(0, sum(x.amount for x in state.base(charge.on)))
    start = 0
    for step in charge.steps:
        reached = step.upto is None or base <= step.upto
        end = base if step.upto is None else min(base, step.upto)
        if charge.telescopic and end > start:
            state.add(charge, (end - start) * 1000, "minor", step.share, note=f"over {start}")
            start = end
        if reached:
            if not charge.telescopic:
                note = f"{step.share / 10_000:g} % of {base}"
                state.add(charge, base * 1000, "minor", step.share, note=note)
            return


def rounding(charge: Rounding, state: State) -> None:
    """A line of its own, so that it can be booked (R6)."""
    base = sum(x.amount for x in state.base(()))
    change = ratio(base, 1, charge.to) * charge.to - base
    if change:
        state.add(charge, 1000, "minor", change * MICRO, note=f"to a multiple of {charge.to}")
