"""Jobs run once, in their turn, again when they fail, and not when nobody committed."""

import asyncio
import contextlib
import sys

import pytest

from hub import UNIT, Actor, Invalid, Schedule, uuid7
from plugins.jobs.models import State


async def test_a_job_runs_after_the_commit_and_keeps_its_result(shop, bench, working):
    async with working():
        ident = await shop.start(number=7)
        done = await shop.until(ident, State.SUCCESS)
    assert (done.result, done.progress, done.progress_message) == ({"counted": 7}, 100, "half")
    assert bench.ran == [(shop.actor.tenant, 7, 1)]
    assert done.started_by == "tester"


async def test_what_was_rolled_back_never_runs(central, shop, bench, working):
    with contextlib.suppress(RuntimeError):
        async with central.get(UNIT)(shop.actor) as ctx:
            await ctx.jobs.start(ctx, "count")
            raise RuntimeError
    async with working():
        await shop.until(await shop.start(number=1), State.SUCCESS)
    assert [n for _, n, _ in bench.ran] == [1]


async def test_three_processes_run_each_job_once(shop, bench, working):
    idents = [await shop.start(number=n) for n in range(40)]
    async with working("a"), working("b"), working("c"):
        for ident in idents:
            await shop.until(ident, State.SUCCESS)
    assert sorted(n for _, n, _ in bench.ran) == list(range(40))


async def test_the_urgent_goes_first(shop, bench, working):
    bench.hold.clear()
    filler = [await shop.start(number=100 + n) for n in range(4)]
    low = [await shop.start(number=n, priority=8) for n in range(4)]
    high = [await shop.start(number=10 + n, priority=1) for n in range(4)]
    async with working():
        bench.hold.set()
        for ident in (*filler, *low, *high):
            await shop.until(ident, State.SUCCESS)
    order = [n for _, n, _ in bench.ran]
    assert max(order.index(10 + n) for n in range(4)) < min(order.index(n) for n in range(4))


async def test_one_company_with_many_jobs_delays_no_other(shop, bench, working):
    mine = [await shop.start(number=n) for n in range(60)]
    other = Actor(id="other", tenant=uuid7())
    ident = await shop.start(number=1000, by=other)
    async with working():
        await shop.until(ident, State.SUCCESS)
        place = [n for _, n, _ in bench.ran].index(1000)
        assert place <= 12  # behind the share of the first company, not behind all of its jobs
        for one in mine:
            await shop.until(one, State.SUCCESS)


async def test_a_job_that_fails_is_tried_again_and_then_dead(shop, bench, working, clock):
    bench.fail = 100
    ident = await shop.start()
    async with working():
        for n in range(3):
            async with asyncio.timeout(10):
                while (await shop.row(ident)).retry_count != n + 1:
                    await asyncio.sleep(0.05)
            clock.forward(minutes=10)
        dead = await shop.until(ident, State.DEAD)
        assert [number for *_, number in bench.ran] == [1, 2, 3, 4]
        assert dead.error == "RuntimeError: not yet"
        events = await shop.row(ident)
        assert events.ticket is None
        bench.fail = 0
        await shop.call("POST", f"jobs/queue/{ident}/retry")
        await shop.until(ident, State.SUCCESS)


async def test_what_says_that_nothing_helps_is_not_tried_again(shop, bench, working):
    bench.permanent = True
    ident = await shop.start()
    async with working():
        failed = await shop.until(ident, State.FAILED)
    assert (len(bench.ran), failed.error) == (1, "Permanent: never")


async def test_a_key_starts_one_job(shop, working):
    first = await shop.start(key="month")
    assert await shop.start(key="month") == first
    async with working():
        await shop.until(first, State.SUCCESS)
    assert await shop.start(key="month") != first


async def test_a_job_for_later_waits(shop, bench, working, clock):
    import datetime as dt

    ident = await shop.start(at=clock() + dt.timedelta(hours=1))
    now = await shop.start(number=1)
    async with working():
        await shop.until(now, State.SUCCESS)
        assert (await shop.row(ident)).status is State.SCHEDULED
        clock.forward(hours=2)
        await shop.until(ident, State.SUCCESS)


async def test_a_running_job_that_looks_nowhere_is_stopped(shop, bench, working):
    ident = await shop.start("loop")
    async with working():
        await shop.until(ident, State.RUNNING)
        await shop.call("POST", f"jobs/queue/{ident}/cancel")
        await shop.until(ident, State.CANCELLED)
    await shop.call("POST", f"jobs/queue/{ident}/cancel", status=409)


