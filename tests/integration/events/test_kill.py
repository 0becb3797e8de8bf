"""No event is lost when the process that delivers it is killed."""

import asyncio
import random
import signal
import sys

from aiohttp import web
from sqlalchemy import select

from hub import UNIT
from hub.kernel.outbox import Outbox

KILLS = 10
EACH = 40


async def start(dsn, folder):
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.events.dispatcher", dsn, str(folder)
    )


async def test_killed_ten_times_nothing_is_lost_and_every_copy_has_the_same_id(
    central, me, receiver, emit, migrated, tmp_path
):
    async def unhurried(request):
        await asyncio.sleep(0.05)
        return web.Response()

    receiver.answer = unhurried
    body = {"name": "x", "url": f"{receiver.url}/hook", "event_types": ["shop.*"], "timeout_s": 1}
    await me.call("POST", "webhooks/endpoints", body, 201)
    draw = random.Random(7)
    for n in range(KILLS):
        await emit(*range(n * EACH, (n + 1) * EACH))
        before = len(receiver.got)
        process = await start(migrated, tmp_path)
        await receiver.wait(before + 1, 20)
        await asyncio.sleep(draw.uniform(0.0, 0.2))
        process.send_signal(signal.SIGKILL)
        await process.wait()
    process = await start(migrated, tmp_path)
    try:
        async with asyncio.timeout(30), receiver.arrived:
            await receiver.arrived.wait_for(
                lambda: len({g.headers["webhook-id"] for g in receiver.got}) == KILLS * EACH
            )
    finally:
        process.terminate()
        await process.wait()
    async with central.get(UNIT).system() as ctx:
        emitted = set(
            (await ctx.db.scalars(select(Outbox.id).where(Outbox.type == "shop.opened"))).all()
        )
    copies = {}
    for got in receiver.got:
        copies.setdefault(got.headers["webhook-id"], set()).add(got.body)
    assert set(copies) == {str(i) for i in emitted}
    assert all(len(bodies) == 1 for bodies in copies.values())
    assert len(receiver.got) > KILLS * EACH  # the kills did cut requests short
