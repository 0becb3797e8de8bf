"""Readings of the points that the caller may see: last values, history, buckets, live."""

import base64
import binascii
import datetime as dt
import math
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta
from sqlalchemy import Select, select

from hub import (
    STORE,
    Aggregate,
    BadRequest,
    CompletenessState,
    Ctx,
    Hole,
    NotFound,
    ReadingBatch,
    query,
    room,
)

from .models import DataPoint, Device
from .rules import quality_word

MOST_POINTS = 1000
MOST_LIVE = 20_000
MOST_PROVED = 200
Instant = Annotated[dt.datetime, Meta(tz=True)]
Bucket = Literal["1m", "5m", "15m", "1h", "1d", "1mo"]


class Which(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Points by id, of a device, of a station; together they narrow."""

    points: list[UUID] = []
    device_id: UUID | None = None
    station_id: UUID | None = None


class Period(Which, kw_only=True, forbid_unknown_fields=True):
    """[from, to); `to` is now when absent."""

    start: Instant = msgspec.field(name="from")
    end: Instant | None = msgspec.field(name="to", default=None)


class HistoryParams(Period, kw_only=True, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=1000)] = 1000
    cursor: str = ""


class AggregateParams(Period, kw_only=True, forbid_unknown_fields=True):
    fn: Aggregate = Aggregate.AVG
    bucket: Bucket = "1h"
    zone: str = "UTC"
    include_bad: bool = False


class Reading(msgspec.Struct):
    """quality: a word; quality_code: validity, flags and clock as bits."""

    point_id: UUID
    time: dt.datetime
    value: float | None
    text: str | None
    quality: str
    quality_code: int


class Readings(msgspec.Struct):
    items: list[Reading]
    next_cursor: str | None = None


class BucketValue(msgspec.Struct):
    """coverage: share of the readings that were to be expected."""

    point_id: UUID
    start: dt.datetime
    value: float | None
    count: int
    coverage: float | None


class Buckets(msgspec.Struct):
    items: list[BucketValue]


def _points(which: Which) -> Select[int, UUID]:
    stmt = select(DataPoint.series, DataPoint.id).where(DataPoint.is_active)
    if which.points:
        stmt = stmt.where(DataPoint.id.in_(which.points))
    if which.device_id:
        stmt = stmt.where(DataPoint.device_id == which.device_id)
    if which.station_id:
        of_station = select(Device.id).where(Device.station_id == which.station_id)
        stmt = stmt.where(DataPoint.device_id.in_(of_station))
    return stmt


async def authorised(ctx: Ctx, which: Which, most: int = MOST_POINTS) -> dict[int, UUID]:
    """Series → point of what the caller's tenant owns; a foreign point is not found."""
    rows = (await ctx.db.execute(_points(which).limit(most + 1))).all()
    if len(rows) > most:
        raise BadRequest(f"that is more than {most} points: narrow it", field="points")
    found: dict[int, UUID] = dict(rows)
    if missing := set(which.points) - set(found.values()):
        raise NotFound(f"there is no point {missing.pop()}", resource="points")
    return found


def rows_of(batch: ReadingBatch, points: Mapping[int, UUID]) -> list[Reading]:
    """Rows of a batch for people; NaN is no value."""
    columns = zip(
        batch.point.tolist(),
        batch.time.tolist(),
        batch.value.tolist(),
        batch.quality.tolist(),
        strict=True,
    )
    return [
        Reading(
            point_id=points[series],
            time=_time(time),
            value=value if math.isfinite(value) else None,
            text=batch.text.get(i),
            quality=quality_word(quality),
            quality_code=quality,
        )
        for i, (series, time, value, quality) in enumerate(columns)
    ]


def _time(micros: int) -> dt.datetime:
    return _EPOCH + dt.timedelta(microseconds=micros)


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@query("readings/live", permission="scada.readings.read")
async def live(ctx: Ctx, params: Which) -> Readings:
    """Return the last value of each point."""
    points = await authorised(ctx, params, MOST_LIVE)
    batch = await ctx.get(STORE).latest(list(points))
    return Readings(rows_of(batch, points))


@query("readings/history", permission="scada.readings.read")
async def history(ctx: Ctx, params: HistoryParams) -> Readings:
    """Return raw readings in order of time."""
    start, end = _period(ctx, params)
    points = await authorised(ctx, params)
    batch = await ctx.get(STORE).history(
        list(points), start, end, limit=params.limit + 1, after=_read_cursor(params.cursor)
    )
    rows = rows_of(batch, points)
    more = None
    if len(rows) > params.limit:
        rows = rows[: params.limit]
        more = _cursor(int(batch.time[params.limit - 1]), int(batch.point[params.limit - 1]))
    return Readings(rows, more)


@query("readings/aggregate", permission="scada.readings.read")
async def aggregate(ctx: Ctx, params: AggregateParams) -> Buckets:
    """Return buckets of time with one value each."""
    start, end = _period(ctx, params)
    points = await authorised(ctx, params)
    buckets = await ctx.get(STORE).aggregate(
        list(points),
        start,
        end,
        bucket=params.bucket,
        fn=params.fn,
        zone=params.zone,
        include_bad=params.include_bad,
    )
    return Buckets(
        [BucketValue(points[b.series], b.start, b.value, b.count, b.coverage) for b in buckets]
    )


def _period(ctx: Ctx, params: Period) -> tuple[dt.datetime, dt.datetime]:
    end = params.end or ctx.clock()
    if end < params.start:
        raise BadRequest("the period ends before it begins", field="to")
    return params.start, end


def _cursor(time: int, series: int) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode((time, series))).decode().rstrip("=")


