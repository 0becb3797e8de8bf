"""Runs jobs: procrastinate brings each to one worker, this says what becomes of it."""

import asyncio
import contextlib
import datetime as dt
import logging
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

import msgspec
import procrastinate
from procrastinate.jobs import Status
from sqlalchemy import update

from hub import (
    SIGNALS,
    Actor,
    Caller,
    Cancelled,
    Ctx,
    Invalid,
    Job,
    Permanent,
    Schedule,
    Signals,
    UnitOfWork,
)

from .happenings import JobFailed, JobSucceeded
from .live import tell
from .models import WAITING, State, Task
from .queue import RUN, TOPIC, TaskQueue, sweep
from .rules import pause
from .schedules import install, tick

log = logging.getLogger(__name__)
CONCURRENCY: Mapping[str, int] = {"critical": 2, "default": 4, "io": 8, "heavy": 1}
POLL = 2.0
WATCH = 1.0
TICK = 5.0
SILENT = 30.0
GRACE = 5.0
_UNAUDITED = {"unaudited": True}


class OneRun:
    """What a job's function is given; see the contract."""

    def __init__(self, unit: UnitOfWork, task: Task) -> None:
        self.id, self.tenant, self.number = task.id, task.tenant, task.retry_count + 1
        self._unit, self._caller = unit, _chain(task)
        self._actor = Actor(id=f"job:{task.job_type}", tenant=task.tenant, kind="system")
        self._said = 0.0
        self.stop = False

    def unit(self) -> AbstractAsyncContextManager[Ctx]:
        return self._unit(self._actor, self._caller)

    async def progress(self, percent: int, message: str = "") -> None:
        if self.stop:
            raise Cancelled
        now = asyncio.get_running_loop().time()
        if now - self._said < 1.0 and percent < 100:
            return
        self._said = now
        await self.note(progress=max(0, min(100, percent)), progress_message=message[:300])

    async def note(self, **values: Any) -> None:
        """Write to the job's row; whether somebody asked it to stop."""
        async with self.unit() as ctx:
            task = await ctx.db.scalar(
                update(Task)
                .where(Task.tenant == self.tenant, Task.id == self.id)
                .values(updated_at=ctx.clock(), **values)
                .returning(Task),
                execution_options=_UNAUDITED,
            )
            if task is not None and values:
                await tell(ctx, task)
        self.stop = self.stop or (task is not None and task.cancel_asked)


