"""The centre's fixtures, a plugin with rooms of its own, and sockets of people."""

import contextlib

import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer

from api.app import build
from api.state import Options
from api.testing import sign_in
from hub import LIVE, SIGNALS, UNIT, Plugin, room
from hub.kernel.bus import BUS
from hub.testing.pytest_plugin import busbar_modules, busbar_template, central, clock, migrated
from plugins.realtime import BOARD, Board

__all__ = ["busbar_modules", "busbar_template", "central", "clock", "migrated", "sign_in"]

WS = "/api/v1/realtime/ws"


class Which(msgspec.Struct, forbid_unknown_fields=True):
    part: int | None = None
    min_interval_ms: int = 0


class Meters:
    """A stream that conflates: whoever asks gets the newest number."""

    def __init__(self):
        self.number = 0
        outer = self

        @room("numbers", key="part", permission="shop.numbers.read")
        async def numbers(ctx, params: Which):
            async def stream():
                while True:
                    outer.number += 1
                    yield {"number": outer.number, "part": params.part}

            return stream()

        @room("shop", permission="shop.numbers.read", default=True)
        async def shop(ctx, params: Which):
            return None

        self.rooms = (numbers, shop)


@contextlib.asynccontextmanager
async def served(hub):
    app = build(hub, Options(rate_profile="bench", secret=b"x" * 32))
    async with TestClient(TestServer(app)) as made:
        yield made


@pytest.fixture
def shop(central):
    made = Meters()
    central.plugins["shop"] = Plugin(name="shop", rooms=made.rooms)
    return made


@pytest.fixture
async def client(central, shop):
    async with served(central) as made:
        yield made


@pytest.fixture
async def second(central, client):
    """Another process, as far as messages go: a board and an application of its own."""
    async with Board(central.get(UNIT), central.get(SIGNALS)).running() as board:
        first = central.get(BOARD)
        central.provide(BOARD, board)
        async with served(central) as made:
            central.provide(BOARD, first)
            yield made


class Person:
    """Someone with a session, his sockets, and what he asks of the API."""

    def __init__(self, client, headers, who):
        self.client, self.headers, self.id, self.tenant = (
            client,
            headers,
            who["id"],
            who["tenant_id"],
        )

    def connect(self, path="", client=None, **options):
        options.setdefault("headers", self.headers)
        return (client or self.client).ws_connect(WS + path, **options)

    async def call(self, method, path, body=None, status=200):
        url = f"/api/v1/{path}"
        answer = await self.client.request(method, url, json=body, headers=self.headers)
        text = await answer.text()
        assert answer.status == status, text
        return await answer.json() if text else None


@pytest.fixture
def person(client, sign_in):
    async def make(*patterns, tenant="main"):
        headers = await sign_in(*patterns, tenant=tenant)
        who = await (await client.get("/api/v1/auth/me", headers=headers)).json()
        return Person(client, headers, who)

    return make


@pytest.fixture
def say(central):
    """Say something to a room, as a plugin does."""

    async def make(tenant, room_, event_type="news", **data):
        from uuid import UUID

        async with central.get(UNIT).system() as ctx:
            return await central.get(LIVE).send(ctx, room_, event_type, data, tenant=UUID(tenant))

    return make


@pytest.fixture
def settle(central):
    """Spread and deliver to subscribers all that is due."""

    async def make():
        bus = central.get(BUS)
        while await bus.spread() or await bus.deliver():
            pass

    return make


async def _heard(socket, word, seconds=5):
    """The next message of that kind."""
    while True:
        said = await socket.receive_json(timeout=seconds)
        if said["event_type"] == word:
            return said


async def _join(socket, name, **more):
    await socket.send_json({"event_type": "join_room", "data": {"room": name, **more}})
    return await _heard(socket, "joined")


async def _closed(socket, seconds=8):
    """The code that a socket is closed with, whatever is said before."""
    while True:
        message = await socket.receive(timeout=seconds)
        if message.type.name in ("CLOSE", "CLOSED", "CLOSING"):
            return socket.close_code


@pytest.fixture
def heard():
    return _heard


@pytest.fixture
def join():
    return _join


@pytest.fixture
def closed():
    return _closed
