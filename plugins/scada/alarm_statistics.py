"""How good the alarms are, as EEMUA 191 and ISA-18.2 count it. Pure."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from msgspec import Struct

MINUTE, TEN, HOUR, DAY = 60, 600, 3_600, 86_400  # s
CHATTER = 3  # times in a minute
FLOOD = 10  # in ten minutes
ACCEPTABLE, MANAGEABLE = 6.0, 12.0  # an operator-hour
MOST = 20


class Raised(Struct, frozen=True):
    """at: seconds since 1970. name: of the alarm, whenever it comes."""

    at: float
    name: str
    severity: str


class Count(Struct, frozen=True):
    """share: of all alarms, 0…1."""

    name: str
    count: int
    share: float


class Statistics(Struct, frozen=True, kw_only=True):
    """per_operator_hour: verdict `acceptable` up to 6, `manageable` up to 12, else `overloaded`.

    peak: most alarms in ten minutes. flood_share: of the time in which more than 10 alarms came in
    ten minutes. chattering: came three times or more in a minute.
    """

    total: int
    per_operator_hour: float
    verdict: str
    peak: int
    flood_share: float
    by_severity: dict[str, int]
    most_frequent: list[Count]
    chattering: list[Count]


def statistics(raised: Sequence[Raised], seconds: float, operators: int) -> Statistics:
    """Of the alarms that people were told of in a period; `raised` in order of time."""
    counts = Counter(r.name for r in raised)
    rate = len(raised) / (seconds / HOUR) / operators
    windows = Counter(int(r.at // TEN) for r in raised)
    flooded = sum(1 for n in windows.values() if n > FLOOD * operators)
    return Statistics(
        total=len(raised),
        per_operator_hour=round(rate, 3),
        verdict=verdict(rate),
        peak=max(windows.values(), default=0),
        flood_share=round(min(1.0, flooded * TEN / seconds), 4),
        by_severity=dict(Counter(r.severity for r in raised)),
        most_frequent=_table(counts, len(raised)),
        chattering=_table(Counter({n: counts[n] for n in _chattering(raised)}), len(raised)),
    )


def verdict(rate: float) -> str:
    if rate <= ACCEPTABLE:
        return "acceptable"
    return "manageable" if rate <= MANAGEABLE else "overloaded"


def _chattering(raised: Sequence[Raised]) -> set[str]:
    times: dict[str, list[float]] = defaultdict(list)
    for r in raised:
        times[r.name].append(r.at)
    behind = CHATTER - 1
    return {
        name
        for name, at in times.items()
        if any(at[i + behind] - at[i] <= MINUTE for i in range(len(at) - behind))
    }


def _table(counts: Counter[str], total: int) -> list[Count]:
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [Count(name, n, round(n / total, 4)) for name, n in ordered[:MOST]]
