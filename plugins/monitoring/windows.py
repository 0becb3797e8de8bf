"""What lies in the window that a rule looks at: samples, readings, events."""

import datetime as dt
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
from sqlalchemy import select, text

from hub import STORE, Ctx, Invalid, Validity
from plugins.scada import DataPoint

from .conditions import Condition, Seen, Source

VALIDITY = 0x0003
MOST = 10_000

_SAMPLES = text("""
SELECT count(*) AS count, avg(value) AS avg, min(value) AS low, max(value) AS high,
       (array_agg(value ORDER BY created_at, id))[1] AS first,
       (array_agg(value ORDER BY created_at DESC, id DESC))[1] AS last,
       coalesce(extract(epoch FROM max(created_at) - min(created_at)) / 60, 0) AS minutes
  FROM monitoring_sample
 WHERE tenant = :tenant AND metric = :metric AND created_at > :since AND created_at <= :now
   AND labels @> CAST(:labels AS jsonb)
""")
_EVENTS = text("""
SELECT count(*) FROM hub_event
 WHERE tenant = :tenant AND at > :since AND at <= :now AND type LIKE :pattern
""")


async def seen(ctx: Ctx, condition: Condition, now: dt.datetime) -> Seen:
    """What the window before `now` holds; Invalid for a point that there is not."""
    since = now - dt.timedelta(seconds=condition.window_s)
    about: dict[str, Any] = {"tenant": ctx.actor.tenant, "since": since, "now": now}
    if condition.source is Source.EVENT:
        escaped = condition.name.replace("\\", "\\\\").replace("_", r"\_").replace("%", r"\%")
        found = await ctx.db.scalar(_EVENTS, about | {"pattern": escaped.replace("*", "%")})
        return Seen(count=int(found or 0))
    if condition.source is Source.METRIC:
        labels = msgspec.json.encode(condition.labels).decode()
        row = (
            (await ctx.db.execute(_SAMPLES, about | {"metric": condition.name, "labels": labels}))
            .mappings()
            .one()
        )
        return msgspec.convert({**row, "minutes": float(row["minutes"])}, Seen)
    return await _readings(ctx, condition.name, since, now)


async def _readings(ctx: Ctx, name: str, since: dt.datetime, now: dt.datetime) -> Seen:
    """Good and questionable values of one point."""
    try:
        ident = UUID(name)
    except ValueError:
        raise Invalid(f"name: {name[:80]!r} is no point's id", field="condition_config") from None
    series = await ctx.db.scalar(
        select(DataPoint.series).where(DataPoint.tenant == ctx.actor.tenant, DataPoint.id == ident)
    )
    if series is None:
        raise Invalid(f"name: there is no point {name}", field="condition_config")
    batch = await ctx.get(STORE).history([series], since, now, limit=MOST)
    usable = (batch.quality & VALIDITY) != Validity.INVALID
    values, times = batch.value[usable], batch.time[usable]
    if not len(values):
        return Seen()
    return Seen(
        count=len(values),
        first=float(values[0]),
        last=float(values[-1]),
        avg=float(np.mean(values)),
        low=float(np.min(values)),
        high=float(np.max(values)),
        minutes=float(times[-1] - times[0]) / 60e6,
    )
