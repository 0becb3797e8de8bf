"""Bill runs over the API and as jobs: select, calculate, decide, approve, issue."""

import datetime as dt
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct
from sqlalchemy import select, update

from hub import (
    Code,
    Conflict,
    Ctx,
    Invalid,
    NotFound,
    Op,
    Permanent,
    Queue,
    Resource,
    Run,
    action,
    job,
    query,
    uuid7,
)

from .calculating import calculate, counts, select_items
from .issuing import issue
from .measuring import Stuck
from .models_bills import BillRun, RunItem, RunStatus
from .receiving import apply_credits
from .telemetry import Collected, collect

runs = Resource(
    name="runs",
    model=BillRun,
    ops=Op.READ | Op.CREATE,
    filters=("cycle", "until", "status", "created_at"),
    sort=("-created_at", "until"),
)


class Which(Struct, frozen=True, forbid_unknown_fields=True):
    """The run that a job works on."""

    run_id: UUID


@job("calculate_bills", queue=Queue.HEAVY, timeout=6 * 3600)
async def calculate_bills(run: Run, params: Which) -> dict[str, Any]:
    """Read the meters of a run that report by telemetry, and calculate its bills."""
    async with run.unit() as ctx:
        row = await _run(ctx, params.run_id)
    if row.status is RunStatus.SELECTED:
        await collect(run.unit, row.cycle, row.until)
    return await _work(run, params, calculate)


class Cycle(Struct, frozen=True, forbid_unknown_fields=True):
    """day: its local midnight is the instant that is read; what has not come yet is read now."""

    cycle: Code
    day: dt.date


@job("read_meters", queue=Queue.HEAVY, timeout=6 * 3600, manual=True)
async def read_meters(run: Run, params: Cycle) -> Collected:
    """Read the meters of a cycle that report by telemetry."""
    return await collect(run.unit, params.cycle, params.day)


@job("issue_bills", queue=Queue.HEAVY, timeout=6 * 3600)
async def issue_bills(run: Run, params: Which) -> dict[str, Any]:
    """Issue the approved bills of a run, and pay them with what customers paid ahead."""
    done = await _work(run, params, issue)
    await apply_credits(run.unit)
    return done


async def _work(run: Run, params: Which, half: Any) -> dict[str, Any]:
    async with run.unit() as ctx:
        found = await counts(ctx, params.run_id)
    whole = max(1, sum(state["count"] for state in found.values()))

    async def progress(done: float) -> None:
        await run.progress(min(100, 100 * done / whole), f"{done:.0f} of {whole}")

    try:
        done: dict[str, Any] = await half(run.unit, params.run_id, progress)
    except Stuck as stuck:
        raise Permanent(stuck.why) from None
    return done


@runs.on(Op.CREATE)
async def create_run(ctx: Ctx, body: Any) -> BillRun:
    """Freeze the agreements of a cycle that are to be billed, and begin to calculate."""
    given = {k: v for k, v in msgspec.structs.asdict(body).items() if v is not msgspec.UNSET}
    row = BillRun(id=uuid7(), **given)
    if row.until > row.issue_date + dt.timedelta(days=1):
        raise Invalid("what is not over yet cannot be billed", field="until")
    ctx.db.add(row)
    await ctx.db.flush()
    await select_items(ctx, row)
    row.counts = await counts(ctx, row.id)
    row.job_id = await ctx.jobs.start(ctx, "calculate_bills", Which(row.id), key=f"bills {row.id}")
    return row


@runs.action("calculate", verb="write")
async def again(ctx: Ctx, row: BillRun) -> BillRun:
    """Calculate once more what is held or failed, after its cause was mended."""
    _must_be(row, RunStatus.CALCULATED)
    stmt = (
        update(RunItem)
        .where(RunItem.tenant == ctx.actor.tenant, RunItem.run_id == row.id)
        .where(RunItem.state.in_(("held", "failed")))
        .values(state="selected", code=None, why=None, total=None, bill=None)
    )
    await ctx.db.execute(stmt, execution_options={"unaudited": True})
    row.status = RunStatus.SELECTED
    row.job_id = await ctx.jobs.start(ctx, "calculate_bills", Which(row.id), key=f"bills {row.id}")
    return row


