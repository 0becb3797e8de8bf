"""Figures of the product that its own alert rules watch, for one company."""

from typing import Any

from sqlalchemy import insert, text

from hub import Ctx, uuid7

from .models import Sample

# Each is one number; what there is nothing of is 0.
FIGURES: dict[str, str] = {
    "jobs.waiting": "SELECT count(*) FROM jobs_job"
    " WHERE tenant = :tenant AND status IN ('pending', 'scheduled')"
    " AND (scheduled_at IS NULL OR scheduled_at <= :now)",
    "jobs.oldest_s": "SELECT coalesce(max(extract(epoch FROM CAST(:now AS timestamptz)"
    " - coalesce(scheduled_at, created_at))), 0) FROM jobs_job"
    " WHERE tenant = :tenant AND status IN ('pending', 'scheduled')"
    " AND (scheduled_at IS NULL OR scheduled_at <= :now)",
    "jobs.dead": "SELECT count(*) FROM jobs_job WHERE tenant = :tenant"
    " AND status IN ('dead', 'failed')",
    "events.waiting": "SELECT count(*) FROM hub_delivery WHERE tenant = :tenant AND state = 'due'",
    "events.dead": "SELECT count(*) FROM hub_delivery WHERE tenant = :tenant AND state = 'dead'",
    "webhooks.failing": "SELECT count(*) FROM events_endpoint"
    " WHERE tenant = :tenant AND failures >= 20",
    "notifications.waiting": "SELECT count(*) FROM notifications_delivery"
    " WHERE tenant = :tenant AND status = 'queued' AND next_at <= :now",
    "sessions.active": "SELECT count(*) FROM identity_session"
    " WHERE tenant = :tenant AND revoked_at IS NULL AND expires_at > :now",
    "users.locked": "SELECT count(*) FROM identity_user"
    " WHERE tenant = :tenant AND locked_until > :now",
    "database.bytes": "SELECT pg_database_size(current_database())"
    " WHERE CAST(:tenant AS uuid) IS NOT NULL AND CAST(:now AS timestamptz) IS NOT NULL",
    "database.connections_share": "SELECT count(*)::float8 /"
    " current_setting('max_connections')::float8 FROM pg_stat_activity"
    " WHERE CAST(:tenant AS uuid) IS NOT NULL AND CAST(:now AS timestamptz) IS NOT NULL",
}
_ALL = text("SELECT " + ", ".join(f'({sql})::float8 AS "{name}"' for name, sql in FIGURES.items()))


async def sample(ctx: Ctx) -> None:
    """Measure now."""
    now = ctx.clock()
    row = await ctx.db.execute(_ALL, {"tenant": ctx.actor.tenant, "now": now})
    values: list[dict[str, Any]] = [
        {
            "tenant": ctx.actor.tenant,
            "id": uuid7(),
            "revision": 1,
            "created_at": now,
            "updated_at": now,
            "metric": metric,
            "value": value,
            "labels": {},
        }
        for metric, value in row.mappings().one().items()
    ]
    await ctx.db.execute(insert(Sample), values)
