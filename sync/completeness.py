"""Is everything there? Answered from sequences, hash chains and gap records, not from counting.

A stream's watermark moves only over frames whose chain of hashes holds, so all that a gateway wrote
up to it is stored, save what its notices of loss and gap records say. What was acquired later than
the newest reading behind the watermark may still be on its way.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection

from hub import Completeness, CompletenessState, Hole

SOURCES = """
SELECT p.gateway, p.device, max(c.newest) AS newest
  FROM sync_point p
  LEFT JOIN sync_cursor c
    ON c.gateway = p.gateway AND c.epoch = p.epoch AND c.stream = 'telemetry'
 WHERE p.series = %s
 GROUP BY p.gateway, p.device
"""

HOLES = """
SELECT since, until, cause, device, lost FROM sync_gap
 WHERE gateway = %s AND device IN ('', %s) AND since < %s AND coalesce(until, 'infinity') > %s
 ORDER BY since, id
"""


async def completeness(
    connection: AsyncConnection[Any], series: int, start: dt.datetime, end: dt.datetime
) -> Completeness:
    """What is known of one point in [start, end)."""
    sources = await (await connection.execute(SOURCES, (series,))).fetchall()
    if not sources:
        return Completeness(CompletenessState.UNKNOWN)
    gaps: list[Hole] = []
    for gateway, device, _ in sources:
        cursor = await connection.execute(HOLES, (gateway, device, end, start))
        gaps += [Hole(*row) for row in await cursor.fetchall()]
    proved = max((newest for _, _, newest in sources if newest), default=None)
    return Completeness(_state(gaps, proved, end), tuple(gaps), proved)


def _state(gaps: Sequence[Hole], proved: dt.datetime | None, end: dt.datetime) -> CompletenessState:
    if gaps:
        return CompletenessState.GAPS
    reached = proved is not None and proved >= end
    return CompletenessState.COMPLETE if reached else CompletenessState.PENDING
