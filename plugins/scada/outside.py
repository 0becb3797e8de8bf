"""Alarms of devices that no gateway watches: a platform or a cloud speaks for them."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from msgspec import structs
from sqlalchemy import func, select

from hub import (
    Alarm,
    AlarmKind,
    AlarmStatus,
    AlarmStep,
    Ctx,
    Mask,
    OutsideAlarm,
    Severity,
    uuid7,
)

from .alarm_models import AlarmEntry, AlarmRow, Source
from .alarm_state import alarm_of, columns, entry, events_of, instant, is_loud, micros
from .follow import notify
from .models import Device
from .told import TOPIC

FLOOD = 100  # new alarms of one station in a minute
MINUTE = dt.timedelta(minutes=1)
Where = tuple[UUID, str, str]


class Outside:
    """`hub.OutsideAlarms`."""

    async def tell(self, ctx: Ctx, told: Sequence[OutsideAlarm]) -> None:
        """See the contract."""
        devices = await _devices(ctx, told)
        rows = await _open(ctx, [d.id for d in devices.values()])
        changed = False
        for each in told:
            device = devices.get(each.device)
            if device is None:
                continue
            where = (device.id, each.source, each.kind)
            row = rows.get(where)
            if row is not None:
                changed |= _again(ctx, row, each)
            elif each.on:
                rows[where] = await _raise(ctx, device, each)
                changed = True
        if changed:
            await notify(ctx, TOPIC)


async def calm(ctx: Ctx) -> int:
    """End floods that are over; how many."""
    ended = 0
    floods = select(AlarmRow).where(
        AlarmRow.alarm_type == AlarmKind.FLOOD, AlarmRow.source == Source.CENTRE, AlarmRow.is_on
    )
    for row in await ctx.db.scalars(floods.with_for_update(skip_locked=True)):
        count = await _new(ctx, row.station_id, row.tenant)
        if count <= FLOOD // 2:
            alarm = alarm_of(row.state)
            gone = structs.replace(
                alarm,
                on=False,
                cleared_at=micros(ctx.clock()),
                value=float(count),
                version=alarm.version + 1,
            )
            _write(ctx, row, gone, AlarmStep.CLEARED)
            await notify(ctx, TOPIC, row.tenant)
            ended += 1
    return ended


async def _devices(ctx: Ctx, told: Iterable[OutsideAlarm]) -> Mapping[str, Device]:
    """By external id. Those that may get a new alarm are locked, so that they get one only."""
    names = {each.device for each in told}
    fresh = {each.device for each in told if each.on}
    wanted = select(Device).where(Device.is_active).order_by(Device.id)
    found = list(await ctx.db.scalars(wanted.where(Device.external_id.in_(names - fresh))))
    locked = wanted.where(Device.external_id.in_(fresh)).with_for_update(key_share=True)
    found += await ctx.db.scalars(locked)
    return {d.external_id: d for d in found if d.external_id is not None}


async def _open(ctx: Ctx, devices: Sequence[UUID]) -> dict[Where, AlarmRow]:
    """Alarms of these devices that are not closed, each kind's newest."""
    stmt = (
        select(AlarmRow)
        .where(
            AlarmRow.device_id.in_(devices),
            AlarmRow.gateway_id.is_(None),
            AlarmRow.status != AlarmStatus.CLOSED,
        )
        .order_by(AlarmRow.raised_at)
        .with_for_update()
    )
    rows = await ctx.db.scalars(stmt)
    return {(r.device_id, r.source, r.alarm_type): r for r in rows if r.device_id is not None}


def _again(ctx: Ctx, row: AlarmRow, told: OutsideAlarm) -> bool:
    """Bring an alarm up to date; whether that changed anything. What is old news does not."""
    alarm = alarm_of(row.state)
    if not told.on:
        if not alarm.on or told.at < alarm.raised_at:
            return False
        step = AlarmStep.CLEARED
        after = structs.replace(alarm, on=False, cleared_at=told.at, value=told.value)
    else:
        known = max(alarm.raised_at, alarm.cleared_at or 0)
        if told.at <= known or (alarm.on and told.lasting):
            return False
        step = AlarmStep.REPEATED
        after = structs.replace(
            alarm,
            on=True,
            occurrence=alarm.occurrence + 1,
            severity=told.severity,
            message=told.message,
            raised_at=told.at,
            cleared_at=None,
            value=told.value,
            threshold=told.threshold,
        )
    _write(ctx, row, structs.replace(after, version=alarm.version + 1), step)
    return True


