"""Alarms over time: statistics, and the room that follows them."""

import datetime as dt
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta
from sqlalchemy import select

from hub import NEWS, UNIT, AlarmStatus, AlarmStep, Ctx, room

from .alarm_models import AlarmEntry, AlarmRow
from .alarm_statistics import DAY, Raised, Statistics, statistics
from .alarms import alarms
from .models import DataPoint, Device
from .told import TOPIC

MOST_ENTRIES, MOST_STALE, MOST_AT_ONCE = 200_000, 100, 500
OVERLAP = dt.timedelta(seconds=10)  # a transaction that began earlier may commit later


class StatisticsParams(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """operators: on duty at a time."""

    start: Annotated[dt.datetime, Meta(tz=True)] | None = msgspec.field(name="from", default=None)
    end: Annotated[dt.datetime, Meta(tz=True)] | None = msgspec.field(name="to", default=None)
    station_id: UUID | None = None
    operators: Annotated[int, Meta(ge=1, le=1_000)] = 1


class StaleAlarm(msgspec.Struct):
    """An alarm that has stood for more than a day."""

    id: UUID
    message: str
    severity: str
    raised_at: dt.datetime


class Report(msgspec.Struct, kw_only=True):
    start: dt.datetime
    end: dt.datetime
    figures: Statistics
    stale: list[StaleAlarm]


@alarms.action("statistics", item=False, method="GET", verb="read")
async def alarm_statistics(ctx: Ctx, params: StatisticsParams) -> Report:
    """Return how many alarms came, which most often, which chatter, which never go."""
    end = params.end or ctx.clock()
    start = params.start or end - dt.timedelta(days=1)
    place = [AlarmRow.station_id == params.station_id] if params.station_id else []
    came = (
        select(
            AlarmEntry.at, AlarmRow.severity, AlarmRow.alarm_type, Device.code, DataPoint.name,
            AlarmRow.message,
        )
        .join(AlarmRow, AlarmRow.id == AlarmEntry.alarm_id)
        .outerjoin(Device, Device.id == AlarmRow.device_id)
        .outerjoin(DataPoint, DataPoint.id == AlarmRow.point_id)
        .where(
            AlarmEntry.step.in_((AlarmStep.RAISED, AlarmStep.REPEATED)), AlarmEntry.is_loud,
            AlarmEntry.at >= start, AlarmEntry.at < end, *place,
        )
        .order_by(AlarmEntry.at)
        .limit(MOST_ENTRIES)
    )  # fmt: skip
    raised = [
        Raised(at.timestamp(), _name(device, point, message, kind), severity)
        for at, severity, kind, device, point, message in await ctx.db.execute(came)
    ]
    seconds = max((end - start).total_seconds(), 1.0)
    stale = select(AlarmRow.id, AlarmRow.message, AlarmRow.severity, AlarmRow.raised_at).where(
        AlarmRow.status != AlarmStatus.CLOSED,
        AlarmRow.raised_at < end - dt.timedelta(seconds=DAY),
        *place,
    )
    old = await ctx.db.execute(stale.order_by(AlarmRow.raised_at).limit(MOST_STALE))
    return Report(
        start=start,
        end=end,
        figures=statistics(raised, seconds, params.operators),
        stale=[StaleAlarm(*row) for row in old],
    )


def _name(device: str | None, point: str | None, message: str, kind: str) -> str:
    place = ".".join(part for part in (device, point) if part) or message
    return f"{place} {kind}"


class Follow(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    station_id: UUID | None = None


@room("alarms", permission="scada.alarms.read")
async def follow_alarms(ctx: Ctx, params: Follow) -> AsyncIterator[list[Any]]:
    """Follow alarms: each as it is after a change."""
    unit, actor, clock = ctx.get(UNIT), ctx.actor, ctx.clock
    news = ctx.get(NEWS).follow(f"{TOPIC}.{actor.tenant}")
    since = dt.datetime.now(dt.UTC)

    async def stream() -> AsyncIterator[list[Any]]:
        seen: dict[UUID, int] = {}
        last = min(since, clock())
        async for _ in news:
            async with unit(actor) as inside:
                fields = [getattr(AlarmRow, n) for n in alarms.read_fields]
                stmt = select(*fields).where(AlarmRow.updated_at >= last - OVERLAP)
                if params.station_id:
                    stmt = stmt.where(AlarmRow.station_id == params.station_id)
                rows = await inside.db.execute(stmt.order_by(AlarmRow.updated_at))
                found: list[Any] = [alarms.read(*row) for row in rows]
            changed = [a for a in found if seen.get(a.id) != a.revision]
            last = max([last, *(a.updated_at for a in found)])
            seen = {a.id: a.revision for a in found if a.updated_at >= last - OVERLAP}
            for start in range(0, len(changed), MOST_AT_ONCE):
                yield changed[start : start + MOST_AT_ONCE]

    return stream()
