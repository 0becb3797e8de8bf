"""Is everything there? Answered from sequences, hash chains and gap records, not from counting.

A stream's watermark moves only over frames whose chain of hashes holds, so all that a gateway wrote
up to it is stored, save what its notices of loss and gap records say. What was acquired later than
the newest reading behind the watermark may still be on its way.
"""

import datetime as dt
import enum
from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection


class State(enum.StrEnum):
    """What can be said of a range."""

    COMPLETE = "complete"
    GAPS = "gaps"
    PENDING = "pending"  # the gateway may have more for this range
    UNKNOWN = "unknown"  # no gateway has this point


class Hole(Struct, frozen=True):
    """Readings that do not exist, and why. until: None while it lasts. device: empty for all."""

    since: dt.datetime
    until: dt.datetime | None
    cause: str
    device: str
    lost: int


class Completeness(Struct, frozen=True):
    """proved_until: everything acquired before is stored or named in `gaps`."""

    state: State
    gaps: tuple[Hole, ...] = ()
    proved_until: dt.datetime | None = None


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
        return Completeness(State.UNKNOWN)
    gaps: list[Hole] = []
    for gateway, device, _ in sources:
        cursor = await connection.execute(HOLES, (gateway, device, end, start))
        gaps += [Hole(*row) for row in await cursor.fetchall()]
    proved = max((newest for _, _, newest in sources if newest), default=None)
    return Completeness(_state(gaps, proved, end), tuple(gaps), proved)


def _state(gaps: Sequence[Hole], proved: dt.datetime | None, end: dt.datetime) -> State:
    if gaps:
        return State.GAPS
    return State.COMPLETE if proved is not None and proved >= end else State.PENDING
