"""From a wish to the workers' queue: each tenant has only its share there, so none waits for all
of another's."""

import datetime as dt
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert

from hub import SIGNALS, Ctx, Invalid, Job, uuid7

from .models import OPEN, WAITING, State, Task
from .rules import SHARE

RUN = "busbar.run"

TOPIC = "jobs"
_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended('busbar jobs', 0))")
_TURN = text("""
SELECT id, priority FROM jobs_job
 WHERE tenant = :tenant AND queue = :queue AND ticket IS NULL
   AND status IN ('pending', 'scheduled') AND (scheduled_at IS NULL OR scheduled_at <= :now)
 ORDER BY priority, scheduled_at NULLS FIRST, id
 LIMIT greatest(0, CAST(:share AS int) - (SELECT count(*) FROM jobs_job
                    WHERE tenant = :tenant AND queue = :queue AND ticket IS NOT NULL)::int)
   FOR UPDATE
""")
_DEFER = text("""
UPDATE jobs_job SET status = 'pending', ticket = (
  SELECT unnest(procrastinate_defer_jobs_v1(ARRAY[ROW(
    :queue, :task, CAST(:priority AS int), NULL, NULL, CAST(:args AS jsonb), NULL
  )]::procrastinate_job_to_defer_v1[])))
 WHERE tenant = :tenant AND id = :id
""")


async def sweep(ctx: Ctx) -> int:
    """Hand jobs whose time has come to the workers, as far as their tenants' shares go; how many.

    One process at a time does this, so that a share is never exceeded.
    """
    await ctx.db.execute(_ALONE)
    now = ctx.clock()
    found = await ctx.db.execute(
        select(Task.tenant, Task.queue)
        .where(
            Task.ticket.is_(None),
            Task.status.in_(WAITING),
            (Task.scheduled_at.is_(None)) | (Task.scheduled_at <= now),
        )
        .distinct()
    )
    return sum([await _admit(ctx, tenant, queue, now) for tenant, queue in found.all()])


async def _admit(ctx: Ctx, tenant: UUID, queue: str, now: dt.datetime) -> int:
    about = {"tenant": tenant, "queue": queue}
    found = await ctx.db.execute(_TURN, about | {"now": now, "share": SHARE[queue]})
    rows = found.all()
    for row in rows:
        args = msgspec.json.encode({"tenant": str(tenant), "job": str(row.id)}).decode()
        known = {"id": row.id, "task": RUN, "priority": 9 - row.priority, "args": args}
        await ctx.db.execute(_DEFER, about | known)
    return len(rows)


class TaskQueue:
    """Serves `ctx.jobs`."""

    def __init__(self, known: Mapping[str, Job]) -> None:
        self.known = known

    def job(self, name: str) -> Job:
        try:
            return self.known[name]
        except KeyError:
            raise Invalid(f"there is no job type {name!r}", field="job_type") from None

    async def start(
        self,
        ctx: Ctx,
        job: Job | str,
        params: msgspec.Struct | None = None,
        *,
        at: dt.datetime | None = None,
        priority: int | None = None,
        key: str = "",
        schedule: UUID | None = None,
    ) -> UUID:
        """See the contract. schedule: what started it by itself."""
        kind = self.job(job if isinstance(job, str) else job.name)
        given = kind.params() if params is None else params
        if not isinstance(given, kind.params):
            raise TypeError(f"job {kind.name} takes {kind.params.__name__}")
        values = _row(ctx, kind, at) | {
            "parameters": msgspec.to_builtins(given),
            "priority": kind.priority if priority is None else priority,
            "dedupe_key": key or None,
            "schedule_id": schedule,
        }
        made: UUID | None = await ctx.db.scalar(
            insert(Task).values(values).on_conflict_do_nothing().returning(Task.id)
        )
        if made is None:
            found = await _open(ctx, key)
            return found or await self.start(  # it has just ended
                ctx, kind, given, at=at, priority=priority, key=key, schedule=schedule
            )
        await ctx.get(SIGNALS).tell(ctx, TOPIC)
        return made


def _row(ctx: Ctx, kind: Job, at: dt.datetime | None) -> dict[str, Any]:
    """A job as it begins."""
    now = ctx.clock()
    return {
        "tenant": ctx.actor.tenant,
        "id": uuid7(),
        "revision": 1,
        "created_at": now,
        "updated_at": now,
        "job_type": kind.name,
        "queue": kind.queue,
        "scheduled_at": at,
        "status": State.SCHEDULED if at and at > now else State.PENDING,
        "started_by": ctx.actor.id,
        "correlation_id": ctx.caller.correlation_id,
        "causation_id": ctx.caller.causation_id,
        "chain_depth": ctx.caller.depth,
    }


async def _open(ctx: Ctx, key: str) -> UUID | None:
    """The job of that key that waits or runs."""
    stmt = select(Task.id).where(
        Task.tenant == ctx.actor.tenant, Task.dedupe_key == key, Task.status.in_(OPEN)
    )
    found: UUID | None = await ctx.db.scalar(stmt)
    return found
