"""Alarms for people: lists, words on them, shelving, export."""

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta
from sqlalchemy import case, func, select

from hub import (
    ORDERS,
    Alarm,
    AlarmStatus,
    AlarmStep,
    BadRequest,
    Conflict,
    Ctx,
    Download,
    Mark,
    MarkAlarm,
    Mask,
    MaskAlarms,
    Op,
    Resource,
    Severity,
)

from .alarm_models import AlarmEntry, AlarmRow, Source
from .alarm_state import alarm_of, columns, entry, events_of, instant, is_loud, micros
from .follow import notify
from .sheets import csv_of
from .told import TOPIC

MOST_ACTIVE, MOST_AT_ONCE, MOST_ROWS = 1_000, 500, 100_000
GRAVEST = case({s.value: n for n, s in enumerate(Severity)}, value=AlarmRow.severity).desc()
Note = Annotated[str, Meta(max_length=1_000)]

alarms = Resource(
    name="alarms",
    model=AlarmRow,
    ops=Op.READ,
    filters=(
        "status", "severity", "alarm_type", "station_id", "device_id", "point_id", "raised_at",
        "source", "is_on", "is_suppressed", "masked_until", "acknowledged_by",
    ),
    sort=("-raised_at", "severity", "status", "updated_at"),
    search=("message",),
)  # fmt: skip