@runs.action("approve")
async def approve(ctx: Ctx, row: BillRun) -> BillRun:
    """Let the ready bills be issued; what is held or failed stays out."""
    _must_be(row, RunStatus.CALCULATED)
    row.status = RunStatus.APPROVED
    row.job_id = await ctx.jobs.start(ctx, "issue_bills", Which(row.id), key=f"bills {row.id}")
    return row


@runs.action("abandon", verb="write")
async def abandon(ctx: Ctx, row: BillRun) -> BillRun:
    """Issue nothing of this run."""
    _must_be(row, RunStatus.SELECTED, RunStatus.CALCULATED)
    row.status = RunStatus.ABANDONED
    return row


def _must_be(row: BillRun, *states: RunStatus) -> None:
    if row.status not in states:
        raise Conflict(f"the run is {row.status}", allowed=sorted(map(str, states)))


class ItemView(Struct, kw_only=True):
    """total: minor units. bill: all that will be on it, as far as it was calculated."""

    place: int
    agreement_id: UUID
    state: str
    code: str | None
    why: str | None
    total: int | None
    bill: dict[str, Any] | None


class Items(Struct, kw_only=True, forbid_unknown_fields=True):
    state: Literal["selected", "ready", "held", "failed", "left", "issued"] | None = None
    after: int = 0
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


@query("runs/{id}/items", permission="billing.runs.read")
async def run_items(ctx: Ctx, id: UUID, params: Items) -> list[ItemView]:  # noqa: A002
    """The hold queue and all the rest of a run, by place."""
    await _run(ctx, id)
    stmt = (
        select(RunItem)
        .where(RunItem.tenant == ctx.actor.tenant, RunItem.run_id == id)
        .where(RunItem.place > params.after)
        .order_by(RunItem.place)
        .limit(params.limit)
    )
    if params.state is not None:
        stmt = stmt.where(RunItem.state == params.state)
    return [
        ItemView(
            place=r.place,
            agreement_id=r.agreement_id,
            state=r.state,
            code=r.code,
            why=r.why,
            total=r.total,
            bill=r.bill,
        )
        for r in await ctx.db.scalars(stmt)
    ]


class Decide(Struct, kw_only=True, forbid_unknown_fields=True):
    """release: issue the held bills all the same. leave: out of this run."""

    places: Annotated[list[int], Meta(max_length=1000)]
    decision: Literal["release", "leave"]


@action("runs/{id}/decide", permission="billing.runs.approve")
async def decide(ctx: Ctx, id: UUID, body: Decide) -> dict[str, int]:  # noqa: A002
    """Say what becomes of held bills; only those that were calculated can be released."""
    _must_be(await _run(ctx, id, lock=True), RunStatus.CALCULATED)
    stmt = (
        update(RunItem)
        .where(RunItem.tenant == ctx.actor.tenant, RunItem.run_id == id)
        .where(RunItem.place.in_(body.places), RunItem.state == "held")
    )
    if body.decision == "release":
        stmt = stmt.where(RunItem.bill.is_not(None), RunItem.total.is_not(None))
    state = "ready" if body.decision == "release" else "left"
    done = await ctx.db.execute(stmt.values(state=state), execution_options={"unaudited": True})
    return {"changed": done.rowcount}  # type: ignore[attr-defined]


async def _run(ctx: Ctx, ident: UUID, *, lock: bool = False) -> BillRun:
    stmt = select(BillRun).where(BillRun.id == ident)
    row = await ctx.db.scalar(stmt.with_for_update() if lock else stmt)
    if row is None:
        raise NotFound(f"there is no bill run {ident}")
    return row
