"""One device as it is now."""

import datetime as dt
from uuid import UUID

import msgspec
from sqlalchemy import func, select

from hub import AlarmStatus, Ctx

from .alarm_models import AlarmRow
from .models import DataPoint, Device, State
from .readings import Readings, Which
from .station_views import Window, readings_of


class DeviceStatus(msgspec.Struct, kw_only=True):
    """silent_s: seconds since it was last known to answer; None while it answers."""

    device_id: UUID
    status: State
    reason: str | None
    status_at: dt.datetime | None
    last_seen_at: dt.datetime | None
    silent_s: float | None
    maintenance_until: dt.datetime | None
    points: int
    alarms: int


async def device_status(ctx: Ctx, row: Device) -> DeviceStatus:
    """Return whether a device answers, since when, and what is wrong with it."""
    points = await ctx.db.scalar(
        select(func.count()).where(DataPoint.device_id == row.id, DataPoint.is_active)
    )
    alarms = await ctx.db.scalar(
        select(func.count()).where(
            AlarmRow.device_id == row.id, AlarmRow.status != AlarmStatus.CLOSED
        )
    )
    gone = row.status is State.OFFLINE and row.last_seen_at is not None
    silent = (ctx.clock() - row.last_seen_at).total_seconds() if gone and row.last_seen_at else None
    return DeviceStatus(
        device_id=row.id,
        status=row.status,
        reason=row.status_reason,
        status_at=row.status_at,
        last_seen_at=row.last_seen_at,
        silent_s=silent,
        maintenance_until=row.maintenance_until,
        points=points or 0,
        alarms=alarms or 0,
    )


async def device_readings(ctx: Ctx, row: Device, params: Window) -> Readings:
    """Return the last values of all points of a device, or their history."""
    ctx.require("scada.readings.read")
    return await readings_of(ctx, Which(device_id=row.id), params)
