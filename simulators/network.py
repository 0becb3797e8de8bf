"""A small distribution network that behaves: loads by the hour, PV by the sun, losses, sag.

Two substations feed three 11 kV feeders each; every feeder has a breaker, a feeder meter and six
customers behind 11/0.4 kV transformers. At every moment a feeder draws what its meters draw plus
the losses, and a substation what its feeders draw plus its own, in power and in energy.
"""

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from simulators.electrical import Energies, Meter, generating

Floats = NDArray[np.float64]
DAY: Final = 86_400.0
MV: Final = 11_000 / math.sqrt(3)
LV: Final = 230.0
_HOURS: Final = np.arange(25.0)
# Share of the peak by the hour of the day, 0 to 24.
_SHAPES: Final[dict[str, Floats]] = {
    "home": np.array([.35, .30, .28, .27, .28, .35, .50, .62, .55, .45, .42, .45, .52, .50, .45,
                      .46, .55, .72, .92, 1.0, .95, .80, .62, .45, .35]),
    "shop": np.array([.18, .17, .17, .17, .18, .22, .35, .60, .85, .95, 1.0, 1.0, .95, .95, 1.0,
                      1.0, .95, .85, .75, .70, .60, .40, .25, .20, .18]),
    "works": np.array([.55, .55, .55, .55, .58, .65, .85, .98, 1.0, 1.0, .98, .90, .92, 1.0, 1.0,
                       .98, .90, .78, .70, .66, .62, .60, .58, .56, .55]),
    "lights": np.array([1., 1., 1., 1., 1., .9, .3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, .2, .9, 1., 1.,
                        1., 1., 1., 1.]),
}  # fmt: skip


@dataclass(frozen=True)
class Customer:
    """peak: W (at noon for `pv`, which feeds in). phases: 1 or 3."""

    name: str
    profile: str
    shape: str
    peak: float
    phases: int = 3
    power_factor: float = 0.95


@dataclass
class Device:
    """One meter at work: where it hangs, and the state that it shows."""

    name: str
    profile: str
    generates: bool = False
    meter: Meter = field(default_factory=Meter)
    _energy: Floats = field(default_factory=lambda: np.zeros((4, 3)))

    @property
    def registers(self) -> list[list[float]]:
        """kWh in, kWh out, kvarh in, kvarh out, each by phase."""
        found: list[list[float]] = self._energy.tolist()
        return found

    def resume(self, registers: list[list[float]]) -> None:
        self._energy[:] = registers

    def begin(self, imported: float) -> None:
        """Start from a register that has run for some years: kWh in all three phases together."""
        self._energy[0] = imported / 3

    def run(self, voltage: Floats, active: Floats, reactive: Floats, hertz: float) -> None:
        self.meter = Meter(
            tuple(voltage), tuple(active), tuple(reactive), hertz, Energies(*self._energy)
        )

    def count(self, active: Floats, reactive: Floats, seconds: float) -> None:
        """Add what flowed for that long."""
        hours = seconds / 3_600_000.0
        flows = (active, -active, reactive, -reactive)
        self._energy += np.array([np.maximum(flow, 0.0) * hours for flow in flows])

    def values(self) -> dict[str, float]:
        shown = self.meter.values()
        return generating(shown) if self.generates else shown


@dataclass
class Feeder:
    """An 11 kV feeder: breaker, meter, customers. rating: VA of its transformers together."""

    name: str
    head: Device
    breaker: str
    customers: list[tuple[Customer, Device]]
    rating: float
    closed: bool = True
    local: bool = False
    trips: int = 0

    def operate(self, closed: bool) -> None:
        self.trips += self.closed and not closed
        self.closed = closed


@dataclass
class Substation:
    name: str
    incomer: Device
    feeders: list[Feeder]
    rating: float


_METERS: Final = (
    ("eastron/sdm630", "home", 9_000.0, 3),
    ("eastron/sdm120", "home", 5_500.0, 1),
    ("abb/b23", "shop", 34_000.0, 3),
    ("carlo_gavazzi/em24", "shop", 22_000.0, 3),
    ("siemens/pac2200", "works", 140_000.0, 3),
    ("orno/we516", "home", 11_000.0, 3),
    ("sunspec/model_103", "pv", 30_000.0, 3),
    ("schneider/iem3000", "works", 90_000.0, 3),
    ("acrel/adw300", "shop", 28_000.0, 3),
    ("eastron/sdm230", "lights", 4_000.0, 1),
    ("sunspec/model_113", "pv", 50_000.0, 3),
    ("socomec/diris_b30", "works", 110_000.0, 3),
    ("bg_etech/ds100", "home", 8_000.0, 3),
    ("busbar/simulated_meter", "home", 7_000.0, 3),
    ("eastron/sdm72d_m_v2", "home", 10_000.0, 3),
    ("finder/7m_24", "home", 4_500.0, 1),
    ("siemens/7kt1665", "shop", 18_000.0, 3),
    ("generic/modbus_meter", "works", 75_000.0, 3),
)
_HEADS: Final = ("schneider/pm5000", "janitza/umg96rm_e", "siemens/pac3200")


