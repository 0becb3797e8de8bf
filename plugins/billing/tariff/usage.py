"""What is billed, and the bill."""

import datetime as dt
from typing import Annotated

from msgspec import Meta, Struct

from hub.contract.units import MICRO, ratio

Milli = Annotated[int, Meta(ge=-(10**15), le=10**15)]


class Credit(Struct, frozen=True, forbid_unknown_fields=True):
    """Energy (thousandths) or money (minor units) that net metering banked in a month.

    month: counted from year 0. bucket: empty where the tariff knows none.
    """

    month: int
    amount: Annotated[int, Meta(ge=0, le=10**15)]
    bucket: str = ""


class Usage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Use in [start, end). Quantities are thousandths of the unit that the tariff prices.

    buckets: register → bucket → quantity. demand_w, demand_va: greatest mean power of the tariff's
    window. past_demands: W or VA of earlier months, latest first. power_factor: hundredths; None:
    from `import` and `kvarh`. cycle_days: of the whole billing period, when this is a part of it.
    estimated: the split of the quantities was made by days, not read.
    """

    start: dt.date
    end: dt.date
    quantities: dict[str, Milli] = {}
    buckets: dict[str, dict[str, Milli]] = {}
    demand_w: Annotated[int, Meta(ge=0)] | None = None
    demand_va: Annotated[int, Meta(ge=0)] | None = None
    past_demands: tuple[Annotated[int, Meta(ge=0)], ...] = ()
    power_factor: Annotated[int, Meta(ge=0, le=100)] | None = None
    amperes: Annotated[int, Meta(ge=0, le=10**6)] = 0
    kva: Annotated[int, Meta(ge=0, le=10**9)] = 0
    cycle_days: Annotated[int, Meta(ge=1, le=3660)] | None = None
    bank: tuple[Credit, ...] = ()
    estimated: bool = False

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise ValueError(f"the period {self.start} to {self.end} has no day")

    @property
    def days(self) -> int:
        return (self.end - self.start).days


class Line(Struct, frozen=True, kw_only=True):
    """One line: amount = quantity × unit_price × part, rounded once, half up.

    quantity: thousandths of `unit`. unit_price: millionths of a minor unit. part: the share of the
    period as (days, of days). A share of money has the unit `minor`. included: told, not added.
    """

    kind: str
    name: str
    start: dt.date
    end: dt.date
    quantity: int
    unit: str
    unit_price: int
    amount: int
    part: tuple[int, int] = (1, 1)
    clause: str = ""
    note: str = ""
    included: bool = False


def cost(quantity: int, unit_price: int, part: tuple[int, int] = (1, 1)) -> int:
    """Minor units of a line, rounded once."""
    days, of = part
    return ratio(quantity * days, unit_price, 1000 * MICRO * of)


class Bill(Struct, frozen=True, kw_only=True):
    """The lines of a use, and what its credit bank holds afterwards."""

    currency: str
    lines: tuple[Line, ...]
    bank: tuple[Credit, ...] = ()

    @property
    def total(self) -> int:
        return sum(x.amount for x in self.lines if not x.included)

    @property
    def tax(self) -> int:
        return sum(x.amount for x in self.lines if x.kind == "tax")

    @property
    def net(self) -> int:
        """Before taxes."""
        return sum(x.amount for x in self.lines if x.kind != "tax") - sum(
            x.amount for x in self.lines if x.kind == "tax" and x.included
        )
