"""One's own notifications and choices: nobody sees another's."""

import asyncio
from types import SimpleNamespace
from uuid import uuid4

import pytest
from sqlalchemy import select

from hub import NOTIFIER, Actor
from plugins.notifications.cleaning import Ages, clean
from plugins.notifications.models import Notification, State
from tests.waiting import until


@pytest.fixture
async def told(house, central):
    """`await told(who, 3)`: three announcements for one person."""

    async def make(who, number=1, **data):
        async with house.unit(who.actor) as ctx:
            for n in range(number):
                said = {"title": f"Notice {n}", "message": "Read this", "action_url": "/home"}
                done = await central.get(NOTIFIER).tell(
                    ctx, "announcement", said | data, to=[f"id:{who.id}"]
                )
                assert done in (0, 1)

    return make


async def test_all_are_read_at_once_and_each_has_its_time(house, told):
    who = await house.person()
    await told(who, 3)
    assert await house.call("GET", "/count", who) == {"total": 3, "unread": 3}
    page = await house.call("GET", "", who)
    assert {n["title"] for n in page["items"]} == {"Notice 2", "Notice 1", "Notice 0"}
    first = page["items"][0]
    read = await house.call("PUT", f"/{first['id']}/read", who)
    assert await house.call("PUT", f"/{first['id']}/read", who) == read
    assert len((await house.call("GET", "/unread", who))["items"]) == 2
    assert await house.call("PUT", "/read-all", who) == {"marked": 2}
    assert await house.call("GET", "/count", who) == {"total": 3, "unread": 0}
    assert all(n.read_at for n in await house.notifications(user_id=who.id))


async def test_anothers_notification_is_not_found(house, told):
    one, other = await house.person("*"), await house.person()
    await told(other)
    (row,) = await house.notifications(user_id=other.id)
    assert (await house.call("GET", "", one))["items"] == []
    await house.call("GET", f"/{row.id}", one, 404)
    await house.call("PUT", f"/{row.id}/read", one, 404)
    await house.call("DELETE", f"/{row.id}", one, 404)
    await house.call("POST", "/bulk/delete", one, 422, ids=[str(row.id)])
    assert await house.call("PUT", "/read-all", one) == {"marked": 0}
    answer = await house.client.get(
        "/api/v1/notifications", params={"format": "csv"}, headers=one.headers
    )
    assert str(row.id) not in await answer.text()
    await house.call("DELETE", f"/{row.id}", other, 204)
    assert await house.notifications(user_id=other.id) == []


async def test_a_statement_of_a_plugin_sees_ones_own_alone_and_the_system_sees_all(house, told):
    one, other = await house.person(), await house.person()
    await told(one)
    await told(other)
    async with house.unit(one.actor) as ctx:
        assert {n.user_id for n in await ctx.db.scalars(select(Notification))} == {one.id}
    for kind, ident in (("gateway", str(one.id)), ("user", "tester"), ("api_key", "no uuid")):
        nobody = Actor(id=ident, tenant=one.actor.tenant, kind=kind)
        async with house.unit(nobody) as ctx:
            assert (await ctx.db.scalars(select(Notification))).all() == []
    assert len(await house.notifications()) == 2


async def test_the_socket_gets_ones_own_notifications_as_they_come(house, told):
    one, other = await house.person(), await house.person()
    url = "/api/v1/notifications/ws/notification"
    async with house.client.ws_connect(url, headers=one.headers) as socket:
        await socket.send_json({"event_type": "subscribe", "data": {}})
        assert (await socket.receive_json())["event_type"] == "subscribed"
        await asyncio.sleep(0.3)  # the stream listens once it was asked for its first item
        await told(other)
        await told(one, 3)
        got = [await socket.receive_json(timeout=5) for _ in range(3)]
    assert [m["event_type"] for m in got] == ["notification"] * 3
    assert [m["data"]["title"] for m in got] == ["Notice 0", "Notice 1", "Notice 2"]
    assert {m["data"]["action_url"] for m in got} == {"/home"}


