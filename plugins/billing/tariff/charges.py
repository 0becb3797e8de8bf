"""The kinds of charge that a tariff is made of.

Quantities are whole thousandths of the unit they are priced in: Wh for kWh, W for kW, varh for
kvarh. Prices are millionths of a minor unit of currency, amounts minor units, shares millionths.
"""

import datetime as dt
from typing import Annotated, Literal

from msgspec import Meta, Struct

Thousandths = Annotated[int, Meta(ge=0, le=10**15)]
Price = Annotated[int, Meta(ge=-(10**15), le=10**15)]
Money = Annotated[int, Meta(ge=-(10**15), le=10**15)]
Share = Annotated[int, Meta(ge=0, le=10**7)]
Title = Annotated[str, Meta(min_length=1, max_length=100)]


class Charge(
    Struct,
    frozen=True,
    kw_only=True,
    tag_field="kind",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """name: of its lines, one of a kind in a tariff. clause: of the tariff book."""

    name: Title
    clause: str = ""


class Block(Struct, frozen=True, forbid_unknown_fields=True):
    """What lies between the block before and `upto` costs `price` a unit; None: no upper end."""

    upto: Thousandths | None
    price: Price


class Case(Struct, frozen=True, forbid_unknown_fields=True):
    """The blocks of a total use in (over, upto], and what is added once; negative: a subsidy."""

    over: Thousandths
    upto: Thousandths | None
    blocks: tuple[Block, ...]
    fixed: Money = 0


class Blocks(Charge, frozen=True, tag="blocks"):
    """Blocks chosen by the total use: one case is telescopic, several reprice from zero."""

    cases: tuple[Case, ...]
    register: str = "import"
    unit: str = "kWh"

    def __post_init__(self) -> None:
        start: int | None = 0
        for case in self.cases:
            if start is None or case.over != start:
                raise ValueError(f"{self.name}: a case begins at {case.over}, not at {start}")
            if case.upto is not None and case.upto <= case.over:
                raise ValueError(f"{self.name}: the case over {case.over} is empty")
            self._check(case)
            start = case.upto
        if not self.cases:
            raise ValueError(f"{self.name}: no case")

    def _check(self, case: Case) -> None:
        limits = [b.upto for b in case.blocks]
        closed = [x for x in limits if x is not None]
        if not limits or None in limits[:-1] or closed != sorted({*closed}):
            raise ValueError(f"{self.name}: the blocks over {case.over} do not rise")
        last = limits[-1]
        if last is not None and (case.upto is None or case.upto > last):
            raise ValueError(f"{self.name}: no block prices what lies over {last}")


class Flat(Charge, frozen=True, tag="flat"):
    """One price for each unit of a register."""

    price: Price
    register: str = "import"
    unit: str = "kWh"


class Levy(Flat, frozen=True, tag="levy"):
    """A flat price that is passed on: fuel, regulator, rural fund."""


class Fixed(Charge, frozen=True, tag="fixed"):
    """price: for a period, a day, or each ampere or kVA of the connection in a period."""

    price: Price
    per: Literal["period", "day", "ampere", "kVA"] = "period"
    prorate: bool = True


class TimeOfUse(Charge, frozen=True, tag="tou"):
    """A price for each bucket of the tariff's calendar."""

    prices: dict[str, Price]
    register: str = "import"
    unit: str = "kWh"


class Demand(Charge, frozen=True, tag="demand"):
    """The greatest mean power of a window, or a share of apparent, past or agreed power if more.

    ratchet_months: how many past months count. window: minutes. rolling: at any interval, not only
    on the clock.
    """

    price: Price
    unit: Literal["kW", "kVA"] = "kW"
    apparent_share: Share = 0
    ratchet_share: Share = 0
    ratchet_months: Annotated[int, Meta(ge=0, le=60)] = 11
    agreed_share: Share = 0
    window: Literal[15, 30, 60] = 30
    rolling: bool = False


class FactorStep(Struct, frozen=True, forbid_unknown_fields=True):
    """Each hundredth of power factor under `below` (hundredths) costs `share` of the bill."""

    below: Annotated[int, Meta(ge=1, le=100)]
    share: Share


class PowerFactor(Charge, frozen=True, tag="power_factor"):
    """A surcharge for a poor power factor; a step ends where the next begins."""

    steps: tuple[FactorStep, ...]
    on: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        limits = [s.below for s in self.steps]
        if not limits or limits != sorted({*limits}, reverse=True):
            raise ValueError(f"{self.name}: the steps do not fall")


class Minimum(Charge, frozen=True, tag="minimum"):
    """Lines come to this at least."""

    amount: Money
    on: tuple[str, ...] = ()
    prorate: bool = True


class Subsidy(Charge, frozen=True, tag="subsidy"):
    """What is taken off when the use lies in (over, upto]: a share, an amount, or so much a unit.

    It never turns what it is taken from into a payment to the customer.
    """

    share: Share = 0
    amount: Annotated[int, Meta(ge=0, le=10**15)] = 0
    price: Annotated[int, Meta(ge=0, le=10**15)] = 0
    over: Thousandths = 0
    upto: Thousandths | None = None
    register: str = "import"
    unit: str = "kWh"
    on: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if sum(map(bool, (self.share, self.amount, self.price))) != 1:
            raise ValueError(f"{self.name}: give a share, an amount or a price")


class NetMetering(Charge, frozen=True, tag="net_metering"):
    """Energy: export is taken off import and the rest is banked. Money: export is bought, banked.

    expires_after: months that a credit lives. across: buckets are netted with each other. In the
    month `true_up` what the bank holds is paid at `surplus_price` (money: in full).
    """

    mode: Literal["energy", "money"]
    price: Price = 0
    register: str = "import"
    export: str = "export"
    unit: str = "kWh"
    across: bool = False
    expires_after: Annotated[int, Meta(ge=1, le=120)] | None = None
    true_up: Annotated[int, Meta(ge=1, le=12)] | None = None
    surplus_price: Price = 0


class Since(Struct, frozen=True, forbid_unknown_fields=True):
    """A share from a day of supply on."""

    since: dt.date
    share: Share


class Tax(Charge, frozen=True, tag="tax"):
    """On lines before it, rounded by line or by document; inclusive: the prices hold it already."""

    rates: tuple[Since, ...]
    rounding: Literal["line", "document"] = "document"
    inclusive: bool = False
    on: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        days = [r.since for r in self.rates]
        if not days or days != sorted({*days}):
            raise ValueError(f"{self.name}: the days of the rates do not rise")


class AmountStep(Struct, frozen=True, forbid_unknown_fields=True):
    """Up to an amount of the bill; None: no upper end."""

    upto: Money | None
    share: Share


class Slab(Charge, frozen=True, tag="slab"):
    """A fee on the amount: the slab reached sets the share of all, or each slab that of its own."""

    steps: tuple[AmountStep, ...]
    telescopic: bool = False
    on: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        limits = [s.upto for s in self.steps]
        closed = [x for x in limits if x is not None]
        if not limits or limits[-1] is not None or closed != sorted({*closed}):
            raise ValueError(f"{self.name}: the slabs do not rise to one without end")
        if None in limits[:-1]:
            raise ValueError(f"{self.name}: only the last slab has no end")


class Rounding(Charge, frozen=True, tag="rounding"):
    """Brings the bill to a multiple of `to`, in a line of its own."""

    to: Annotated[int, Meta(ge=2, le=10**9)]


AnyCharge = (
    Blocks
    | Flat
    | Levy
    | Fixed
    | TimeOfUse
    | Demand
    | PowerFactor
    | Minimum
    | Subsidy
    | NetMetering
    | Tax
    | Slab
    | Rounding
)
