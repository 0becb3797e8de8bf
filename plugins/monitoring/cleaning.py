"""Forgets old samples and alerts."""

import msgspec

from hub import Days, Run, Schedule, forget, job

_OLD = {
    "samples": """DELETE FROM monitoring_sample WHERE id IN
      (SELECT id FROM monitoring_sample WHERE created_at < :until LIMIT :part)""",
    "alerts": """DELETE FROM monitoring_alert WHERE id IN
      (SELECT id FROM monitoring_alert WHERE status = 'resolved' AND created_at < :until
        LIMIT :part)""",
}


class Ages(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Days that each is kept."""

    samples: Days = 30
    alerts: Days = 400


@job("clean_monitoring", priority=9, retries=1, manual=True)
async def clean(run: Run, params: Ages) -> dict[str, int]:
    """Forget old samples and alerts."""
    return {what: await forget(run, sql, getattr(params, what)) for what, sql in _OLD.items()}


DAILY = Schedule(code="clean_monitoring", job="clean_monitoring", cron="0 4 * * *")
