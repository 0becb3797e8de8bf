"""Forgets old samples and alerts."""

import datetime as dt
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from sqlalchemy import text

from hub import Run, Schedule, job

PART = 10_000
Days = Annotated[int, Meta(ge=1, le=3650)]
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


DAILY = Schedule(code="clean_monitoring", job="clean_monitoring", cron="0 4 * * *")
