"""Stations as they are now, and what flowed through them."""

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta
from sqlalchemy import func, select

from hub import STORE, Aggregate, AlarmStatus, BadRequest, Ctx, Resource, query

from .alarm_models import AlarmRow
from .alarms import GRAVEST, alarms
from .models import DataPoint, Device, State, Station, StationRole
from .readings import HistoryParams, Readings, Which, history, live
from .station_figures import figures
from .station_rules import EXPORT, IMPORT, Energy, balance, load_percent, state_of

MOST_ALARMS, MOST_STATIONS = 200, 500
Instant = Annotated[dt.datetime, Meta(tz=True)]

stations = Resource(
    name="stations",
    model=Station,
    filters=(
        "code", "station_type", "region", "status", "is_active", "priority", "is_overloaded",
        "is_out",
    ),
    sort=("code", "name", "priority", "created_at", "load_kw"),
    search=("code", "name", "name_ar", "name_en"),
)  # fmt: skip


class Status(msgspec.Struct, kw_only=True):
    """load_kw: of now; None when no fresh value says. energy: of today, in kWh."""

    station_id: UUID
    status: State
    load_kw: float | None
    load_percent: float | None
    is_overloaded: bool
    is_out: bool
    devices: int
    devices_online: int
    alarms: dict[str, int]
    gravest: str | None
    energy: Energy


class Window(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Without `from` the last values."""

    start: Instant | None = msgspec.field(name="from", default=None)
    end: Instant | None = msgspec.field(name="to", default=None)
    limit: Annotated[int, Meta(ge=1, le=1000)] = 1000
    cursor: str = ""


class Alarms(msgspec.Struct):
    items: list[Any]


class EnergyParams(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """[from, to); the last day when absent."""

    start: Instant | None = msgspec.field(name="from", default=None)
    end: Instant | None = msgspec.field(name="to", default=None)
    station_id: UUID | None = None


class StationEnergy(msgspec.Struct, kw_only=True):
    station_id: UUID
    code: str
    energy: Energy


class EnergyReport(msgspec.Struct, kw_only=True):
    start: dt.datetime
    end: dt.datetime
    items: list[StationEnergy]


@stations.action("status", method="GET", verb="read")
async def station_status(ctx: Ctx, row: Station) -> Status:
    """Return how a station is: its load, its devices, its alarms, today's energy."""
    now = ctx.clock()
    counted = await ctx.db.execute(
        select(Device.status, func.count())
        .where(Device.station_id == row.id, Device.is_active)
        .group_by(Device.status)
    )
    devices: dict[str, int] = {str(s): int(n) for s, n in counted}
    total, online = sum(devices.values()), devices.get(State.ONLINE, 0)
    open_ = (AlarmRow.station_id == row.id, AlarmRow.status != AlarmStatus.CLOSED)
    grouped = await ctx.db.execute(
        select(AlarmRow.severity, func.count()).where(*open_).group_by(AlarmRow.severity)
    )
    gravest = await ctx.db.scalar(
        select(AlarmRow.severity).where(*open_).order_by(GRAVEST).limit(1)
    )
    shown = (await figures(ctx, [row.id]))[row.id]
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    energy = await _energy(ctx, [row.id], midnight, now)
    return Status(
        station_id=row.id,
        status=state_of(online, total),
        load_kw=shown.load,
        load_percent=load_percent(shown.load, row.capacity_kw),
        is_overloaded=row.is_overloaded,
        is_out=row.is_out,
        devices=total,
        devices_online=online,
        alarms={str(s): int(n) for s, n in grouped},
        gravest=gravest,
        energy=energy[row.id],
    )


@stations.action("readings", method="GET", verb="read")
async def station_readings(ctx: Ctx, row: Station, params: Window) -> Readings:
    """Return the last values of all points of a station, or their history."""
    ctx.require("scada.readings.read")
    return await readings_of(ctx, Which(station_id=row.id), params)


@stations.action("alarms", method="GET", verb="read")
async def station_alarms(ctx: Ctx, row: Station) -> Alarms:
    """Return the alarms of a station that are not closed, gravest first."""
    ctx.require("scada.alarms.read")
    fields = [getattr(AlarmRow, n) for n in alarms.read_fields]
    stmt = select(*fields).where(
        AlarmRow.station_id == row.id, AlarmRow.status != AlarmStatus.CLOSED
    )
    rows = await ctx.db.execute(
        stmt.order_by(GRAVEST, AlarmRow.raised_at.desc()).limit(MOST_ALARMS)
    )
    return Alarms([alarms.read(*r) for r in rows])


async def readings_of(ctx: Ctx, which: Which, params: Window) -> Readings:
    """Last values without a period, else history."""
    found: Readings
    if params.start is None:
        found = await live.handler(ctx, params=which)
        return found
    wanted = HistoryParams(
        station_id=which.station_id, device_id=which.device_id, start=params.start,
        end=params.end, limit=params.limit, cursor=params.cursor,
    )  # fmt: skip
    found = await history.handler(ctx, params=wanted)
    return found


@query("energy", permission="scada.readings.read")
async def energy_report(ctx: Ctx, params: EnergyParams) -> EnergyReport:
    """Return what stations bought, generated, delivered and lost in a period."""
    end = params.end or ctx.clock()
    start = params.start or end - dt.timedelta(days=1)
    if end < start:
        raise BadRequest("the period ends before it begins", field="to")
    stmt = select(Station.id, Station.code).where(Station.is_active).order_by(Station.code)
    if params.station_id:
        stmt = stmt.where(Station.id == params.station_id)
    rows = (await ctx.db.execute(stmt.limit(MOST_STATIONS))).all()
    found = await _energy(ctx, [ident for ident, _ in rows], start, end)
    return EnergyReport(
        start=start,
        end=end,
        items=[StationEnergy(station_id=i, code=code, energy=found[i]) for i, code in rows],
    )


async def _energy(
    ctx: Ctx, stations: list[UUID], start: dt.datetime, end: dt.datetime
) -> dict[UUID, Energy]:
    """What the counters of each station rose by."""
    rows = await ctx.db.execute(
        select(DataPoint.series, Device.station_id, Device.station_role, DataPoint.measurement)
        .join(Device, Device.id == DataPoint.device_id)
        .where(
            Device.station_id.in_(stations),
            Device.station_role.is_not(None),
            DataPoint.measurement.in_((IMPORT, EXPORT)),
            DataPoint.is_active,
        )
    )
    place: dict[int, tuple[Any, Any, Any]] = {row[0]: (row[1], row[2], row[3]) for row in rows}
    risen: dict[UUID, dict[tuple[StationRole, str], list[float]]] = {s: {} for s in stations}
    if place and end > start:
        buckets = await ctx.get(STORE).aggregate(
            list(place), start, end, bucket="15m", fn=Aggregate.DELTA
        )
        for bucket in buckets:
            if bucket.value is not None:
                station, role, name = place[bucket.series]
                risen[station].setdefault((role, name), []).append(bucket.value)
    return {station: balance(found) for station, found in risen.items()}
