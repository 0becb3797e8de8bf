"""`busbar worker` as a process: it runs jobs, and what it leaves behind another one takes."""

import asyncio
import contextlib
import signal

import psycopg
import pytest

from hub import SIGNALS, UNIT, Actor, uuid7
from hub.children import Child
from hub.kernel.database import Database
from hub.kernel.signals import PgSignals
from hub.kernel.uow import Unit
from plugins.events.cleaning import clean
from plugins.jobs.models import State, Task
from plugins.jobs.queue import TaskQueue

ACTOR = Actor(id="tester", tenant=uuid7())


def worker(folder, name, dsn):
    env = {
        "DATABASE_URL": dsn,
        "BUSBAR_SITE__RUNTIME_ROOT": str(folder / name),
        "BUSBAR_AUTH__ENCRYPTION_KEY": "k" * 40,
        "BUSBAR_PLUGIN__JOBS__SILENT_SECONDS": "2",
    }
    return Child(name, ["worker"], folder / f"{name}.log", env)


@contextlib.asynccontextmanager
async def hub_side(dsn):
    async with Database(dsn, size=2) as database:
        signals = PgSignals(database.app_dsn)
        yield Unit(database, services={SIGNALS: signals, UNIT: None})


async def state(unit, ident):
    async with unit(ACTOR) as ctx:
        task = await ctx.db.get(Task, (ACTOR.tenant, ident))
        return task.status, task.retry_count


async def becomes(unit, ident, wanted, seconds=90):
    async with asyncio.timeout(seconds):
        while (found := await state(unit, ident))[0] is not wanted:
            await asyncio.sleep(0.2)
    return found[1]


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("how", "retries"), [(signal.SIGTERM, 0), (signal.SIGKILL, 1)], ids=["SIGTERM", "SIGKILL"]
)
async def test_the_job_of_a_worker_that_ends_is_done_by_another(migrated, tmp_path, how, retries):
    """The job needs a table that the test holds, so it is still running when its worker ends."""
    first, second = (worker(tmp_path, n, migrated) for n in ("first", "second"))
    try:
        await first.start()
        await first.ready(90)
        async with hub_side(migrated) as unit:
            with psycopg.connect(migrated) as blocker:
                blocker.execute("LOCK TABLE events_attempt IN ACCESS EXCLUSIVE MODE")
                async with unit(ACTOR) as ctx:
                    ident = await TaskQueue({"clean_events": clean}).start(ctx, "clean_events")
                await becomes(unit, ident, State.RUNNING)
                first.process.send_signal(how)
                await asyncio.wait_for(first.process.wait(), 30)
                await second.start()
                await second.ready(90)
            assert await becomes(unit, ident, State.SUCCESS) == retries
    finally:
        await first.stop()
        await second.stop()
