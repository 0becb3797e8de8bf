"""Events reach every subscriber that wants them, whatever fails in between."""

import asyncio
import contextlib

import pytest
from sqlalchemy import func, select

from hub import UNIT, Actor, Event, Subscriber, uuid7
from hub.kernel.bus import ATTEMPTS, Bus
from hub.kernel.database import DATABASE
from hub.kernel.outbox import Delivery, Outbox
from plugins.scada import Station

TENANT = uuid7()
ACTOR = Actor(id="tester", tenant=TENANT)


class Opened(Event, frozen=True, tag="shop.opened"):
    number: int


@pytest.fixture
def bus(central):
    def make(handler, *patterns):
        subscriber = Subscriber(name="test", patterns=patterns or ("shop.*",), handler=handler)
        return Bus(central.get(DATABASE), central.get(UNIT), [subscriber])

    return make


async def emit(central, *numbers):
    async with central.get(UNIT)(ACTOR) as ctx:
        for n in numbers:
            ctx.emit(Opened(number=n))


async def drain(bus):
    while await bus.spread():
        pass
    while await bus.deliver():
        pass


async def deliveries(central):
    async with central.get(UNIT).system() as ctx:
        rows = (await ctx.db.execute(select(Delivery.id, Delivery.state, Delivery.attempts))).all()
    return [tuple(r) for r in rows]


async def test_an_event_is_handled_in_its_tenant(central, bus):
    seen = []

    async def handler(ctx, event):
        seen.append((event.type, event.tenant, event.data, ctx.actor.tenant))
        ctx.db.add(Station(code=f"S{event.data['number']}", name="x", station_type="solar"))

    await emit(central, 1, 2)
    await drain(bus(handler))
    assert seen == [("shop.opened", TENANT, {"number": n}, TENANT) for n in (1, 2)]
    assert await deliveries(central) == []
    async with central.get(UNIT)(ACTOR) as ctx:
        assert await ctx.db.scalar(select(func.count()).select_from(Station)) == 2


async def test_nothing_is_told_of_what_was_rolled_back(central, bus):
    seen = []

    async def handler(ctx, event):
        seen.append(event)

    with contextlib.suppress(RuntimeError):
        async with central.get(UNIT)(ACTOR) as ctx:
            ctx.emit(Opened(number=1))
            raise RuntimeError
    await drain(bus(handler))
    assert seen == []


async def test_a_handler_that_fails_leaves_nothing_and_is_tried_again(central, bus, clock):
    tries = []

    async def handler(ctx, event):
        tries.append(event.id)
        ctx.db.add(Station(code="S1", name="x", station_type="solar"))
        await ctx.db.flush()
        if len(tries) < 3:
            raise ValueError("not yet")

    made = bus(handler)
    await emit(central, 1)
    await drain(made)
    assert len(tries) == 1
    for _ in range(2):
        clock.forward(minutes=1)
        await drain(made)
    assert len(tries) == 3
    assert len(set(tries)) == 1
    assert await deliveries(central) == []
    async with central.get(UNIT)(ACTOR) as ctx:
        assert await ctx.db.scalar(select(func.count()).select_from(Station)) == 1


async def test_what_never_works_is_set_aside_and_can_be_replayed(central, bus, clock):
    healed = False

    async def handler(ctx, event):
        if not healed:
            raise ValueError("broken")

    made = bus(handler)
    await emit(central, 1)
    for _ in range(ATTEMPTS + 2):
        await drain(made)
        clock.forward(hours=1)
    [(_, state, attempts)] = await deliveries(central)
    assert (state, attempts) == ("dead", ATTEMPTS)
    healed = True
    async with central.get(UNIT)(ACTOR) as ctx:
        event = await ctx.db.scalar(select(Outbox.id))
        assert await made.replay(ctx, event) == 1
    await drain(made)
    assert await deliveries(central) == []


async def test_two_dispatchers_share_the_work(central, bus):
    seen = []

    async def handler(ctx, event):
        seen.append(event.data["number"])
        await asyncio.sleep(0)

    await emit(central, *range(40))
    await asyncio.gather(drain(bus(handler)), drain(bus(handler)))
    await drain(bus(handler))
    assert sorted(seen) == list(range(40))


async def test_news_wakes_the_dispatcher(central, bus):
    done, started = asyncio.Event(), asyncio.Event()

    async def handler(ctx, event):
        done.set()

    started.set()
    async with bus(handler).running(started):
        await asyncio.sleep(0.2)
        await emit(central, 1)
        async with asyncio.timeout(3):
            await done.wait()


async def test_every_event_is_kept(central, bus):
    async def handler(ctx, event):
        pass

    await emit(central, 1)
    await drain(bus(handler, "nothing.*"))
    async with central.get(UNIT).system() as ctx:
        rows = (await ctx.db.execute(select(Outbox.type, Outbox.dispatched, Outbox.actor))).all()
    assert [tuple(r) for r in rows] == [("shop.opened", True, "tester")]
