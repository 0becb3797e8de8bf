"""Alerts, their rules and measurements, as clients see them."""

import datetime as dt
import math
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta
from sqlalchemy import func, select, text

from hub import Conflict, Ctx, Invalid, NotFound, Op, Resource, action, query

from .conditions import judged, read
from .evaluating import resolve
from .models import OPEN, Alert, AlertStatus, Metric, Rule, Sample
from .windows import seen

samples = Resource(
    name="samples",
    model=Sample,
    subject="metrics",
    title="Samples",
    ops=Op.LIST,
    filters=("metric", "created_at"),
    sort=("-created_at", "metric"),
)
alert_rules = Resource(
    name="alert-rules",
    model=Rule,
    subject="rules",
    title="Alert rules",
    filters=("code", "condition_type", "alert_type", "severity", "is_active", "is_builtin"),
    sort=("code", "last_fired_at", "created_at"),
    search=("code", "name"),
)
alerts = Resource(
    name="alerts",
    model=Alert,
    title="Alerts",
    ops=Op.READ,
    filters=("code", "alert_type", "severity", "status", "source_rule_id", "created_at"),
    sort=("-created_at", "last_seen_at", "severity"),
    search=("title", "description"),
)


def _given(body: Any) -> dict[str, Any]:
    return {f: v for f in body.__struct_fields__ if (v := getattr(body, f)) is not UNSET}


def _check(given: Mapping[str, Any]) -> None:
    read(given["condition_type"], given["condition_config"])
    for said in given.get("recipients") or ():
        if said.partition(":")[0] not in {"role", "may", "id"}:
            raise Invalid(
                f"recipients: {said[:80]!r} names nobody: role:<code>, may:<permission>, id:<user>",
                field="recipients",
            )


@alert_rules.on(Op.CREATE)
async def create_rule(ctx: Ctx, body: Any) -> Rule:
    """Watch for something from the next minute on."""
    given = _given(body)
    _check(given)
    row = Rule(**given)
    ctx.db.add(row)
    return row


@alert_rules.on(Op.UPDATE)
async def change_rule(ctx: Ctx, row: Rule, body: Any) -> None:
    """Change what is watched for; the wait for `for_s` begins anew."""
    given = _given(body)
    now = {"condition_type": row.condition_type, "condition_config": row.condition_config}
    _check(now | given)
    for name, value in given.items():
        setattr(row, name, value)
    row.since = row.clear_since = None


@alert_rules.on(Op.DELETE)
async def delete_rule(ctx: Ctx, row: Rule) -> None:
    """Delete a rule and resolve its alert; one that ships is only switched off."""
    if row.is_builtin:
        raise Conflict("this rule ships with the product: switch it off instead")
    for alert in await ctx.db.scalars(
        select(Alert).where(Alert.source_rule_id == row.id, Alert.status.in_(OPEN))
    ):
        resolve(ctx, alert, ctx.actor.id, "its rule was deleted")
    await ctx.db.delete(row)


class Trial(msgspec.Struct, kw_only=True):
    """would_fire: at which minutes of the last day its condition held, `for_s` left aside."""

    holds: bool
    value: float | None
    would_fire: list[dt.datetime]
    times: int


STEP = dt.timedelta(minutes=15)
DAY = dt.timedelta(hours=24)


@alert_rules.action("test", verb="write")
async def try_rule(ctx: Ctx, row: Rule) -> Trial:
    """Tell whether the condition holds now, and when it held in the last 24 hours."""
    condition, now = read(row.condition_type, row.condition_config), ctx.clock()
    holds, value = judged(condition, await seen(ctx, condition, now))
    found, at = [], now - DAY
    while at <= now:
        if judged(condition, await seen(ctx, condition, at))[0]:
            found.append(at)
        at += STEP
    return Trial(holds=holds, value=value, would_fire=found, times=len(found))


@alerts.transition(
    "acknowledge",
    start={AlertStatus.ACTIVE},
    end=AlertStatus.ACKNOWLEDGED,
    verb="write",
)
async def acknowledge(ctx: Ctx, row: Alert) -> None:
    """Say that somebody looks after it."""
    row.acknowledged_at, row.acknowledged_by = ctx.clock(), ctx.actor.id


