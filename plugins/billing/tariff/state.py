"""What pricing one part of a period keeps in hand."""

from collections.abc import Collection

from hub.contract.units import ratio

from .charges import AnyCharge
from .usage import Line, Usage, cost
from .version import Version


class State:
    """quantities, buckets: what is left to price after netting; lines: so far."""

    def __init__(self, version: Version, usage: Usage) -> None:
        self.version, self.usage = version, usage
        self.quantities = dict(usage.quantities)
        self.buckets = {k: dict(v) for k, v in usage.buckets.items()}
        self.bank = list(usage.bank)
        self.lines: list[Line] = []
        whole = version.basis_days or usage.cycle_days or usage.days
        self.part = (1, 1) if usage.days == whole else (usage.days, whole)

    def quantity(self, register: str) -> int:
        return self.quantities.get(register, sum(self.buckets.get(register, {}).values()))

    def scaled(self, limit: int) -> int:
        """A block limit for the days of this part (R36), rounded to a thousandth."""
        return ratio(limit, *self.part)

    def base(self, names: Collection[str]) -> list[Line]:
        """The lines so far of these charges, or all."""
        return [x for x in self.lines if not x.included and (not names or x.name in names)]

    def add(
        self,
        charge: AnyCharge,
        quantity: int,
        unit: str,
        price: int,
        *,
        prorated: bool = False,
        note: str = "",
    ) -> int:
        """Add a line; return its amount."""
        part = self.part if prorated else (1, 1)
        notes = [note] if note else []
        if prorated and part != (1, 1):
            notes.append(f"{part[0]} of {part[1]} days")
        if self.usage.estimated and unit not in ("minor", "period", "day", "A", "kVA"):
            notes.append("use divided by days")
        amount = cost(quantity, price, part)
        self.lines.append(self.line(charge, quantity, unit, price, amount, part, "; ".join(notes)))
        return amount

    def line(
        self,
        charge: AnyCharge,
        quantity: int,
        unit: str,
        price: int,
        amount: int,
        part: tuple[int, int] = (1, 1),
        note: str = "",
        included: bool = False,
    ) -> Line:
        return Line(
            kind=str(charge.__struct_config__.tag),
            name=charge.name,
            start=self.usage.start,
            end=self.usage.end,
            quantity=quantity,
            unit=unit,
            unit_price=price,
            amount=amount,
            part=part,
            clause=charge.clause,
            note=note,
            included=included,
        )
