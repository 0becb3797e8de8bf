"""Events reach receivers outside: signed, again when it fails, and never our own network."""

import asyncio
import base64
import hashlib
import hmac
import json

import pytest
from aiohttp import web

from hub import VAULT
from plugins.events.rules import SCHEDULE
from plugins.events.store import place

WEBHOOKS = "webhooks/endpoints"


async def add(me, receiver, **fields):
    body = {"name": "shop", "url": f"{receiver.url}/hook", **fields}
    return await me.call("POST", WEBHOOKS, body, 201)


async def listed(me, what, **query):
    text = "&".join(f"{k}={v}" for k, v in query.items())
    return (await me.call("GET", f"webhooks/{what}?{text}"))["items"]


def verify(secret, got):
    """As the specification says, not as the product does it."""
    ident, stamp = got.headers["webhook-id"], got.headers["webhook-timestamp"]
    key = base64.b64decode(secret.removeprefix("whsec_"))
    made = hmac.new(key, f"{ident}.{stamp}.".encode() + got.body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(made).decode()}" in got.headers["webhook-signature"].split(" ")


async def test_an_event_arrives_signed_with_its_id(me, receiver, emit, send):
    made = await add(me, receiver, event_types=["shop.*"], headers={"X-Own": "yes"})
    secret = (await me.call("POST", f"{WEBHOOKS}/{made['id']}/rotate-secret", {}))["secret"]
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret[6:])) == 32
    await emit(7)
    await send()
    [got] = receiver.got
    body = json.loads(got.body)
    assert (body["type"], body["data"]) == ("shop.opened", {"number": 7})
    assert got.headers["webhook-id"] == body["id"]
    assert got.headers["X-Own"] == "yes"
    assert verify(secret, got)
    [delivery] = await listed(me, "deliveries", endpoint_id=made["id"])
    assert (delivery["status"], delivery["response_status"]) == ("success", 200)
    [attempt] = await listed(me, "attempts", delivery_id=delivery["id"])
    assert (attempt["response_body"], attempt["error"]) == ("thanks", None)


async def test_both_secrets_sign_while_one_replaces_the_other(me, receiver, emit, send, clock):
    made = await add(me, receiver, event_types=["shop.*"])
    path = f"{WEBHOOKS}/{made['id']}/rotate-secret"
    old = (await me.call("POST", path, {}))["secret"]
    new = (await me.call("POST", path, {"keep_hours": 2}))["secret"]
    await emit(1)
    await send()
    clock.forward(hours=3)
    await emit(2)
    await send()
    first, second = receiver.got
    assert verify(old, first)
    assert verify(new, first)
    assert verify(new, second)
    assert not verify(old, second)


async def test_no_secret_leaves_by_any_other_way(me, receiver, central, migrated):
    import psycopg

    made = await add(me, receiver, headers={"Authorization": "Bearer hidden-token"})
    await me.call("POST", f"{WEBHOOKS}/{made['id']}/rotate-secret", {})
    shown = json.dumps(await me.call("GET", f"{WEBHOOKS}/{made['id']}"))
    assert "secret" not in shown
    assert "hidden-token" not in shown
    with psycopg.connect(migrated) as connection:
        [(sealed,)] = connection.execute("SELECT secret FROM events_endpoint").fetchall()
        audit = connection.execute("SELECT change::text FROM hub_audit").fetchall()
    from uuid import UUID

    secret = central.get(VAULT).unseal(sealed, place(UUID(made["id"])))
    assert secret[6:] not in sealed
    assert all(sealed not in a and "hidden-token" not in a for (a,) in audit)


async def test_only_wanted_events_are_sent(me, receiver, emit, send):
    wanted = {"all": [{"path": "data.number", "op": ">=", "value": 2}]}
    await add(me, receiver, event_types=["shop.opened", "other.*"], filter=wanted)
    await add(me, receiver, name="nothing", event_types=["bank.*"])
    await emit(1, 2, 3)
    await send()
    assert sorted(json.loads(g.body)["data"]["number"] for g in receiver.got) == [2, 3]


async def test_what_fails_is_sent_again_with_the_same_id_until_the_schedule_ends(
    me, receiver, emit, send, clock
):
    receiver.answer = lambda request: web.Response(status=500, text="broken")
    made = await add(me, receiver, event_types=["shop.*"])
    await emit(1)
    await send()
    await send()
    assert len(receiver.got) == 1
    for wait in SCHEDULE:
        clock.forward(seconds=wait.total_seconds() * 1.2)
        await send()
    assert len(receiver.got) == len(SCHEDULE) + 1
    assert len({g.headers["webhook-id"] for g in receiver.got}) == 1
    [delivery] = await listed(me, "deliveries", status="dead")
    assert delivery["attempts"] == len(SCHEDULE) + 1
    [event] = (await me.call("GET", "events/log?type=webhook.exhausted"))["items"]
    assert event["data"]["delivery_id"] == delivery["id"]
    receiver.answer = lambda request: web.Response(status=204)
    await me.call("POST", f"webhooks/deliveries/{delivery['id']}/resend")
    await send()
    assert [d["status"] for d in await listed(me, "deliveries", endpoint_id=made["id"])] == [
        "success"
    ]


