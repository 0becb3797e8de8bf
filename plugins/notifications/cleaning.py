"""Forgets old notifications and messages, a few thousand at a time."""

import datetime as dt
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from sqlalchemy import text

from hub import Run, Schedule, job

PART = 5_000
Days = Annotated[int, Meta(ge=1, le=3650)]

_OLD = {
    "read": """DELETE FROM notifications_notification WHERE id IN
      (SELECT id FROM notifications_notification
        WHERE is_read AND created_at < :until LIMIT :part)""",
    "unread": """DELETE FROM notifications_notification WHERE id IN
      (SELECT id FROM notifications_notification WHERE created_at < :until LIMIT :part)""",
    "deliveries": """DELETE FROM notifications_delivery WHERE id IN
      (SELECT id FROM notifications_delivery
        WHERE created_at < :until AND status <> 'queued' LIMIT :part)""",
}


class Ages(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Days that each is kept."""

    read: Days = 90
    unread: Days = 365
    deliveries: Days = 90


@job("clean_notifications", priority=9, retries=1, manual=True)
async def clean(run: Run, params: Ages) -> dict[str, int]:
    """Forget old notifications and messages."""
    gone = dict.fromkeys(_OLD, 0)
    for what, statement in _OLD.items():
        while True:
            async with run.unit() as ctx:
                until = ctx.clock() - dt.timedelta(days=getattr(params, what))
                done: Any = await ctx.db.execute(text(statement), {"until": until, "part": PART})
            gone[what] += done.rowcount
            if done.rowcount < PART:
                break
    return gone


DAILY = Schedule(code="clean_notifications", job="clean_notifications", cron="50 3 * * *")
