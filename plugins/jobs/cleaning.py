"""Forgets jobs that ended long ago: failures are kept longer than successes."""

import datetime as dt
from typing import Any

import msgspec
from sqlalchemy import delete

from hub import Days, Run, Schedule, job

from .models import State, Task


class Ages(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Days that each is kept."""

    done: Days = 30
    failed: Days = 90


@job("clean_jobs", priority=9, retries=1, manual=True)
async def clean(run: Run, params: Ages) -> dict[str, int]:
    """Forget jobs that ended long ago."""
    gone = 0
    for days, states in (
        (params.done, (State.SUCCESS, State.CANCELLED)),
        (params.failed, (State.FAILED, State.DEAD)),
    ):
        async with run.unit() as ctx:
            done: Any = await ctx.db.execute(
                delete(Task).where(
                    Task.tenant == run.tenant,
                    Task.status.in_(states),
                    Task.finished_at < ctx.clock() - dt.timedelta(days=days),
                ),
                execution_options={"unaudited": True},
            )
        gone += done.rowcount
    return {"jobs": gone}


DAILY = Schedule(code="clean_jobs", job="clean_jobs", cron="40 3 * * *")
