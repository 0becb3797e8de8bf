"""The way of a command at the centre: checked, written down, given to its gateway, ended."""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from hub import (
    ORDERS,
    STORE,
    BadRequest,
    CommandState,
    Condition,
    Conflict,
    Ctx,
    Invalid,
    Operate,
    Unavailable,
    Validity,
    uuid7,
)

from .alarm_state import instant, micros
from .alarms import person
from .command_rules import (
    APPROVE_WITHIN,
    GRACE,
    TRANSPORT,
    broken,
    fresh_for,
    not_allowed,
)
from .command_told import TOPIC
from .control_models import OPEN, CommandEntry, CommandRow, CommandSource, ControlPoint, Interlock
from .events import CommandFailed, CommandRequested
from .follow import notify
from .models import DataPoint, Device
from .rules import quality_word

VALIDITY = 0x0003
KINDS = {"api_key": CommandSource.API, "system": CommandSource.AUTOMATION}


class Busy(Conflict):
    """Another command holds this control point."""

    code = "busy"


class Interlocked(Conflict):
    """An interlock forbids it."""

    code = "interlock"


async def request(
    ctx: Ctx,
    control: ControlPoint,
    value: float,
    *,
    reason: str,
    word: str,
    parameters: Mapping[str, Any] | None = None,
    test: bool = False,
) -> CommandRow:
    """Ask for a command: it goes out at once, or waits for a second person."""
    if not ctx.caller.idempotency_key:
        raise BadRequest("a command needs the header Idempotency-Key", field="Idempotency-Key")
    await ctx.db.refresh(control, with_for_update=True)
    point, device = await _place(ctx, control)
    _check(control, point, device, value, reason)
    await _free(ctx, control)
    await check_interlocks(ctx, control)
    row = _row(ctx, control, value, reason, word, dict(parameters or {}), test)
    ctx.db.add(row)
    await ctx.db.flush()
    _journal(ctx, row, CommandState.REQUESTED, reason)
    ctx.emit(
        CommandRequested(command_id=row.id, command=word, device_id=device.id, by=ctx.actor.id)
    )
    if row.state is CommandState.QUEUED:
        await _give(ctx, row, control)
    await notify(ctx, TOPIC)
    return row


def _row(
    ctx: Ctx,
    control: ControlPoint,
    value: float,
    reason: str,
    word: str,
    parameters: dict[str, Any],
    test: bool,
) -> CommandRow:
    now, second = ctx.clock(), control.requires_second_person
    return CommandRow(
        id=uuid7(),
        control_point_id=control.id,
        device_id=control.device_id,
        command=word,
        value=value,
        parameters=parameters,
        source=KINDS.get(ctx.actor.kind, CommandSource.OPERATOR),
        reason=reason,
        is_test=test,
        requested_by=ctx.actor.id[:100],
        requested_by_name=person(ctx),
        state=CommandState.AWAITING_APPROVAL if second else CommandState.QUEUED,
        requested_at=now,
        expires_at=now + (APPROVE_WITHIN if second else _patience(control)),
        idempotency_key=ctx.caller.idempotency_key,
    )


async def approve(ctx: Ctx, row: CommandRow, note: str) -> None:
    """Send what a second person agrees to; what forbids it now forbids it."""
    stmt = select(ControlPoint).where(ControlPoint.id == row.control_point_id)
    control = (await ctx.db.scalars(stmt)).one()
    point, device = await _place(ctx, control)
    _check(control, point, device, row.value, row.reason)
    await check_interlocks(ctx, control)
    row.approved_by, row.approved_by_name = ctx.actor.id[:100], person(ctx)
    row.state = CommandState.QUEUED
    row.expires_at = ctx.clock() + _patience(control)
    _journal(ctx, row, CommandState.QUEUED, note)
    await _give(ctx, row, control)
    await notify(ctx, TOPIC)


async def withdraw(ctx: Ctx, row: CommandRow) -> bool:
    """Make sure that nobody executes it; False when it is on its way."""
    if row.state is CommandState.SENT:
        return False
    return row.order_id is None or await ctx.get(ORDERS).withdraw(ctx, row.order_id)


async def end(ctx: Ctx, row: CommandRow, state: CommandState, note: str) -> None:
    """Close a command that the device never saw, or of which nobody can say more."""
    row.state, row.finished_at = state, ctx.clock()
    if state in {CommandState.EXPIRED, CommandState.UNKNOWN}:
        row.error_message = note
        ctx.emit(
            CommandFailed(
                command_id=row.id, command=row.command, device_id=row.device_id, state=state,
                error=note,
            ),
            tenant=row.tenant,
        )  # fmt: skip
    _journal(ctx, row, state, note)
    await ctx.db.flush()


