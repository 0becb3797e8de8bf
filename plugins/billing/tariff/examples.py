"""Worked examples that utilities and regulators print, computed again by the engine of bills."""

import csv
import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from hub import HubError
from hub.contract.units import from_minor, ratio, to_minor

from .charges import Blocks
from .engine import affordable, rate
from .errors import TariffError
from .published import Published, convert
from .usage import Bill, Usage
from .version import Version

Figure = Callable[["Example", Published], Decimal]


class Example(Struct, frozen=True, kw_only=True):
    """A row of bill_examples.csv: what was printed, and with which inputs."""

    tariff_id: str
    kwh: str
    other_inputs_json: str
    expected: str
    currency: str
    kind: str
    note: str
    source: str = ""

    @property
    def inputs(self) -> dict[str, Any]:
        given: dict[str, Any] = msgspec.json.decode(self.other_inputs_json or "{}")
        # A figure in whole shillings is a bill with a rounding line.
        return given | ({"rounding": True} if "rounded to whole" in self.kind else {})

    @property
    def tolerance(self) -> Decimal:
        found = re.search(r"allow (\d+(?:\.\d+)?)", self.note)
        return Decimal(found.group(1)) if found else Decimal(0)


@dataclass(frozen=True, kw_only=True)
class Check:
    """computed is None when `problem` says why. what: which figure of the bill was compared."""

    example: Example
    computed: Decimal | None
    what: str
    left: tuple[str, ...] = ()
    problem: str = ""

    @property
    def misprint(self) -> bool:
        return self.example.kind == "misprint"

    @property
    def ok(self) -> bool:
        """A misprint is no oracle: it must only be computable."""
        if self.computed is None:
            return False
        difference = abs(self.computed - Decimal(self.example.expected))
        return self.misprint or difference <= self.example.tolerance


def check_folder(folder: Path) -> Iterator[Check]:
    """Every example of a folder with `tariffs.json` and `bill_examples.csv`.

    Raises OSError, or ValueError with the row, when these cannot be read.
    """
    tariffs: dict[str, Any] = msgspec.json.decode((folder / "tariffs.json").read_bytes())
    with (folder / "bill_examples.csv").open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file), 2):
            try:
                example = msgspec.convert(row, Example)
            except msgspec.ValidationError as e:
                raise ValueError(f"bill_examples.csv:{number}: {e}") from e
            yield check(example, tariffs)


def check(example: Example, tariffs: Mapping[str, Any]) -> Check:
    """Compute one example; what fails is told, not raised."""
    try:
        facts = tariffs[example.tariff_id]
        published = convert(facts, example.inputs)
        what, figure = _figure(example)
        computed = figure(example, published)
    except (HubError, KeyError, ValueError, ArithmeticError) as e:
        return Check(example=example, computed=None, what="", problem=f"{type(e).__name__}: {e}")
    return Check(example=example, computed=computed, what=what, left=published.left)


def _figure(example: Example) -> tuple[str, Figure]:
    """What the printed figure is, from the words of its kind."""
    for pattern, what, figure in FIGURES:
        if re.search(pattern, example.kind):
            return what, figure
    raise TariffError(f"the kind {example.kind!r} is not one that can be computed")


def _usage(example: Example, version: Version) -> Usage:
    inputs = example.inputs
    days = int(inputs.get("days", version.basis_days or 30))
    quantities = {}
    if example.kwh:
        quantities["import"] = int(Decimal(example.kwh) * 1000)
    if "water_gallons" in inputs:
        quantities["water"] = int(inputs["water_gallons"]) * 1000
    if {"reading_start", "reading_end"} <= set(inputs):
        read = (inputs["reading_end"] - inputs["reading_start"]) * 1000
        if read != quantities.get("import"):
            raise TariffError(f"the readings give {read / 1000:g} kWh, not {example.kwh}")
    factor = inputs.get("power_factor")
    return Usage(
        start=version.valid_from,
        end=version.valid_from + dt.timedelta(days=days),
        quantities=quantities,
        amperes=int(inputs.get("amperes", 0)),
        power_factor=None if factor is None else int(Decimal(factor) * 100),
    )


def _major(amount: int, version: Version) -> Decimal:
    return Decimal(from_minor(amount, version.currency))


def _bill(example: Example, version: Version) -> Bill:
    return rate(version, _usage(example, version))


def _one(published: Published) -> Version:
    if "" not in published.versions:
        raise TariffError(f"which year? There are {', '.join(published.versions)}")
    return published.versions[""]


def _net(example: Example, published: Published) -> Decimal:
    version = _one(published)
    if "current_bill" in example.inputs:
        return _line("power factor")(example, published)
    return _major(_bill(example, version).net, version)


def _total(example: Example, published: Published) -> Decimal:
    version = _one(published)
    return _major(_bill(example, version).total, version)


def _line(name: str) -> Figure:
    def figure(example: Example, published: Published) -> Decimal:
        version = _one(published)
        lines = [x.amount for x in _bill(example, version).lines if x.name == name]
        if not lines:
            raise TariffError(f"the bill has no line {name!r}")
        return _major(sum(lines), version)

    return figure


def _capacity(example: Example, published: Published) -> Decimal:
    years = [y for y in published.versions if y and y in example.kind]
    version = published.versions[years[0]]
    lines = [x for x in _bill(example, version).lines if x.name == "capacity"]
    return _major(sum(x.amount for x in lines), version)


def _rise(example: Example, published: Published) -> Decimal:
    before, after = (
        _major(_bill(example, v).total, v)
        for y, v in sorted(published.versions.items())
        if y and y in example.kind
    )
    return after - before


def _units(example: Example, published: Published) -> Decimal:
    """kWh for money, cut to the decimals that are printed."""
    version = _one(published)
    amount = to_minor(example.inputs["amount"], version.currency)
    bought = Decimal(affordable(version, _usage(example, version), amount)) / 1000
    return bought.quantize(Decimal(example.expected), ROUND_DOWN)


def _limit(example: Example, published: Published) -> Decimal:
    """The most that the first block takes: its line of a bill that uses just the scaled limit."""
    version = _one(published)
    charge = next(c for c in version.charges if isinstance(c, Blocks))
    usage = _usage(example, version)
    limit = ratio(charge.cases[0].blocks[0].upto or 0, usage.days, version.basis_days or usage.days)
    bill = rate(version, msgspec.structs.replace(usage, quantities={"import": limit}))
    return Decimal(bill.lines[0].quantity) / 1000


FIGURES = (
    (r"energy line", "energy", _line("energy")),
    (r"fuel surcharge line", "fuel surcharge", _line("fuel surcharge")),
    (r"units for money", "kWh for money", _units),
    (r"capacity charge", "capacity", _capacity),
    (r"^printed \(rise ", "rise of the bill", _rise),
    (r"first slab limit", "kWh", _limit),
    (r"\(total", "total", _total),
    (r"^printed \(rounded", "total", _total),
    (r"^(printed|sum of printed lines|misprint|stated \(all.*)$", "before tax", _net),
)
