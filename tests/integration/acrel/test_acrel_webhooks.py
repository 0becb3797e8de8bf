"""Webhooks over HTTP, down to the table of readings."""

import datetime as dt

import msgspec
import pytest

from drivers.acrel.intake import INTAKE, Source
from drivers.mqtt.acrel_events import read_event
from hub import UNIT
from tests.integration.acrel.conftest import METER, READING, count, happened, stored
from tests.waiting import until


async def test_a_reading_becomes_scaled_values_at_its_own_time(post, migrated, series, clock):
    names = await series()
    at = clock() - dt.timedelta(hours=3)
    status, body = await post(at=at)
    assert (status, body["status"]) == (202, "accepted")
    assert body["receipt_id"]
    when = round(at.timestamp() * 1e6)
    assert await until(lambda: stored(migrated, names["energy"])) == [(15500.0, when)]
    assert await stored(migrated, names["voltage"]) == [(231.2, when)]
    assert await stored(migrated, names["relay"]) == []
    assert await happened(migrated) == ["meter.reading"]


async def test_the_same_event_again_is_a_duplicate_and_stored_once(post, migrated, series, clock):
    names, at = await series(), clock()
    assert (await post(at=at))[0] == 202
    assert await post(at=at) == (200, {"status": "duplicate"})
    assert await post(at=at, now=at + dt.timedelta(seconds=9)) == (200, {"status": "duplicate"})
    await until(lambda: stored(migrated, names["energy"]))
    assert len(await stored(migrated, names["energy"])) == 1


async def test_what_came_by_mqtt_is_not_taken_again_by_webhook(
    central, actor, post, migrated, series, clock
):
    names, at = await series(), clock()
    payload = msgspec.json.encode({"timestamp": at.isoformat(), "data": READING["data"]})
    received = read_event(payload, {"event_type": "meter_reading", "meter_id": METER})
    async with central.get(UNIT)(actor) as ctx:
        await central.get(INTAKE).keep(ctx, received, Source.MQTT)
    assert await post(at=at, **{"X-Acrel-Event-Id": "e-1"}) == (200, {"status": "duplicate"})
    await until(lambda: stored(migrated, names["energy"]))
    assert len(await stored(migrated, names["voltage"])) == 1
    assert await happened(migrated) == ["meter.reading"]


async def test_the_platforms_own_id_names_an_event(post, meter):
    own = {"X-Acrel-Event-Id": "e-7"}
    assert (await post(**own))[0] == 202
    other = {"event_type": "meter_reading", "data": {"reading": 16}}
    assert await post(other, **own) == (200, {"status": "duplicate"})


async def test_states_and_alerts_are_values_and_events(post, migrated, series):
    names = await series()
    await post({"event_type": "status_change", "new_status": "disconnected", "reason": "remote"})
    alert = {"event_type": "alert", "alert_type": "over_voltage", "severity": "critical"}
    await post(alert)
    await until(
        lambda: count(migrated, "acrel_receipt", "status = 'processed' HAVING count(*) = 2")
    )
    relay = await stored(migrated, names["relay"])
    assert [value for value, _ in relay] == [0.0]
    assert await count(migrated, "reading_text", "value = 'over_voltage'") == 1
    assert sorted(await happened(migrated)) == ["meter.alert", "meter.status_changed"]


async def active(client, me):
    answer = await client.get("/api/v1/scada/alarms/active", headers=me)
    return (await answer.json())["items"]


