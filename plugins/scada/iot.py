"""Devices that push by themselves: readings, their state, alerts. Without a gateway, each once."""

import datetime as dt
import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID, uuid5

import msgspec
import numpy as np
from msgspec import Meta, structs
from sqlalchemy import select, update

from hub import (
    INFLOW,
    Alarm,
    AlarmStep,
    Conflict,
    Ctx,
    Flag,
    NotFound,
    ReadingBatch,
    Severity,
    Stamp,
    Validity,
    action,
    quality,
    uuid7,
)

from .alarm_models import AlarmRow, Source
from .alarm_state import alarm_of, columns, micros
from .events import DeviceOffline, DeviceOnline
from .gateways import tell
from .models import DataPoint, Device, PointType, State

WRITE = "iot.readings.write"
MOST, MOST_ERRORS = 1_000, 100
AHEAD = dt.timedelta(minutes=5)  # a device whose clock is further on has a wrong one
OLDEST = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_SENDERS = UUID("0e6f2a7c-5f0b-5d0e-8c57-2f7d2a1d9a11")  # names one pushing device of a company
Instant = Annotated[dt.datetime, Meta(tz=True)]
Code = Annotated[str, Meta(min_length=1, max_length=100)]
WORDS = {
    "good": quality(stamp=Stamp.DEVICE),
    "uncertain": quality(Validity.QUESTIONABLE, stamp=Stamp.DEVICE),
    "bad": quality(Validity.INVALID, stamp=Stamp.DEVICE),
    "stale": quality(Validity.QUESTIONABLE, Flag.OLD, Stamp.DEVICE),
    "out_of_range": quality(Validity.QUESTIONABLE, Flag.OVERRANGE, Stamp.DEVICE),
    "substituted": quality(Validity.QUESTIONABLE, Flag.SUBSTITUTED, Stamp.DEVICE),
    "clock_suspect": quality(stamp=Stamp.UNSYNCED),
}
STAMPS = int(Stamp.DEVICE) | int(Stamp.UNSYNCED)


