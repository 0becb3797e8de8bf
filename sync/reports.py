"""How gateways are, as the centre sees them."""

import datetime as dt
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from hub import Ctx, Key, query

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg_pool import AsyncConnectionPool

NOTES, GAPS = 20, 20

_GATEWAYS = """
SELECT g.id, g.name, g.enabled, g.created_at, c.newest, c.moved_at,
       coalesce(c.readings, 0) AS readings,
       coalesce(c.duplicates, 0) AS duplicates, coalesce(c.lives, 0) AS lives,
       (SELECT count(DISTINCT series) FROM sync_point p WHERE p.gateway = g.id) AS points,
       (SELECT count(*) FROM sync_order o
         WHERE o.gateway = g.id AND o.taken_at IS NULL AND o.expires_at > now()) AS orders
  FROM sync_gateway g
  LEFT JOIN LATERAL (
        SELECT max(newest) AS newest, max(moved_at) AS moved_at, sum(readings)::int8 AS readings,
               sum(duplicates)::int8 AS duplicates, count(DISTINCT epoch) AS lives
          FROM sync_cursor WHERE gateway = g.id) c ON true
 WHERE g.owner = %(owner)s
 ORDER BY g.name
"""
_GAPS = """
SELECT device, cause, since, until, lost FROM sync_gap
 WHERE gateway = %(gateway)s ORDER BY since DESC, id DESC LIMIT %(most)s
"""
_NOTES = """
SELECT at, level, code, message FROM sync_note
 WHERE gateway = %(gateway)s ORDER BY at DESC, id DESC LIMIT %(most)s
"""


class Gap(msgspec.Struct, kw_only=True):
    """Time in which readings of a device are missing; without until it still lasts."""

    device: str
    cause: str
    since: dt.datetime
    until: dt.datetime | None
    lost: int


class Remark(msgspec.Struct, kw_only=True):
    at: dt.datetime
    level: str
    code: str
    message: str


class Gateway(msgspec.Struct, kw_only=True):
    """newest: time of its newest reading. moved_at: when the centre last took something from it.

    lives: how often its buffer began anew. orders: how many still wait to be fetched.
    """

    id: UUID
    name: str
    enabled: bool
    created_at: dt.datetime
    newest: dt.datetime | None
    moved_at: dt.datetime | None
    readings: int
    duplicates: int
    lives: int
    points: int
    orders: int
    gaps: list[Gap]
    notes: list[Remark]


class Gateways(msgspec.Struct):
    items: list[Gateway]


class Reports:
    """Reads the tables of ingest, which belong to no company, for one company at a time."""

    def __init__(self, pool: "AsyncConnectionPool[AsyncConnection[Any]]") -> None:
        self._pool = pool

    async def of(self, owner: UUID) -> list[Gateway]:
        async with self._pool.connection() as connection:
            found = await _rows(connection, _GATEWAYS, {"owner": owner})
            return [
                msgspec.convert(row | await _life(connection, row["id"]), Gateway) for row in found
            ]


async def _life(connection: "AsyncConnection[Any]", gateway: UUID) -> dict[str, Any]:
    gaps = await _rows(connection, _GAPS, {"gateway": gateway, "most": GAPS})
    notes = await _rows(connection, _NOTES, {"gateway": gateway, "most": NOTES})
    return {"gaps": gaps, "notes": notes}


async def _rows(
    connection: "AsyncConnection[Any]", statement: str, values: dict[str, Any]
) -> list[dict[str, Any]]:
    cursor = await connection.execute(statement, values)
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]


REPORTS = Key[Reports]("gateways as the centre sees them")


@query("gateways", permission="sync.gateways.read")
async def gateways(ctx: Ctx) -> Gateways:
    """Return every gateway of the company: how fresh, how much, what is missing, what it said."""
    return Gateways(await ctx.get(REPORTS).of(ctx.actor.tenant))
