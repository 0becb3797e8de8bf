"""The centre's fixtures, a receiver of webhooks on a real socket, and a tenant with people."""

import asyncio
import contextlib
from types import SimpleNamespace

import pytest
from aiohttp import web

from api.testing import client, sign_in
from hub import HTTP, SIGNALS, UNIT, Actor, Event
from hub.kernel.bus import BUS
from hub.testing.pytest_plugin import busbar_modules, busbar_template, central, clock, migrated
from plugins.events.sender import Sender

__all__ = ["busbar_modules", "busbar_template", "central", "client", "clock", "migrated", "sign_in"]


class Opened(Event, frozen=True, tag="shop.opened"):
    number: int


class Receiver:
    """Keeps what it got; `answer` says how it replies."""

    def __init__(self):
        self.got, self.answer = [], lambda request: web.Response(text="thanks")
        self.arrived = asyncio.Condition()

    async def handle(self, request):
        body = await request.read()
        async with self.arrived:
            self.got.append(SimpleNamespace(headers=request.headers, body=body, path=request.path))
            self.arrived.notify_all()
        made = self.answer(request)
        return await made if asyncio.iscoroutine(made) else made

    async def wait(self, count, seconds=10):
        async with asyncio.timeout(seconds), self.arrived:
            await self.arrived.wait_for(lambda: len(self.got) >= count)

    @contextlib.asynccontextmanager
    async def serve(self):
        app = web.Application()
        app.router.add_route("*", "/{any:.*}", self.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()


@pytest.fixture
async def receiver():
    async with Receiver().serve() as made:
        yield made


@pytest.fixture
async def me(client, sign_in):
    """Someone who may do everything with events; `me.actor` is the tenant at work."""
    headers = await sign_in("events.*")
    tenant = (await (await client.get("/api/v1/auth/me", headers=headers)).json())["tenant_id"]
    from uuid import UUID

    async def call(method, path, body=None, status=200):
        answer = await client.request(method, f"/api/v1/{path}", json=body, headers=headers)
        text = await answer.text()
        assert answer.status == status, text
        return await answer.json() if text else None

    return SimpleNamespace(
        headers=headers, tenant=tenant, call=call, actor=Actor(id="tester", tenant=UUID(tenant))
    )


@pytest.fixture
def emit(central, me):
    async def make(*numbers):
        async with central.get(UNIT)(me.actor) as ctx:
            for n in numbers:
                ctx.emit(Opened(number=n))

    return make


@pytest.fixture
def settle(central):
    """Spread and deliver to subscribers all that is due."""

    async def make():
        bus = central.get(BUS)
        while await bus.spread() or await bus.deliver():
            pass

    return make


@pytest.fixture
def send(central, settle):
    """Run a sender until nothing is due."""

    async def make(**options):
        await settle()
        sender = Sender(central.get(UNIT), central.get(HTTP), central.get(SIGNALS), **options)
        go = asyncio.Event()
        async with sender.running(go):
            while await sender.claim() or sender._requests or sender._results:
                await asyncio.sleep(0.02)
        await settle()

    return make
