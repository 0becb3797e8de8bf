"""Published tariffs as facts (JSON) → charges, with the names of what could not be read."""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from hub.contract.units import MICRO, digits, half_up

from .charges import (
    AmountStep,
    AnyCharge,
    Block,
    Blocks,
    Case,
    FactorStep,
    Fixed,
    Flat,
    Levy,
    PowerFactor,
    Rounding,
    Since,
    Slab,
    Tax,
    TimeOfUse,
)
from .errors import TariffError
from .version import Version

FACTS = {
    "country", "authority", "customer", "currency", "effective", "period", "source", "notes",
}  # fmt: skip
UNDATED = dt.date(2000, 1, 1)
Facts = Mapping[str, Any]


@dataclass(kw_only=True)
class Reading:
    """inputs: what a worked example gives beside the use. read: the keys that became charges."""

    facts: Facts
    inputs: Mapping[str, Any]
    currency: str
    scale: int
    charges: list[AnyCharge] = field(default_factory=list)
    taxes: list[AnyCharge] = field(default_factory=list)
    read: set[str] = field(default_factory=set)
    unclear: list[str] = field(default_factory=list)

    def price(self, text: object) -> int:
        """Major units of the tariff's currency → millionths of a minor unit."""
        return half_up(Decimal(str(text)).scaleb(digits(self.currency) - self.scale) * MICRO)

    def money(self, text: object) -> int:
        return half_up(Decimal(str(text)).scaleb(digits(self.currency) - self.scale))

    def blocks(self, pairs: list[list[Any]]) -> tuple[Block, ...]:
        return tuple(Block(_milli(limit), self.price(rate)) for limit, rate in pairs)


@dataclass(frozen=True, kw_only=True)
class Published:
    """versions: by the tariff year where facts give years, else one under ''. left: keys that no
    charge stands for, with the reason where there is one."""

    versions: Mapping[str, Version]
    left: tuple[str, ...]


def convert(facts: Facts, inputs: Mapping[str, Any] | None = None) -> Published:
    """The charges of a published tariff; TariffError when not one could be read."""
    currency, _, part = str(facts["currency"]).partition(" ")
    reading = Reading(
        facts=facts, inputs=inputs or {}, currency=currency, scale=2 if part == "pence" else 0
    )
    for reader in READERS:
        reader(reading)
    charges = (*reading.charges, *reading.taxes)
    versions = {}
    if charges:
        versions[""] = _version(reading, charges)
    versions |= _years(reading)
    if not versions:
        raise TariffError("nothing in these facts could be read as a charge")
    left = (*(sorted(set(facts) - FACTS - reading.read)), *reading.unclear)
    return Published(versions=versions, left=left)


def _milli(limit: object) -> int | None:
    return None if limit is None else int(Decimal(str(limit)) * 1000)