class Words(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    note: Note = ""


class BulkWords(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """ids: at most 500 alarms."""

    ids: list[UUID]
    note: Note = ""


class Shelving(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """minutes: at most a month, 0 ends it. note: why."""

    minutes: Annotated[int, Meta(ge=0, le=43_200)]
    note: Annotated[str, Meta(min_length=5, max_length=1_000)]


class Entry(msgspec.Struct, kw_only=True):
    at: dt.datetime
    step: str
    actor: str
    note: str | None
    value: float | None
    source: str


class Journal(msgspec.Struct):
    items: list[Entry]


class ActiveParams(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """masked: also those that are shelved or suppressed."""

    station_id: UUID | None = None
    masked: bool = False
    limit: Annotated[int, Meta(ge=1, le=MOST_ACTIVE)] = 200


class Active(msgspec.Struct):
    """Alarms that somebody has to look at, gravest first. count: of all there are."""

    items: list[Any]
    count: dict[str, int]


class Done(msgspec.Struct):
    """missing: ids that are no alarms. unchanged: closed before."""

    acknowledged: int
    unchanged: int
    missing: list[UUID]


class ExportParams(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    start: Annotated[dt.datetime, Meta(tz=True)] = msgspec.field(name="from")
    end: Annotated[dt.datetime, Meta(tz=True)] | None = msgspec.field(name="to", default=None)
    station_id: UUID | None = None


@alarms.action("active", item=False, method="GET", verb="read")
async def active(ctx: Ctx, params: ActiveParams) -> Active:
    """Return active, cleared and acknowledged alarms, gravest and newest first."""
    where = [AlarmRow.status != AlarmStatus.CLOSED]
    if params.station_id:
        where.append(AlarmRow.station_id == params.station_id)
    if not params.masked:
        where.append(AlarmRow.masked_until.is_(None) | (AlarmRow.masked_until <= ctx.clock()))
    order = (GRAVEST, AlarmRow.raised_at.desc(), AlarmRow.id)
    fields = [getattr(AlarmRow, n) for n in alarms.read_fields]
    rows = await ctx.db.execute(select(*fields).where(*where).order_by(*order).limit(params.limit))
    counted = await ctx.db.execute(
        select(AlarmRow.status, func.count()).where(*where).group_by(AlarmRow.status)
    )
    count = {str(status): int(n) for status, n in counted}
    return Active([alarms.read(*row) for row in rows], count)


@alarms.action("acknowledge", method="PUT")
async def acknowledge(ctx: Ctx, row: AlarmRow, body: Words) -> AlarmRow:
    """Say that one has seen it and sees to it."""
    await _lock(ctx, row)
    await _acknowledge(ctx, row, body.note)
    return row


@alarms.action("bulk-acknowledge", item=False, verb="acknowledge")
async def bulk_acknowledge(ctx: Ctx, body: BulkWords) -> Done:
    """Acknowledge many with one note."""
    if len(body.ids) > MOST_AT_ONCE:
        raise BadRequest(f"at most {MOST_AT_ONCE} at once", field="ids")
    stmt = select(AlarmRow).where(AlarmRow.id.in_(body.ids)).order_by(AlarmRow.id)
    rows = (await ctx.db.scalars(stmt.with_for_update())).all()
    changed = 0
    for row in rows:
        if row.status in {AlarmStatus.ACTIVE, AlarmStatus.CLEARED}:
            await _acknowledge(ctx, row, body.note)
            changed += 1
    missing = set(body.ids) - {row.id for row in rows}
    return Done(changed, len(rows) - changed, sorted(missing))


@alarms.action("close", method="PUT")
async def close(ctx: Ctx, row: AlarmRow, body: Words) -> AlarmRow:
    """End it. With its condition still there this needs a note and a permission of its own."""
    await _lock(ctx, row)
    if row.status is AlarmStatus.CLOSED:
        raise Conflict("it is closed already")
    if row.is_on:
        ctx.require("scada.alarms.force_close")
        if not body.note.strip():
            raise Conflict("its condition is still there: a note must say why it is closed")
    mark = _mark(ctx, row, body.note)
    await _change(ctx, row, alarm_of(row.state).marked(closed=mark), AlarmStep.CLOSED, mark)
    await _order(ctx, row, MarkAlarm(alarm=row.alarm_ref, closed=mark))
    return row


@alarms.action("shelve")
async def shelve(ctx: Ctx, row: AlarmRow, body: Shelving) -> AlarmRow:
    """Trouble nobody with it until a time, also when it comes again."""
    await _lock(ctx, row)
    alarm, now = alarm_of(row.state), ctx.clock()
    mask = Mask(
        device=alarm.device,
        point=alarm.point,
        kind=alarm.kind,
        until=micros(now + dt.timedelta(minutes=body.minutes)),
        by=person(ctx),
        note=body.note,
    )
    step = AlarmStep.SHELVED if body.minutes else AlarmStep.UNSHELVED
    masked = mask if body.minutes else None
    word = Mark(at=micros(now), by=mask.by, note=body.note, occurrence=alarm.occurrence)
    await _change(ctx, row, msgspec.structs.replace(alarm, masked=masked), step, word)
    await _order(ctx, row, MaskAlarms(mask=mask))
    return row


@alarms.action("journal", method="GET", verb="read")
async def journal(ctx: Ctx, row: AlarmRow) -> Journal:
    """Return all steps of its life, by the clock of whoever took them."""
    stmt = select(AlarmEntry).where(AlarmEntry.alarm_id == row.id)
    rows = await ctx.db.scalars(stmt.order_by(AlarmEntry.at, AlarmEntry.created_at))
    return Journal(
        [
            Entry(at=e.at, step=e.step, actor=e.actor, note=e.note, value=e.value, source=e.source)
            for e in rows
        ]
    )


@alarms.action("export", item=False, method="GET", verb="read", media="text/csv")
async def export(ctx: Ctx, params: ExportParams) -> Download:
    """Return the alarms of a period as CSV."""
    where = [AlarmRow.raised_at >= params.start]
    where.append(AlarmRow.raised_at < (params.end or ctx.clock()))
    if params.station_id:
        where.append(AlarmRow.station_id == params.station_id)
    names = [n for n in alarms.read_fields if n not in {"revision", "created_at", "updated_at"}]
    stmt = select(*(getattr(AlarmRow, n) for n in names)).where(*where)
    rows = await ctx.db.execute(stmt.order_by(AlarmRow.raised_at, AlarmRow.id).limit(MOST_ROWS))
    return Download(name="alarms.csv", media_type="text/csv", data=csv_of(names, rows))


def person(ctx: Ctx) -> str:
    """How the one who asks is named in a journal."""
    return (ctx.actor.name or ctx.actor.id)[:200]


async def _acknowledge(ctx: Ctx, row: AlarmRow, note: str) -> None:
    if row.status is AlarmStatus.CLOSED:
        raise Conflict("it is closed already")
    mark = _mark(ctx, row, note)
    alarm = alarm_of(row.state).marked(acknowledged=mark)
    await _change(ctx, row, alarm, AlarmStep.ACKNOWLEDGED, mark)
    await _order(ctx, row, MarkAlarm(alarm=row.alarm_ref, acknowledged=mark))


def _mark(ctx: Ctx, row: AlarmRow, note: str) -> Mark:
    at = micros(ctx.clock())
    return Mark(at=at, by=person(ctx), note=note, occurrence=row.occurrence_count)


async def _lock(ctx: Ctx, row: AlarmRow) -> None:
    """What a gateway tells meanwhile waits; what it told just before counts."""
    await ctx.db.refresh(row, with_for_update=True)


async def _change(ctx: Ctx, row: AlarmRow, alarm: Alarm, step: AlarmStep, word: Mark) -> None:
    """Write it, journal it, tell it."""
    before = alarm_of(row.state)
    for name, value in columns(alarm).items():
        setattr(row, name, value)
    at, by, note = entry(alarm, step, word.at, word.by, word.note)
    ctx.db.add(
        AlarmEntry(
            alarm_id=row.id, at=instant(at), step=step, actor=by, note=note or None,
            is_loud=is_loud(alarm), source=Source.CENTRE,
        )
    )  # fmt: skip
    place = {"station_id": row.station_id, "device_id": row.device_id}
    for event in events_of(row.id, before, alarm, step, place):
        ctx.emit(event)
    await notify(ctx, TOPIC)


async def _order(ctx: Ctx, row: AlarmRow, order: MarkAlarm | MaskAlarms) -> None:
    """Let the gateway know, if one raised it."""
    if row.gateway_id is not None:
        await ctx.get(ORDERS).give(ctx, row.gateway_id, order)
