"""A device without a gateway pushes by an API key: each reading once, every fault by its row."""

import pytest

T1, T2 = "2026-03-01T10:00:00Z", "2026-03-01T10:01:00Z"


@pytest.fixture
async def me(person):
    return await person("scada.*", "iot.*", "identity.api_keys.*")


@pytest.fixture
async def sensor(place, me):
    """A device with a scaled and bounded point, a text, and an API key that may push."""
    body = {"code": "TH-1", "name": "cellar", "device_type": "sensor"}
    _, device = await place.send("POST", "scada/devices", me, body)
    point = {"device_id": device["id"], "address": "push"}
    temperature = {"name": "temperature", "scale_factor": 0.1, "high_limit": 60.0, "unit": "°C"}
    for given in (temperature, {"name": "word", "point_type": "string"}):
        got, row = await place.send("POST", "scada/points", me, point | given)
        assert got == 201, row
    scopes = {"name": "sensor", "scopes": ["iot.readings.write"]}
    got, key = await place.send("POST", "identity/api-keys", me, scopes)
    assert got == 201, key
    return device, {"X-API-Key": key["key"]}


async def push(place, key, *readings, device="TH-1"):
    return await place.send("POST", "iot/readings", key, {"device": device, "readings": readings})


async def test_readings_are_stored_once_with_scale_limit_and_quality(place, me, sensor):
    device, key = sensor
    first = {"name": "temperature", "value": 215, "ts": T1}
    hot = {"name": "temperature", "value": 700, "ts": T2}
    word = {"name": "word", "value": "door open", "ts": T1}
    got, told = await push(place, key, first, hot, word)
    assert (got, told) == (200, {"stored": 3, "duplicates": 0, "refused": 0, "errors": []})
    _, told = await push(place, key, first, hot)
    assert (told["stored"], told["duplicates"]) == (0, 2)
    query = f"device_id={device['id']}&from=2026-03-01T00:00:00Z&to=2026-03-02T00:00:00Z"
    rows = (await place.get(f"scada/readings/history?{query}", me))["items"]
    assert {(r["value"], r["text"], r["quality"]) for r in rows} == {
        (21.5, None, "good"), (70.0, None, "out_of_range"), (None, "door open", "good"),
    }  # fmt: skip
    shown = await place.get(f"scada/devices/{device['id']}", me)
    assert shown["status"] == "online"


async def test_what_is_wrong_is_named_by_row_and_the_rest_is_kept(place, sensor):
    _, key = sensor
    got, told = await push(
        place, key,
        {"name": "temperature", "value": 200, "ts": T1},
        {"name": "pressure", "value": 1},
        {"name": "temperature", "value": "warm"},
        {"name": "temperature", "value": 1, "quality": "splendid"},
        {"name": "temperature", "value": 1, "ts": "1970-01-01T00:00:00Z"},
        {"name": "temperature", "value": 1, "ts": "2100-01-01T00:00:00Z"},
    )  # fmt: skip
    assert (got, told["stored"], told["refused"]) == (200, 2, 4)
    assert [(e["row"], e["field"]) for e in told["errors"]] == [
        (1, "name"), (2, "value"), (3, "quality"), (4, "ts"),
    ]  # fmt: skip


async def test_who_may_not_push_does_not(place, me, sensor, person):
    _, key = sensor
    row = {"name": "temperature", "value": 1}
    assert (await push(place, await person("scada.*"), row))[0] == 403
    assert (await push(place, {"X-API-Key": "bb_" + "x" * 40}, row))[0] == 401
    assert (await push(place, key, row, device="none"))[0] == 404
    await place.control(me)
    assert (await push(place, key, row, device="CB1"))[0] == 409
    assert (await push(place, key, *[row] * 1001))[0] == 422
    assert (await place.send("GET", "scada/devices", key, None))[0] == 403


async def test_a_device_tells_its_state_and_an_alert_that_is_one_alarm(place, me, sensor):
    device, key = sensor
    got, told = await place.send("POST", "iot/status", key, {"device": "TH-1", "status": "offline"})
    assert (got, told["new"]) == (200, True)
    assert (await place.get(f"scada/devices/{device['id']}", me))["status"] == "offline"
    alert = {"device": "TH-1", "ref": "w1", "alert_type": "water", "severity": "critical"}
    alert |= {"message": "water in the cellar"}
    _, first = await place.send("POST", "iot/alerts", key, alert)
    _, again = await place.send("POST", "iot/alerts", key, alert)
    assert (first["new"], again["new"], again["id"]) == (True, False, first["id"])
    (alarm,) = (await place.get("scada/alarms?alarm_type=water", me))["items"]
    assert (alarm["message"], alarm["status"]) == ("TH-1: water in the cellar", "active")
    got, row = await place.send(
        "PUT", f"scada/alarms/{alarm['id']}/acknowledge", me, {"note": "pump is on"}
    )
    assert (got, row["status"]) == (200, "acknowledged")
    await place.send("POST", "iot/alerts", key, alert | {"active": False})
    (alarm,) = (await place.get("scada/alarms?alarm_type=water", me))["items"]
    assert alarm["status"] == "closed"
