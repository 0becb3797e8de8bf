"""Who may open a socket, how long it lives, and what ends it."""

import asyncio

import pytest

WS = "/api/v1/realtime/ws"


async def test_a_socket_without_a_sign_in_is_closed(client, monkeypatch, closed):
    monkeypatch.setattr("api.live.FIRST_WORD", 0.3)
    async with client.ws_connect(WS) as socket:
        assert await closed(socket) == 4401


async def test_a_sign_in_may_come_as_the_first_message(person, client, heard, join):
    me = await person("shop.*")
    async with client.ws_connect(WS) as socket:
        token = me.headers["Authorization"].removeprefix("Bearer ")
        await socket.send_json({"event_type": "auth", "data": {"token": token}})
        await heard(socket, "authenticated")
        await join(socket, "shop")


async def test_a_ticket_opens_one_socket_within_half_a_minute(person, client, clock, join):
    me = await person("shop.*")
    made = await me.call("POST", "realtime/tickets", status=201)
    async with client.ws_connect(f"{WS}?ticket={made['ticket']}") as socket:
        await join(socket, "shop")
    assert (await client.get(f"{WS}?ticket={made['ticket']}")).status == 401
    late = await me.call("POST", "realtime/tickets", status=201)
    clock.forward(seconds=31)
    assert (await client.get(f"{WS}?ticket={late['ticket']}")).status == 401
    assert (await client.get(f"{WS}?ticket=" + "x" * 43)).status == 401


async def test_a_token_in_the_address_is_refused(person, client):
    me = await person()
    token = me.headers["Authorization"].removeprefix("Bearer ")
    assert (await client.get(f"{WS}?token={token}")).status == 400


async def test_a_page_of_another_site_is_refused_before_the_upgrade(person, client):
    me = await person()
    answer = await client.get(WS, headers=me.headers | {"Origin": "https://evil.example"})
    assert answer.status == 403


async def test_an_ordinary_request_to_a_sockets_address_is_told_so(person, client):
    me = await person()
    assert (await client.get(WS, headers=me.headers)).status == 400


async def test_one_person_has_at_most_ten_sockets(person, client):
    me = await person()
    sockets = [await me.connect() for _ in range(10)]
    refused = await client.get(WS, headers=me.headers)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "60")
    for socket in sockets:
        await socket.close()


async def test_who_talks_too_much_is_closed(person, closed):
    me = await person()
    async with me.connect() as socket:
        for _ in range(31):
            await socket.send_json({"event_type": "ping"})
        assert await closed(socket) == 4429


@pytest.mark.parametrize("said", ["{", "[]", '{"event_type": 5}', "[" * 9_000, '"x"'])
async def test_what_makes_no_sense_is_answered_and_the_socket_stays_open(person, heard, said):
    me = await person()
    async with me.connect() as socket:
        await socket.send_str(said)
        assert (await heard(socket, "error"))["data"]["code"] == "VALIDATION_ERROR"
        await socket.send_json({"event_type": "dance"})
        assert (await heard(socket, "error"))["data"]["code"] == "UNKNOWN_EVENT"
        await socket.send_json({"event_type": "ping"})
        await heard(socket, "pong")


async def test_a_message_of_more_than_64_kib_ends_the_socket(person, closed):
    me = await person()
    async with me.connect() as socket:
        await socket.send_str("x" * (65 << 10))
        assert await closed(socket) == 1009


async def test_a_client_that_answers_no_ping_is_cut_off_and_others_are_not(
    person, monkeypatch, closed, heard
):
    monkeypatch.setattr("api.live.PING", 0.2)
    monkeypatch.setattr("api.live.SILENCE", 2.0)
    me = await person()
    async with me.connect(autoping=False) as dead, me.connect() as alive:
        hears = asyncio.create_task(heard(alive, "pong", 8))
        while (message := await dead.receive(timeout=8)).type.name == "PING":
            pass
        assert (message.type.name, message.data) == ("CLOSE", 4408)
        await alive.send_json({"event_type": "ping"})
        await hears


async def test_the_end_of_a_session_ends_its_socket(person, closed):
    me = await person()
    async with me.connect() as socket:
        [own] = (await me.call("GET", "auth/sessions"))["items"]
        await me.call("DELETE", f"auth/sessions/{own['id']}", status=204)
        assert await closed(socket) == 4403


async def test_a_token_that_ends_has_to_be_renewed(person, monkeypatch, heard, closed):
    import datetime as dt

    monkeypatch.setattr("api.live.RENEWAL", dt.timedelta(seconds=1))
    me = await person()
    short = await _short_token(me)
    async with me.connect(headers=short) as renewing, me.connect(headers=short) as silent:
        for socket in (renewing, silent):
            await heard(socket, "auth_required", 6)
        token = me.headers["Authorization"].removeprefix("Bearer ")
        await renewing.send_json({"event_type": "auth", "data": {"token": token}})
        await heard(renewing, "authenticated")
        assert await closed(silent) == 4401
        await renewing.send_json({"event_type": "ping"})
        await heard(renewing, "pong")


