"""Jobs and schedules as clients see them."""

import datetime as dt
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET
from sqlalchemy import func, select

from hub import JOBS, SIGNALS, Conflict, Ctx, Invalid, Key, NotFound, Op, Resource, action, query

from .models import OPEN, WAITING, Planned, State, Task
from .queue import TOPIC, TaskQueue
from .rules import SHARE, check, next_run
from .schedules import start_now

TASKS = Key[TaskQueue]("queue of jobs")

jobs = Resource(
    name="queue",
    model=Task,
    title="Jobs",
    ops=Op.READ | Op.CREATE,
    filters=(
        *("job_type", "status", "queue", "started_by"),
        *("created_at", "schedule_id", "correlation_id"),
    ),
    sort=("created_at", "scheduled_at", "finished_at"),
    search=("job_type",),
)
schedules = Resource(
    name="schedules",
    model=Planned,
    title="Schedules",
    filters=("code", "job_type", "is_active", "is_builtin"),
    sort=("code", "next_run_at", "created_at"),
    search=("code",),
)


def _given(body: Any) -> dict[str, Any]:
    return {f: v for f in body.__struct_fields__ if (v := getattr(body, f)) is not UNSET}


def _params(tasks: TaskQueue, name: str, parameters: dict[str, Any]) -> msgspec.Struct:
    try:
        return msgspec.convert(parameters, tasks.job(name).params)
    except msgspec.ValidationError as error:
        raise Invalid(f"parameters: {error}", field="parameters") from None


@jobs.on(Op.CREATE)
async def create(ctx: Ctx, body: Any) -> Task:
    """Start a job of a type that people may start."""
    given, tasks = _given(body), ctx.get(TASKS)
    kind = tasks.job(given["job_type"])
    if not kind.manual:
        raise Invalid(f"{kind.name} is not started by hand", field="job_type")
    ident = await ctx.get(JOBS).start(
        ctx,
        kind,
        _params(tasks, kind.name, given.get("parameters", {})),
        at=given.get("scheduled_at"),
        priority=given.get("priority"),
    )
    return await _one(ctx, ident)


async def _one(ctx: Ctx, ident: UUID) -> Task:
    row: Task | None = await ctx.db.scalar(select(Task).where(Task.id == ident))
    if row is None:
        raise NotFound(f"there is no job {ident}", resource="jobs", identifier=str(ident))
    return row


async def _cancel(ctx: Ctx, row: Task) -> Task:
    await ctx.db.refresh(row, with_for_update=True)
    if row.status not in OPEN:
        raise Conflict(f"the job is {row.status}")
    row.cancel_asked = True
    if row.status in WAITING:
        row.status, row.finished_at, row.ticket = State.CANCELLED, ctx.clock(), None
    await ctx.get(SIGNALS).tell(ctx, TOPIC)
    return row


@jobs.action("cancel", verb="write")
async def cancel(ctx: Ctx, row: Task) -> Task:
    """End a job that waits; ask one that runs to stop."""
    return await _cancel(ctx, row)


@jobs.action("retry", verb="write")
async def retry(ctx: Ctx, row: Task) -> Task:
    """Try a job again that failed or was cancelled."""
    await ctx.db.refresh(row, with_for_update=True)
    if row.status not in (State.FAILED, State.DEAD, State.CANCELLED):
        raise Conflict(f"the job is {row.status}")
    row.status, row.retry_count, row.cancel_asked = State.PENDING, 0, False
    row.scheduled_at = row.finished_at = row.error = None
    row.progress, row.progress_message = 0, None
    await ctx.get(SIGNALS).tell(ctx, TOPIC)
    return row


class OwnJob(msgspec.Struct, kw_only=True):
    """One's own job, as far as its owner needs to know."""

    id: UUID
    job_type: str
    status: State
    progress: int
    progress_message: str | None
    result: Any
    error: str | None
    created_at: dt.datetime
    started_at: dt.datetime | None
    finished_at: dt.datetime | None


class OwnJobs(msgspec.Struct):
    items: list[OwnJob]


def _own(row: Task) -> OwnJob:
    return OwnJob(**{f: getattr(row, f) for f in OwnJob.__struct_fields__})


