"""What a rule watches for: a threshold, a rate of change, or that nothing comes."""

import enum
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from hub import Invalid

Window = Annotated[int, Meta(ge=60, le=7 * 86_400)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Labels = dict[str, str]


class Source(enum.StrEnum):
    """metric: samples of the product. reading: a point of the grid, by its id. event: events by
    type, where `*` is any part."""

    METRIC = "metric"
    READING = "reading"
    EVENT = "event"


class Compare(enum.StrEnum):
    ABOVE = ">"
    AT_LEAST = ">="
    BELOW = "<"
    AT_MOST = "<="
    EQUAL = "=="
    OTHER = "!="

    def holds(self, value: float, limit: float) -> bool:
        return {
            Compare.ABOVE: value > limit,
            Compare.AT_LEAST: value >= limit,
            Compare.BELOW: value < limit,
            Compare.AT_MOST: value <= limit,
            Compare.EQUAL: value == limit,
            Compare.OTHER: value != limit,
        }[self]


class Watched(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """window_s: how far back is looked, seconds. labels: of a metric."""

    source: Source
    name: Name
    window_s: Window = 300
    labels: Labels = {}


class Threshold(Watched, frozen=True, tag_field="kind", tag="threshold"):
    """agg of the window against value, for at least for_s seconds. Of events it is their number."""

    op: Compare
    value: float
    agg: Literal["avg", "max", "min", "last", "count"] = "last"
    for_s: Annotated[int, Meta(ge=0, le=86_400)] = 0


class Rate(Watched, frozen=True, tag_field="kind", tag="rate"):
    """Change per minute, from first to last value of the window; of events: how many per minute."""

    op: Compare
    value: float
    for_s: Annotated[int, Meta(ge=0, le=86_400)] = 0


class Absence(Watched, frozen=True, tag_field="kind", tag="absence"):
    """Nothing came within the window."""


Condition = Threshold | Rate | Absence


class Seen(Struct, frozen=True, kw_only=True):
    """What lies in a window. minutes: between first and last."""

    count: int = 0
    first: float | None = None
    last: float | None = None
    avg: float | None = None
    low: float | None = None
    high: float | None = None
    minutes: float = 0.0


def read(kind: str, config: dict[str, Any]) -> Condition:
    """A stored condition, or Invalid that names the field."""
    try:
        found: Condition = msgspec.convert(config | {"kind": str(kind)}, Condition)
    except msgspec.ValidationError as error:
        raise Invalid(f"condition_config: {error}", field="condition_config") from None
    return found


def judged(condition: Condition, seen: Seen) -> tuple[bool, float | None]:
    """Whether the condition holds, and by which value. A window without values holds nothing."""
    if isinstance(condition, Absence):
        return seen.count == 0, float(seen.count)
    event = condition.source is Source.EVENT
    value: float | None
    if isinstance(condition, Rate):
        if event:
            value = seen.count * 60 / condition.window_s
        elif seen.first is None or seen.last is None or seen.minutes <= 0:
            value = None
        else:
            value = (seen.last - seen.first) / seen.minutes
    elif event or condition.agg == "count":
        value = float(seen.count)
    else:
        value = {"avg": seen.avg, "max": seen.high, "min": seen.low, "last": seen.last}[
            condition.agg
        ]
    return (False, None) if value is None else (condition.op.holds(value, condition.value), value)