class Resolve(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """resolution_notes: what it was, and what was done."""

    resolution_notes: Annotated[str, Meta(min_length=1, max_length=10_000)]


@alerts.action("resolve", verb="write")
async def resolve_alert(ctx: Ctx, row: Alert, body: Resolve) -> Alert:
    """Say that it is over."""
    if row.status is AlertStatus.RESOLVED:
        raise Conflict("it is resolved already")
    resolve(ctx, row, ctx.actor.id, body.resolution_notes)
    return row


class Suppress(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """until: nobody is told before then."""

    until: Annotated[dt.datetime, Meta(tz=True)]


@alerts.action("suppress", verb="write")
async def suppress(ctx: Ctx, row: Alert, body: Suppress) -> Alert:
    """Tell nobody of it for a while."""
    if row.status is AlertStatus.RESOLVED:
        raise Conflict("it is resolved already")
    if not ctx.clock() < body.until <= ctx.clock() + dt.timedelta(days=30):
        raise Invalid("until: within the next 30 days", field="until")
    row.status, row.suppressed_until = AlertStatus.SUPPRESSED, body.until
    return row


class Named(msgspec.Struct, kw_only=True):
    """A measurement and its newest sample."""

    metric: str
    samples: int
    last_at: dt.datetime


class Names(msgspec.Struct):
    items: list[Named]


@query("metrics", permission="monitoring.metrics.read")
async def names(ctx: Ctx) -> Names:
    """Return what is measured."""
    found = await ctx.db.execute(
        select(Sample.metric, func.count(), func.max(Sample.created_at))
        .group_by(Sample.metric)
        .order_by(Sample.metric)
    )
    return Names([Named(metric=m, samples=n, last_at=at) for m, n, at in found])


class Measured(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A value that another system has measured."""

    metric: Metric
    value: float
    labels: Annotated[dict[str, str], Meta(max_length=20)] = {}


class Kept(msgspec.Struct):
    at: dt.datetime


@action("metrics", permission="monitoring.metrics.write", status=201)
async def measure(ctx: Ctx, body: Measured) -> Kept:
    """Keep a value of another system, so that rules can watch it."""
    if not math.isfinite(body.value):
        raise Invalid("value: a finite number", field="value")
    ctx.db.add(Sample(metric=body.metric, value=body.value, labels=body.labels))
    return Kept(ctx.clock())


class Range(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """hours: back from now. bucket_s: seconds that one value stands for."""

    hours: Annotated[int, Meta(ge=1, le=720)] = 24
    bucket_s: Annotated[int, Meta(ge=60, le=86_400)] = 300


class Value(msgspec.Struct, kw_only=True):
    at: dt.datetime
    avg: float
    min: float
    max: float


class Series(msgspec.Struct, kw_only=True):
    metric: str
    items: list[Value]


_SERIES = text("""
SELECT to_timestamp(floor(extract(epoch FROM created_at) / :bucket) * :bucket) AS at,
       avg(value) AS avg, min(value) AS low, max(value) AS high
  FROM monitoring_sample
 WHERE tenant = :tenant AND metric = :metric AND created_at > :since
 GROUP BY 1 ORDER BY 1
""")


@query("metrics/{name}", permission="monitoring.metrics.read")
async def series(ctx: Ctx, name: str, params: Range) -> Series:
    """Return a measurement over time."""
    found = await ctx.db.execute(
        _SERIES,
        {
            "tenant": ctx.actor.tenant,
            "metric": name,
            "bucket": params.bucket_s,
            "since": ctx.clock() - dt.timedelta(hours=params.hours),
        },
    )
    if not await ctx.db.scalar(select(Sample.id).where(Sample.metric == name).limit(1)):
        raise NotFound(f"nothing measures {name[:80]!r}", resource="metrics")
    items = [Value(at=at, avg=avg, min=low, max=high) for at, avg, low, high in found]
    return Series(metric=name, items=items)
