"""What a station's figures mean. Pure."""

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from .models import State, StationRole

POWER = "power.active.total"
IMPORT, EXPORT = "energy.active.import.total", "energy.active.export.total"
VOLTAGE = "voltage."
OVERLOAD, RELIEVED = 90.0, 85.0  # % of capacity
LASTING = dt.timedelta(minutes=5)
DEAD = 1.0  # V; less is no supply


class Flow(Struct, frozen=True):
    """One power point now. watts: None when nobody can say."""

    role: StationRole | None
    watts: float | None


class Energy(Struct, frozen=True, kw_only=True):
    """kWh of a station in a period; None where no meter says.

    losses: what came in and was not delivered. loss_percent: of what came in.
    """

    purchase: float | None
    generation: float | None
    delivery: float | None
    export: float | None
    losses: float | None
    loss_percent: float | None


class Watch(Struct, frozen=True):
    """A condition that must last. since: when it began. on: it has lasted."""

    since: dt.datetime | None
    on: bool


def load_kw(flows: Iterable[Flow]) -> float | None:
    """What a station's consumers draw: what its incomers and generators bring, else what its
    feeders carry, else the sum of all that has no role."""
    by_role: dict[StationRole | None, list[float]] = {}
    for flow in flows:
        if flow.watts is not None and math.isfinite(flow.watts):
            by_role.setdefault(flow.role, []).append(flow.watts)
    for role in (StationRole.INCOMER, StationRole.FEEDER, StationRole.CUSTOMER, None):
        if role in by_role:
            own = sum(by_role.get(StationRole.GENERATION, ())) if role is not None else 0.0
            return (sum(by_role[role]) + own) / 1_000
    return None


def load_percent(load: float | None, capacity: float | None) -> float | None:
    if load is None or not capacity:
        return None
    return round(100 * load / capacity, 2)


def balance(energy: Mapping[tuple[StationRole, str], Sequence[float]]) -> Energy:
    """From what counters of each role rose by, in kWh."""

    def total(role: StationRole, name: str) -> float | None:
        found = energy.get((role, name))
        return sum(found) if found else None

    purchase, export = total(StationRole.INCOMER, IMPORT), total(StationRole.INCOMER, EXPORT)
    generation = total(StationRole.GENERATION, EXPORT)
    delivery = total(StationRole.CUSTOMER, IMPORT)
    if delivery is None:
        delivery = total(StationRole.FEEDER, IMPORT)
    brought = (purchase or 0.0) + (generation or 0.0)
    losses = None
    if purchase is not None and delivery is not None:
        losses = brought - (export or 0.0) - delivery
    percent = round(100 * losses / brought, 3) if losses is not None and brought else None
    return Energy(
        purchase=purchase,
        generation=generation,
        delivery=delivery,
        export=export,
        losses=losses,
        loss_percent=percent,
    )


def state_of(online: int, total: int) -> State:
    """A station by its devices."""
    if total == 0:
        return State.UNKNOWN
    if online == total:
        return State.ONLINE
    return State.DEGRADED if online else State.OFFLINE


def overload(known: Watch, percent: float | None, now: dt.datetime) -> Watch:
    """Above 90 % for 5 minutes; over again below 85 %. Without a figure nothing changes."""
    if percent is None:
        return known
    if known.on:
        return known if percent >= RELIEVED else Watch(None, on=False)
    return _lasting(known, percent > OVERLOAD, now)


def outage(known: Watch, volts: Sequence[float | None], now: dt.datetime) -> Watch:
    """No supply voltage anywhere for 5 minutes; over at the first voltage."""
    dead = bool(volts) and all(v is None or abs(v) < DEAD for v in volts)
    if known.on:
        return known if dead or not volts else Watch(None, on=False)
    return _lasting(known, dead, now)


def _lasting(known: Watch, there: bool, now: dt.datetime) -> Watch:
    if not there:
        return Watch(None, on=False)
    since = known.since or now
    return Watch(since, on=now - since >= LASTING)
