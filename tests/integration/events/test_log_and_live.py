"""The log shows what happened and who handled it; watchers see it at once, and miss nothing."""

import asyncio
import contextlib
from uuid import UUID

import pytest

from hub import Subscriber
from hub.kernel.bus import ATTEMPTS, BUS


@pytest.fixture
def failing(central):
    """A subscriber of this installation that fails until told otherwise."""
    state = {"fail": True, "seen": []}

    async def handler(ctx, event):
        state["seen"].append(event.id)
        if state["fail"]:
            raise ValueError("broken")

    made = Subscriber(name="test.failing", patterns=("shop.*",), handler=handler)
    central.get(BUS)._subscribers[made.name] = made
    return state


async def items(me, path):
    return (await me.call("GET", path))["items"]


async def test_the_log_shows_an_event_and_every_attempt(me, emit, settle, failing):
    await emit(4)
    [event] = await items(me, "events/log?type__prefix=shop.")
    assert (event["status"], event["data"]) == ("pending", {"number": 4})
    await settle()
    [event] = await items(me, "events/log?type__prefix=shop.")
    assert event["status"] == "processing"
    attempts = await items(me, f"events/processing-logs?event_id={event['id']}")
    assert {(a["subscriber"], a["status"]) for a in attempts} == {
        ("events.webhooks", "success"),
        ("notifications", "success"),
        ("test.failing", "failed"),
    }


async def test_what_was_given_up_is_listed_and_replayed_under_its_id(
    me, emit, settle, failing, clock
):
    await emit(1)
    for _ in range(ATTEMPTS):
        await settle()
        clock.forward(hours=1)
    [letter] = await items(me, "events/dead-letters")
    assert (letter["subscriber"], letter["attempts"]) == ("test.failing", ATTEMPTS)
    assert "broken" in letter["error"]
    [event] = await items(me, "events/log?status=failed")
    failing["fail"] = False
    body = {"subscribers": ["test.failing"]}
    assert await me.call("POST", f"events/log/{event['id']}/replay", body) == {"subscribers": 1}
    await settle()
    assert set(failing["seen"]) == {UUID(event["id"])}
    assert await items(me, "events/dead-letters") == []
    assert (await items(me, "events/log?type__prefix=shop."))[0]["status"] == "completed"


async def test_a_replay_by_all_reaches_receivers_with_the_same_id(me, receiver, emit, send):
    url = f"{receiver.url}/hook"
    await me.call(
        "POST", "webhooks/endpoints", {"name": "x", "url": url, "event_types": ["shop.*"]}, 201
    )
    await emit(1)
    await send()
    [event] = await items(me, "events/log?type__prefix=shop.")
    await me.call("POST", f"events/log/{event['id']}/replay", {})
    await send()
    assert [g.headers["webhook-id"] for g in receiver.got] == [event["id"]] * 2
    await me.call("POST", f"events/log/{event['id']}/replay", {"subscribers": ["nobody"]}, 422)


async def test_another_companys_events_are_not_there(me, emit, settle, client, sign_in):
    await emit(1)
    await settle()
    [event] = await items(me, "events/log?type__prefix=shop.")
    stranger = await sign_in("events.*", tenant="other")
    answer = await client.get("/api/v1/events/log?type__prefix=shop.", headers=stranger)
    assert (await answer.json())["items"] == []
    answer = await client.post(
        f"/api/v1/events/log/{event['id']}/replay", json={}, headers=stranger
    )
    assert answer.status == 404
    processing = await client.get("/api/v1/events/processing-logs", headers=stranger)
    assert all(a["event_id"] != event["id"] for a in (await processing.json())["items"])


async def test_the_catalogue_describes_every_type(me):
    found = {t["type"]: t for t in await items(me, "events/types")}
    assert found["user.locked"]["plugin"] == "identity"
    payload = found["webhook.disabled"]["payload"]
    assert sorted(payload["required"]) == ["endpoint_id", "reason"]
    assert "type" not in payload["properties"]
    assert "events.webhooks" in found["user.locked"]["subscribers"]


async def subscribe(client, me, **data):
    socket = await client.ws_connect("/api/v1/events/ws/events", headers=me.headers)
    await socket.send_json({"event_type": "subscribe", "data": data})
    assert (await socket.receive_json(timeout=5))["event_type"] == "subscribed"
    await asyncio.sleep(0.1)
    return socket


async def numbers(socket, count):
    got = []
    while len(got) < count:
        told = (await socket.receive_json(timeout=5))["data"]
        if not told["lagged"]:
            got.append(told)
    return got


async def test_watchers_see_what_they_want_at_once(me, client, emit, settle):
    wanted = {"path": "data.number", "op": ">", "value": 1}
    socket = await subscribe(client, me, types=["shop.*"], filter=wanted)
    await emit(1, 2, 3)
    await settle()
    assert sorted(t["data"]["number"] for t in await numbers(socket, 2)) == [2, 3]
    await socket.close()


async def test_who_was_away_gets_what_he_missed_then_what_follows(me, client, emit, settle, clock):
    socket = await subscribe(client, me, types=["shop.*"])
    await emit(1)
    await settle()
    [last] = await numbers(socket, 1)
    await socket.close()
    clock.forward(minutes=5)
    await emit(2, 3)
    await settle()
    socket = await subscribe(client, me, types=["shop.*"], after=last["id"])
    await emit(4)
    await settle()
    assert [t["data"]["number"] for t in await numbers(socket, 3)][-1] == 4
    await socket.close()


async def test_watching_needs_the_permission_and_a_company_of_ones_own(
    me, client, sign_in, emit, settle
):
    nobody = await sign_in("shop.*")
    answer = await client.get("/api/v1/events/ws/events", headers=nobody)
    assert answer.status == 403
    me.headers = await sign_in("events.*", tenant="other")
    socket = await subscribe(client, me)
    await emit(1)
    await settle()
    told = []
    with contextlib.suppress(TimeoutError):
        while True:
            told.append(await socket.receive_json(timeout=0.5))
    assert all(t["data"]["lagged"] for t in told)
    await socket.close()
