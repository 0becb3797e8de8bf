"""Gateways that are gone: the centre says what it cannot know any more, and since when."""

import datetime as dt
from uuid import UUID

from msgspec import structs
from sqlalchemy import func, select, update

from hub import Alarm, AlarmStep, Ctx, Happened, Severity, subscribe, uuid7

from .alarm_models import AlarmEntry, AlarmRow, Source
from .alarm_state import alarm_of, columns, entry, events_of, instant, micros
from .follow import notify
from .models import Device
from .told import TOPIC

KIND = "gateway_lost"
AFTER = dt.timedelta(seconds=120)


@subscribe("gateway.connected", "gateway.disconnected", name="scada.gateways")
async def gateway_moved(ctx: Ctx, event: Happened) -> None:
    """Note since when a gateway's devices cannot be heard; its return ends the alarm."""
    gateway = UUID(str(event.data["gateway_id"]))
    lost = event.at if event.type == "gateway.disconnected" else None
    stmt = update(Device).where(Device.gateway_id == gateway).values(gateway_lost_at=lost)
    await ctx.db.execute(stmt, execution_options={"unaudited": True})
    if lost is None:
        await _return(ctx, gateway)


async def look_for_gateways(ctx: Ctx) -> int:
    """Raise an alarm for each gateway that is gone for two minutes; how many were raised."""
    limit = ctx.clock() - AFTER
    gone = (
        await ctx.db.execute(
            select(Device.tenant, Device.gateway_id, func.min(Device.gateway_lost_at), func.count())
            .where(Device.gateway_lost_at <= limit, Device.gateway_id.is_not(None))
            .group_by(Device.tenant, Device.gateway_id)
        )
    ).all()
    raised = 0
    for tenant, gateway, since, count in gone:
        if gateway is not None and await _open(ctx, tenant, gateway) is None:
            await _raise(ctx, tenant, gateway, since or limit, count)
            raised += 1
    return raised


async def _open(ctx: Ctx, tenant: UUID, gateway: UUID) -> AlarmRow | None:
    stmt = select(AlarmRow).where(
        AlarmRow.tenant == tenant,
        AlarmRow.external_ref == str(gateway),
        AlarmRow.alarm_type == KIND,
        AlarmRow.is_on,
    )
    found: AlarmRow | None = await ctx.db.scalar(stmt.with_for_update())
    return found


async def _raise(ctx: Ctx, tenant: UUID, gateway: UUID, since: dt.datetime, devices: int) -> None:
    ident = uuid7()
    alarm = Alarm(
        id=str(ident),
        device="",
        point="",
        kind=KIND,
        severity=Severity.CRITICAL,
        message=f"a gateway with {devices} devices is not connected",
        raised_at=micros(since),
    )
    row = AlarmRow(
        id=ident, tenant=tenant, alarm_ref=alarm.id, source=Source.CENTRE,
        external_ref=str(gateway), **columns(alarm),
    )  # fmt: skip
    ctx.db.add(row)
    await ctx.db.flush()
    await tell(ctx, row, None, alarm, AlarmStep.RAISED)


async def _return(ctx: Ctx, gateway: UUID) -> None:
    row = await _open(ctx, ctx.actor.tenant, gateway)
    if row is None:
        return
    before = alarm_of(row.state)
    after = structs.replace(before, on=False, cleared_at=micros(ctx.clock()))
    after = structs.replace(after, version=before.version + 1)
    for name, value in columns(after).items():
        setattr(row, name, value)
    await tell(ctx, row, before, after, AlarmStep.CLEARED)


async def tell(
    ctx: Ctx, row: AlarmRow, before: Alarm | None, after: Alarm, step: AlarmStep
) -> None:
    """Write a step that the centre learned by itself into the journal, and tell of it."""
    at, by, note = entry(after, step, micros(ctx.clock()), "", "")
    ctx.db.add(
        AlarmEntry(
            tenant=row.tenant, alarm_id=row.id, at=instant(at), step=step, actor=by,
            note=note or None, source=row.source,
        )
    )  # fmt: skip
    for event in events_of(row.id, before, after, step, {}):
        ctx.emit(event, row.tenant)
    await notify(ctx, TOPIC, row.tenant)