async def reap(ctx: Ctx) -> int:
    """End what is too late: never sent = expired, sent without an answer = unknown."""
    now = ctx.clock()
    stmt = select(CommandRow).where(CommandRow.state.in_(OPEN), CommandRow.expires_at <= now)
    rows = (await ctx.db.scalars(stmt.with_for_update(skip_locked=True).limit(100))).all()
    ended = 0
    for row in rows:
        if await withdraw(ctx, row):
            await end(ctx, row, CommandState.EXPIRED, "it was not sent in time")
        elif row.expires_at + GRACE <= now:
            await end(ctx, row, CommandState.UNKNOWN, "its gateway did not tell how it ended")
        else:
            continue
        ended += 1
        await notify(ctx, TOPIC, row.tenant)
    return ended


async def check_interlocks(ctx: Ctx, control: ControlPoint) -> None:
    """Refuse when a condition does not hold, or when no fresh value says that it does."""
    if not control.interlocks:
        return
    points = await _points(ctx, control.interlocks)
    values = await _latest(ctx, list(points.values()))
    reasons = []
    for interlock in control.interlocks:
        point = points.get(interlock.point_id)
        if point is None:
            reasons.append(f"its interlock names point {interlock.point_id}, which is gone")
            continue
        within = fresh_for(point.scan_rate_ms, interlock.within_s) + TRANSPORT
        if why := broken(interlock, point.name, values.get(point.series), within):
            reasons.append(why)
    if reasons:
        raise Interlocked("; ".join(reasons))