def _read_cursor(raw: str) -> tuple[dt.datetime, int] | None:
    if not raw:
        return None
    try:
        data = base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4))
        time, series = msgspec.json.decode(data, type=tuple[int, int])
        return _time(time), series
    except (binascii.Error, msgspec.MsgspecError, ValueError, OverflowError):
        raise BadRequest("this cursor is not one of ours", field="cursor") from None


class PointCompleteness(msgspec.Struct, kw_only=True):
    """proved_until: all that was acquired before is stored or named in `gaps`."""

    point_id: UUID
    state: CompletenessState
    proved_until: dt.datetime | None
    gaps: tuple[Hole, ...]


class CompletenessReport(msgspec.Struct, kw_only=True):
    """state: the worst of all points."""

    start: dt.datetime
    end: dt.datetime
    state: CompletenessState
    items: list[PointCompleteness]


_WORST = (
    CompletenessState.UNKNOWN, CompletenessState.GAPS, CompletenessState.PENDING,
    CompletenessState.COMPLETE,
)  # fmt: skip


@query("readings/completeness", permission="scada.readings.read")
async def prove(ctx: Ctx, params: Period) -> CompletenessReport:
    """Prove that nothing of a period is missing, or name every hole with its cause."""
    start, end = _period(ctx, params)
    points = await authorised(ctx, params, MOST_PROVED)
    found = await ctx.get(STORE).completeness(list(points), start, end)
    items = [
        PointCompleteness(
            point_id=points[s], state=c.state, proved_until=c.proved_until, gaps=c.gaps
        )
        for s, c in found.items()
    ]
    states = {item.state for item in items} or {CompletenessState.UNKNOWN}
    worst = next(state for state in _WORST if state in states)
    return CompletenessReport(start=start, end=end, state=worst, items=items)


class Watch(Which, kw_only=True, forbid_unknown_fields=True):
    """min_interval_ms: so often at most; what comes meanwhile is joined, the newest per point."""

    min_interval_ms: Annotated[int, Meta(ge=100, le=60_000)] = 200


@room("readings", permission="scada.readings.read", key="station_id")
async def watch(ctx: Ctx, params: Watch) -> AsyncIterator[list[Reading]]:
    """Follow points: first their last values, then each change, the newest per point."""
    points = await authorised(ctx, params, MOST_LIVE)
    store = ctx.get(STORE)

    async def stream() -> AsyncIterator[list[Reading]]:
        yield rows_of(await store.latest(list(points)), points)
        async for batch in store.live(list(points)):
            yield rows_of(batch, points)

    return stream()
