"""The administrator's first page, and the plugins that are loaded."""

import datetime as dt
from importlib.metadata import version

import msgspec
from sqlalchemy import text

from hub import Ctx, Key, query

from .accounts import UserFigures, count_users
from .options import PLUGINS

BLOCKED = Key[tuple[str, ...]]("blocked plugins")

_FIGURES = text("""
SELECT
 (SELECT count(*) FROM identity_session WHERE tenant = :tenant AND revoked_at IS NULL
    AND expires_at > :now) AS active_sessions,
 (SELECT count(*) FROM identity_user WHERE tenant = :tenant AND locked_until > :now
    AND deleted_at IS NULL) AS locked_users,
 (SELECT count(*) FROM identity_user WHERE tenant = :tenant AND last_login_at > :day
    AND deleted_at IS NULL) AS users_today,
 (SELECT count(*) FROM jobs_job WHERE tenant = :tenant
    AND status IN ('pending', 'scheduled')) AS jobs_waiting,
 (SELECT count(*) FROM jobs_job WHERE tenant = :tenant AND status = 'running') AS jobs_running,
 (SELECT count(*) FROM jobs_job WHERE tenant = :tenant AND status IN ('dead', 'failed')
    AND finished_at > :day) AS jobs_failed,
 (SELECT count(*) FROM hub_event WHERE tenant = :tenant AND at > :day) AS events,
 (SELECT count(*) FROM hub_delivery WHERE tenant = :tenant AND state = 'dead') AS events_dead,
 (SELECT count(*) FROM hub_audit WHERE tenant = :tenant AND at > :day) AS changes,
 (SELECT count(*) FROM notifications_delivery WHERE tenant = :tenant
    AND status = 'queued') AS messages_waiting,
 (SELECT count(*) FROM notifications_delivery WHERE tenant = :tenant AND status = 'failed'
    AND created_at > :day) AS messages_failed
""")
_ALERTS = text("""
SELECT severity, count(*) FROM monitoring_alert
 WHERE tenant = :tenant AND status <> 'resolved' GROUP BY severity
""")


class Dashboard(msgspec.Struct, kw_only=True):
    """Figures of now, and of the last 24 hours. alerts: open ones by severity."""

    users: UserFigures
    figures: dict[str, int]
    alerts: dict[str, int]
    health: str
    at: dt.datetime


@query("dashboard", permission="admin.dashboard.read")
async def dashboard(ctx: Ctx) -> Dashboard:
    """Return users, sessions, jobs, events, messages, alerts and health on one page."""
    now = ctx.clock()
    about = {"tenant": ctx.actor.tenant, "now": now, "day": now - dt.timedelta(days=1)}
    row = (await ctx.db.execute(_FIGURES, about)).mappings().one()
    rows = await ctx.db.execute(_ALERTS, {"tenant": ctx.actor.tenant})
    alerts = {str(severity): int(number) for severity, number in rows}
    worse = next((s for s in ("critical", "error", "warning") if alerts.get(s)), "ok")
    return Dashboard(
        users=await count_users(ctx), figures=dict(row), alerts=alerts, health=worse, at=now
    )


class PluginState(msgspec.Struct, kw_only=True):
    """status: loaded, or blocked by the configuration (`plugins.blocked`)."""

    name: str
    status: str
    title: str = ""
    version: str = ""
    requires: list[str] = []
    urls: list[str] = []
    resources: int = 0
    jobs: int = 0


class PluginStates(msgspec.Struct):
    """version: of the whole installation."""

    version: str
    items: list[PluginState]


@query("plugins", permission="system.plugins.read")
async def plugins(ctx: Ctx) -> PluginStates:
    """Return which plugins are loaded, and which the configuration keeps out."""
    found = [
        PluginState(
            name=p.name,
            status="loaded",
            title=p.title or p.name,
            version=p.version,
            requires=list(p.requires),
            urls=[p.name, *p.urls],
            resources=len(p.resources),
            jobs=len(p.jobs),
        )
        for p in ctx.get(PLUGINS).values()
    ]
    found += [PluginState(name=name, status="blocked") for name in ctx.get(BLOCKED)]
    return PluginStates(version("busbar"), sorted(found, key=lambda p: p.name))
