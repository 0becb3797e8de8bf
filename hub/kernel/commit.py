"""The end of a unit of work: audit, events and commit travel to PostgreSQL as one message."""

import logging
from typing import Any

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from hub.contract.context import Ctx, External
from hub.contract.ids import uuid7

log = logging.getLogger(__name__)

DEEPEST = 20  # events that follow from each other
_AUDIT = """
INSERT INTO hub_audit
  (tenant, at, actor, actor_kind, action, "table", row, change, request_id,
   correlation_id, ip)
VALUES (%(tenant)s, %(at)s, %(actor)s, %(actor_kind)s, %(action)s, %(table)s, %(row)s, %(change)s,
  %(request_id)s, %(correlation_id)s, %(ip)s)
"""
# Of many events one statement: a bill run tells a thousand in one transaction.
_EVENTS = """
INSERT INTO hub_event
  (id, tenant, at, type, actor, request_id, correlation_id, causation_id, depth, data)
SELECT e.id, e.tenant, %(at)s, e.type, %(actor)s, %(request_id)s, %(correlation_id)s,
       %(causation_id)s, %(depth)s, e.data
  FROM ROWS FROM (jsonb_to_recordset(%(events)s) AS (id uuid, tenant uuid, type text, data jsonb))
       WITH ORDINALITY AS e(id, tenant, type, data, place)
 ORDER BY e.place
"""


async def commit(ctx: Ctx) -> None:
    """Write what happened, and commit; without anything to write it is left to the session."""
    info = ctx.db.sync_session.info
    audit: list[dict[str, Any]] = info["audit"]
    if not audit and not ctx.events:
        return
    if "raw" not in info:
        await ctx.db.connection()
    raw: psycopg.AsyncConnection[Any] = info["raw"]
    async with raw.pipeline():
        for row in audit:
            await raw.execute(_AUDIT, row, prepare=True)
        if ctx.events and not _runs_in_circles(ctx):
            await raw.execute(_EVENTS, _events(ctx), prepare=True)
        await raw.execute("COMMIT", prepare=True)


def _events(ctx: Ctx) -> dict[str, Any]:
    rows, caller = [], ctx.caller
    for tenant, happened in ctx.events:
        data = msgspec.to_builtins(happened)
        kind = data.pop("type")
        if isinstance(happened, External):
            kind, data = happened.name, data["data"]
        rows.append({"id": uuid7(), "tenant": tenant, "type": kind, "data": data})
    return {
        "at": ctx.clock(),
        "actor": ctx.actor.id,
        "request_id": caller.request_id,
        "correlation_id": caller.correlation_id,
        "causation_id": caller.causation_id,
        "depth": caller.depth,
        "events": Jsonb(rows, _dumps),
    }


def _runs_in_circles(ctx: Ctx) -> bool:
    """Whether these events follow from too many others; they go to the log and no further."""
    if ctx.caller.depth <= DEEPEST:
        return False
    log.error(
        "events that cause each other were cut after %d: %s",
        DEEPEST,
        ", ".join(sorted({type(e).__name__ for _, e in ctx.events})),
        extra={"action": "events.loop", "correlation_id": ctx.caller.correlation_id},
    )
    return True


def _dumps(data: Any) -> bytes:
    return msgspec.json.encode(data)


def change(data: dict[str, list[Any]]) -> Jsonb:
    """What the audit keeps of one row."""
    return Jsonb(data, _dumps)
