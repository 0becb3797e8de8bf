"""What is measured, under one name each: the words that profiles, reports and rules share.

A name says quantity, direction and phase: `voltage.l1`, `energy.active.import.total`. Each maps to
a data object of IEC 61850-7-4 (`MMXU.PhV.phsA`) and to the words of a CIM ReadingType
(IEC 61968-9); where a standard has no word for it, that side is empty.

Power is positive when it is drawn from the network and `import` counts it; a device that generates
(capability `generation` of its profile) shows what it delivers as positive, and `export` counts it.
"""

from collections.abc import Iterator
from functools import cache

from msgspec import Struct

from .points import Kind


class ReadingType(Struct, frozen=True, kw_only=True):
    """IEC 61968-9 words: accumulationBehavior, flowDirection, measurementKind, phases, unit."""

    measurement: str
    unit: str
    phases: str = "none"
    flow: str = "none"
    accumulation: str = "indicating"


class Measurement(Struct, frozen=True, kw_only=True):
    """unit: of the engineering value, always; a profile's scale brings the raw value there."""

    name: str
    unit: str
    kind: Kind = Kind.ANALOG
    iec61850: str = ""
    cim: ReadingType | None = None


_PHASES = {"l1": "A", "l2": "B", "l3": "C"}
_BETWEEN = {"l12": "AB", "l23": "BC", "l31": "CA"}
_POWERS = {"active": ("W", "W"), "reactive": ("var", "VAr"), "apparent": ("VA", "VA")}
_ENERGIES = {"active": ("kWh", "Wh"), "reactive": ("kvarh", "VArh"), "apparent": ("kVAh", "VAh")}
# `sum` adds both directions; `net` is forward less reverse, which MMTR.Tot… counts.
_FLOWS = {
    "import": ("forward", "Dmd"),
    "export": ("reverse", "Sup"),
    "net": ("net", "Tot"),
    "sum": ("total", ""),
}
TARIFFS = ("t1", "t2", "t3", "t4")


def _gauge(name: str, unit: str, iec: str, kind: str, phases: str = "none") -> Measurement:
    cim = ReadingType(measurement=kind, unit=unit or "none", phases=phases)
    return Measurement(name=name, unit=unit, iec61850=iec, cim=cim)


def _voltages_and_currents() -> Iterator[Measurement]:
    for phase, letter in _PHASES.items():
        yield _gauge(f"voltage.{phase}", "V", f"MMXU.PhV.phs{letter}", "voltage", f"{letter}N")
        yield _gauge(f"current.{phase}", "A", f"MMXU.A.phs{letter}", "current", letter)
        for what, unit, iec in (("voltage", "%", "ThdPhV"), ("current", "%", "ThdA")):
            word = f"total harmonic distortion {what}"
            yield _gauge(f"thd.{what}.{phase}", unit, f"MHAI.{iec}.phs{letter}", word, letter)
    for pair, letters in _BETWEEN.items():
        yield _gauge(f"voltage.{pair}", "V", f"MMXU.PPV.phs{letters}", "voltage", letters)
    yield _gauge("voltage.avg", "V", "MMXU.AvPhVPhs", "voltage", "ABCN")
    yield _gauge("voltage.ll.avg", "V", "MMXU.AvPPVPhs", "voltage", "ABC")
    yield _gauge("current.avg", "A", "MMXU.AvAPhs", "current", "ABC")
    yield _gauge("current.n", "A", "MMXU.A.neut", "current", "N")
    yield _gauge("current.total", "A", "", "current", "ABC")
    yield _gauge("thd.voltage.avg", "%", "", "total harmonic distortion voltage", "ABC")
    yield _gauge("frequency", "Hz", "MMXU.Hz", "frequency")


