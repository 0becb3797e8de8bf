"""Two processes of the centre, one of them leads: what a kill of the leader costs."""

import asyncio
import json
import random
import sys
import time
from collections import Counter

import aiomqtt
import msgspec
import psycopg
import pytest

from hub import METER_ORDERS, UNIT, Actor, MeterOrder, MeterOrderKind
from plugins.identity.bootstrap import create_tenant
from plugins.scada import Device
from simulators.acrel import Fleet
from tests.integration.acrel.centre_to_kill import standing
from tests.integration.acrel.conftest import listener
from tests.integration.mqtt.conftest import mosquitto
from tests.waiting import until

__all__ = ["mosquitto"]
ROUNDS, EACH = 3, 25
HOLDER = """
SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid)
 WHERE l.locktype = 'advisory' AND l.granted AND a.datname = current_database()
   AND a.application_name IN ('a', 'b')
"""


class Centre:
    """Processes `a` and `b` on one database, one broker, and what went over it."""

    def __init__(self, dsn, folder, port):
        self.dsn, self.folder, self.port = dsn, folder, port
        self.settings = {"acrel": {"broker": listener(port), "wait": 1.0}}
        self.processes, self.sent = {}, Counter()

    async def start(self, name):
        dsn = psycopg.conninfo.make_conninfo(self.dsn, application_name=name)
        self.processes[name] = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.integration.acrel.centre_to_kill",
            dsn, str(self.folder), json.dumps(self.settings),
        )  # fmt: skip

    async def kill(self, name):
        process = self.processes.pop(name)
        process.kill()
        await process.wait()

    async def other(self, name):
        """Whether the one leads that stood by."""
        return await self.leader() not in {None, name}

    async def leader(self):
        rows = await self.rows(HOLDER)
        return rows[0][0] if rows else None

    async def rows(self, query, *given):
        async with await psycopg.AsyncConnection.connect(self.dsn) as connection:
            return await (await connection.execute(query, given)).fetchall()

    async def states(self):
        return dict(await self.rows("SELECT state, count(*) FROM acrel_order GROUP BY state"))

    async def settled(self):
        states = await self.states()
        return states if not {"requested", "sent"} & set(states) else None

    async def watch(self):
        """Count every order that anybody publishes."""
        async with aiomqtt.Client("127.0.0.1", self.port) as client:
            await client.subscribe("acrel/+/meter/+/command", qos=1)
            async for message in client.messages:
                self.sent[msgspec.json.decode(message.payload)["command_id"]] += 1


@pytest.fixture
async def fleet(mosquitto):
    made = Fleet(ROUNDS * EACH, every=60)
    running = asyncio.create_task(made.run("127.0.0.1", mosquitto.port))
    yield made
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def bench(migrated, tmp_path):
    """Another process of the centre, as far as asking goes: it never leads."""
    async with standing(migrated, tmp_path, {}) as hub:
        yield hub


@pytest.fixture
async def ask(bench, fleet):
    """Give orders to meters that all are known, in one transaction."""
    async with bench.get(UNIT).system() as ctx:
        tenant = await create_tenant(ctx, code="main", name="main")
    actor = Actor(id="billing", tenant=tenant.id, kind="system", name="billing")
    async with bench.get(UNIT)(actor) as ctx:
        ctx.db.add_all(Device(code=m, name=m, external_id=m) for m in fleet.meters)

    async def orders(meters, seconds=60.0):
        expires = time.time_ns() // 1000 + int(seconds * 1e6)
        async with bench.get(UNIT)(actor) as ctx:
            for meter in meters:
                await bench.get(METER_ORDERS).request(
                    ctx,
                    MeterOrder(
                        id=f"order-{meter}", meter=meter, kind=MeterOrderKind.DISCONNECT,
                        expires=expires,
                    ),
                )  # fmt: skip

    return orders


@pytest.fixture
async def centre(migrated, tmp_path, mosquitto, ask):
    made = Centre(migrated, tmp_path, mosquitto.port)
    watching = asyncio.create_task(made.watch())
    yield made
    for name in list(made.processes):
        await made.kill(name)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_whoever_leads_when_it_is_killed_each_meter_obeys_once(centre, ask, fleet):
    await centre.start("a")
    await centre.start("b")
    meters, draw, led = list(fleet.meters), random.Random(5), []
    for n in range(ROUNDS):
        led.append(await until(centre.leader, 30))
        before = sum(centre.sent.values())
        await ask(meters[n * EACH : (n + 1) * EACH])
        await until(lambda before=before: sum(centre.sent.values()) > before, 30)
        await asyncio.sleep(draw.uniform(0.0, 0.1))
        await centre.kill(led[-1])
        await until(lambda: centre.other(led[-1]), 30)
        await centre.start(led[-1])

    async def confirmed():
        return await centre.states() == {"confirmed": ROUNDS * EACH}

    await until(confirmed, 60)
    assert led in (["a", "b", "a"], ["b", "a", "b"])
    for meter in fleet.meters.values():
        assert meter.obeyed == [f"order-{meter.id}"]
        assert not meter.connected


async def test_what_expires_while_nobody_leads_is_not_sent_by_the_next(centre, ask, fleet):
    meters = list(fleet.meters)
    deaf, early, late = [fleet.meters[m] for m in meters[:3]], meters[3:6], meters[6:9]
    for meter in deaf:
        meter.offline = True
    await centre.start("a")
    await until(centre.leader, 30)
    await ask([m.id for m in deaf], seconds=4.0)
    await until(lambda: len(centre.sent) == 3, 30)
    await centre.kill("a")
    await ask(early, seconds=0.5)
    await ask(late)
    tried = dict(centre.sent)
    await asyncio.sleep(4.5)
    await centre.start("b")
    states = await until(centre.settled, 40)
    assert states == {"timeout": 3, "failed": 3, "confirmed": 3}
    assert {i: n for i, n in centre.sent.items() if i in tried} == tried
    assert set(centre.sent) == {f"order-{m}" for m in [*(d.id for d in deaf), *late]}
    assert all(fleet.meters[m].obeyed == [] for m in early)
    details = await centre.rows("SELECT DISTINCT detail FROM acrel_order WHERE state = 'failed'")
    assert details == [("expired before it could be sent",)]
