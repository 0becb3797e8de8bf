"""The rules that every company begins with; they can be switched off, not deleted."""

from typing import Any

from sqlalchemy import select, text

from hub import UnitOfWork
from plugins.identity import Tenant

from .models import AlertType, ConditionType, Rule, Severity

TO = ["may:monitoring.alerts.write"]


def _metric(name: str, op: str, value: float, **more: Any) -> dict[str, Any]:
    return {"source": "metric", "name": name, "op": op, "value": value, **more}


RULES: tuple[dict[str, Any], ...] = (
    {
        "code": "queue_backlog",
        "name": "Jobs wait too long",
        "condition_type": ConditionType.THRESHOLD,
        "condition_config": _metric("jobs.oldest_s", ">", 600.0),
        "title_template": "The oldest job has waited for {{value}} s",
    },
    {
        "code": "events_given_up",
        "name": "Events were given up",
        "condition_type": ConditionType.THRESHOLD,
        "condition_config": _metric("events.dead", ">", 0.0),
        "severity": Severity.ERROR,
        "title_template": "{{value}} events were given up by a subscriber",
    },
    {
        "code": "webhook_failing",
        "name": "A receiver of webhooks fails",
        "condition_type": ConditionType.THRESHOLD,
        "condition_config": _metric("webhooks.failing", ">", 0.0),
        "title_template": "{{value}} receivers of webhooks failed 20 times in a row",
    },
    {
        "code": "messages_wait",
        "name": "Messages wait",
        "condition_type": ConditionType.THRESHOLD,
        "condition_config": _metric("notifications.waiting", ">", 100.0, for_s=600),
        "title_template": "{{value}} messages wait to be sent",
    },
    {
        "code": "messages_lost",
        "name": "Messages were given up",
        "condition_type": ConditionType.THRESHOLD,
        "condition_config": {
            "source": "event",
            "name": "notification.failed",
            "op": ">=",
            "value": 10.0,
            "window_s": 600,
        },
        "title_template": "{{value}} messages were given up in 10 minutes",
    },
    {
        "code": "security_alert",
        "name": "Many failed sign-ins",
        "condition_type": ConditionType.THRESHOLD,
        "condition_config": {
            "source": "event",
            "name": "user.login_failed",
            "op": ">=",
            "value": 200.0,
            "window_s": 600,
        },
        "alert_type": AlertType.SECURITY,
        "severity": Severity.CRITICAL,
        "title_template": "{{value}} failed sign-ins in 10 minutes",
    },
    {
        "code": "accounts_locked",
        "name": "Many locked accounts",
        "condition_type": ConditionType.THRESHOLD,
        "condition_config": _metric("users.locked", ">=", 20.0),
        "alert_type": AlertType.SECURITY,
        "severity": Severity.CRITICAL,
        "title_template": "{{value}} accounts are locked",
    },
    {
        "code": "database_connections",
        "name": "Few connections to the database are left",
        "condition_type": ConditionType.THRESHOLD,
        "condition_config": _metric("database.connections_share", ">", 0.9, for_s=600),
        "alert_type": AlertType.PERFORMANCE,
        "title_template": "{{value}} of the connections to the database are in use",
    },
)
_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended('busbar alert rules', 0))")


async def install(unit: UnitOfWork) -> None:
    """Give every company the rules that ship; what people changed stays."""
    async with unit.system() as ctx:
        await ctx.db.execute(_ALONE)
        tenants = list(await ctx.db.scalars(select(Tenant.id)))
        found = await ctx.db.execute(select(Rule.tenant, Rule.code))
        have = {(row.tenant, row.code) for row in found}
        for tenant in tenants:
            for rule in RULES:
                if (tenant, rule["code"]) not in have:
                    ctx.db.add(Rule(tenant=tenant, is_builtin=True, recipients=TO, **rule))