class State(Struct, forbid_unknown_fields=True):
    """What meters and breakers remember: registers by meter, (closed, trips) by feeder."""

    registers: dict[str, list[list[float]]]
    breakers: dict[str, tuple[bool, int]]


class Network:
    """The whole of it, at one moment. seed: the same seed gives the same network and the same day.

    start: second of the day (UTC) at which it begins.
    """

    def __init__(self, seed: int = 1, start: float = 0.0) -> None:
        self.seed, self.start, self.now = seed, start, 0.0
        rng = np.random.default_rng(seed)
        self.substations = [_substation(f"SS{number}", number, rng) for number in range(1, 3)]
        self.feeders = [feeder for each in self.substations for feeder in each.feeders]
        count = sum(len(feeder.customers) for feeder in self.feeders)
        self._noise = _Noise(seed, count)
        self._flows: dict[str, tuple[Floats, Floats]] = {}
        self.step(0.0)

    @property
    def devices(self) -> list[Device]:
        """Every meter, incomers first."""
        found: list[Device] = []
        for substation in self.substations:
            found.append(substation.incomer)
            for feeder in substation.feeders:
                found += [feeder.head, *(device for _, device in feeder.customers)]
        return found

    def state(self) -> State:
        """What has to be kept for the meters to go on counting."""
        return State(
            {device.name: device.registers for device in self.devices},
            {feeder.name: (feeder.closed, feeder.trips) for feeder in self.feeders},
        )

    def resume(self, state: State) -> None:
        """Go on from registers and breakers that were kept; meters that it does not name stay."""
        for device in self.devices:
            if device.name in state.registers:
                device.resume(state.registers[device.name])
        for feeder in self.feeders:
            if feeder.name in state.breakers:
                feeder.closed, feeder.trips = state.breakers[feeder.name]

    def step(self, now: float) -> None:
        """Go to `now` seconds after the beginning: what flowed until now is counted."""
        passed = now - self.now
        if passed < 0:
            raise ValueError("a network does not run backwards")
        for device in self.devices:
            if device.name in self._flows:
                device.count(*self._flows[device.name], passed)
        self.now = now
        noise = self._noise.at(now)
        hertz = 50.0 + 0.02 * math.sin(now / 47.0) + 0.01 * float(noise[0])
        first = 0
        for substation in self.substations:
            shares = noise[first : first + sum(len(f.customers) for f in substation.feeders)]
            self._substation(substation, shares, hertz)
            first += len(shares)

    def _substation(self, substation: Substation, noise: Floats, hertz: float) -> None:
        active, reactive = np.zeros(3), np.zeros(3)
        # Impedance of the grid and of the 33/11 kV transformer: the busbar sags with the load
        # that was drawn a step ago.
        before = self._flows.get(substation.incomer.name, (np.zeros(3), np.zeros(3)))
        bus = 1.01 - _drop(before, substation.rating, 0.01, 0.08)
        first = 0
        for feeder in substation.feeders:
            share = noise[first : first + len(feeder.customers)]
            p, q = self._feeder(feeder, share, bus, hertz)
            active, reactive = active + p, reactive + q
            first += len(share)
        p, q = _losses(active, reactive, substation.rating, 0.0008, 0.005)
        self._set(substation.incomer, bus * MV, active + p, reactive + q, hertz)

    def _feeder(
        self, feeder: Feeder, noise: Floats, bus: Floats, hertz: float
    ) -> tuple[Floats, Floats]:
        if not feeder.closed:
            for _, device in feeder.customers:
                self._set(device, np.zeros(3), np.zeros(3), np.zeros(3), 0.0)
            self._set(feeder.head, bus * MV, np.zeros(3), np.zeros(3), hertz)
            return np.zeros(3), np.zeros(3)
        before = self._flows.get(feeder.head.name, (np.zeros(3), np.zeros(3)))
        low = (bus - _drop(before, feeder.rating, 0.02, 0.04)) * LV
        active, reactive = np.zeros(3), np.zeros(3)
        for index, (customer, device) in enumerate(feeder.customers):
            p, q = self._load(customer, index, float(noise[index]))
            # A single-phase meter calls its phase L1, wherever on the feeder it hangs.
            phase = 0 if customer.phases == 3 else index % 3
            volts = low if customer.phases == 3 else np.roll(low, -phase) * (np.arange(3) == 0)
            self._set(device, volts, p, q, hertz)
            active, reactive = active + np.roll(p, phase), reactive + np.roll(q, phase)
        p, q = _losses(active, reactive, feeder.rating, 0.0015, 0.012)
        self._set(feeder.head, bus * MV, active + p, reactive + q, hertz)
        return active + p, reactive + q

    def _load(self, customer: Customer, index: int, noise: float) -> tuple[Floats, Floats]:
        """W and var by phase; negative is fed in."""
        hour = ((self.start + self.now) % DAY) / 3600.0
        if customer.shape == "pv":
            sun = max(math.sin(math.pi * (hour - 6.0) / 12.0), 0.0) if 6.0 < hour < 18.0 else 0.0
            total = -customer.peak * sun * min(max(0.85 + 0.12 * noise, 0.1), 1.0)
        else:
            share = float(np.interp(hour, _HOURS, _SHAPES[customer.shape]))
            total = customer.peak * share * max(1.0 + 0.12 * noise, 0.05)
        tangent = math.tan(math.acos(customer.power_factor))
        if customer.phases == 1:
            active = np.array([total, 0.0, 0.0])
        else:
            tilt = 0.06 * math.sin(index + self.now / 900.0)
            active = total / 3 * np.array([1.0 + tilt, 1.0, 1.0 - tilt])
        return active, np.abs(active) * tangent * (customer.shape != "pv")

    def _set(
        self, device: Device, volts: Floats, active: Floats, reactive: Floats, hertz: float
    ) -> None:
        self._flows[device.name] = (active, reactive)
        device.run(volts, active, reactive, hertz)


