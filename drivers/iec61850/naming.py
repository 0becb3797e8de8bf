"""Points from a model: canonical names, units and kinds by logical node class and data object."""

import re
from collections.abc import Mapping
from functools import cache

from msgspec import Struct

from hub import Kind, Measurement, PointSpec, measurements

from .mms import data
from .mms.types import Type

_CLASS = re.compile(r"([A-Z]{4})\d*$")
# IEC 61850-7-3 SIUnit and multiplier.
SI_UNITS = {
    1: "", 2: "m", 3: "kg", 4: "s", 5: "A", 6: "K", 7: "mol", 8: "cd", 9: "°", 10: "rad",
    11: "sr", 21: "Gy", 22: "Bq", 23: "°C", 24: "Sv", 25: "F", 26: "C", 27: "S", 28: "H",
    29: "V", 30: "ohm", 31: "J", 32: "N", 33: "Hz", 34: "lx", 35: "lm", 36: "Wb", 37: "T",
    38: "W", 39: "Pa", 41: "m²", 42: "m³", 43: "m/s", 44: "m/s²", 45: "m³/s", 61: "VA",
    62: "W", 63: "var", 64: "φ", 65: "cosφ", 66: "Vs", 67: "V²", 68: "As", 69: "A²", 70: "A²t",
    71: "VAh", 72: "Wh", 73: "varh", 74: "V/Hz", 75: "Hz/s", 76: "char", 77: "char/s",
    78: "kgm²", 79: "dB",
}  # fmt: skip
PREFIXES = {-12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}
_TEXTS = {data.VISIBLE_STRING, data.MMS_STRING, data.OCTET_STRING, data.GENERALIZED_TIME}
_POSITIONS = {"0": "intermediate", "1": "off", "2": "on", "3": "bad"}
_SWITCHES = {"XCBR", "XSWI", "CSWI"}


class Unit(Struct, frozen=True):
    """A unit of the device: SI code, power of ten, and the value of one count."""

    code: int = 0
    exponent: int = 0
    pulse: float = 1.0

    @property
    def text(self) -> str:
        if not self.code:
            return ""
        prefix = PREFIXES.get(self.exponent, f"e{self.exponent} ")
        return prefix + SI_UNITS.get(self.code, f"unit {self.code}")


@cache
def _canonical() -> Mapping[str, Measurement]:
    return {m.iec61850: m for m in measurements().values() if m.iec61850}


def node_class(node: str) -> str:
    """`MMXU` of `FeederMMXU12`; empty when the name has none."""
    found = _CLASS.search(node)
    return found[1] if found else ""


def measurement(node: str, path: tuple[str, ...]) -> Measurement | None:
    """The canonical measurement of an attribute, by the longest object path that has one."""
    cls = node_class(node)
    if cls in _SWITCHES and path[0] in {"Pos", "Loc", "OpCnt"}:
        cls = "XCBR"
    for depth in range(len(path), 0, -1):
        found = _canonical().get(".".join((cls, *path[:depth])))
        if found is not None:
            return found if path[depth:] in _VALUES else None
    return None


_VALUES = {
    ("mag", "f"),
    ("cVal", "mag", "f"),
    ("instMag", "f"),
    ("actVal",),
    ("stVal",),
    ("valWTr", "posVal"),
    (),
}


def spec(
    domain: str, node: str, path: tuple[str, ...], fc: str, kind: Type, unit: Unit, writable: bool
) -> PointSpec:
    """The point that an attribute would make."""
    known = measurement(node, path) if fc in {"ST", "MX", "DC"} else None
    address = f"{domain}/{node}.{'.'.join(path)}[{fc}]"
    value_kind = _kind(node, path, kind)
    text, scale = ("°", 1.0) if "ang" in path else (unit.text, unit.pulse)
    if known is not None and known.unit and value_kind is not Kind.TEXT:
        text, scale = known.unit, unit.pulse * _to(known.unit, unit)
    return PointSpec(
        name=f"{domain}/{node}.{'.'.join(path)}"[:120],
        address=address,
        type=kind.name,
        kind=value_kind,
        measurement=known.name if known else "",
        unit=text,
        scale=scale,
        states=_POSITIONS if value_kind is Kind.DOUBLE else {},
        writable=writable,
        is_switch=writable and node_class(node) in _SWITCHES and path[0] == "Pos",
    )


def _to(unit: str, device: Unit) -> float:
    """Factor from the device's unit to a canonical one; a device that names none uses plain SI."""
    return float(10.0 ** (device.exponent - (3 if unit.startswith("k") else 0)))


def _kind(node: str, path: tuple[str, ...], kind: Type) -> Kind:
    if kind.kind in _TEXTS:
        return Kind.TEXT
    if kind.kind == data.BOOLEAN:
        return Kind.BINARY
    if kind.kind == data.BIT_STRING and abs(kind.size) == 2 and path[-1] == "stVal":
        return Kind.DOUBLE
    if path[-1] == "actVal" or path[0] == "OpCnt":
        return Kind.COUNTER
    return Kind.ANALOG
