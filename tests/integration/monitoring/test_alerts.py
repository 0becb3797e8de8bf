"""Rules over samples, events and readings make alerts, tell people, and end."""

import datetime as dt
import time
from types import SimpleNamespace
from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy import func, select

from hub import STORE, UNIT, Actor, ReadingBatch, uuid7
from plugins.events.models import LoggedEvent
from plugins.identity.events import UserLoginFailed
from plugins.monitoring.builtin import RULES, install
from plugins.monitoring.evaluating import evaluate
from plugins.notifications.models import Notification


@pytest.fixture
async def watch(central, client, sign_in, clock):
    """One company and ways to measure, evaluate and ask."""
    who = await sign_in("monitoring.*")
    me = await (await client.get("/api/v1/auth/me", headers=who)).json()
    tenant, unit = UUID(me["tenant_id"]), central.get(UNIT)
    system = Actor(id="job:evaluate_alerts", tenant=tenant, kind="system")
    run = SimpleNamespace(id=uuid7(), tenant=tenant, number=1, unit=lambda: unit(system))

    async def call(method, path, expect=200, **body):
        url = f"/api/v1/monitoring{path}"
        answer = await client.request(method, url, json=body or None, headers=who)
        text = await answer.text()
        assert answer.status == expect, text
        return msgspec.json.decode(text) if text else None

    async def rule(**changes):
        made = {
            "code": "hot",
            "name": "Transformer hot",
            "condition_type": "threshold",
            "condition_config": {"source": "metric", "name": "oil", "op": ">", "value": 80},
            "title_template": "Oil at {{value}} °C, more than {{threshold}}",
            "recipients": [f"id:{me['id']}"],
        } | changes
        return await call("POST", "/alert-rules", 201, **made)

    async def minutes(number=1, value=None):
        for _ in range(number):
            clock.forward(minutes=1)
            if value is not None:
                await call("POST", "/metrics", 201, metric="oil", value=value)
            await evaluate.handler(run, None)

    async def count(model, **where):
        async with unit.system() as ctx:
            stmt = select(func.count()).select_from(model).filter_by(**where)
            return await ctx.db.scalar(stmt)

    async def alerts(**query):
        url = "/api/v1/monitoring/alerts"
        answer = await client.get(url, params=query, headers=who)
        return (await answer.json())["items"]

    return SimpleNamespace(
        call=call, rule=rule, minutes=minutes, alerts=alerts, unit=unit, system=system,
        told=lambda: count(Notification, type_code="system.alert"),
        published=lambda: count(LoggedEvent, type="system.alert"),
    )  # fmt: skip


async def test_a_threshold_makes_one_alert_tells_once_in_a_cooldown_and_ends_by_itself(watch):
    await watch.rule()
    await watch.minutes(3, 85.5)
    (alert,) = await watch.alerts(code="hot")
    assert alert["title"] == "Oil at 85.5 °C, more than 80"
    assert (alert["status"], alert["occurrence_count"]) == ("active", 3)
    assert (await watch.told(), await watch.published()) == (1, 1)
    await watch.minutes(14, 85.5)
    assert await watch.told() == 2
    await watch.minutes(7, 20)
    (alert,) = await watch.alerts(code="hot")
    assert (alert["status"], alert["resolved_by"]) == ("resolved", "system")


async def test_an_alert_is_acknowledged_and_resolved_by_a_person_with_notes(watch):
    await watch.rule()
    await watch.minutes(1, 90)
    (alert,) = await watch.alerts()
    path = f"/alerts/{alert['id']}"
    seen = await watch.call("POST", f"{path}/acknowledge")
    assert (seen["status"], bool(seen["acknowledged_by"])) == ("acknowledged", True)
    await watch.call("POST", f"{path}/acknowledge", 409)
    await watch.call("POST", f"{path}/resolve", 422, resolution_notes="")
    done = await watch.call("POST", f"{path}/resolve", resolution_notes="Fan repaired")
    assert (done["status"], done["resolution_notes"]) == ("resolved", "Fan repaired")
    await watch.minutes(1, 90)
    assert [a["status"] for a in await watch.alerts()] == ["active", "resolved"]


