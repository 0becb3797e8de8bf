"""Forgets old notifications and messages, a few thousand at a time."""

import msgspec

from hub import Days, Run, Schedule, forget, job

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
    return {what: await forget(run, sql, getattr(params, what)) for what, sql in _OLD.items()}


DAILY = Schedule(code="clean_notifications", job="clean_notifications", cron="50 3 * * *")
