"""Buckets of readings, from the coarsest roll-ups that are right at this moment."""

import datetime as dt
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from psycopg import AsyncConnection

from hub import Aggregate, Bucket, Invalid

from . import plan, rollups

MAX_ROWS = 1_000_000

VALUE = {
    Aggregate.AVG: "sum(s) / sum(n)",
    Aggregate.SUM: "sum(s)",
    Aggregate.MIN: "min(lo)",
    Aggregate.MAX: "max(hi)",
    Aggregate.COUNT: "sum(n)::float8",
    Aggregate.FIRST: "min(fst) FILTER (WHERE before IS NULL)",
    Aggregate.LAST: "min(lst) FILTER (WHERE after IS NULL)",
    Aggregate.DELTA: "sum(rise) + coalesce(sum(greatest(fst - earlier, 0)), 0)",
}

QUERY = """
SELECT point_id, b, {value}, sum(n)::int8
  FROM (
    SELECT part.*, lag(lst) OVER bucket AS before, lead(fst) OVER bucket AS after,
           lag(lst) OVER series AS earlier
      FROM (SELECT *, width_bucket(t, %(edges)s::timestamptz[]) AS b FROM ({source}) AS f) AS part
    WINDOW bucket AS (PARTITION BY point_id, b ORDER BY t),
           series AS (PARTITION BY point_id ORDER BY t)
  ) AS ordered
 WHERE b > 0
 GROUP BY point_id, b
"""

SEED = """
SELECT found.* FROM unnest(%(series)s::int[]) AS wanted(id), LATERAL (
    {raw} FROM reading AS r WHERE r.point_id = wanted.id AND r.time < %(first)s AND {good}
     ORDER BY r.time DESC LIMIT 1) AS found
"""

MARKS = """
SELECT DISTINCT extract(epoch FROM minute)::int8 AS second FROM rollup_mark
 WHERE minute > %s AND minute < %s
   AND gateway IN (SELECT gateway FROM sync_point WHERE series = ANY(%s))
 ORDER BY second
"""

Span = tuple[dt.datetime, dt.datetime]


class Question(NamedTuple):
    """What `ReadingStore.aggregate` was asked."""

    series: Sequence[int]
    start: dt.datetime
    end: dt.datetime
    bucket: str
    fn: Aggregate
    zone: str
    include_bad: bool


async def answer(connection: AsyncConnection[Any], question: Question) -> list[Bucket]:
    """All buckets; marks and readings are seen in one snapshot. The connection must be idle."""
    edges = plan.edges(question.start, question.end, question.bucket, question.zone)
    if not edges or not question.series:
        return []
    if len(edges) * len(question.series) > MAX_ROWS:
        raise Invalid(f"more than {MAX_ROWS} buckets: ask for fewer points, or longer buckets")
    async with connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        query, values = await _query(connection, question, edges)
        rows = await (await connection.execute(query, values)).fetchall()
        periods = await _periods(connection, question.series)
    found = {(series, number): (value, count) for series, number, value, count in rows}
    buckets = []
    for series in question.series:
        for number, (start, end) in enumerate(pairwise(edges), 1):
            value, count = found.get((series, number), (None, 0))
            seconds = (min(end, question.end) - max(start, question.start)).total_seconds()
            every = periods.get(series)
            covered = min(1.0, count * every / seconds) if every else None
            buckets.append(
                Bucket(series=series, start=start, value=value, count=count, coverage=covered)
            )
    return buckets


async def _periods(
    connection: AsyncConnection[Any], series: Sequence[int]
) -> dict[int, float | None]:
    cursor = await connection.execute(
        "SELECT series, min(every) FROM sync_point WHERE series = ANY(%s) GROUP BY series",
        (list(series),),
    )
    return dict(await cursor.fetchall())


async def _query(
    connection: AsyncConnection[Any], question: Question, edges: Sequence[dt.datetime]
) -> tuple[str, dict[str, Any]]:
    """The levels that answer, each over its stretches of time, merged into buckets."""
    values: dict[str, Any] = {
        "series": list(question.series), "edges": list(edges), "first": question.start
    }  # fmt: skip
    parts = []
    bad = question.include_bad
    spans = (
        {"": [(question.start, question.end)]} if bad else await _spans(connection, question, edges)
    )
    for level, stretches in spans.items():
        text = rollups.OF_LEVEL.format(level=f"reading_{level}") if level else rollups.OF_READINGS
        for name, column in (("start", 0), ("end", 1)):
            text = text.replace(f"%({name})s", f"%({name}_{level})s")
            values[f"{name}_{level}"] = [stretch[column] for stretch in stretches]
        parts.append(text)
    if question.fn is Aggregate.DELTA:
        parts.append(SEED.format(raw=rollups.RAW, good=rollups.GOOD))
    source = " UNION ALL ".join(f"({part})" for part in parts)
    if bad:
        source = source.replace(rollups.GOOD, "r.value <> 'NaN'")
    return QUERY.format(value=VALUE[question.fn], source=source), values


async def _spans(
    connection: AsyncConnection[Any], question: Question, edges: Sequence[dt.datetime]
) -> dict[str, list[Span]]:
    start, end = question.start, question.end
    minute = dt.timedelta(minutes=1)
    cursor = await connection.execute(MARKS, (start - minute, end, list(question.series)))
    dirty = [second for (second,) in await cursor.fetchall()]
    inner = [int(edge.timestamp()) for edge in edges[1:-1]]
    low, high = math.ceil(start.timestamp()), math.floor(end.timestamp())
    spans: dict[str, list[Span]] = {}
    if low >= high:
        return {"": [(start, end)]}
    for segment in plan.plan(low, high, inner, dirty):
        span = _aware(segment.start), _aware(segment.end)
        spans.setdefault(segment.level, []).append(span)
    ragged = [span for span in ((start, _aware(low)), (_aware(high), end)) if span[0] < span[1]]
    if ragged:
        spans.setdefault("", []).extend(ragged)
    return spans


def _aware(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