async def test_a_suppressed_alert_tells_nobody_until_its_time_is_over(watch, clock):
    await watch.rule(cooldown_minutes=1)
    await watch.minutes(1, 90)
    (alert,) = await watch.alerts()
    until = (clock() + dt.timedelta(minutes=5)).isoformat()
    await watch.call("POST", f"/alerts/{alert['id']}/suppress", until=until)
    await watch.minutes(4, 90)
    assert await watch.told() == 1
    await watch.minutes(2, 90)
    assert await watch.told() >= 2


async def test_events_are_watched_by_number(watch):
    about = {"source": "event", "name": "user.login_*", "op": ">=", "value": 3, "window_s": 120}
    await watch.rule(code="doors", condition_config=about, title_template="{{value}} failures")
    async with watch.unit(watch.system) as ctx:
        for _ in range(3):
            ctx.emit(UserLoginFailed(user_id=uuid4(), ip_address="192.0.2.1"))
    await watch.minutes()
    (alert,) = await watch.alerts(code="doors")
    assert alert["title"] == "3 failures"


async def test_silence_is_noticed(watch):
    await watch.rule(
        code="silent",
        condition_type="absence",
        condition_config={"source": "metric", "name": "oil"},
    )
    await watch.minutes(1, 20)
    assert await watch.alerts(code="silent") == []
    await watch.minutes(6)
    assert len(await watch.alerts(code="silent")) == 1


async def test_readings_of_a_point_are_watched_through_the_store(watch, central, client, sign_in):
    everything = await sign_in("scada.*")
    station = await client.post(
        "/api/v1/scada/stations", headers=everything,
        json={"code": "S1", "name": "One", "station_type": "substation"},
    )  # fmt: skip
    device = await client.post(
        "/api/v1/scada/devices", headers=everything,
        json={"code": "D1", "name": "RTU", "station_id": (await station.json())["id"],
              "device_type": "rtu"},
    )  # fmt: skip
    point = await client.post(
        "/api/v1/scada/points", headers=everything,
        json={"device_id": (await device.json())["id"], "name": "power", "address": "hr:40"},
    )  # fmt: skip
    body = await point.json()
    assert point.status == 201, body
    now = int(time.time() * 1e6)
    batch = ReadingBatch.of([body["series"]] * 2, [now - 60_000_000, now], [10.0, 40.0])

    class Store:
        async def history(self, series, start, end, *, limit, after=None):
            assert series == [body["series"]]
            return batch

    central.provide(STORE, Store())
    await watch.rule(
        code="jump",
        condition_type="rate",
        condition_config={"source": "reading", "name": body["id"], "op": ">", "value": 25},
        title_template="{{value}} kW a minute",
    )
    await watch.minutes()
    assert [a["title"] for a in await watch.alerts(code="jump")] == ["30 kW a minute"]


async def test_a_rule_that_cannot_be_evaluated_says_so_and_stops_no_other(watch):
    gone = {"source": "reading", "name": str(uuid4()), "op": ">", "value": 1}
    broken = await watch.rule(code="a-broken", condition_config=gone)
    await watch.rule()
    await watch.minutes(1, 90)
    row = await watch.call("GET", f"/alert-rules/{broken['id']}")
    assert "there is no point" in row["fault"]
    assert len(await watch.alerts(code="hot")) == 1


async def test_every_company_begins_with_the_rules_that_ship_and_cannot_delete_them(watch):
    await install(watch.unit)
    await install(watch.unit)
    page = await watch.call("GET", "/alert-rules?limit=100")
    assert {r["code"] for r in page["items"]} == {r["code"] for r in RULES}
    await watch.call("DELETE", f"/alert-rules/{page['items'][0]['id']}", 409)
    await watch.minutes(2)
    faults = [r["fault"] for r in (await watch.call("GET", "/alert-rules?limit=100"))["items"]]
    assert faults == [None] * len(RULES)


async def test_a_rule_is_tried_on_the_last_day(watch, clock):
    made = await watch.rule()
    await watch.minutes(1, 90)
    clock.forward(hours=1)
    tried = await watch.call("POST", f"/alert-rules/{made['id']}/test")
    assert (tried["holds"], tried["times"]) == (False, 1)


async def test_the_product_measures_itself(watch):
    await watch.minutes(2)
    names = {m["metric"]: m["samples"] for m in (await watch.call("GET", "/metrics"))["items"]}
    assert names["jobs.waiting"] == 2
    series = await watch.call("GET", "/metrics/database.bytes")
    assert series["items"][-1]["max"] > 1_000_000
    await watch.call("GET", "/metrics/no.such.thing", 404)
