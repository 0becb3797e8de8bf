"""A company's own subscriptions, events of other systems, and what follows from what."""

from uuid import UUID

import pytest

from hub import JOBS, UNIT, Actor, Caller, Event, Subscriber, job
from hub.kernel.bus import BUS
from plugins.events.log import TYPES


class Delivered(Event, frozen=True, tag="parcel.delivered"):
    external = True
    number: int


@pytest.fixture
def catalogue(central):
    types = dict(central.get(TYPES)) | {"parcel.delivered": ("shop", Delivered)}
    central.provide(TYPES, types)


@pytest.fixture
def function(central):
    """A function that a plugin opens to subscriptions; what it was given."""
    seen = []

    async def handler(ctx, event):
        seen.append((event, ctx.caller))

    made = Subscriber(name="shop.remind", patterns=(), handler=handler)
    central.get(BUS)._subscribers[made.name] = made
    return seen


async def items(me, path):
    return (await me.call("GET", path))["items"]


async def subscribe(me, kind, config, event_type="parcel.*", status=201, **more):
    body = {
        "subscriber_name": f"own-{kind}",
        "event_type": event_type,
        "handler_type": kind,
        "handler_config": config,
        **more,
    }
    return await me.call("POST", "events/subscriptions", body, status)


async def publish(me, event_type="parcel.delivered", status=202, **data):
    return await me.call("POST", "events", {"event_type": event_type, "data": data}, status)


async def test_another_system_publishes_what_the_catalogue_opens_and_external_types(
    me, catalogue, settle
):
    taken = await publish(me, number=3)
    await publish(me, "external.scale.weighed", kg=4.5)
    [event] = await items(me, f"events/log?correlation_id={taken['correlation_id']}")
    assert (event["type"], event["data"]) == ("parcel.delivered", {"number": 3})
    [other] = await items(me, "events/log?type__prefix=external.")
    assert (other["type"], other["data"]) == ("external.scale.weighed", {"kg": 4.5})


@pytest.mark.parametrize(
    ("event_type", "data"),
    [
        ("parcel.delivered", {}),
        ("parcel.delivered", {"number": "three"}),
        ("user.created", {"user_id": "01890000-0000-7000-8000-000000000000"}),
        ("nothing.known", {}),
        ("external.Bad Name", {}),
    ],
)
async def test_what_is_not_open_or_does_not_fit_is_not_published(me, catalogue, event_type, data):
    before = await items(me, "events/log")
    await publish(me, event_type, 422, **data)
    assert await items(me, "events/log") == before


async def test_publishing_needs_its_permission(client, sign_in, catalogue):
    reader = await sign_in("events.log.read")
    body = {"event_type": "parcel.delivered", "data": {"number": 1}}
    assert (await client.post("/api/v1/events", json=body, headers=reader)).status == 403


async def test_a_subscription_to_a_function_has_it_handle_what_passes_the_filter(
    me, catalogue, settle, function
):
    test = {"path": "data.number", "op": ">=", "value": 100}
    await subscribe(me, "function", {"name": "shop.remind"}, filter_expression=test)
    for number in (50, 150):
        await publish(me, number=number)
    await settle()
    [(event, caller)] = function
    assert event.data == {"number": 150}
    assert caller.causation_id == event.id
    [attempt] = await items(me, "events/processing-logs?subscriber=shop.remind")
    assert (attempt["event_id"], attempt["status"]) == (str(event.id), "success")


async def test_a_subscription_to_a_queue_starts_a_job_with_values_of_the_event(
    central, me, catalogue, settle
):
    import msgspec

    class Parcel(msgspec.Struct, frozen=True):
        number: int

    @job("weigh", manual=True)
    async def weigh(run, params: Parcel):
        """Weigh a parcel."""

    central.get(JOBS).known["weigh"] = weigh
    chosen = {"job_type": "weigh", "parameters_map": {"number": "data.number"}}
    await subscribe(me, "queue", chosen)
    taken = await publish(me, number=9)
    await settle()
    from sqlalchemy import select

    from plugins.jobs.models import Task

    [event] = await items(me, "events/log?type=parcel.delivered")
    async with central.get(UNIT)(me.actor) as ctx:
        task = await ctx.db.scalar(select(Task).where(Task.job_type == "weigh"))
    assert (task.parameters, task.correlation_id) == ({"number": 9}, taken["correlation_id"])
    assert str(task.causation_id) == event["id"]