@query("mine")
async def mine(ctx: Ctx) -> OwnJobs:
    """Return one's own latest hundred jobs."""
    stmt = select(Task).where(Task.started_by == ctx.actor.id).order_by(Task.created_at.desc())
    return OwnJobs([_own(row) for row in await ctx.db.scalars(stmt.limit(100))])


@action("mine/{id}/cancel")
async def cancel_mine(ctx: Ctx, id: UUID) -> OwnJob:  # noqa: A002  -- the name in the path
    """End one's own job."""
    row = await _one(ctx, id)
    if row.started_by != ctx.actor.id:
        raise NotFound(f"there is no job {id}", resource="jobs", identifier=str(id))
    return _own(await _cancel(ctx, row))


class JobType(msgspec.Struct, kw_only=True):
    """parameters: JSON Schema. timeout: seconds of one attempt."""

    name: str
    title: str
    queue: str
    priority: int
    retries: int
    timeout: float
    manual: bool
    parameters: dict[str, Any]


class JobTypes(msgspec.Struct):
    items: list[JobType]


@query("types", permission="jobs.queue.read")
async def types(ctx: Ctx) -> JobTypes:
    """Return every kind of job that plugins bring."""
    return JobTypes(
        [
            JobType(
                name=kind.name,
                title=kind.title,
                queue=str(kind.queue),
                priority=kind.priority,
                retries=kind.retries,
                timeout=kind.timeout,
                manual=kind.manual,
                parameters=msgspec.json.schema(kind.params),
            )
            for _, kind in sorted(ctx.get(TASKS).known.items())
        ]
    )


class Depth(msgspec.Struct, kw_only=True):
    """share: how many of one company may be in the workers' hands."""

    queue: str
    share: int
    waiting: int
    running: int
    oldest_waiting: dt.datetime | None


class Depths(msgspec.Struct):
    items: list[Depth]


@query("queues", permission="jobs.queue.read")
async def queues(ctx: Ctx) -> Depths:
    """Return how much waits and runs in each queue."""
    waits = Task.status.in_(WAITING)
    found = await ctx.db.execute(
        select(
            Task.queue,
            func.count().filter(waits),
            func.count().filter(Task.status == State.RUNNING),
            func.min(Task.created_at).filter(waits),
        )
        .where(Task.status.in_(OPEN))
        .group_by(Task.queue)
    )
    depths = {
        name: Depth(queue=name, share=share, waiting=0, running=0, oldest_waiting=None)
        for name, share in SHARE.items()
    }
    for queue, waiting, running, oldest in found:
        depth = depths[str(queue)]
        depth.waiting, depth.running, depth.oldest_waiting = waiting, running, oldest
    return Depths(list(depths.values()))


@schedules.on(Op.CREATE)
async def plan(ctx: Ctx, body: Any) -> Planned:
    """Start a job by the clock from now on."""
    row = Planned(**_given(body))
    row.timezone = row.timezone or "UTC"
    _replan(ctx, row)
    ctx.db.add(row)
    return row


@schedules.on(Op.UPDATE)
async def change(ctx: Ctx, row: Planned, body: Any) -> None:
    """Change when and whether it runs."""
    for name, value in _given(body).items():
        setattr(row, name, value)
    _replan(ctx, row)


def _replan(ctx: Ctx, row: Planned) -> None:
    check(row.cron, row.interval_seconds, row.timezone)
    _params(ctx.get(TASKS), row.job_type, row.parameters or {})
    row.next_run_at = next_run(row.cron, row.interval_seconds, row.timezone, ctx.clock())


@schedules.on(Op.DELETE)
async def drop(ctx: Ctx, row: Planned) -> None:
    """Delete a schedule that people made; one that a plugin brings is only switched off."""
    if row.is_builtin:
        raise Conflict("a plugin brings this schedule: switch it off instead")
    await ctx.db.delete(row)


@schedules.action("run", verb="write")
async def run_now(ctx: Ctx, row: Planned) -> Planned:
    """Start its job now; the plan stays as it is."""
    await start_now(ctx, ctx.get(TASKS), row, ctx.clock())
    return row
