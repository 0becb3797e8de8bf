"""The end of a unit of work: audit, events and commit travel to PostgreSQL as one message."""

from typing import Any

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from hub.contract.context import Ctx
from hub.contract.types import uuid7

_AUDIT = """
INSERT INTO hub_audit
  (tenant, at, actor, actor_kind, action, "table", row, change, request_id, ip)
SELECT * FROM unnest(
  %(tenant)s::uuid[], %(at)s::timestamptz[], %(actor)s::text[], %(actor_kind)s::text[],
  %(action)s::text[], %(table)s::text[], %(row)s::uuid[], %(change)s::jsonb[],
  %(request_id)s::text[], %(ip)s::text[])
"""
_EVENTS = """
INSERT INTO hub_event (id, tenant, at, type, actor, request_id, data)
SELECT * FROM unnest(
  %(id)s::uuid[], %(tenant)s::uuid[], %(at)s::timestamptz[], %(type)s::text[],
  %(actor)s::text[], %(request_id)s::text[], %(data)s::jsonb[])
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
        if audit:
            await raw.execute(_AUDIT, _columns(audit), prepare=True)
        if ctx.events:
            await raw.execute(_EVENTS, _columns(_events(ctx)), prepare=True)
        await raw.execute("COMMIT", prepare=True)


def _columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def _events(ctx: Ctx) -> list[dict[str, Any]]:
    rows, now = [], ctx.clock()
    for tenant, happened in ctx.events:
        data = msgspec.to_builtins(happened)
        rows.append(
            {
                "id": uuid7(),
                "tenant": tenant,
                "at": now,
                "type": data.pop("type"),
                "actor": ctx.actor.id,
                "request_id": ctx.caller.request_id,
                "data": Jsonb(data, _dumps),
            }
        )
    return rows


def _dumps(data: Any) -> bytes:
    return msgspec.json.encode(data)


def change(data: dict[str, list[Any]]) -> Jsonb:
    """What the audit keeps of one row."""
    return Jsonb(data, _dumps)
