"""Figures of each day, counted in the night after it."""

import datetime as dt
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import delete, insert, select, text

from hub import Op, Resource, Run, Schedule, job, uuid7
from plugins.identity import Tenant

from .events import StatisticsReady
from .models import DailyStatistic

statistics = Resource(
    name="daily-statistics",
    model=DailyStatistic,
    subject="dashboard",
    title="Daily figures",
    ops=Op.LIST,
    filters=("stat_date", "metric"),
    sort=("-stat_date", "metric"),
)

_EVENTS = "SELECT count(*) FROM hub_event WHERE tenant = :tenant AND at >= :start AND at < :end"
_COUNTED = {
    "users.new": "SELECT count(*) FROM identity_user WHERE tenant = :tenant"
    " AND created_at >= :start AND created_at < :end",
    "users.active": "SELECT count(DISTINCT data ->> 'user_id') FROM hub_event"
    " WHERE tenant = :tenant AND at >= :start AND at < :end AND type = 'user.logged_in'",
    "sign_ins": f"{_EVENTS} AND type = 'user.logged_in'",
    "sign_ins.failed": f"{_EVENTS} AND type = 'user.login_failed'",
    "events": _EVENTS,
    "changes": "SELECT count(*) FROM hub_audit WHERE tenant = :tenant"
    " AND at >= :start AND at < :end",
    "alarms": f"{_EVENTS} AND type = 'alert.raised'",
    "alerts": f"{_EVENTS} AND type = 'system.alert'",
    "jobs.succeeded": f"{_EVENTS} AND type = 'job.succeeded'",
    "jobs.failed": f"{_EVENTS} AND type = 'job.failed'",
    "messages.sent": "SELECT count(*) FROM notifications_delivery WHERE tenant = :tenant"
    " AND sent_at >= :start AND sent_at < :end",
    "webhooks.sent": "SELECT count(*) FROM events_attempt WHERE tenant = :tenant"
    " AND created_at >= :start AND created_at < :end",
}
_ALL = text("SELECT " + ", ".join(f'({sql}) AS "{name}"' for name, sql in _COUNTED.items()))


class Which(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """day: yesterday when none, by the company's clock."""

    day: dt.date | None = None


@job("daily_statistics", priority=8, manual=True)
async def count_day(run: Run, params: Which) -> dict[str, int]:
    """Count the figures of a day; doing it again replaces them."""
    async with run.unit() as ctx:
        zone = ZoneInfo(
            await ctx.db.scalar(select(Tenant.timezone).where(Tenant.id == run.tenant)) or "UTC"
        )
        today = ctx.clock().astimezone(zone).date()
        day = params.day or today - dt.timedelta(days=1)
        start, end = (
            dt.datetime.combine(d, dt.time(), zone) for d in (day, day + dt.timedelta(days=1))
        )
        about = {"tenant": run.tenant, "start": start, "end": end}
        found = dict((await ctx.db.execute(_ALL, about)).mappings().one())
        await ctx.db.execute(
            delete(DailyStatistic).where(
                DailyStatistic.tenant == run.tenant, DailyStatistic.stat_date == day
            ),
            execution_options={"unaudited": True},
        )
        now = ctx.clock()
        rows = [
            {
                "tenant": run.tenant,
                "id": uuid7(),
                "revision": 1,
                "created_at": now,
                "updated_at": now,
                "stat_date": day,
                "metric": metric,
                "value": value,
            }
            for metric, value in found.items()
        ]
        await ctx.db.execute(insert(DailyStatistic), rows)
        ctx.emit(StatisticsReady(day=day))
    return {"figures": len(rows)}


NIGHTLY = Schedule(code="daily_statistics", job="daily_statistics", cron="0 2 * * *")