def _powers() -> Iterator[Measurement]:
    for sort, (unit, iec) in _POWERS.items():
        yield _gauge(f"power.{sort}.total", unit, f"MMXU.Tot{iec}", "power", "ABC")
        for phase, letter in _PHASES.items():
            yield _gauge(f"power.{sort}.{phase}", unit, f"MMXU.{iec}.phs{letter}", "power", letter)
    yield _gauge("power_factor.total", "", "MMXU.TotPF", "power factor", "ABC")
    for phase, letter in _PHASES.items():
        yield _gauge(f"power_factor.{phase}", "", f"MMXU.PF.phs{letter}", "power factor", letter)


def _energy(name: str, unit: str, iec: str, flow: str, phases: str) -> Measurement:
    cim = ReadingType(
        measurement="energy", unit=unit, phases=phases, flow=flow, accumulation="cumulative"
    )
    kind = Kind.ANALOG if flow == "net" else Kind.COUNTER
    return Measurement(name=name, unit=unit, kind=kind, iec61850=iec, cim=cim)


def _energies() -> Iterator[Measurement]:
    for sort, (unit, suffix) in _ENERGIES.items():
        for way, (flow, prefix) in _FLOWS.items():
            name = f"energy.{sort}.{way}"
            iec = f".{prefix}{suffix}" if prefix and (sort != "apparent" or way == "net") else ""
            yield _energy(f"{name}.total", unit, f"MMTR{iec}" if iec else "", flow, "ABC")
            for phase, letter in _PHASES.items():
                yield _energy(f"{name}.{phase}", unit, f"MMTN{iec}" if iec else "", flow, letter)
            for tariff in TARIFFS:
                yield _energy(f"{name}.{tariff}", unit, "", flow, "ABC")


def _generation() -> Iterator[Measurement]:
    yield _gauge("voltage.dc", "V", "MMDC.Vol", "voltage")
    yield _gauge("current.dc", "A", "MMDC.Amp", "current")
    yield _gauge("power.dc.total", "W", "MMDC.Watt", "power")
    for string in range(1, 5):
        yield _gauge(f"power.dc.pv{string}", "W", "MMDC.Watt", "power")
    yield _gauge("power.battery", "W", "", "power")
    yield _gauge("battery.soc", "%", "", "percentage")
    yield _gauge("battery.voltage", "V", "ZBAT.Vol", "voltage")
    for name in ("energy.pv.total", "energy.battery.charge", "energy.battery.discharge"):
        yield _energy(name, "kWh", "", "none", "none")
    for place in ("ambient", "cabinet", "heatsink", "transformer", "oil", "other"):
        yield _gauge(f"temperature.{place}", "°C", "STMP.Tmp", "temperature")
    yield Measurement(name="inverter.state", unit="")


def _plant() -> Iterator[Measurement]:
    yield Measurement(name="switch.position", unit="", kind=Kind.BINARY, iec61850="XCBR.Pos")
    yield Measurement(name="switch.local", unit="", kind=Kind.BINARY, iec61850="XCBR.Loc")
    yield Measurement(name="switch.trips", unit="", kind=Kind.COUNTER, iec61850="XCBR.OpCnt")
    yield Measurement(name="relay.state", unit="", kind=Kind.BINARY)
    yield Measurement(name="transformer.tap", unit="", iec61850="ATCC.TapPos")
    yield Measurement(name="credit.remaining", unit="kWh")
    yield Measurement(name="device.state", unit="")
    yield Measurement(name="device.events", unit="")
    for word, iec in (
        ("manufacturer", "LPHD.PhyNam.vendor"),
        ("model", "LPHD.PhyNam.model"),
        ("firmware", "LPHD.PhyNam.swRev"),
        ("serial", "LPHD.PhyNam.serNum"),
    ):
        yield Measurement(name=f"device.{word}", unit="", kind=Kind.TEXT, iec61850=iec)


@cache
def measurements() -> dict[str, Measurement]:
    """Every canonical name, in the order in which a person would list them."""
    groups = (_voltages_and_currents, _powers, _energies, _generation, _plant)
    return {each.name: each for group in groups for each in group()}
