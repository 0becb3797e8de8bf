"""How far jobs are, told to whoever started them and to whoever follows one."""

import contextlib
from uuid import UUID

import msgspec
from sqlalchemy import select

from hub import LIVE, Ctx, NotFound, room

from .models import Task


class Followed(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """job_id: one's own where it is absent."""

    job_id: UUID | None = None


async def tell(ctx: Ctx, task: Task) -> None:
    """Say how far a job is; where nobody serves live messages it is only written."""
    live = ctx.services.get(LIVE)
    if live is None:
        return
    data = {
        "job_id": task.id,
        "job_type": task.job_type,
        "status": task.status,
        "progress": task.progress,
        "message": task.progress_message or "",
    }
    rooms = [f"job_{task.id}"]
    with contextlib.suppress(ValueError):  # what people did not start has nobody to tell
        rooms.append(f"user_{UUID(task.started_by)}")
    for name in rooms:
        await live.send(ctx, name, "job", data, tenant=task.tenant)


@room("job", key="job_id")
async def one(ctx: Ctx, params: Followed) -> str:
    """Follow a job: one's own, or any with the permission to read jobs."""
    owner = await ctx.db.scalar(select(Task.started_by).where(Task.id == params.job_id))
    if owner is None or (owner != ctx.actor.id and not ctx.actor.may("jobs.queue.read")):
        raise NotFound(f"there is no job {params.job_id}", resource="jobs")
    return f"job_{params.job_id}"


@room("jobs")
async def jobs(ctx: Ctx, params: Followed) -> str:
    """Follow one's own jobs, or one job."""
    if params.job_id is None:
        return f"user_{ctx.actor.id}"
    name: str = await one.open(ctx, params)
    return name