def begins(text: str) -> dt.date | None:
    """`2022-04-01`, `2025-05` or `2010` at the head of a text."""
    found = re.match(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?", text)
    if not found:
        return None
    year, month, day = (int(x) if x else 1 for x in found.groups())
    return dt.date(year, month, day)


def _version(reading: Reading, charges: tuple[AnyCharge, ...]) -> Version:
    valid_from = begins(str(reading.facts["effective"]))
    if valid_from is None:
        reading.unclear.append("effective: no date, taken as from 2000")
    text = str(reading.facts["period"])
    scaled = reading.facts.get("first_slab_per_30_days")
    return Version(
        currency=reading.currency,
        valid_from=valid_from or UNDATED,
        charges=charges,
        basis_days=30 if "30 days" in text or scaled else None,
    )


def _cases(reading: Reading) -> None:
    """A rate for all that a worked example gives replaces the facts' own."""
    if reading.facts.get("cases") is None:
        reading.read.add("cases")
        return
    cases = []
    for case in reading.facts["cases"]:
        if case["fixed"] is None:
            reading.unclear.append(f"cases: the fixed fee over {case['over']} is not printed")
        cases.append(
            Case(
                int(case["over"]) * 1000,
                _milli(case["upto"]),
                reading.blocks(case["blocks"]),
                reading.money(case["fixed"] or 0),
            )
        )
    reading.charges.append(Blocks(name="energy", cases=tuple(cases)))
    reading.read.add("cases")


def _whole_rate(reading: Reading) -> None:
    """One rate for all, set by the total use."""
    pairs = reading.facts.get("base_rate_by_total")
    if not pairs:
        return
    reading.read.add("base_rate_by_total")
    if "all_in_rate" in reading.inputs:
        rate = reading.price(reading.inputs["all_in_rate"])
        reading.charges.append(Flat(name="energy", price=rate))
        if "rounding" in reading.inputs:
            unit = 10 ** digits(reading.currency)
            reading.taxes.append(Rounding(name="rounding", to=unit))
        return
    starts = [0, *(int(limit) * 1000 for limit, _ in pairs if limit is not None)]
    cases = tuple(
        Case(start, _milli(limit), (Block(_milli(limit), reading.price(rate)),))
        for start, (limit, rate) in zip(starts, pairs, strict=True)
    )
    reading.charges.append(Blocks(name="energy", cases=cases))


def _first_slab(reading: Reading) -> None:
    if "first_slab_per_30_days" in reading.facts:
        limit = int(reading.facts["first_slab_per_30_days"]) * 1000
        block = Block(limit, reading.price(reading.facts["first_slab_rate"]))
        reading.charges.append(Blocks(name="energy", cases=(Case(0, limit, (block,)),)))
        reading.read |= {"first_slab_per_30_days", "first_slab_rate"}


def _connection(reading: Reading) -> None:
    """Charges for being connected, and what an example adds to them."""
    if "per_ampere" in reading.facts:
        price = reading.price(reading.facts["per_ampere"])
        reading.charges.append(Fixed(name="capacity", price=price, per="ampere"))
    if "meter_charge" in reading.facts:
        price = reading.price(reading.facts["meter_charge"])
        reading.charges.append(Fixed(name="meter", price=price))
    if "fixed_extra" in reading.inputs:
        price = reading.price(reading.inputs["fixed_extra"])
        reading.charges.append(Fixed(name="fixed extra", price=price))
    if "current_bill" in reading.inputs:
        price = reading.price(reading.inputs["current_bill"])
        reading.charges.append(Fixed(name="current bill", price=price))
    reading.read |= {"per_ampere", "meter_charge"} & set(reading.facts)


def _levies(reading: Reading) -> None:
    for name, price in reading.facts.get("levies_per_kwh", {}).items():
        reading.charges.append(Levy(name=name, price=reading.price(price)))
    reading.read |= {"levies_per_kwh"} & set(reading.facts)
    if "fuel_surcharge_per_kwh" in reading.facts:
        if "surcharge" in reading.inputs:
            price = reading.price(reading.inputs["surcharge"])
            reading.charges.append(Levy(name="fuel surcharge", price=price))
            reading.read.add("fuel_surcharge_per_kwh")
        else:
            reading.unclear.append("fuel_surcharge_per_kwh: by month, give the month's")
            reading.read.add("fuel_surcharge_per_kwh")


def _water(reading: Reading) -> None:
    """A second service on the same bill, by the gallon."""
    water = reading.facts.get("water")
    if not water:
        return
    reading.read.add("water")
    if "water_gallons" not in reading.inputs:
        reading.unclear.append("water: only with a use of water")
        return
    cases = (Case(0, None, reading.blocks(water["blocks_per_gallon"])),)
    reading.charges += [
        Blocks(name="water", cases=cases, register="water", unit="gal"),
        Fixed(name="water meter", price=reading.price(water["meter_charge"])),
        Levy(
            name="water fuel surcharge",
            price=reading.price(reading.inputs["water_surcharge"]),
            register="water",
            unit="gal",
        ),
    ]


def _time_of_use(reading: Reading) -> None:
    rates = reading.facts.get("rates_p_per_kwh")
    if rates:
        prices = {k: reading.price(v) for k, v in rates.items() if k != "flat"}
        reading.charges.append(TimeOfUse(name="energy", prices=prices))
        reading.read.add("rates_p_per_kwh")
        reading.unclear.append("rates_p_per_kwh: `flat` is another tariff")


def _power_factor(reading: Reading) -> None:
    found = re.findall(r"([\d.]+)%[^%]*?each 0\.01 below (0\.\d+)", reading.facts.get("rule", ""))
    if found:
        steps = tuple(
            FactorStep(int(Decimal(below) * 100), int(Decimal(share) * 10_000))
            for share, below in found
        )
        reading.charges.append(PowerFactor(name="power factor", steps=steps))
        reading.read.add("rule")


def _fee_on_amount(reading: Reading) -> None:
    steps = reading.facts.get("municipal_fee_muscat")
    if steps:
        slabs = tuple(
            AmountStep(None if limit is None else reading.money(limit), _share(share))
            for limit, share in steps
        )
        reading.charges.append(Slab(name="municipal fee", steps=slabs))
        reading.read.add("municipal_fee_muscat")


def _share(text: object) -> int:
    return int(Decimal(str(text)) * MICRO)


def _vat(reading: Reading) -> None:
    rates = []
    if "vat" in reading.facts and not _yearly(reading.facts):
        rates.append((UNDATED, _share(reading.facts["vat"])))
    for key, share in reading.facts.get("tax", {}).items():
        found = re.fullmatch(r"vat_(?:since_)?(\d{4})(?:_(\d\d))?", key)
        if found:
            year, month = found.groups()
            rates.append((dt.date(int(year), int(month or 1), 1), _share(share)))
        else:
            reading.unclear.append(f"tax.{key}")
    if rates:
        since = tuple(Since(day, share) for day, share in sorted(rates))
        reading.taxes.insert(0, Tax(name="VAT", rates=since))
        reading.read |= {"vat", "tax"} & set(reading.facts)


def _yearly(facts: Facts) -> bool:
    return "homepower4_incl_vat" in facts


def _years(reading: Reading) -> dict[str, Version]:
    """Facts that give the blocks and the daily capacity charge of each tariff year."""
    out: dict[str, Version] = {}
    if not _yearly(reading.facts):
        return out
    start = begins(str(reading.facts["effective"])) or UNDATED
    for key, year in reading.facts["homepower4_incl_vat"].items():
        first, last = re.fullmatch(r"y(\d{4})_(\d\d)", key).groups()  # type: ignore[union-attr]
        out[f"{first}/{last}"] = Version(
            currency=reading.currency,
            valid_from=start.replace(year=int(first)),
            charges=(
                Blocks(name="energy", cases=(Case(0, None, reading.blocks(year["blocks"])),)),
                Fixed(name="capacity", price=reading.price(year["capacity_per_day"]), per="day"),
            ),
        )
    reading.read.add("homepower4_incl_vat")
    reading.unclear.append("vat: the rates read hold it already")
    reading.read.add("vat")
    return out


READERS = (
    _cases,
    _whole_rate,
    _first_slab,
    _time_of_use,
    _connection,
    _levies,
    _water,
    _power_factor,
    _fee_on_amount,
    _vat,
)