async def test_all_that_was_given_up_can_be_recovered(me, receiver, emit, send, clock):
    receiver.answer = lambda request: web.Response(status=410)
    made = await add(me, receiver, event_types=["shop.*"])
    since = clock().isoformat()
    await emit(1)
    await send()
    state = await me.call("GET", f"{WEBHOOKS}/{made['id']}")
    assert (state["is_active"], state["disabled_reason"]) == (False, "gone")
    receiver.answer = lambda request: web.Response()
    await me.call("PATCH", f"{WEBHOOKS}/{made['id']}", {"is_active": True})
    done = await me.call("POST", f"{WEBHOOKS}/{made['id']}/recover", {"since": since})
    assert done == {"deliveries": 1}
    await send()
    assert len(receiver.got) == 2


async def test_a_receiver_that_fails_for_five_days_is_switched_off(me, receiver, emit, send, clock):
    receiver.answer = lambda request: web.Response(status=503)
    made = await add(me, receiver, event_types=["shop.*"])
    for _ in range(3):
        await emit(*range(10))
        await send()
        clock.forward(days=2.6)
    await emit(1)
    await send()
    state = await me.call("GET", f"{WEBHOOKS}/{made['id']}")
    assert (state["is_active"], state["disabled_reason"]) == (False, "failing")
    [event] = (await me.call("GET", "events/log?type=webhook.disabled"))["items"]
    assert event["data"] == {"endpoint_id": made["id"], "reason": "failing"}


async def test_redirects_are_not_followed(me, receiver, emit, send):
    def elsewhere(request):
        raise web.HTTPTemporaryRedirect(f"{receiver.url}/other")

    receiver.answer = elsewhere
    await add(me, receiver, event_types=["shop.*"])
    await emit(1)
    await send()
    assert [g.path for g in receiver.got] == ["/hook"]
    [delivery] = await listed(me, "deliveries")
    assert (delivery["status"], delivery["response_status"]) == ("pending", 307)


async def test_a_slow_receiver_delays_only_itself(me, receiver, emit, send):
    release = asyncio.Event()

    async def slow(request):
        if request.path == "/slow":
            await release.wait()
        return web.Response()

    receiver.answer = slow
    await add(me, receiver, name="slow", url=f"{receiver.url}/slow", event_types=["shop.*"])
    await add(me, receiver, name="fast", event_types=["shop.*"])
    await emit(*range(60))
    sending = asyncio.create_task(send())
    try:
        async with asyncio.timeout(10):
            async with receiver.arrived:
                await receiver.arrived.wait_for(
                    lambda: sum(g.path == "/hook" for g in receiver.got) == 60
                )
        assert sum(g.path == "/slow" for g in receiver.got) <= 8
    finally:
        release.set()
        await sending


async def test_a_test_tells_what_came_back(me, receiver):
    receiver.answer = lambda request: web.Response(status=418, text="teapot")
    made = await add(me, receiver)
    tried = await me.call("POST", f"{WEBHOOKS}/{made['id']}/test")
    assert (tried["ok"], tried["status"], tried["body"]) == (False, 418, "teapot")
    assert json.loads(receiver.got[0].body)["type"] == "system.test"
    assert len(await listed(me, "attempts", endpoint_id=made["id"])) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "https://10.0.0.1/x"),
        ("url", "https://[::1]/x"),
        ("url", "https://169.254.169.254/latest/meta-data"),
        ("url", "https://user:word@example.com/"),
        ("url", "ftp://example.com/"),
        ("url", "https://2130706433/"),
        ("url", "http://10.1.2.3/"),
        ("event_types", []),
        ("event_types", ["Not A Type"]),
        ("filter", {"path": "a", "op": "eval", "value": "1"}),
        ("headers", {"webhook-signature": "mine"}),
        ("headers", {"X-A": "b\r\nX-C: d"}),
        ("headers", {"X A": "b"}),
        ("timeout_s", 31),
    ],
)
async def test_a_receiver_that_makes_no_sense_is_refused(me, client, field, value):
    body = {"name": "x", "url": "https://hooks.example.com/x", field: value}
    answer = await client.post("/api/v1/webhooks/endpoints", json=body, headers=me.headers)
    assert answer.status in (422, 400), await answer.text()
    assert (await me.call("GET", WEBHOOKS))["items"] == []
