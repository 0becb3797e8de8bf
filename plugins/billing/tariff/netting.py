"""Net metering: what was exported is taken off or bought, and what is over is banked (R45)."""

import datetime as dt

from hub.contract.units import MICRO

from .charges import NetMetering
from .state import State
from .usage import Credit, Usage, cost


def net_metering(charge: NetMetering, state: State) -> None:
    """Import, export and bank of this part of the period; the oldest credit goes first."""
    last = state.usage.end - dt.timedelta(days=1)
    month = last.year * 12 + last.month - 1
    if charge.expires_after is not None:
        _expire(charge, state, month)
    if charge.mode == "energy":
        _energy(charge, state, month)
        _settle(charge, state, charge.unit, charge.surplus_price)
    else:
        _money(charge, state, month)
        _settle(charge, state, "minor", MICRO)


def _expire(charge: NetMetering, state: State, month: int) -> None:
    oldest = month - (charge.expires_after or 0)
    gone = [c for c in state.bank if c.month < oldest]
    unit = charge.unit if charge.mode == "energy" else "minor"
    for credit in gone:
        state.bank.remove(credit)
        scale = 1 if charge.mode == "energy" else 1000
        state.add(charge, -credit.amount * scale, unit, 0, note="credit expired")


def _energy(charge: NetMetering, state: State, month: int) -> None:
    """Bucket by bucket; between buckets only if the tariff says so."""
    imports = state.buckets.get(charge.register) or {"": state.quantity(charge.register)}
    exports = dict(state.buckets.get(charge.export) or {})
    if not exports:
        exported = state.quantity(charge.export)
        exports = {next(iter(imports)) if len(imports) == 1 else "": exported}
    bank = [*state.bank, *(Credit(month, v, k) for k, v in exports.items() if v)]
    left = dict(imports)
    for bucket in left:
        bank = _use(charge, state, left, bucket, bank, any_bucket=False)
    if charge.across:
        for bucket in left:
            bank = _use(charge, state, left, bucket, bank, any_bucket=True)
    state.bank = bank
    state.quantities[charge.register] = sum(left.values())
    if charge.register in state.buckets:
        state.buckets[charge.register] = left


def _use(
    charge: NetMetering,
    state: State,
    left: dict[str, int],
    bucket: str,
    bank: list[Credit],
    *,
    any_bucket: bool,
) -> list[Credit]:
    """Take what these bank give off a bucket; return what remains of them."""
    rest, used = [], 0
    for credit in sorted(bank, key=lambda c: c.month):
        fits = any_bucket or credit.bucket == bucket
        taken = min(left[bucket], credit.amount) if fits else 0
        left[bucket] -= taken
        used += taken
        if credit.amount > taken:
            rest.append(Credit(credit.month, credit.amount - taken, credit.bucket))
    if used:
        state.add(charge, -used, charge.unit, 0, note=f"netted {bucket}".rstrip())
    return rest


def _money(charge: NetMetering, state: State, month: int) -> None:
    """Buy the export; pay with the bank as far as the lines so far go."""
    exported = state.quantity(charge.export)
    bought = cost(exported, charge.price)
    if bought:
        state.bank.append(Credit(month, bought))
    due = max(0, sum(x.amount for x in state.base(())))
    rest, used = [], 0
    for credit in sorted(state.bank, key=lambda c: c.month):
        taken = min(due - used, credit.amount)
        used += taken
        if credit.amount > taken:
            rest.append(Credit(credit.month, credit.amount - taken))
    state.bank = rest
    if used:
        note = f"export of {exported / 1000:g} {charge.unit} is worth {bought}"
        state.add(charge, -used * 1000, "minor", MICRO, note=note)


def _settle(charge: NetMetering, state: State, unit: str, price: int) -> None:
    """Once a year what is left is paid out, in the part where the month of the true-up ends."""
    if charge.true_up is None or charge.true_up not in _months_ended(state.usage):
        return
    total = sum(c.amount for c in state.bank)
    if total:
        scale = 1 if charge.mode == "energy" else 1000
        state.add(charge, -total * scale, unit, price, note="annual settlement of the bank")
    state.bank = []


def _months_ended(usage: Usage) -> set[int]:
    """Months of the year whose last day is in the period."""
    nexts = (usage.start + dt.timedelta(days=n + 1) for n in range(usage.days))
    return {day.month - 1 or 12 for day in nexts if day.day == 1}