async def test_the_same_within_ten_minutes_is_told_once(house, told, clock):
    who = await house.person()
    await told(who, dedupe="feeder 7")
    await told(who, dedupe="feeder 7")
    assert len(await house.notifications(user_id=who.id)) == 1
    clock.forward(minutes=11)
    await told(who, dedupe="feeder 7")
    assert len(await house.notifications(user_id=who.id)) == 2


async def test_choices_are_kept_and_taken_back(house):
    who = await house.person()
    wish = {"items": [{"type_code": "alarm", "channels": ["sms", "email", "sms"]}]}
    await house.call("PUT", "/preferences", who, quiet_from="22:00", quiet_to="07:00", **wish)
    known = await house.call("GET", "/preferences", who)
    assert (known["quiet_from"], known["quiet_to"]) == ("22:00", "07:00")
    types = {t["type_code"]: t for t in known["items"]}
    assert (types["alarm"]["channels"], types["alarm"]["chosen"]) == (["email", "sms"], True)
    assert types["account.locked"]["mandatory"]
    await house.call("PUT", "/preferences", who, items=[{"type_code": "alarm", "channels": None}])
    known = await house.call("GET", "/preferences", who)
    assert {t["type_code"]: t for t in known["items"]}["alarm"]["channels"] == ["in_app"]
    other = await house.person()
    assert (await house.call("GET", "/preferences", other))["quiet_from"] is None


async def test_a_wish_for_what_there_is_not_is_refused_with_its_place(house):
    who = await house.person()
    items = [{"type_code": "no.such", "channels": []}]
    said = await house.call("PUT", "/preferences", who, 422, items=items)
    assert said["details"][0]["field"] == "items[0].type_code"
    await house.call("PUT", "/preferences", who, 422, quiet_from="25:00")


async def test_a_type_is_changed_but_a_mandatory_one_is_never_switched_off(house):
    boss, who = await house.person("notifications.admin.*"), await house.person()
    change = {"default_channels": ["in_app", "email"], "is_active": False}
    await house.call("PUT", "/types/account.locked", boss, 422, is_active=False)
    said = await house.call("PUT", "/types/welcome", boss, **change)
    assert (said["default_channels"], said["is_active"]) == (["in_app", "email"], False)
    await house.call("PUT", "/types/no.such", boss, 404, **change)
    await house.call("PUT", "/types/welcome", who, 403, **change)
    types = (await house.call("GET", "/types", who))["items"]
    assert {"en", "ar"} == set(types[0]["title"])


async def test_an_announcement_reaches_everybody_of_a_role_once(house, central):
    boss = await house.person("notifications.admin.send", "jobs.*")
    readers = [await house.person("news.items.read") for _ in range(3)]
    key = {"Idempotency-Key": str(uuid4())}
    body = {"to": ["may:news.items.read"], "title": "Works", "message": "On Friday",
            "channels": ["in_app", "email"]}  # fmt: skip
    jobs = set()
    for _ in range(2):
        answer = await house.client.post(
            "/api/v1/notifications/send", json=body, headers=boss.headers | key
        )
        assert answer.status == 202
        jobs.add((await answer.json())["job_id"])
    assert len(jobs) == 1
    await until(lambda: len(house.post.mails) == 3, seconds=15)
    got = {m.rcpt_tos[0] for m in house.post.mails}
    assert got == {r.email for r in readers}

    async def sent():
        return len(await house.deliveries(status=State.SENT)) == 3

    await until(sent)


async def test_old_ones_are_forgotten(house, told, clock):
    who = await house.person()
    await told(who, 2)
    await house.call("PUT", "/read-all", who)
    clock.forward(days=91)
    await told(who)
    system = Actor(id="job:clean", tenant=who.actor.tenant, kind="system")
    run = SimpleNamespace(unit=lambda: house.unit(system))
    gone = await clean.handler(run, Ages())
    assert gone["read"] == 2
    assert len(await house.notifications()) == 1