async def _raise(ctx: Ctx, device: Device, told: OutsideAlarm) -> AlarmRow:
    quiet = await _flood(ctx, device.station_id)
    alarm = Alarm(
        id=str(uuid7()),
        device=device.source_name or device.code,
        point="",
        kind=told.kind,
        severity=told.severity,
        message=told.message,
        raised_at=told.at,
        value=told.value,
        threshold=told.threshold,
        masked=await _mask(ctx, device, told),
        quiet=quiet,
    )
    return await _insert(ctx, alarm, Source(told.source), device.station_id, device.id)


async def _mask(ctx: Ctx, device: Device, told: OutsideAlarm) -> Mask | None:
    """Work on the device, or somebody's wish not to hear of this alarm, that lasts still."""
    now = ctx.clock()
    if device.maintenance_until is not None and device.maintenance_until > now:
        until = micros(device.maintenance_until)
        return Mask(device=device.code, until=until, by="", suppressed=True)
    state = await ctx.db.scalar(
        select(AlarmRow.state)
        .where(
            AlarmRow.device_id == device.id,
            AlarmRow.source == told.source,
            AlarmRow.alarm_type == told.kind,
            AlarmRow.masked_until > now,
        )
        .order_by(AlarmRow.raised_at.desc())
        .limit(1)
    )
    return alarm_of(state).masked if state is not None else None


async def _flood(ctx: Ctx, station: UUID | None) -> bool:
    """Whether this is one too many of its station in this minute; the first such says so."""
    count = await _new(ctx, station) + 1
    if count <= FLOOD:
        return False
    known = await ctx.db.scalar(
        select(AlarmRow.id).where(
            AlarmRow.station_id.is_not_distinct_from(station),
            AlarmRow.alarm_type == AlarmKind.FLOOD,
            AlarmRow.source == Source.CENTRE,
            AlarmRow.is_on,
        )
    )
    if known is None:
        alarm = Alarm(
            id=str(uuid7()),
            device="",
            point="",
            kind=AlarmKind.FLOOD,
            severity=Severity.CRITICAL,
            message=f"{count} new alarms in a minute from outside",
            raised_at=micros(ctx.clock()),
            value=float(count),
            threshold=float(FLOOD),
        )
        await _insert(ctx, alarm, Source.CENTRE, station, None)
    return True


async def _new(ctx: Ctx, station: UUID | None, tenant: UUID | None = None) -> int:
    """How many alarms from outside the last minute brought to a station."""
    count = await ctx.db.scalar(
        select(func.count()).where(
            AlarmRow.tenant == (tenant or ctx.actor.tenant),
            AlarmRow.created_at > ctx.clock() - MINUTE,
            AlarmRow.station_id.is_not_distinct_from(station),
            AlarmRow.gateway_id.is_(None),
            AlarmRow.alarm_type != AlarmKind.FLOOD,
        )
    )
    return int(count or 0)


async def _insert(
    ctx: Ctx, alarm: Alarm, source: Source, station: UUID | None, device: UUID | None
) -> AlarmRow:
    row = AlarmRow(
        id=uuid7(),
        tenant=ctx.actor.tenant,
        alarm_ref=alarm.id,
        source=source,
        station_id=station,
        device_id=device,
        **columns(alarm),
    )
    ctx.db.add(row)
    await ctx.db.flush()
    _journal(ctx, row, None, alarm, AlarmStep.RAISED)
    return row


def _write(ctx: Ctx, row: AlarmRow, alarm: Alarm, step: AlarmStep) -> None:
    before = alarm_of(row.state)
    for name, value in columns(alarm).items():
        setattr(row, name, value)
    _journal(ctx, row, before, alarm, step)


def _journal(ctx: Ctx, row: AlarmRow, before: Alarm | None, alarm: Alarm, step: AlarmStep) -> None:
    at, by, note = entry(alarm, step, micros(ctx.clock()), "", "")
    ctx.db.add(
        AlarmEntry(
            alarm_id=row.id, at=instant(at), step=step, actor=by, note=note or None,
            value=alarm.value, is_loud=is_loud(alarm), source=row.source, tenant=row.tenant,
        )
    )  # fmt: skip
    place = {"station_id": row.station_id, "device_id": row.device_id}
    for event in events_of(row.id, before, alarm, step, place):
        ctx.emit(event, row.tenant)
