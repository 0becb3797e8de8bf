"""Rules over whole stations, looked at by the clock: state, load, overload, outage.

What changes by itself is written past audit and revision: nobody did it, and whoever edits the
station at that moment is not disturbed.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update

from hub import Ctx

from .events import NetworkOutage, NetworkOverload, NetworkRestored
from .models import Device, State, Station
from .station_figures import Figures, figures
from .station_rules import Watch, load_percent, outage, overload, state_of

MOST = 2_000


async def look(ctx: Ctx) -> int:
    """Bring all active stations up to date; how many there are."""
    fields = (
        Station.tenant, Station.id, Station.capacity_kw, Station.status, Station.load_kw,
        Station.overload_since, Station.is_overloaded, Station.outage_since, Station.is_out,
    )  # fmt: skip
    stmt = select(*fields).where(Station.is_active).limit(MOST)
    stations: Sequence[Any] = (await ctx.db.execute(stmt)).all()
    if not stations:
        return 0
    shown = await figures(ctx, [s.id for s in stations])
    devices = await _devices(ctx)
    for station in stations:
        known = devices.get(station.id, {})
        state = state_of(known.get(State.ONLINE, 0), sum(known.values()))
        values = _state(ctx, station, state) | _judge(ctx, station, shown[station.id])
        changed = {n: v for n, v in values.items() if v != getattr(station, n, None)}
        if changed:
            where = (Station.tenant == station.tenant, Station.id == station.id)
            write = update(Station).where(*where).values(changed)
            await ctx.db.execute(write, execution_options={"unaudited": True})
    return len(stations)


async def _devices(ctx: Ctx) -> dict[UUID, dict[State, int]]:
    """Devices of each station by their state."""
    counted = await ctx.db.execute(
        select(Device.station_id, Device.status, func.count())
        .where(Device.station_id.is_not(None), Device.is_active)
        .group_by(Device.station_id, Device.status)
    )
    found: dict[UUID, dict[State, int]] = {}
    for station, status, count in counted:
        if station is not None:
            found.setdefault(station, {})[status] = count
    return found


def _state(ctx: Ctx, station: Any, state: State) -> dict[str, Any]:
    if station.status is state:
        return {}
    return {"status": state, "status_changed_at": ctx.clock()}


def _judge(ctx: Ctx, station: Any, shown: Figures) -> dict[str, Any]:
    now, tenant = ctx.clock(), station.tenant
    percent = load_percent(shown.load, station.capacity_kw)
    heavy = overload(Watch(station.overload_since, station.is_overloaded), percent, now)
    dark = outage(Watch(station.outage_since, station.is_out), shown.volts, now)
    if heavy.on and not station.is_overloaded and percent is not None:
        ctx.emit(NetworkOverload(station_id=station.id, load_percent=percent), tenant)
    if dark.on and not station.is_out:
        ctx.emit(NetworkOutage(station_id=station.id, since=dark.since or now), tenant)
    if station.is_out and not dark.on:
        lasted = (now - (station.outage_since or now)).total_seconds()
        ctx.emit(NetworkRestored(station_id=station.id, duration_s=lasted), tenant)
    return {
        "overload_since": heavy.since,
        "is_overloaded": heavy.on,
        "outage_since": dark.since,
        "is_out": dark.on,
        "load_kw": None if shown.load is None else round(shown.load, 3),
    }