class Workers:
    """The workers of one process, and its share of feeding them."""

    def __init__(
        self,
        unit: UnitOfWork,
        signals: Signals,
        tasks: TaskQueue,
        dsn: str,
        *,
        name: str = "worker",
        schedules: Sequence[Schedule] = (),
        silent: float = SILENT,
    ) -> None:
        """silent: seconds without a sign of life after which a worker counts as dead."""
        self._schedules, self._silent = schedules, silent
        self._unit, self._signals, self._tasks, self._name = unit, signals, tasks, name
        connector = procrastinate.PsycopgConnector(conninfo=dsn, min_size=1, max_size=6)
        self._app = procrastinate.App(connector=connector)
        self._app.task(name=RUN, pass_context=True)(self.run)
        self._wake = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self, after: asyncio.Event) -> AsyncIterator[None]:
        """Work in the background from `after` on; at the end jobs get a moment to finish."""
        async with self._app.open_async():
            work = [self._queue(after, q, n) for q, n in CONCURRENCY.items()]
            tasks = [
                asyncio.create_task(w)
                for w in (*work, self._feed(after), self._listen(), self._tick(after))
            ]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _queue(self, after: asyncio.Event, queue: str, concurrency: int) -> None:
        await after.wait()
        while True:
            try:
                await self._app.run_worker_async(
                    queues=[queue],
                    concurrency=concurrency,
                    name=f"{self._name}-{queue}",
                    fetch_job_polling_interval=POLL,
                    delete_jobs="always",
                    install_signal_handlers=False,
                    shutdown_graceful_timeout=GRACE,
                    update_heartbeat_interval=self._silent / 3,
                    stalled_worker_timeout=self._silent,
                )
            except Exception:
                log.exception("jobs of %s wait", queue, extra={"action": "jobs.failed"})
            await asyncio.sleep(POLL)

    async def _listen(self) -> None:
        async with self._signals.listen(TOPIC) as news:
            async for _ in news:
                self._wake.set()

    async def _feed(self, after: asyncio.Event) -> None:
        """Hand over what is due: when something changed, and every few seconds."""
        await after.wait()
        while True:
            self._wake.clear()
            try:
                async with self._unit.system() as ctx:
                    await sweep(ctx)
            except Exception:
                log.exception("jobs wait", extra={"action": "jobs.failed"})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL):
                    await self._wake.wait()

    async def _tick(self, after: asyncio.Event) -> None:
        await after.wait()
        while True:
            try:
                await install(self._unit, self._schedules)
                await tick(self._unit, self._tasks)
                await self.rescue()
            except Exception:
                log.exception("schedules wait", extra={"action": "jobs.failed"})
            await asyncio.sleep(TICK)

    async def rescue(self) -> int:
        """Take back the jobs of workers that have died; how many."""
        manager = self._app.job_manager
        found = list(await manager.get_stalled_jobs(seconds_since_heartbeat=self._silent))
        for lost in found:
            tenant, ident = (UUID(str(lost.task_kwargs[k])) for k in ("tenant", "job"))
            async with self._unit.system() as ctx:
                task = await ctx.db.get(Task, (tenant, ident), with_for_update=True)
                if task is not None and task.ticket == lost.id:
                    kind = self._tasks.known.get(task.job_type)
                    _failed(ctx, task, kind, "its worker died", permanent=False)
                    await ctx.get(SIGNALS).tell(ctx, TOPIC)
            await manager.finish_job(lost, Status.FAILED, delete_job=True)
        return len(found)

    async def run(self, context: procrastinate.JobContext, tenant: str, job: str) -> None:
        """One attempt at one job. Never fails itself: what became of it stands in its row."""
        task = await self._begin(UUID(tenant), UUID(job), context.job.id)
        if task is None:
            return
        kind = self._tasks.known.get(task.job_type)
        run = OneRun(self._unit, task)
        try:
            result = await self._work(kind, run, task.parameters)
        except asyncio.CancelledError:
            await asyncio.shield(self._end(task, _again))
            raise
        except Cancelled:
            await self._end(task, _cancelled)
        except Exception as error:
            about = {"action": "jobs.job", "job": job}
            log.warning("job %s failed: %r", task.job_type, error, extra=about, exc_info=error)
            permanent = isinstance(error, Permanent | Invalid)
            text = f"{type(error).__name__}: {error}"
            await self._end(task, lambda c, t: _failed(c, t, kind, text, permanent=permanent))
        else:
            await self._end(task, lambda c, t: _succeeded(c, t, result))

    async def _begin(self, tenant: UUID, ident: UUID, ticket: int | None) -> Task | None:
        async with self._unit.system() as ctx:
            task: Task | None = await ctx.db.get(Task, (tenant, ident), with_for_update=True)
            if task is None or task.ticket != ticket or task.status not in WAITING:
                return None
            task.status, task.started_at = State.RUNNING, ctx.clock()
            await tell(ctx, task)
            return task

    async def _work(self, kind: Job | None, run: OneRun, parameters: Mapping[str, Any]) -> Any:
        if kind is None:
            raise Permanent("unknown job type")
        try:
            params = msgspec.convert(parameters, kind.params)
        except msgspec.ValidationError as error:
            raise Permanent(f"parameters: {error}") from None
        work = asyncio.ensure_future(kind.handler(run, params))
        watch = asyncio.create_task(_watch(run, work))
        try:
            async with asyncio.timeout(kind.timeout):
                return msgspec.to_builtins(await work)
        except TimeoutError:
            raise TimeoutError(f"took more than {kind.timeout:g} s") from None
        except asyncio.CancelledError:
            if run.stop:
                raise Cancelled from None
            raise
        finally:
            watch.cancel()

    async def _end(self, task: Task, how: Any) -> None:
        async with self._unit.system() as ctx:
            now: Task | None = await ctx.db.get(Task, (task.tenant, task.id), with_for_update=True)
            if now is None or now.status is not State.RUNNING:
                return
            ctx.called_by(_chain(now))
            how(ctx, now)
            await tell(ctx, now)
            await ctx.get(SIGNALS).tell(ctx, TOPIC)


async def _watch(run: OneRun, work: "asyncio.Future[Any]") -> None:
    """End a job that was asked to stop and does not look."""
    while True:
        await asyncio.sleep(WATCH)
        with contextlib.suppress(Exception):  # the database may be away for a moment
            await run.note()
        if run.stop:
            work.cancel()
            return


def _chain(task: Task) -> Caller:
    """What a job does follows from what asked for it."""
    return Caller(
        correlation_id=task.correlation_id,
        causation_id=task.causation_id,
        depth=task.chain_depth,
    )


def _ended(ctx: Ctx, task: Task, state: State) -> None:
    task.status, task.finished_at, task.ticket = state, ctx.clock(), None


def _again(ctx: Ctx, task: Task) -> None:
    """The worker is going down: another one starts anew."""
    task.status, task.ticket, task.started_at = State.PENDING, None, None


def _cancelled(ctx: Ctx, task: Task) -> None:
    _ended(ctx, task, State.CANCELLED)


def _succeeded(ctx: Ctx, task: Task, result: Any) -> None:
    _ended(ctx, task, State.SUCCESS)
    task.progress, task.result, task.error = 100, result, None
    ctx.emit(JobSucceeded(job_id=task.id, job_type=task.job_type), tenant=task.tenant)


def _failed(ctx: Ctx, task: Task, kind: Job | None, error: str, *, permanent: bool) -> None:
    task.error = error[:1024]
    if not permanent and kind is not None and task.retry_count < kind.retries:
        task.retry_count += 1
        task.status, task.ticket = State.PENDING, None
        task.scheduled_at = ctx.clock() + _pause(task.retry_count)
        return
    _ended(ctx, task, State.FAILED if permanent else State.DEAD)
    told = JobFailed(job_id=task.id, job_type=task.job_type, error=task.error)
    ctx.emit(told, tenant=task.tenant)


def _pause(number: int) -> dt.timedelta:
    return pause(number, random.random())  # noqa: S311  -- no secret
