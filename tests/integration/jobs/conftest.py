"""The centre's fixtures, a plugin with jobs, and workers that can be started."""

import asyncio
import contextlib
from types import SimpleNamespace
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import select

from api.testing import client, sign_in
from hub import DSN, JOBS, SIGNALS, UNIT, Actor, Permanent, Queue, job
from hub.testing.pytest_plugin import busbar_modules, busbar_template, central, clock, migrated
from plugins.jobs.models import Task
from plugins.jobs.queue import TaskQueue
from plugins.jobs.resources import TASKS
from plugins.jobs.worker import Workers

__all__ = ["busbar_modules", "busbar_template", "central", "client", "clock", "migrated", "sign_in"]


class Number(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    number: int = 0


class Bench:
    """Jobs that tell what they did, and what they are told to do."""

    def __init__(self):
        self.ran, self.fail, self.permanent = [], 0, False
        self.hold = asyncio.Event()
        self.hold.set()

        @job("count", manual=True)
        async def count(run, params: Number):
            """Count."""
            self.ran.append((run.tenant, params.number, run.number))
            await self.hold.wait()
            if self.permanent:
                raise Permanent("never")
            if len(self.ran) <= self.fail:
                raise RuntimeError("not yet")
            await run.progress(50, "half")
            return {"counted": params.number}

        @job("loop", queue=Queue.HEAVY)
        async def loop(run, params: Number):
            """Go on until told to stop."""
            self.ran.append((run.tenant, params.number, run.number))
            while True:
                await asyncio.sleep(0.05)

        self.jobs = {j.name: j for j in (count, loop)}


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
async def shop(central, client, sign_in, bench):
    """A tenant, its person, and ways to start and await jobs."""
    tasks = TaskQueue(bench.jobs)
    central.provide(JOBS, tasks)
    central.provide(TASKS, tasks)
    headers = await sign_in("jobs.*")
    tenant = (await (await client.get("/api/v1/auth/me", headers=headers)).json())["tenant_id"]
    actor = Actor(id="tester", tenant=UUID(tenant))

    async def start(name="count", number=0, by=actor, **options):
        async with central.get(UNIT)(by) as ctx:
            return await ctx.jobs.start(ctx, name, Number(number), **options)

    async def row(ident):
        async with central.get(UNIT).system() as ctx:
            return await ctx.db.scalar(select(Task).where(Task.id == ident))

    async def until(ident, *states):
        async with asyncio.timeout(15):
            while (found := await row(ident)).status not in states:
                await asyncio.sleep(0.05)
        return found

    async def call(method, path, body=None, status=200):
        answer = await client.request(method, f"/api/v1/{path}", json=body, headers=headers)
        text = await answer.text()
        assert answer.status == status, text
        return await answer.json() if text else None

    return SimpleNamespace(
        actor=actor, start=start, row=row, until=until, call=call, headers=headers, tasks=tasks
    )


@pytest.fixture
def working(central, shop):
    """`async with working():` runs the workers of one process."""

    @contextlib.asynccontextmanager
    async def make(name="test", schedules=(), silent=30.0):
        workers = Workers(
            central.get(UNIT),
            central.get(SIGNALS),
            shop.tasks,
            central.get(DSN),
            name=name,
            schedules=schedules,
            silent=silent,
        )
        go = asyncio.Event()
        go.set()
        async with workers.running(go):
            yield workers

    return make
