"""Roll-ups of 1 min, 15 min, 1 h and 1 d in UTC, right for data that come late.

Every ingest marks the minutes that it wrote, in its own transaction. `refresh` takes marks of one
gateway, computes those minutes from the readings, and each coarser level from the finer one. All
levels have the columns point_id, t, n, s (sum), lo, hi, fst, lst and rise (of a counter, inside).
Only GOOD readings count.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any, LiteralString
from uuid import UUID

from psycopg import AsyncConnection

MARK: LiteralString = """
INSERT INTO rollup_mark (gateway, minute) SELECT %s, unnest(%s::timestamptz[])
ON CONFLICT (gateway, minute) DO UPDATE SET minute = excluded.minute
"""

TAKE: LiteralString = """
DELETE FROM rollup_mark WHERE (gateway, minute) IN (
    SELECT gateway, minute FROM rollup_mark
     WHERE minute < %(before)s AND gateway = (
        SELECT gateway FROM rollup_mark WHERE minute < %(before)s
         ORDER BY minute LIMIT 1 FOR UPDATE SKIP LOCKED)
     ORDER BY minute LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING gateway, minute
"""

RAW: LiteralString = """
SELECT r.point_id, r.time AS t, 1 AS n, r.value AS s, r.value AS lo, r.value AS hi,
       r.value AS fst, r.value AS lst, 0::float8 AS rise
"""

GOOD: LiteralString = "(r.quality & 3) = 0 AND r.value <> 'NaN'"

MERGE: LiteralString = """
INSERT INTO {into} (point_id, t, n, s, lo, hi, fst, lst, rise)
SELECT point_id, b, sum(n), sum(s), min(lo), max(hi),
       min(fst) FILTER (WHERE before IS NULL), min(lst) FILTER (WHERE after IS NULL),
       sum(rise) + coalesce(sum(greatest(fst - before, 0)), 0)
  FROM (
    SELECT part.*, lag(lst) OVER w AS before, lead(fst) OVER w AS after
      FROM (SELECT *, date_bin(%(width)s, t, 'epoch') AS b FROM ({source}) AS found) AS part
    WINDOW w AS (PARTITION BY point_id, b ORDER BY t)
  ) AS ordered
 GROUP BY point_id, b
ON CONFLICT (point_id, t) DO UPDATE SET
    n = excluded.n, s = excluded.s, lo = excluded.lo, hi = excluded.hi, fst = excluded.fst,
    lst = excluded.lst, rise = excluded.rise
"""

OF_READINGS: LiteralString = (
    RAW + " FROM unnest(%(start)s::timestamptz[], %(end)s::timestamptz[]) AS span(a, z)"
    " JOIN reading AS r ON r.time >= span.a AND r.time < span.z"
    " WHERE r.point_id = ANY(%(series)s) AND " + GOOD
)
OF_LEVEL: LiteralString = (
    "SELECT r.* FROM unnest(%(start)s::timestamptz[], %(end)s::timestamptz[]) AS span(a, z)"
    " JOIN {level} AS r ON r.t >= span.a AND r.t < span.z WHERE r.point_id = ANY(%(series)s)"
)

STEPS: tuple[tuple[int, LiteralString], ...] = (
    (60, MERGE.format(into="reading_1m", source=OF_READINGS)),
    (900, MERGE.format(into="reading_15m", source=OF_LEVEL.format(level="reading_1m"))),
    (3_600, MERGE.format(into="reading_1h", source=OF_LEVEL.format(level="reading_15m"))),
    (86_400, MERGE.format(into="reading_1d", source=OF_LEVEL.format(level="reading_1h"))),
)


async def refresh(connection: AsyncConnection[Any], before: dt.datetime, minutes: int = 60) -> int:
    """Bring up to date the roll-ups of up to `minutes` marks of one gateway; how many it were."""
    async with connection.transaction():
        cursor = await connection.execute(TAKE, {"before": before, "limit": minutes})
        taken = await cursor.fetchall()
        if taken:
            gateway: UUID = taken[0][0]
            found = await connection.execute(
                "SELECT array_agg(DISTINCT series) FROM sync_point WHERE gateway = %s", (gateway,)
            )
            (series,) = await found.fetchone() or (None,)
            await _recompute(connection, series or [], sorted(minute for _, minute in taken))
    return len(taken)


async def _recompute(
    connection: AsyncConnection[Any], series: Sequence[int], minutes: Sequence[dt.datetime]
) -> None:
    for width, statement in STEPS:
        step = dt.timedelta(seconds=width)
        units = sorted({int(minute.timestamp()) // width * width for minute in minutes})
        spans = _spans([dt.datetime.fromtimestamp(unit, dt.UTC) for unit in units], step)
        values = {
            "width": step,
            "series": series,
            "start": [start for start, _ in spans],
            "end": [end for _, end in spans],
        }
        await connection.execute(statement, values)


def _spans(
    units: Sequence[dt.datetime], width: dt.timedelta
) -> list[tuple[dt.datetime, dt.datetime]]:
    """Neighbouring units as one span."""
    found: list[tuple[dt.datetime, dt.datetime]] = []
    for unit in units:
        if found and found[-1][1] == unit:
            found[-1] = found[-1][0], unit + width
        else:
            found.append((unit, unit + width))
    return found