class Pushed(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One reading of a point by its name. value: raw, as the point's scale expects it. ts: now when
    absent, by our clock."""

    name: Code
    value: float | bool | Annotated[str, Meta(max_length=1_000)] | None = None
    ts: Instant | None = None
    quality: str = "good"


class Push(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """device: its code."""

    device: Code
    readings: Annotated[list[Pushed], Meta(max_length=MOST)]


class Fault(msgspec.Struct):
    """What is wrong with one row; the first is 0."""

    row: int
    field: str
    message: str


class Taken(msgspec.Struct, kw_only=True):
    """stored: readings that are new. duplicates: known by point and time already."""

    stored: int
    duplicates: int
    refused: int
    errors: list[Fault]


class Standing(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    device: Code
    status: Literal["online", "offline", "degraded", "maintenance"]
    reason: Annotated[str, Meta(max_length=500)] = ""


class Alert(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """ref: the device's own id of it, under which it is one alarm however often it is sent.
    active: false ends it."""

    device: Code
    ref: Code
    alert_type: Annotated[str, Meta(min_length=1, max_length=50)]
    severity: Severity = Severity.WARNING
    message: Annotated[str, Meta(min_length=1, max_length=1_000)]
    value: float | None = None
    threshold: float | None = None
    ts: Instant | None = None
    active: bool = True


class Known(msgspec.Struct, kw_only=True):
    """new: whether this changed anything."""

    id: UUID | None
    new: bool


@action("readings", module="iot", permission=WRITE)
async def push_readings(ctx: Ctx, body: Push) -> Taken:
    """Store readings of a device, each once; what is wrong with a row is told by its number."""
    device = await _device(ctx, body.device)
    rows = await ctx.db.scalars(
        select(DataPoint).where(DataPoint.device_id == device.id, DataPoint.is_active)
    )
    known = {point.name: point for point in rows}
    good, faults = _sorted(known, body.readings, ctx.clock())
    stored = 0
    if good:
        sender = uuid5(_SENDERS, f"{ctx.actor.tenant}/{device.id}")
        stored = await ctx.get(INFLOW).store(ctx, sender, _batch(good))
        await _seen(ctx, device, State.ONLINE, "")
    return Taken(
        stored=stored,
        duplicates=len(good) - stored,
        refused=len(faults),
        errors=faults[:MOST_ERRORS],
    )


@action("status", module="iot", permission=WRITE)
async def push_status(ctx: Ctx, body: Standing) -> Known:
    """Note how a device says it is."""
    device = await _device(ctx, body.device)
    changed = device.status is not State(body.status)
    await _seen(ctx, device, State(body.status), body.reason)
    return Known(id=device.id, new=changed)


@action("alerts", module="iot", permission=WRITE)
async def push_alert(ctx: Ctx, body: Alert) -> Known:
    """Raise an alarm that a device tells of, or end it; the same `ref` is the same alarm."""
    device = await _device(ctx, body.device)
    ref = f"{device.id}/{body.ref}"[:100]
    row = await ctx.db.scalar(
        select(AlarmRow)
        .where(AlarmRow.external_ref == ref, AlarmRow.source == Source.IOT, AlarmRow.is_on)
        .with_for_update()
    )
    at = micros(body.ts or ctx.clock())
    if row is None and body.active:
        return Known(id=await _raised(ctx, device, body, ref, at), new=True)
    if row is None or body.active:
        return Known(id=row.id if row else None, new=False)
    before = alarm_of(row.state)
    after = structs.replace(before, on=False, cleared_at=at, version=before.version + 1)
    for name, value in columns(after).items():
        setattr(row, name, value)
    await tell(ctx, row, before, after, AlarmStep.CLEARED)
    return Known(id=row.id, new=True)


async def _raised(ctx: Ctx, device: Device, body: Alert, ref: str, at: int) -> UUID:
    ident = uuid7()
    alarm = Alarm(
        id=str(ident), device=device.code, point="", kind=body.alert_type, severity=body.severity,
        message=f"{device.code}: {body.message}", raised_at=at, value=body.value,
        threshold=body.threshold,
    )  # fmt: skip
    row = AlarmRow(
        id=ident, tenant=device.tenant, alarm_ref=alarm.id, source=Source.IOT, external_ref=ref,
        device_id=device.id, station_id=device.station_id, **columns(alarm),
    )  # fmt: skip
    ctx.db.add(row)
    await ctx.db.flush()
    await tell(ctx, row, None, alarm, AlarmStep.RAISED)
    return ident


async def _device(ctx: Ctx, code: str) -> Device:
    """The device, held so that what it sends twice at once is seen once."""
    stmt = select(Device).where(Device.code == code, Device.is_active)
    found = await ctx.db.scalar(stmt.with_for_update())
    if found is None:
        raise NotFound(f"there is no device {code!r}", resource="devices", identifier=code)
    if found.gateway_id is not None:
        raise Conflict(f"a gateway collects {code}: it does not push by itself", field="device")
    device: Device = found
    return device


async def _seen(ctx: Ctx, device: Device, status: State, reason: str) -> None:
    """What changes by itself is written past audit and revision."""
    now = ctx.clock()
    values: dict[str, Any] = {"last_seen_at": now}
    if device.status is not status:
        values |= {"status": status, "status_at": now, "status_reason": reason or None}
        if status is State.OFFLINE:
            ctx.emit(DeviceOffline(device_id=device.id, last_seen_at=device.last_seen_at or now))
        elif device.status in {State.OFFLINE, State.UNKNOWN}:
            ctx.emit(DeviceOnline(device_id=device.id))
    stmt = update(Device).where(Device.id == device.id).values(values)
    await ctx.db.execute(stmt, execution_options={"unaudited": True})


class Row(msgspec.Struct):
    """A reading that can be stored."""

    series: int
    time: int
    value: float
    quality: int
    text: str | None = None


def _sorted(
    known: dict[str, DataPoint], given: Sequence[Pushed], now: dt.datetime
) -> tuple[list[Row], list[Fault]]:
    """Rows that can be stored, and what is wrong with the others."""
    good: list[Row] = []
    faults: list[Fault] = []
    for number, each in enumerate(given):
        point = known.get(each.name)
        if point is None:
            faults.append(Fault(number, "name", f"the device has no point {each.name!r}"))
        elif each.quality not in WORDS:
            faults.append(Fault(number, "quality", f"give one of {', '.join(WORDS)}"))
        elif each.ts is not None and each.ts < OLDEST:
            faults.append(Fault(number, "ts", "that is before the year 2000"))
        elif isinstance(each.value, str) is not (point.point_type is PointType.STRING):
            kind = "text" if point.point_type is PointType.STRING else "a number"
            faults.append(Fault(number, "value", f"{each.name} is {kind}"))
        else:
            good.append(_row(point, each, now))
    return good, faults


def _row(point: DataPoint, each: Pushed, now: dt.datetime) -> Row:
    word, ts = WORDS[each.quality], each.ts or now
    if each.ts is None:
        word &= ~STAMPS
    elif ts > now + AHEAD:
        word = (word & ~STAMPS) | int(Stamp.UNSYNCED)
    if isinstance(each.value, str):
        return Row(point.series, micros(ts), math.nan, word, each.value)
    raw = math.nan if each.value is None else float(each.value)
    value = raw * point.scale_factor + point.value_offset
    if not math.isfinite(value):
        return Row(point.series, micros(ts), math.nan, (word & ~3) | int(Validity.INVALID))
    low = -math.inf if point.low_limit is None else point.low_limit
    high = math.inf if point.high_limit is None else point.high_limit
    if not low <= value <= high and word & 3 == Validity.GOOD:
        word |= int(Validity.QUESTIONABLE) | int(Flag.OVERRANGE)
    return Row(point.series, micros(ts), value, word)


def _batch(rows: Sequence[Row]) -> ReadingBatch:
    return ReadingBatch(
        np.array([r.series for r in rows], np.uint32),
        np.array([r.time for r in rows], np.int64),
        np.array([r.value for r in rows], np.float64),
        np.array([r.quality for r in rows], np.uint16),
        text={n: r.text for n, r in enumerate(rows) if r.text is not None},
    )
