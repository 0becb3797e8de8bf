"""What a meter shows, worked out from the few quantities that are independent."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

Three = tuple[float, float, float]
ZERO: Three = (0.0, 0.0, 0.0)


@dataclass
class Energies:
    """Registers by phase: kWh drawn and fed in, kvarh likewise."""

    imported: Sequence[float] = ZERO
    exported: Sequence[float] = ZERO
    reactive_imported: Sequence[float] = ZERO
    reactive_exported: Sequence[float] = ZERO


@dataclass
class Meter:
    """State at one moment: V to neutral, W and var drawn (negative: fed in), by phase."""

    voltage: Sequence[float] = ZERO
    active: Sequence[float] = ZERO
    reactive: Sequence[float] = ZERO
    frequency: float = 50.0
    energies: Energies = field(default_factory=Energies)

    def values(self) -> dict[str, float]:
        """Every canonical measurement that follows from the state."""
        shown = self._phases()
        p, q = sum(self.active), sum(self.reactive)
        s = math.hypot(p, q)
        phases = ("l1", "l2", "l3")
        currents = [shown[f"current.{phase}"] for phase in phases]
        live = [v for v in self.voltage if v] or [0.0]
        shown |= {
            "power.active.total": p,
            "power.reactive.total": q,
            "power.apparent.total": s,
            "power_factor.total": p / s if s else 1.0,
            "voltage.avg": sum(live) / len(live),
            "current.avg": sum(currents) / len(live),
            "current.total": sum(currents),
            "current.n": _neutral(currents),
            "frequency": self.frequency,
        }
        pairs = (("l12", 0, 1), ("l23", 1, 2), ("l31", 2, 0))
        between = {f"voltage.{n}": _line(self.voltage[a], self.voltage[b]) for n, a, b in pairs}
        return shown | between | {"voltage.ll.avg": sum(between.values()) / 3} | self._energies()

    def _phases(self) -> dict[str, float]:
        shown: dict[str, float] = {}
        rows = zip(("l1", "l2", "l3"), self.voltage, self.active, self.reactive, strict=True)
        for phase, v, p, q in rows:
            s = math.hypot(p, q)
            shown |= {
                f"voltage.{phase}": v,
                f"current.{phase}": s / v if v else 0.0,
                f"power.active.{phase}": p,
                f"power.reactive.{phase}": q,
                f"power.apparent.{phase}": s,
                f"power_factor.{phase}": p / s if s else 1.0,
            }
        return shown

    def _energies(self) -> dict[str, float]:
        e = self.energies
        shown: dict[str, float] = {}
        for sort, taken, given in (
            ("active", e.imported, e.exported),
            ("reactive", e.reactive_imported, e.reactive_exported),
        ):
            for place, a, b in (
                ("total", sum(taken), sum(given)),
                ("t1", sum(taken), sum(given)),
                *zip(("l1", "l2", "l3"), taken, given, strict=True),
            ):
                shown |= {
                    f"energy.{sort}.import.{place}": a,
                    f"energy.{sort}.export.{place}": b,
                    f"energy.{sort}.sum.{place}": a + b,
                    f"energy.{sort}.net.{place}": a - b,
                }
        return shown


def generating(values: dict[str, float]) -> dict[str, float]:
    """The same as an inverter shows it: power is positive when it is fed in, with its DC side."""
    out = dict(values)
    for name, value in values.items():
        if name.startswith(("power.active.", "power.reactive.")):
            out[name] = -value
        elif name.startswith("power_factor."):
            out[name] = abs(value)
    ac = max(out["power.active.total"], 0.0)
    dc = ac / 0.97
    volts = 620.0 if values["voltage.avg"] else 0.0
    out |= {
        "power.dc.total": dc,
        "power.dc.pv1": dc / 2,
        "power.dc.pv2": dc / 2,
        "voltage.dc": volts,
        "current.dc": dc / volts if volts else 0.0,
        "energy.pv.total": values["energy.active.export.total"] / 0.97,
        "temperature.cabinet": 25.0 + ac / 2000.0,
        "inverter.state": 4.0 if ac > 0 else 2.0,  # SunSpec St: MPPT, SLEEPING
    }
    return out


def _line(a: float, b: float) -> float:
    """Magnitude of the difference of two phasors 120° apart."""
    return math.sqrt(a * a + b * b + a * b)


def _neutral(currents: Sequence[float]) -> float:
    a, b, c = currents
    return math.sqrt(max(a * a + b * b + c * c - a * b - b * c - c * a, 0.0))