class _Noise:
    """Gaussian noise, one column a customer, that moves smoothly and depends on time alone."""

    def __init__(self, seed: int, count: int, period: float = 60.0) -> None:
        self._seed, self._count, self._period = seed, count, period

    def _knot(self, index: int) -> Floats:
        return np.random.default_rng((self._seed, index)).standard_normal(self._count)

    def at(self, now: float) -> Floats:
        index, inside = divmod(now / self._period, 1.0)
        return self._knot(int(index)) * (1.0 - inside) + self._knot(int(index) + 1) * inside


def _losses(
    active: Floats, reactive: Floats, rating: float, iron: float, copper: float
) -> tuple[Floats, Floats]:
    """W and var lost in a transformer: `iron` of its rating always, `copper` of it at full load."""
    load = (active**2 + reactive**2) / (rating / 3) ** 2
    lost = rating / 3 * (iron + copper * load)
    return lost, 4.0 * lost


def _drop(flow: tuple[Floats, Floats], rating: float, r: float, x: float) -> Floats:
    """Voltage lost, per unit, by phase: R P + X Q on the element's own base."""
    return (r * flow[0] + x * flow[1]) / (rating / 3)


def _substation(name: str, number: int, rng: np.random.Generator) -> Substation:
    feeders = []
    for index in range(3):
        place = f"{name}-F{index + 1}"
        rows = [_METERS[(index * 6 + k) % len(_METERS)] for k in range(6)]
        customers = []
        for k, (profile, shape, peak, phases) in enumerate(rows, 1):
            size = float(peak * rng.uniform(0.75, 1.25))
            factor = 1.0 if shape == "pv" else float(rng.uniform(0.9, 0.98))
            customer = Customer(f"{place}-M{k}", profile, shape, size, phases, factor)
            device = Device(customer.name, profile, generates=shape == "pv")
            device.begin(0.0 if shape == "pv" else round(float(rng.uniform(500, 40_000)), 1))
            customers.append((customer, device))
        rating = 1.6 * sum(c.peak for c, _ in customers)
        head = Device(f"{place}-HEAD", _HEADS[(index + number) % 3])
        head.begin(float(rng.integers(200_000, 900_000)))
        feeders.append(Feeder(place, head, f"{place}-CB", customers, rating))
    incomer = Device(f"{name}-INCOMER", "schneider/pm5000")
    incomer.begin(float(rng.integers(2_000_000, 9_000_000)))
    return Substation(name, incomer, feeders, 1.5 * sum(f.rating for f in feeders))