async def test_a_subscription_to_a_webhook_delivers_with_the_chain(me, catalogue, send, receiver):
    body = {"name": "x", "url": f"{receiver.url}/hook", "event_types": ["never.*"]}
    hook = await me.call("POST", "webhooks/endpoints", body, 201)
    await subscribe(me, "webhook", {"webhook_id": hook["id"]})
    taken = await publish(me, number=9)
    await send()
    import json

    [got] = receiver.got
    told = json.loads(got.body)
    assert (told["data"], told["correlation_id"]) == ({"number": 9}, taken["correlation_id"])


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("function", {"name": "events.webhooks"}),
        ("function", {"name": "nobody"}),
        ("queue", {"job_type": "nothing"}),
        ("queue", {"job_type": "clean_events", "parameters_map": {"colour": "id"}}),
        ("webhook", {"webhook_id": "01890000-0000-7000-8000-000000000000"}),
        ("webhook", {}),
    ],
)
async def test_a_target_that_there_is_not_is_refused(me, function, kind, config):
    await subscribe(me, kind, config, status=422)
    assert await items(me, "events/subscriptions") == []


async def test_a_subscription_whose_target_went_stops_nobody_else(
    me, catalogue, send, receiver, function
):
    body = {"name": "x", "url": f"{receiver.url}/hook", "event_types": ["never.*"]}
    hook = await me.call("POST", "webhooks/endpoints", body, 201)
    await subscribe(me, "webhook", {"webhook_id": hook["id"]}, priority=9)
    await subscribe(me, "function", {"name": "shop.remind"})
    await me.call("DELETE", f"webhooks/endpoints/{hook['id']}", status=204)
    await publish(me, number=1)
    await send()
    assert [event.data for event, _ in function] == [{"number": 1}]


async def test_what_follows_from_a_request_is_found_by_its_correlation(
    central, client, me, settle, catalogue
):
    seen = []

    async def handler(ctx, event):
        ctx.emit(Delivered(number=event.data["number"] + 1))
        seen.append(event)

    made = Subscriber(name="test.chain", patterns=("shop.opened",), handler=handler)
    central.get(BUS)._subscribers[made.name] = made
    from tests.integration.events.conftest import Opened

    chain = Caller(request_id="req-12345", correlation_id="chain-12345")
    async with central.get(UNIT)(me.actor, chain) as ctx:
        ctx.emit(Opened(number=1))
    await settle()
    found = await items(me, "events/log?correlation_id=chain-12345&sort=created_at")
    assert {e["type"] for e in found} == {"shop.opened", "parcel.delivered"}
    causes = {e["type"]: e["causation_id"] for e in found}
    assert causes["parcel.delivered"] == str(seen[0].id)
    assert causes["shop.opened"] is None


async def test_a_caller_names_the_chain_and_finds_it_in_the_answer_and_the_audit(
    client, me, migrated
):
    import psycopg

    headers = me.headers | {"X-Correlation-ID": "order-4711-a"}
    body = {"name": "x", "url": "https://example.com/hook"}
    answer = await client.post("/api/v1/webhooks/endpoints", json=body, headers=headers)
    assert answer.status == 201
    assert answer.headers["X-Correlation-ID"] == "order-4711-a"
    assert answer.headers["X-Request-ID"] != "order-4711-a"
    with psycopg.connect(migrated) as connection:
        rows = connection.execute(
            'SELECT "table" FROM hub_audit WHERE correlation_id = %s', ("order-4711-a",)
        ).fetchall()
    assert rows == [("events_endpoint",)]


async def test_events_that_cause_each_other_are_cut(central, me, settle):
    from tests.integration.events.conftest import Opened

    seen = []

    async def handler(ctx, event):
        seen.append(event.data["number"])
        ctx.emit(Opened(number=event.data["number"] + 1))

    made = Subscriber(name="test.loop", patterns=("shop.opened",), handler=handler)
    central.get(BUS)._subscribers[made.name] = made
    async with central.get(UNIT)(Actor(id="x", tenant=UUID(me.tenant))) as ctx:
        ctx.emit(Opened(number=0))
    await settle()
    assert seen == list(range(21))
