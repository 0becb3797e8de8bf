"""Arithmetic of money in whole minor units. Every result is exact or rounded once, half up."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from hub.contract.units import half_up, ratio

PERCENT = Decimal(100)


class Taxed(NamedTuple):
    """net + tax = gross, always."""

    net: int
    tax: int

    @property
    def gross(self) -> int:
        return self.net + self.tax


def split(total: int, weights: Sequence[int]) -> list[int]:
    """`total` in proportion to `weights` (≥ 0, not all 0); the parts add up to it.

    By largest remainder; of equal remainders the earlier part gets the unit.
    """
    whole = sum(weights)
    if whole <= 0 or min(weights) < 0:
        raise ValueError("weights are not negative and not all zero")
    sign, size = (-1 if total < 0 else 1), abs(total)
    parts = [size * w // whole for w in weights]
    order = sorted(range(len(weights)), key=lambda i: (-(size * weights[i] % whole), i))
    for i in order[: size - sum(parts)]:
        parts[i] += 1
    return [sign * p for p in parts]


def add_tax(net: int, percent: Decimal) -> Taxed:
    """Tax on top of a net price."""
    return Taxed(net, half_up(net * percent / PERCENT))


def take_tax(gross: int, percent: Decimal) -> Taxed:
    """Tax inside a gross price: what is not net, never a second multiplication."""
    net = half_up(gross * PERCENT / (PERCENT + percent))
    return Taxed(net, gross - net)


def tax_per_line(nets: Sequence[int], percent: Decimal) -> list[int]:
    """Tax of each line, rounded there."""
    return [add_tax(net, percent).tax for net in nets]


def tax_per_document(nets: Sequence[int], percent: Decimal) -> list[int]:
    """Tax of the document, rounded once, spread over its lines."""
    total = add_tax(sum(nets), percent).tax
    if not any(nets):
        return [0] * len(nets)
    return split(total, [abs(n) for n in nets]) if min(nets) >= 0 else _spread(total, nets, percent)


def _spread(total: int, nets: Sequence[int], percent: Decimal) -> list[int]:
    """Lines of both signs: each rounded by itself, the rest goes to the largest line."""
    taxes = tax_per_line(nets, percent)
    largest = max(range(len(nets)), key=lambda i: abs(nets[i]))
    taxes[largest] += total - sum(taxes)
    return taxes


def cash_rounding(amount: int, coin: int) -> int:
    """What has to be added to `amount` so that coins of `coin` minor units can pay it."""
    if coin <= 0:
        raise ValueError("the smallest coin is worth something")
    return ratio(amount, 1, coin) * coin - amount


def convert(amount: int, rate: Decimal, digits_from: int, digits_to: int) -> int:
    """An amount in another currency; rate: units of the other for one unit of this."""
    return half_up(amount * rate * Decimal(10) ** (digits_to - digits_from))


def revaluation(position: int, counter: int, rate: Decimal, scales: tuple[int, int]) -> int:
    """Exchange gain (positive) or loss of an open position, in the company's currency.

    position: what we hold in the foreign currency; counter: what it has cost us, in our own;
    scales: decimals of the foreign and of our own currency.
    """
    return convert(position, rate, *scales) - counter


AGES = (0, 30, 60, 90)


def aged(open_items: Sequence[tuple[int, int]]) -> list[int]:
    """Sum open (days overdue, amount) into: not yet due, 1-30, 31-60, 61-90, more."""
    buckets = [0] * (len(AGES) + 1)
    for days, amount in open_items:
        buckets[sum(days > limit for limit in AGES)] += amount
    return buckets


def settle_oldest_first(
    debts: Sequence[tuple[int, int]], received: int
) -> tuple[list[tuple[int, int]], int]:
    """Pay (day, amount) debts in order of day; what stays open, and what is left of the money."""
    still_open = []
    for day, amount in sorted(debts):
        paid = min(amount, received)
        received -= paid
        if amount > paid:
            still_open.append((day, amount - paid))
    return still_open, received


def to_text(amount: int, digits: int) -> str:
    """1234 with 2 digits → `"12.34"`."""
    return f"{Decimal(amount).scaleb(-digits):f}" if digits else str(amount)


def from_text(text: str, digits: int) -> int:
    """`"12.34"` with 2 digits → 1234; more decimals than that are a ValueError."""
    scaled = Decimal(text).scaleb(digits)
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{text} has more than {digits} decimals")
    return int(scaled)


def trial_difference(totals: Mapping[str, int]) -> dict[str, int]:
    """Currencies in which a trial balance is not zero, with the difference."""
    return {currency: total for currency, total in totals.items() if total}
