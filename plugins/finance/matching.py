"""Which lines of the books belong to which lines of a statement. Pure; amounts are signed."""

import itertools
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

CERTAIN = Decimal("0.95")
MOST_PARTS = 6
MOST_CANDIDATES = 16


class Item(NamedTuple):
    """day: ordinal. group: what parts of one payment have in common (party, reference prefix)."""

    id: UUID
    amount: int
    day: int
    reference: str = ""
    group: str = ""


class Match(NamedTuple):
    """difference: external − book, in minor units."""

    rule: str
    score: Decimal
    book: tuple[UUID, ...]
    external: tuple[UUID, ...]
    difference: int

    @property
    def certain(self) -> bool:
        return self.score >= CERTAIN


def match(
    book: Sequence[Item], external: Sequence[Item], *, tolerance: int, window: int
) -> list[Match]:
    """Rules in order, each item used once: reference, amount and date, one to many, many to one."""
    found: list[Match] = []
    rest_book, rest_external = list(book), list(external)

    def take(new: Iterable[Match]) -> None:
        for m in new:
            found.append(m)
            rest_book[:] = [b for b in rest_book if b.id not in m.book]
            rest_external[:] = [e for e in rest_external if e.id not in m.external]

    take(_by_reference(rest_book, rest_external, tolerance))
    take(_by_amount_and_date(rest_book, rest_external, window))
    take(_sums(rest_book, rest_external, "one_to_many", tolerance, window))
    swapped = _sums(rest_external, rest_book, "many_to_one", tolerance, window)
    take(m._replace(book=m.external, external=m.book, difference=-m.difference) for m in swapped)
    return found


def _by_reference(book: Sequence[Item], external: Sequence[Item], tolerance: int) -> list[Match]:
    waiting: dict[str, list[Item]] = {}
    for item in sorted(book, key=lambda i: (i.day, i.id)):
        if item.reference:
            waiting.setdefault(item.reference.casefold(), []).append(item)
    found = []
    for other in sorted(external, key=lambda i: (i.day, i.id)):
        near = [
            b
            for b in waiting.get(other.reference.casefold(), ())
            if abs(other.amount - b.amount) <= tolerance
        ]
        if near:
            best = min(near, key=lambda b: (abs(other.amount - b.amount), abs(other.day - b.day)))
            waiting[other.reference.casefold()].remove(best)
            difference = other.amount - best.amount
            found.append(Match("exact_reference", Decimal(1), (best.id,), (other.id,), difference))
    return found


def _by_amount_and_date(book: Sequence[Item], external: Sequence[Item], window: int) -> list[Match]:
    """The closest in time first, so that no pair takes what fits another better."""
    by_amount: dict[int, list[Item]] = {}
    for item in book:
        by_amount.setdefault(item.amount, []).append(item)
    pairs = sorted(
        (abs(e.day - b.day), e.day, e.id, b.id)
        for e in external
        for b in by_amount.get(e.amount, ())
        if abs(e.day - b.day) <= window
    )
    used: set[UUID] = set()
    found = []
    for days, _, theirs, ours in pairs:
        if theirs in used or ours in used:
            continue
        used |= {theirs, ours}
        share = Decimal(days) / window if window else Decimal(0)
        score = Decimal("0.9") - Decimal("0.1") * share
        found.append(Match("amount_date", score.quantize(Decimal("0.0001")), (ours,), (theirs,), 0))
    return found


def _sums(
    ones: Sequence[Item], many: Sequence[Item], rule: str, tolerance: int, window: int
) -> list[Match]:
    """Each of `ones` against 2 to 6 of `many` with the same group or reference, near in time."""
    free = {m.id: m for m in many}
    found = []
    for one in sorted(ones, key=lambda i: (i.day, i.id)):
        candidates = [m for m in free.values() if _kin(one, m) and abs(m.day - one.day) <= window]
        parts = _subset(one.amount, candidates[:MOST_CANDIDATES], tolerance)
        if parts:
            for part in parts:
                del free[part.id]
            ids = tuple(p.id for p in parts)
            difference = sum(p.amount for p in parts) - one.amount
            found.append(Match(rule, Decimal("0.7"), (one.id,), ids, difference))
    return found


def _kin(one: Item, part: Item) -> bool:
    same_sign = (one.amount < 0) == (part.amount < 0)
    by_group = bool(one.group) and one.group == part.group
    stem = _stem(one.reference)
    return same_sign and (by_group or (bool(stem) and stem == _stem(part.reference)))


def _stem(reference: str) -> str:
    """`INV-7/2` and `INV-7/1` are parts of `INV-7`."""
    return reference.partition("/")[0].casefold()


def _subset(target: int, items: Sequence[Item], tolerance: int) -> tuple[Item, ...]:
    """The smallest set that adds up, the closest of that size; few candidates, so all are tried."""
    for size in range(2, min(MOST_PARTS, len(items)) + 1):
        near = [
            (abs(sum(i.amount for i in parts) - target), parts)
            for parts in itertools.combinations(items, size)
            if abs(sum(i.amount for i in parts) - target) <= tolerance
        ]
        if near:
            return min(near, key=lambda n: n[0])[1]
    return ()
