"""Work on a device or a station: its alarms are recorded and trouble nobody meanwhile."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta
from sqlalchemy import select

from hub import ORDERS, Ctx, Mask, MaskAlarms

from .alarm_state import micros
from .alarms import person
from .models import Device, Station


class Work(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """minutes: at most a month; 0 ends it. note: what is done there."""

    minutes: Annotated[int, Meta(ge=0, le=43_200)]
    note: Annotated[str, Meta(min_length=5, max_length=1_000)]


async def device_maintenance(ctx: Ctx, row: Device, body: Work) -> Device:
    """Begin or end work on a device: its alarms are suppressed until a time."""
    await _suppress(ctx, [row], body)
    return row


async def station_maintenance(ctx: Ctx, row: Station, body: Work) -> Station:
    """Begin or end work on a whole station."""
    devices = (await ctx.db.scalars(select(Device).where(Device.station_id == row.id))).all()
    await _suppress(ctx, devices, body)
    return row


async def _suppress(ctx: Ctx, devices: Sequence[Device], body: Work) -> None:
    until = ctx.clock() + dt.timedelta(minutes=body.minutes)
    for device in devices:
        device.maintenance_until = until if body.minutes else None
        if device.gateway_id is None or device.source_name is None:
            continue
        mask = Mask(
            device=device.source_name,
            until=micros(until),
            by=person(ctx),
            note=body.note,
            suppressed=True,
        )
        await ctx.get(ORDERS).give(ctx, device.gateway_id, MaskAlarms(mask=mask))
