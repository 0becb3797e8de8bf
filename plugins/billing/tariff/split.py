"""Parts that sum to the whole (R5), and a period cut where its price changes (R36)."""

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

import msgspec

from .usage import Usage


def split(total: int, weights: Sequence[int]) -> list[int]:
    """Whole parts in proportion to the weights; the largest remainders, first ones first, get
    what is left over. The parts always sum to the total."""
    whole = sum(weights)
    if whole <= 0 or min(weights) < 0:
        raise ValueError("a total is split by weights that are not negative, and not all 0")
    sign = -1 if total < 0 else 1
    parts = [abs(total) * w // whole for w in weights]
    rest = abs(total) - sum(parts)
    order = sorted(range(len(weights)), key=lambda i: (-(abs(total) * weights[i] % whole), i))
    for i in order[:rest]:
        parts[i] += 1
    return [sign * p for p in parts]


def cut(usage: Usage, days: Collection[dt.date]) -> Iterator[Usage]:
    """The use before and after each of these days, by days; none inside: the use itself.

    The bank goes to the first part; whoever prices the parts hands it on.
    """
    inner = sorted(d for d in days if usage.start < d < usage.end)
    if not inner:
        yield usage
        return
    edges = [usage.start, *inner, usage.end]
    weights = [(b - a).days for a, b in pairwise(edges)]
    buckets = {register: _columns(parts, weights) for register, parts in usage.buckets.items()}
    totals = {k: split(v, weights) for k, v in usage.quantities.items() if k not in buckets}
    for i, start in enumerate(edges[:-1]):
        mine = {register: parts[i] for register, parts in buckets.items()}
        sums = {k: sum(v.values()) for k, v in mine.items() if k in usage.quantities}
        yield msgspec.structs.replace(
            usage,
            start=start,
            end=edges[i + 1],
            quantities={k: v[i] for k, v in totals.items()} | sums,
            buckets=mine,
            cycle_days=usage.cycle_days or usage.days,
            bank=usage.bank if i == 0 else (),
            estimated=True,
        )


def _columns(parts: dict[str, int], weights: list[int]) -> list[dict[str, int]]:
    shares = {bucket: split(v, weights) for bucket, v in parts.items()}
    return [{b: s[i] for b, s in shares.items()} for i in range(len(weights))]
