"""What is old and over goes; what is young, waits or was given up stays."""

from uuid import UUID

import pytest
from sqlalchemy import func, select

from hub import UNIT, Event
from hub.kernel.bus import BUS
from hub.kernel.outbox import Attempt, Outbox
from plugins.events.cleaning import clean as clean_events
from plugins.jobs.cleaning import clean as clean_jobs
from plugins.jobs.models import State, Task


class Old(Event, frozen=True, tag="shop.old"):
    number: int


@pytest.fixture
def bench(bench):
    bench.jobs |= {j.name: j for j in (clean_events, clean_jobs)}
    return bench


async def count(central, table, *where):
    async with central.get(UNIT).system() as ctx:
        return await ctx.db.scalar(select(func.count()).select_from(table).where(*where))


async def test_old_events_go_when_everybody_has_handled_them(central, shop, working, clock):
    bus = central.get(BUS)
    for n in range(2):
        async with central.get(UNIT)(shop.actor) as ctx:
            ctx.emit(Old(number=n))
        if n == 0:
            while await bus.spread() or await bus.deliver():
                pass
        clock.forward(days=1)
    clock.forward(days=399)  # the first is 401 days old, the second was never handled
    body = {"job_type": "clean_events"}
    made = await shop.call("POST", "jobs/queue", body, 201)
    async with working():
        done = await shop.until(UUID(made["id"]), State.SUCCESS)
    assert done.result["events"] >= 2
    assert await count(central, Outbox, Outbox.type == "shop.old") == 1
    assert await count(central, Attempt, Attempt.started_at < clock.now.replace(year=2020)) == 0


async def test_old_jobs_go_and_failures_stay_longer(central, shop, bench, working, clock):

    async with working():
        await shop.until(await shop.start(number=1), State.SUCCESS)
        bench.permanent = True
        await shop.until(await shop.start(number=2), State.FAILED)
    clock.forward(days=31)
    made = await shop.call("POST", "jobs/queue", {"job_type": "clean_jobs"}, 201)
    async with working():
        done = await shop.until(UUID(made["id"]), State.SUCCESS)
    assert done.result == {"jobs": 1}
    assert await count(central, Task, Task.status == State.FAILED) == 1
