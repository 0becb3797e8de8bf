"""Which part of a bill a line belongs to, in the words of the posting rules."""

from collections.abc import Iterable

from .tariff import Line

PARTS = {
    "fixed": "standing",
    "levy": "levies",
    "subsidy": "subsidy",
    "slab": "fees",
    "fee": "fees",
    "late_fee": "late_fees",
    "rounding": "rounding",
    "tax": "tax",
}


def parts_of(lines: Iterable[Line]) -> dict[str, int]:
    """Amounts of `invoice.issued`: they and `total` balance. A tax that prices hold already is
    taken out of the energy."""
    parts: dict[str, int] = {"total": 0}
    for line in lines:
        if line.included:
            parts["tax"] = parts.get("tax", 0) + line.amount
            parts["energy"] = parts.get("energy", 0) - line.amount
            continue
        name = PARTS.get(line.kind, "energy")
        if line.kind == "net_metering" and line.amount < 0:
            name = "export"
        parts[name] = parts.get(name, 0) + line.amount
        parts["total"] += line.amount
    return parts