async def test_an_alert_is_an_alarm_that_each_further_one_repeats(
    client, me, post, migrated, meter, clock
):
    alert = {
        "event_type": "alert", "alert_type": "over_voltage", "severity": "critical",
        "value": 258.1, "threshold": 253.0, "message": "voltage is too high",
    }  # fmt: skip
    at = clock()
    await post(alert, at=at)
    await post(alert, at=at)
    (found,) = await until(lambda: active(client, me))
    told = {k: found[k] for k in ("source", "alarm_type", "severity", "message", "value", "status")}
    assert told == {
        "source": "acrel", "alarm_type": "over_voltage", "severity": "critical",
        "message": "voltage is too high", "value": 258.1, "status": "active",
    }  # fmt: skip
    assert found["device_id"]
    await post(alert | {"value": 259.0}, at=at + dt.timedelta(seconds=30))
    await until(lambda: count(migrated, "scada_alarm", "occurrence_count = 2"))
    (found,) = await active(client, me)
    assert (found["value"], found["threshold"]) == (259.0, 253.0)
    assert await count(migrated, "scada_alarm_entry") == 2
    assert await count(migrated, "hub_event", "type = 'alert.raised'") == 1


async def test_a_meter_out_of_reach_is_an_alarm_until_it_is_heard_again(
    client, me, post, migrated, meter, clock
):
    at = clock()
    lost = {"event_type": "status_change", "new_status": "offline"}
    await post(lost, at=at)
    (found,) = await until(lambda: active(client, me))
    assert (found["alarm_type"], found["is_on"]) == ("comms_lost", True)
    await post(at=at - dt.timedelta(minutes=1))  # was on its way before
    await post(lost, at=at + dt.timedelta(seconds=20))
    await until(lambda: count(migrated, "acrel_receipt", "processed_at NOTNULL HAVING count(*)=3"))
    (found,) = await active(client, me)
    assert (found["is_on"], found["occurrence_count"]) == (True, 1)
    await post(at=at + dt.timedelta(minutes=1))
    await until(lambda: count(migrated, "scada_alarm", "NOT is_on AND status = 'cleared'"))


async def test_an_unknown_meter_is_told_so_and_stored_as_failed(post, migrated, meter):
    status, body = await post(meter="ACR-9")
    assert (status, body["status"]) == (202, "unknown_meter")
    assert (
        await count(migrated, "acrel_receipt", "status = 'failed' AND error = 'unknown_meter'") == 1
    )
    assert await happened(migrated) == ["meter.unknown"]


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"secret": b"another secret at all"}, 401, "unauthenticated"),
        ({"name": "alert"}, 422, None),
        ({"meter": ""}, 422, None),
        ({"event": {"event_type": "meter_reading", "data": 5}}, 422, None),
        ({"event": {"event_type": "meter_reading", "data": {"x": "\0"}}}, 422, None),
        ({"X-Acrel-Event-Id": "x" * 201}, 422, None),
    ],
)
async def test_what_cannot_be_believed_changes_nothing(post, migrated, meter, wrong, status, code):
    answered, body = await post(**wrong)
    assert answered == status, body
    if code:
        assert body["error_code"].lower() == code
    assert await count(migrated, "acrel_receipt") == 0


@pytest.mark.parametrize("minutes", [-6, 6])
async def test_an_old_call_or_one_of_the_future_is_stale(post, migrated, meter, clock, minutes):
    status, body = await post(now=clock() + dt.timedelta(minutes=minutes))
    assert (status, body["error_code"].upper()) == (401, "STALE_REQUEST")
    assert await count(migrated, "acrel_receipt") == 0


async def test_only_allowed_addresses_may_call(client, post, central, meter):
    intake = central.get(INTAKE)
    other = type(intake.policy).of("sixteen characters", "192.0.2.0/24")
    intake.policy = other
    assert (await post())[0] == 403
    intake.policy = None
    assert (await post())[0] == 404


async def test_receipts_are_for_those_who_may_see_them(client, post, me, sign_in, meter):
    await post()
    answer = await client.get("/api/v1/acrel/receipts", headers=me)
    (found,) = (await answer.json())["items"]
    assert (found["meter"], found["source"]) == (METER, "webhook")
    nobody = await sign_in("nothing.at.all")
    assert (await client.get("/api/v1/acrel/receipts", headers=nobody)).status == 403