async def _short_token(me):
    import datetime as dt
    from uuid import UUID

    from api.state import STATE
    from plugins.identity import ACCOUNTS

    accounts = me.client.app[STATE].hub.get(ACCOUNTS)
    [own] = (await me.call("GET", "auth/sessions"))["items"]
    begun = dt.datetime.now(dt.UTC) - accounts.tokens.life + dt.timedelta(seconds=2)
    token, _ = accounts.tokens.access(UUID(me.id), UUID(own["id"]), UUID(me.tenant), 1, begun)
    return {"Authorization": f"Bearer {token}"}


async def test_a_socket_can_only_be_renewed_by_whom_it_belongs_to(person, closed):
    me, other = await person(), await person()
    async with me.connect() as socket:
        token = other.headers["Authorization"].removeprefix("Bearer ")
        await socket.send_json({"event_type": "auth", "data": {"token": token}})
        assert await closed(socket) == 4401


async def test_administrators_see_sockets_and_close_one(person, join, closed):
    boss, me = await person("realtime.*"), await person("shop.*")
    async with me.connect() as socket:
        await join(socket, "shop")
        await asyncio.sleep(0)
        url = f"realtime/connections?user_id={me.id}"
        [row] = (await boss.call("GET", url))["items"]
        assert (row["client_ip"], row["disconnected_at"]) == ("127.0.0.1", None)
        await boss.call("DELETE", f"realtime/connections/{row['id']}", status=204)
        assert await closed(socket) == 4403
    for _ in range(50):
        [row] = (await boss.call("GET", url))["items"]
        if row["close_code"]:
            break
        await asyncio.sleep(0.1)
    assert (row["close_code"], row["messages_received"], row["messages_sent"]) == (4403, 1, 1)
    await boss.call("DELETE", f"realtime/connections/{row['id']}", status=409)
    await me.call("GET", url, status=403)


async def test_a_server_that_closes_says_so(central, shop, sign_in, heard, closed):
    from tests.integration.realtime.conftest import served

    headers = await sign_in()
    async with served(central) as going:
        socket = await going.ws_connect(WS, headers=headers)
        down = asyncio.create_task(going.server.close())
        await heard(socket, "server_closing")
        assert await closed(socket) == 1012
        await down


async def test_what_is_old_is_forgotten(central, person, say, clock):
    from uuid import UUID

    from sqlalchemy import func, select

    from hub import UNIT, Actor
    from plugins.realtime.cleaning import Ages, clean
    from plugins.realtime.models import Connection, Said, Ticket

    me = await person()
    async with me.connect():
        await say(me.tenant, "shop", number=1)
        await me.call("POST", "realtime/tickets", status=201)
    actor = Actor(id="x", tenant=UUID(me.tenant))

    class Run:
        tenant = actor.tenant

        def unit(self):
            return central.get(UNIT)(actor)

    async def left():
        async with central.get(UNIT)(actor) as ctx:
            return [
                await ctx.db.scalar(select(func.count()).select_from(m))
                for m in (Connection, Said, Ticket)
            ]

    for _ in range(30):
        async with central.get(UNIT)(actor) as ctx:
            if await ctx.db.scalar(select(Connection.close_code)):
                break
        await asyncio.sleep(0.1)
    await clean.handler(Run(), Ages())
    assert await left() == [1, 1, 1]
    clock.forward(hours=2)
    await clean.handler(Run(), Ages())
    assert await left() == [1, 0, 0]
    clock.forward(days=31)
    await clean.handler(Run(), Ages())
    assert await left() == [0, 0, 0]


async def test_a_database_that_is_away_for_a_moment_ends_no_socket(
    central, person, say, join, heard, monkeypatch
):
    from sqlalchemy.exc import OperationalError

    from plugins.identity import ACCOUNTS

    me = await person("shop.*")
    async with me.connect() as socket:
        await join(socket, "shop")
        accounts = central.get(ACCOUNTS)
        accounts.forget()

        async def away(*_):
            raise OperationalError("SELECT 1", {}, OSError("connection refused"))

        with monkeypatch.context() as patch:
            patch.setattr(type(accounts), "_load", away)
            await say(me.tenant, "shop", number=1)
            assert (await heard(socket, "news"))["data"] == {"number": 1}
        await socket.send_json({"event_type": "ping"})
        await heard(socket, "pong")