async def present(
    ctx: Ctx, station: UUID | None, device: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Control points with the values that they show and the commands that hold them."""
    stmt = (
        select(ControlPoint, Device, DataPoint)
        .join(Device, Device.id == ControlPoint.device_id)
        .join(
            DataPoint,
            DataPoint.id.in_((ControlPoint.feedback_point_id, ControlPoint.point_id))
            & (
                (DataPoint.id == ControlPoint.feedback_point_id)
                | ControlPoint.feedback_point_id.is_(None)
            ),
        )
        .where(ControlPoint.is_active)
        .order_by(ControlPoint.code)
        .limit(limit)
    )
    if station:
        stmt = stmt.where(ControlPoint.station_id == station)
    if device:
        stmt = stmt.where(ControlPoint.device_id == device)
    rows = (await ctx.db.execute(stmt)).all()
    held = await ctx.db.execute(
        select(CommandRow.control_point_id, CommandRow.id, CommandRow.state).where(
            CommandRow.state.in_(OPEN)
        )
    )
    busy = {control: (ident, state) for control, ident, state in held}
    batch = await ctx.get(STORE).latest([point.series for *_, point in rows])
    found = {
        int(s): (float(v), int(t), int(q))
        for s, v, t, q in zip(batch.point, batch.value, batch.time, batch.quality, strict=True)
    }
    now = ctx.clock()
    return [
        _present(control, owner, point, found.get(point.series), busy.get(control.id), now)
        for control, owner, point in rows
    ]


def _present(
    control: ControlPoint,
    device: Device,
    point: DataPoint,
    found: tuple[float, int, int] | None,
    busy: tuple[UUID, CommandState] | None,
    now: dt.datetime,
) -> dict[str, Any]:
    value, time, quality = found or (math.nan, 0, int(Validity.INVALID))
    known = found is not None and math.isfinite(value)
    age = (now - instant(time)).total_seconds()
    word = quality_word(quality)
    old = age > fresh_for(point.scan_rate_ms, None) + TRANSPORT
    return {
        "id": control.id,
        "code": control.code,
        "name": control.name,
        "device_id": device.id,
        "device": device.code,
        "station_id": control.station_id,
        "value": value if known else None,
        "word": point.states.get(f"{value:g}") if known else None,
        "time": instant(time) if found else None,
        "quality": word,
        "stale": not known or old or word in {"stale", "bad"},
        "states": point.states,
        "busy": busy[0] if busy else None,
        "busy_state": busy[1] if busy else None,
    }


def _check(
    control: ControlPoint, point: DataPoint, device: Device, value: float, reason: str
) -> None:
    if not (control.is_active and device.is_active and point.is_active):
        raise Conflict(f"{control.code} is switched off")
    if device.gateway_id is None:
        raise Unavailable(f"no gateway carries {device.code}")
    if len(reason.strip()) < 5:
        raise Invalid("say why, in at least 5 characters", field="reason")
    if not math.isfinite(value):
        raise Invalid("a value must be a number", field="value")
    why = not_allowed(value, control.allowed_values, point.low_limit, point.high_limit)
    if why:
        raise Invalid(why, field="value")


async def _free(ctx: Ctx, control: ControlPoint) -> None:
    stmt = select(CommandRow).where(
        CommandRow.control_point_id == control.id, CommandRow.state.in_(OPEN)
    )
    if held := await ctx.db.scalar(stmt):
        raise Busy(
            f"{held.requested_by_name} holds {control.code}: a command is {held.state}",
            command=str(held.id),
        )


async def _give(ctx: Ctx, row: CommandRow, control: ControlPoint) -> None:
    point, device = await _place(ctx, control)
    feedback = await _named(ctx, control.feedback_point_id)
    locks = await _conditions(ctx, control, device)
    assert device.gateway_id is not None  # noqa: S101  -- `_check` has seen to it
    order = Operate(
        command=str(row.id),
        key=f"{device.source_name}.{point.name}",
        value=row.value,
        actor=row.requested_by_name,
        expires=micros(row.expires_at),
        left=(row.expires_at - ctx.clock()).total_seconds(),
        wait=float(control.timeout_seconds),
        select=control.select_before_operate,
        test=row.is_test,
        feedback=feedback,
        interlocks=locks,
    )
    row.order_id = await ctx.get(ORDERS).give(ctx, device.gateway_id, order, expires=row.expires_at)


async def _conditions(ctx: Ctx, control: ControlPoint, device: Device) -> tuple[Condition, ...]:
    """The interlocks that the gateway can judge by its own, fresher values."""
    points = await _points(ctx, control.interlocks)
    stmt = select(Device).where(Device.gateway_id == device.gateway_id)
    near = {d.id: d.source_name for d in await ctx.db.scalars(stmt)}
    return tuple(
        Condition(
            key=f"{near[point.device_id]}.{point.name}",
            op=lock.op,
            value=lock.value,
            within=fresh_for(point.scan_rate_ms, lock.within_s),
        )
        for lock in control.interlocks
        if (point := points.get(lock.point_id)) is not None and point.device_id in near
    )


async def _points(ctx: Ctx, interlocks: Sequence[Interlock]) -> dict[UUID, DataPoint]:
    wanted = {lock.point_id for lock in interlocks}
    if not wanted:
        return {}
    rows = await ctx.db.scalars(select(DataPoint).where(DataPoint.id.in_(wanted)))
    return {row.id: row for row in rows}


async def _latest(ctx: Ctx, points: Sequence[DataPoint]) -> dict[int, tuple[float, float]]:
    """Series → value and age in seconds, of those that are valid."""
    batch = await ctx.get(STORE).latest([p.series for p in points])
    now = micros(ctx.clock())
    return {
        int(s): (float(v), (now - int(t)) / 1e6)
        for s, t, v, q in zip(batch.point, batch.time, batch.value, batch.quality, strict=True)
        if int(q) & VALIDITY != Validity.INVALID and math.isfinite(v)
    }


async def _place(ctx: Ctx, control: ControlPoint) -> tuple[DataPoint, Device]:
    stmt = (
        select(DataPoint, Device)
        .join(Device, Device.id == DataPoint.device_id)
        .where(DataPoint.id == control.point_id)
    )
    point, device = (await ctx.db.execute(stmt)).one()
    return point, device


async def _named(ctx: Ctx, ident: UUID | None) -> str:
    """A point as its gateway calls it; empty for none."""
    if ident is None:
        return ""
    stmt = (
        select(Device.source_name, DataPoint.name)
        .join(Device, Device.id == DataPoint.device_id)
        .where(DataPoint.id == ident)
    )
    device, name = (await ctx.db.execute(stmt)).one()
    return f"{device}.{name}"


def _patience(control: ControlPoint) -> dt.timedelta:
    return dt.timedelta(seconds=control.timeout_seconds) + GRACE


def _journal(ctx: Ctx, row: CommandRow, state: CommandState, detail: str) -> None:
    ctx.db.add(
        CommandEntry(
            tenant=row.tenant, command_id=row.id, at=ctx.clock(), state=state,
            actor="" if ctx.actor.kind == "system" else person(ctx), detail=detail or None,
        )
    )  # fmt: skip
