"""Alarms over time: statistics, and the room that follows them."""

import datetime as dt
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta
from sqlalchemy import select

from hub import AlarmStatus, AlarmStep, Ctx, room

from .alarm_models import AlarmEntry, AlarmRow
from .alarm_statistics import DAY, Raised, Statistics, statistics
from .alarms import alarms
from .follow import following
from .models import DataPoint, Device
from .told import TOPIC

MOST_ENTRIES, MOST_STALE = 200_000, 100


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


@room("alarms", permission="scada.alarms.read", key="station_id", default=True)
async def follow_alarms(ctx: Ctx, params: Follow) -> AsyncIterator[list[Any]]:
    """Follow alarms: each as it is after a change."""
    where = [AlarmRow.station_id == params.station_id] if params.station_id else []
    return following(ctx, alarms, TOPIC, where)
