"""One version of a tariff: from a day on, these charges in this order."""

import datetime as dt
from typing import Annotated

from msgspec import Meta, Struct

from .calendar import Calendar
from .charges import AnyCharge, NetMetering, Rounding, Tax, TimeOfUse


class Version(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """basis_days: the days that block limits and period charges are for; None: a billing period.

    A charge on money names earlier charges in `on`; none named: all earlier ones.
    """

    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]
    valid_from: dt.date
    charges: Annotated[tuple[AnyCharge, ...], Meta(min_length=1, max_length=200)]
    calendar: Calendar | None = None
    basis_days: Annotated[int, Meta(ge=1, le=366)] | None = None

    def __post_init__(self) -> None:
        known: set[str] = set()
        for charge in self.charges:
            if charge.name in known:
                raise ValueError(f"two charges are called {charge.name!r}")
            for name in getattr(charge, "on", ()):
                if name not in known:
                    raise ValueError(f"{charge.name}: no charge before it is called {name!r}")
            known.add(charge.name)
            self._check(charge)

    def _check(self, charge: AnyCharge) -> None:
        if isinstance(charge, TimeOfUse):
            known = self.calendar.buckets if self.calendar else ()
            if missing := set(known) - set(charge.prices):
                raise ValueError(f"{charge.name}: no price for {', '.join(sorted(missing))}")
        if isinstance(charge, NetMetering):
            others = [c for c in self.charges if isinstance(c, NetMetering)]
            if len(others) > 1:
                raise ValueError(f"{charge.name}: a tariff has one credit bank")
            if charge.mode == "energy" and charge != self.charges[0]:
                raise ValueError(f"{charge.name}: netting energy comes before all prices")
        if isinstance(charge, Rounding) and charge != self.charges[-1]:
            raise ValueError(f"{charge.name}: rounding comes last")
        if isinstance(charge, Tax) and charge.rates[0].since > self.valid_from:
            raise ValueError(f"{charge.name}: no rate on {self.valid_from}")

    @property
    def changes(self) -> frozenset[dt.date]:
        """Days on which what this version charges changes."""
        rates = [r.since for c in self.charges if isinstance(c, Tax) for r in c.rates]
        return frozenset({self.valid_from, *(d for d in rates if d > self.valid_from)})
