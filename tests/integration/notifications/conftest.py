"""The centre's fixtures, a real SMTP server, a real provider of short messages, and people."""

import asyncio
from types import SimpleNamespace
from uuid import UUID

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiosmtpd.smtp import SMTP
from sqlalchemy import select

from api.testing import client, sign_in
from hub import UNIT, Actor
from hub.testing.pytest_plugin import busbar_modules, busbar_template, central, clock, migrated
from plugins.identity import User
from plugins.notifications.models import Delivery, Notification

__all__ = ["busbar_modules", "busbar_template", "central", "client", "clock", "migrated", "sign_in"]


class Post:
    """Takes mail. say: what it answers to DATA and to a recipient instead of yes."""

    def __init__(self):
        self.mails, self.say, self.refuse, self.pause = [], "", "", 0.0

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if self.refuse:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        if self.say:
            return self.say
        await asyncio.sleep(self.pause)
        self.mails.append(envelope)
        return "250 taken"


@pytest.fixture
async def post():
    handler = Post()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, loop=loop), "127.0.0.1", 0)
    handler.port = server.sockets[0].getsockname()[1]
    yield handler
    server.close()


@pytest.fixture
async def carriers():
    """Two providers of short messages: what each was asked, and what it answers."""
    known = SimpleNamespace(asked=[], answers={"one": 200, "two": 200})

    async def take(request):
        name = request.match_info["name"]
        known.asked.append((name, await request.json()))
        status = known.answers[name]
        return web.json_response(
            {"messages": [{"id": f"{name}-{len(known.asked)}"}]}, status=status
        )

    app = web.Application()
    app.router.add_post("/{name}", take)
    async with TestServer(app, host="127.0.0.1") as server:
        known.url = str(server.make_url("/"))
        yield known


@pytest.fixture
def busbar_settings(post, carriers):
    sms = [
        {
            "name": name,
            "url": f"{carriers.url}{name}",
            "body": {"to": "{{to}}", "text": "{{text}}", "ref": "{{reference}}"},
            "reference": "messages.0.id",
            "secret": f"secret of {name}",
        }
        for name in ("one", "two")
    ]
    smtp = {
        "name": "post",
        "host": "127.0.0.1",
        "port": post.port,
        "security": "none",
        "sender": "Busbar <no-reply@busbar.example>",
    }
    return {
        "notifications": {
            "smtp": [smtp],
            "sms": sms,
            "console_url": "https://busbar.example",
            "lease_seconds": 5,
        }
    }


@pytest.fixture
def house(company, central):
    """A company at work: events are handled and messages sent for as long as the test runs."""
    central.started.set()
    return company


@pytest.fixture
async def company(central, client, sign_in, post, carriers):
    """A company, and ways to make its people, to ask, and to see what is stored."""
    unit = central.get(UNIT)

    async def person(*patterns, **changes):
        headers = await sign_in(*(patterns or ("nothing.at.all",)))
        me = await (await client.get("/api/v1/auth/me", headers=headers)).json()
        async with unit.system() as ctx:
            row = await ctx.db.scalar(select(User).where(User.id == UUID(me["id"])))
            for name, value in ({"locale": "en"} | changes).items():
                setattr(row, name, value)
        actor = Actor(id=me["id"], tenant=UUID(me["tenant_id"]))
        return SimpleNamespace(id=UUID(me["id"]), headers=headers, actor=actor, email=me["email"])

    async def rows(model, **where):
        async with unit.system() as ctx:
            found = await ctx.db.scalars(
                select(model).filter_by(**where).order_by(model.created_at)
            )
            return found.all()

    async def emit(actor, *events):
        async with unit(Actor(id="tester", tenant=actor.tenant, kind="system")) as ctx:
            for event in events:
                ctx.emit(event)

    async def call(method, path, who, expect=200, **body):
        answer = await client.request(
            method, f"/api/v1/notifications{path}", json=body or None, headers=who.headers
        )
        text = await answer.text()
        assert answer.status == expect, text
        return msgspec.json.decode(text) if text else None

    return SimpleNamespace(
        person=person,
        emit=emit,
        call=call,
        unit=unit,
        client=client,
        post=post,
        carriers=carriers,
        notifications=lambda **where: rows(Notification, **where),
        deliveries=lambda **where: rows(Delivery, **where),
    )
