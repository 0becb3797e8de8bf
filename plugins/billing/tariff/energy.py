"""Charges on what was used, and for being connected."""

from hub.contract.units import MICRO, ratio

from .charges import Block, Blocks, Case, Demand, Fixed, Flat, TimeOfUse
from .errors import Unpriced
from .state import State


def blocks(charge: Blocks, state: State) -> None:
    """One line for each block that the use reaches; the total use says which case."""
    total = state.quantity(charge.register)
    case = _case(charge, state, total)
    start = 0
    for block in case.blocks:
        end = total if block.upto is None else min(total, state.scaled(block.upto))
        if end > start or total == start == 0:
            note = _span(block, start, state)
            state.add(charge, end - start, charge.unit, block.price, note=note)
        start = max(start, end)
        if start >= total:
            break
    if case.fixed:
        note = f"for a use over {case.over / 1000:g} {charge.unit}"
        state.add(charge, 1000, "period", case.fixed * MICRO, prorated=True, note=note)


def _case(charge: Blocks, state: State, total: int) -> Case:
    for case in charge.cases:
        if case.upto is None or total <= state.scaled(case.upto):
            return case
    last = charge.cases[-1].upto or 0
    raise Unpriced(
        f"{charge.name}: {total / 1000:g} {charge.unit} is over {state.scaled(last) / 1000:g}, "
        "where the tariff ends"
    )


def _span(block: Block, start: int, state: State) -> str:
    if block.upto is None:
        return f"over {start / 1000:g}"
    return f"{start / 1000:g} to {state.scaled(block.upto) / 1000:g}"


def flat(charge: Flat, state: State) -> None:
    state.add(charge, state.quantity(charge.register), charge.unit, charge.price)


def fixed(charge: Fixed, state: State) -> None:
    """A daily price counts days; the others are for a period, and are prorated."""
    usage = state.usage
    if charge.per == "day":
        state.add(charge, usage.days * 1000, "day", charge.price)
        return
    count, unit = {
        "period": (1000, "period"),
        "ampere": (usage.amperes * 1000, "A"),
        "kVA": (usage.kva, "kVA"),
    }[charge.per]
    if not count:
        raise Unpriced(f"{charge.name}: how many {unit} the connection has is not said")
    state.add(charge, count, unit, charge.price, prorated=charge.prorate)


def time_of_use(charge: TimeOfUse, state: State) -> None:
    """One line for each bucket, in the order of the prices."""
    if charge.register not in state.buckets:
        raise Unpriced(f"{charge.name}: no use by time of {charge.register}")
    parts = state.buckets[charge.register]
    if unknown := {k for k, v in parts.items() if v} - set(charge.prices):
        raise Unpriced(f"{charge.name}: no price for {', '.join(sorted(unknown))}")
    for bucket, price in charge.prices.items():
        if bucket in parts:
            state.add(charge, parts[bucket], charge.unit, price, note=bucket)


def demand(charge: Demand, state: State) -> None:
    """The greatest of what was measured and of the floors; the note says which (R35)."""
    usage = state.usage
    measured = usage.demand_w if charge.unit == "kW" else usage.demand_va
    if measured is None:
        raise Unpriced(f"{charge.name}: no measured demand in {charge.unit}")
    past = max(usage.past_demands[: charge.ratchet_months], default=0)
    found = {
        "measured": measured,
        "share of the apparent power": ratio(usage.demand_va or 0, charge.apparent_share, MICRO),
        "share of the highest of past months": ratio(past, charge.ratchet_share, MICRO),
        "share of the agreed power": ratio(usage.kva, charge.agreed_share, MICRO),
    }
    why = max(found, key=lambda k: found[k])
    state.add(charge, found[why], charge.unit, charge.price, prorated=True, note=why)