async def test_a_waiting_job_is_cancelled_at_once(shop, bench, working):
    ident = await shop.start()
    assert (await shop.call("POST", f"jobs/queue/{ident}/cancel"))["status"] == "cancelled"
    async with working():
        await shop.until(await shop.start(number=1), State.SUCCESS)
    assert [n for _, n, _ in bench.ran] == [1]


async def test_a_job_whose_worker_goes_down_starts_anew_elsewhere(shop, bench, working):
    bench.hold.clear()
    ident = await shop.start()
    async with working("first"):
        await shop.until(ident, State.RUNNING)
        bench.hold.set()
        bench.hold = asyncio.Event()
    found = await shop.row(ident)
    assert found.status in (State.PENDING, State.SUCCESS)


async def test_a_job_whose_worker_is_killed_is_taken_again(shop, bench, working, migrated):
    ident = await shop.start(number=5)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.jobs.worker_to_kill", migrated
    )
    await shop.until(ident, State.RUNNING)
    process.kill()
    await process.wait()
    async with working(silent=1.0) as workers:
        async with asyncio.timeout(20):
            while not await workers.rescue() and (await shop.row(ident)).retry_count == 0:
                await asyncio.sleep(0.2)
        found = await shop.row(ident)
        assert (found.status, found.retry_count) == (State.PENDING, 1)
        assert found.error == "its worker died"


async def test_a_schedule_starts_its_job_once_and_makes_up_for_one_missed_run(
    shop, bench, working, clock, central
):
    clock.now = clock.now.replace(hour=12, minute=0, second=0)
    nightly = Schedule(code="nightly", job="count", cron="0 0 * * *", zone="UTC")
    async with working(schedules=[nightly]):
        async with asyncio.timeout(10):
            while not (await shop.call("GET", "jobs/schedules"))["items"]:
                await asyncio.sleep(0.05)
    [planned] = (await shop.call("GET", "jobs/schedules"))["items"]
    assert planned["next_run_at"].endswith("T00:00:00Z")
    clock.forward(days=3)
    async with working("a", [nightly]), working("b", [nightly]):
        async with asyncio.timeout(10):
            while not bench.ran:
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)
    assert len(bench.ran) == 1
    await shop.call("DELETE", f"jobs/schedules/{planned['id']}", status=409)


async def test_people_start_only_what_is_meant_for_them(shop, client):
    made = await shop.call(
        "POST", "jobs/queue", {"job_type": "count", "parameters": {"number": 3}}, 201
    )
    assert made["status"] == "pending"
    assert [j["id"] for j in (await shop.call("GET", "jobs/mine"))["items"]] == [made["id"]]
    for body in (
        {"job_type": "loop"},
        {"job_type": "nonsense"},
        {"job_type": "count", "parameters": {"number": "x"}},
        {"job_type": "count", "parameters": {"strange": 1}},
    ):
        await shop.call("POST", "jobs/queue", body, 422)


async def test_another_persons_job_is_not_found(shop, client, sign_in):
    made = await shop.call("POST", "jobs/queue", {"job_type": "count"}, 201)
    stranger = await sign_in("nothing.at.all")
    answer = await client.post(f"/api/v1/jobs/mine/{made['id']}/cancel", headers=stranger)
    assert answer.status == 404


@pytest.mark.parametrize(
    "body",
    [
        {"cron": "0 0 * * *", "interval_seconds": 60},
        {},
        {"cron": "61 * * * *"},
        {"cron": "0 0 * * *", "timezone": "Mars/Olympus"},
        {"interval_seconds": 60, "parameters": {"number": "x"}},
    ],
)
async def test_a_schedule_that_makes_no_sense_is_refused(shop, body):
    await shop.call("POST", "jobs/schedules", {"code": "x", "job_type": "count", **body}, 422)


async def test_a_job_that_there_is_not_is_refused(central, shop):
    with pytest.raises(Invalid, match="nonsense"):
        await shop.start("nonsense")


async def test_the_queues_tell_what_waits(shop):
    await shop.start()
    rows = {q["queue"]: q for q in (await shop.call("GET", "jobs/queues"))["items"]}
    assert rows["default"]["waiting"] == 1
    assert rows["heavy"]["waiting"] == 0
    assert [t["name"] for t in (await shop.call("GET", "jobs/types"))["items"]] == ["count", "loop"]
