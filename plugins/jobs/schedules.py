"""Starts jobs by the clock: one process at a time looks, and each run is started once."""

import datetime as dt
import logging
from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import select, text

from hub import Actor, Ctx, HubError, Schedule, UnitOfWork
from plugins.identity import Tenant

from .models import Planned
from .queue import TaskQueue
from .rules import due, next_run

log = logging.getLogger(__name__)
_ALONE = text("SELECT pg_try_advisory_xact_lock(hashtextextended('busbar schedules', 0))")


async def install(unit: UnitOfWork, declared: Iterable[Schedule]) -> None:
    """Give every tenant the schedules that plugins declare; what people changed stays."""
    declared = list(declared)
    if not declared:
        return
    async with unit.system() as ctx:
        if not await ctx.db.scalar(_ALONE):
            return
        tenants = (await ctx.db.execute(select(Tenant.id, Tenant.timezone))).all()
        found = await ctx.db.execute(select(Planned.tenant, Planned.code))
        have = {(row.tenant, row.code) for row in found}
        for tenant, zone in tenants:
            for schedule in declared:
                if (tenant, schedule.code) not in have:
                    ctx.db.add(_planned(ctx, schedule, tenant, zone))


def _planned(ctx: Ctx, schedule: Schedule, tenant: Any, zone: str) -> Planned:
    own = schedule.zone or zone
    cron, every = schedule.cron or None, schedule.every or None
    return Planned(
        tenant=tenant,
        code=schedule.code,
        job_type=schedule.job,
        parameters=msgspec.to_builtins(schedule.params) if schedule.params else {},
        cron=cron,
        interval_seconds=every,
        timezone=own,
        is_active=schedule.active,
        catch_up=schedule.catch_up,
        is_builtin=True,
        next_run_at=next_run(cron, every, own, ctx.clock()),
    )


async def tick(unit: UnitOfWork, tasks: TaskQueue) -> int:
    """Start what is due; how many."""
    async with unit.system() as ctx:
        if not await ctx.db.scalar(_ALONE):
            return 0
        rows = await ctx.db.scalars(
            select(Planned)
            .where(Planned.is_active, Planned.next_run_at <= ctx.clock())
            .with_for_update(skip_locked=True)
        )
        return sum([await _start(ctx, tasks, row) for row in rows.all()])


async def _start(ctx: Ctx, tasks: TaskQueue, row: Planned) -> bool:
    """Start one schedule's job unless its last still runs, and plan the next run."""
    now = ctx.clock()
    planned = row.next_run_at or now
    row.next_run_at = next_run(row.cron, row.interval_seconds, row.timezone, now)
    if not due(planned, now, row.catch_up):
        return False
    try:
        await start_now(ctx, tasks, row, now)
    except HubError as error:
        about = {"action": "jobs.schedule", "schedule": row.code}
        log.warning("schedule %s: %s", row.code, error, extra=about)
        return False
    return True


async def start_now(ctx: Ctx, tasks: TaskQueue, row: Planned, now: dt.datetime) -> None:
    kind = tasks.job(row.job_type)
    before = ctx.actor
    ctx.actor = Actor(id=f"schedule:{row.code}", tenant=row.tenant, kind="system")
    try:
        row.last_job_id = await tasks.start(
            ctx,
            kind,
            msgspec.convert(row.parameters, kind.params),
            key=f"schedule/{row.id}",
            schedule=row.id,
        )
    except msgspec.ValidationError as error:
        raise HubError(f"parameters: {error}") from None
    finally:
        ctx.actor = before
    row.last_run_at = now
