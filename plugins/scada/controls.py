"""Control points, and asking for commands."""

import datetime as dt
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta
from sqlalchemy import select

from hub import (
    BadRequest,
    CommandState,
    Conflict,
    Ctx,
    Forbidden,
    Invalid,
    NotFound,
    Op,
    Reply,
    Resource,
    action,
    room,
)

from . import commanding
from .command_rules import value_of
from .command_told import TOPIC
from .control_models import OPEN, CommandEntry, CommandRow, ControlPoint
from .follow import following
from .models import DataPoint, Device

MOST_HISTORY, MOST_STATES = 200, 1_000
Reason = Annotated[str, Meta(min_length=5, max_length=1_000)]

controls = Resource(
    name="controls",
    model=ControlPoint,
    filters=("code", "station_id", "device_id", "point_id", "control_type", "is_active"),
    sort=("code", "name", "created_at"),
    search=("code", "name"),
)
commands = Resource(
    name="commands",
    model=CommandRow,
    subject="controls",
    ops=Op.READ,
    filters=(
        "state", "control_point_id", "device_id", "requested_by", "requested_at", "source",
        "is_test",
    ),
    sort=("-requested_at", "state", "updated_at"),
    search=("command", "reason"),
)  # fmt: skip


class Execute(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """reason: why, for the journal. test: check everything and send nothing."""

    value: float
    reason: Reason
    test: bool = False


class Words(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    note: Annotated[str, Meta(max_length=1_000)] = ""


class DeviceCommand(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """command: a control of the device (`breaker`), with `parameters.value`, or the name of a
    state of one of its controls (`open`)."""

    command: Annotated[str, Meta(min_length=1, max_length=100)]
    reason: Reason
    parameters: dict[str, Any] = {}


class History(msgspec.Struct):
    items: list[Any]


class Step(msgspec.Struct, kw_only=True):
    at: dt.datetime
    state: str
    actor: str
    detail: str | None


class Steps(msgspec.Struct):
    items: list[Step]


class Present(msgspec.Struct, kw_only=True):
    """A control point as it stands. value: of its feedback, else of itself; word: what it means.
    stale: nobody can say. busy: the command that holds it."""

    id: UUID
    code: str
    name: str
    device_id: UUID
    device: str
    station_id: UUID | None
    value: float | None
    word: str | None
    time: dt.datetime | None
    quality: str
    stale: bool
    states: dict[str, str]
    busy: UUID | None
    busy_state: str | None


class PresentParams(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    station_id: UUID | None = None
    device_id: UUID | None = None


class Presents(msgspec.Struct):
    items: list[Present]


@controls.action("present", item=False, method="GET", verb="read")
async def present(ctx: Ctx, params: PresentParams) -> Presents:
    """Return control points with what they show now and who holds them."""
    shown = await commanding.present(ctx, params.station_id, params.device_id, MOST_STATES)
    return Presents([msgspec.convert(row, Present) for row in shown])


@controls.action("execute", idempotent=True)
async def execute(ctx: Ctx, row: ControlPoint, body: Execute) -> Reply[Any]:
    """Operate it; the answer is the command, whose state tells how it goes on."""
    made = await commanding.request(
        ctx, row, body.value, reason=body.reason, word=row.name, test=body.test
    )
    await ctx.db.flush()
    return Reply(body=_shown(made), status=202)


@controls.action("history", method="GET", verb="read")
async def control_history(ctx: Ctx, row: ControlPoint) -> History:
    """Return its last commands, newest first."""
    fields = [getattr(CommandRow, n) for n in commands.read_fields]
    stmt = select(*fields).where(CommandRow.control_point_id == row.id)
    rows = await ctx.db.execute(stmt.order_by(CommandRow.requested_at.desc()).limit(MOST_HISTORY))
    return History([commands.read(*r) for r in rows])


@commands.action("approve", verb="approve")
async def approve(ctx: Ctx, row: CommandRow, body: Words) -> CommandRow:
    """Agree as the second person; the command goes out at once."""
    await ctx.db.refresh(row, with_for_update=True)
    if row.state is not CommandState.AWAITING_APPROVAL:
        raise Conflict(f"it is {row.state}, nobody waits for an approval")
    if row.requested_by == ctx.actor.id:
        raise Forbidden("whoever asks for a command does not approve it")
    if row.expires_at <= ctx.clock():
        raise Conflict("the time for its approval is over: ask again")
    await commanding.approve(ctx, row, body.note)
    return row


@commands.action("reject", verb="approve")
async def reject(ctx: Ctx, row: CommandRow, body: Words) -> CommandRow:
    """Refuse as the second person."""
    await ctx.db.refresh(row, with_for_update=True)
    if row.state is not CommandState.AWAITING_APPROVAL:
        raise Conflict(f"it is {row.state}, nobody waits for an approval")
    await commanding.end(ctx, row, CommandState.REJECTED, body.note)
    return row


@commands.action("cancel", verb="execute")
async def cancel(ctx: Ctx, row: CommandRow, body: Words) -> CommandRow:
    """Take it back while nobody has sent it."""
    await ctx.db.refresh(row, with_for_update=True)
    if row.state not in OPEN:
        raise Conflict(f"it is {row.state} already")
    if not await commanding.withdraw(ctx, row):
        raise Conflict("it is on its way to the device: it cannot be taken back")
    await commanding.end(ctx, row, CommandState.CANCELLED, body.note)
    return row


@commands.action("journal", method="GET", verb="read")
async def command_journal(ctx: Ctx, row: CommandRow) -> Steps:
    """Return all steps of a command, by the clock of whoever took them."""
    stmt = select(CommandEntry).where(CommandEntry.command_id == row.id)
    rows = await ctx.db.scalars(stmt.order_by(CommandEntry.at, CommandEntry.created_at))
    return Steps([Step(at=e.at, state=e.state, actor=e.actor, detail=e.detail) for e in rows])


@action("devices/{id}/command", permission="scada.controls.execute", status=202, idempotent=True)
async def device_command(ctx: Ctx, id: UUID, body: DeviceCommand) -> Any:  # noqa: A002
    """Give a device an order by its name."""
    device = await ctx.db.scalar(select(Device).where(Device.id == id))
    if device is None:
        raise NotFound(f"there is no device {id}", resource="devices", identifier=str(id))
    control, value = await _meant(ctx, device, body)
    row = await commanding.request(
        ctx, control, value, reason=body.reason, word=body.command, parameters=body.parameters
    )
    await ctx.db.flush()
    return _shown(row)


def _shown(row: CommandRow) -> Any:
    return commands.read(*(getattr(row, name) for name in commands.read_fields))


async def _meant(ctx: Ctx, device: Device, body: DeviceCommand) -> tuple[ControlPoint, float]:
    stmt = (
        select(ControlPoint, DataPoint.states)
        .join(DataPoint, DataPoint.id == ControlPoint.point_id)
        .where(ControlPoint.device_id == device.id, ControlPoint.is_active)
        .order_by(ControlPoint.code)
    )
    rows = (await ctx.db.execute(stmt)).all()
    for control, states in rows:
        named = control.name == body.command
        word = str(body.parameters.get("value", "")) if named else body.command
        value = value_of(word, states, body.parameters if named else {})
        if value is not None:
            return control, value
    if any(control.name == body.command for control, _ in rows):
        raise Invalid("give parameters.value", field="parameters")
    known = sorted({c.name for c, _ in rows} | {w for _, states in rows for w in states.values()})
    raise BadRequest(
        f"{device.code} knows no {body.command!r}; it knows {', '.join(known) or 'nothing'}",
        field="command",
    )


class Follow(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    device_id: UUID | None = None


@room("commands", permission="scada.controls.read", key="device_id")
async def follow_commands(ctx: Ctx, params: Follow) -> AsyncIterator[list[Any]]:
    """Follow commands: each as it is after a change."""
    where = [CommandRow.device_id == params.device_id] if params.device_id else []
    return following(ctx, commands, TOPIC, where)
