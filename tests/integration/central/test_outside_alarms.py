"""Alarms that reach the centre without a gateway: raised, repeated, cleared, masked, in floods."""

from uuid import UUID

import pytest
from msgspec import structs

from hub import OUTSIDE_ALARMS, UNIT, Actor, OutsideAlarm, Severity
from plugins.scada.outside import calm

T0 = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
HIGH = OutsideAlarm(
    source="iot", device="S-1", kind="too_hot", severity=Severity.WARNING, message="it is hot",
    at=T0, value=71.5, threshold=70.0,
)  # fmt: skip
LOST = structs.replace(HIGH, kind="comms_lost", lasting=True)


def later(alarm, seconds, **more):
    return structs.replace(alarm, at=T0 + seconds * 1_000_000, **more)


@pytest.fixture
async def me(sign_in):
    return await sign_in("*")


@pytest.fixture
async def site(client, me):
    """Ask the API; the sensor `S-1` stands in a station."""

    async def send(method, path, body=None):
        answer = await client.request(method, f"/api/v1/scada/{path}", json=body, headers=me)
        assert answer.status < 300, await answer.text()
        return await answer.json()

    station = await send(
        "POST", "stations", {"code": "ST", "name": "ST", "station_type": "substation"}
    )
    body = {"code": "S1", "name": "S1", "external_id": "S-1", "station_id": station["id"]}
    send.device = await send("POST", "devices", body)
    return send


@pytest.fixture
def tell(central, client, me, site):
    async def say(*told):
        found = await (await client.get("/api/v1/auth/me", headers=me)).json()
        actor = Actor(id="cloud", tenant=UUID(found["tenant_id"]), kind="system")
        async with central.get(UNIT)(actor) as ctx:
            await central.get(OUTSIDE_ALARMS).tell(ctx, told)
        return (await site("GET", "alarms/active?masked=true&limit=1000"))["items"]

    return say


async def test_a_lasting_condition_comes_once_and_goes(tell, site):
    (row,) = await tell(LOST, later(LOST, 5))
    assert (row["status"], row["occurrence_count"], row["source"]) == ("active", 1, "iot")
    assert row["station_id"] == site.device["station_id"]
    assert (await tell(later(LOST, -5, on=False)))[0]["is_on"]
    (row,) = await tell(later(LOST, 9, on=False), later(LOST, 9, on=False))
    assert (row["status"], row["is_on"]) == ("cleared", False)
    (row,) = await tell(later(LOST, 8), later(LOST, 20))
    assert (row["status"], row["occurrence_count"]) == ("active", 2)
    steps = (await site("GET", f"alarms/{row['id']}/journal"))["items"]
    assert [s["step"] for s in steps] == ["raised", "cleared", "repeated"]


async def test_a_word_of_people_holds_for_the_occurrence_that_they_saw(tell, site):
    (row,) = await tell(HIGH)
    seen = await site("PUT", f"alarms/{row['id']}/acknowledge", {"note": "I look"})
    assert seen["status"] == "acknowledged"
    (row,) = await tell(later(HIGH, 60, value=75.0))
    assert (row["status"], row["occurrence_count"], row["value"]) == ("active", 2, 75.0)
    closed = await site("PUT", f"alarms/{row['id']}/close", {"note": "fan replaced"})
    assert closed["status"] == "closed"
    (fresh,) = await tell(later(HIGH, 120))
    assert fresh["id"] != row["id"]


async def test_who_is_not_known_and_what_is_gone_raise_nothing(tell):
    assert await tell(structs.replace(HIGH, device="S-2"), later(LOST, 1, on=False)) == []


async def test_work_on_a_device_and_shelving_keep_alarms_quiet(tell, site):
    (row,) = await tell(HIGH)
    await site("POST", f"alarms/{row['id']}/shelve", {"minutes": 60, "note": "known fault"})
    await site("PUT", f"alarms/{row['id']}/close", {"note": "known fault"})
    (row,) = await tell(later(HIGH, 60))
    assert row["masked_until"] is not None
    work = {"minutes": 60, "note": "replacing it"}
    await site("POST", f"devices/{site.device['id']}/maintenance", work)
    rows = {r["alarm_type"]: r for r in await tell(LOST)}
    assert rows["comms_lost"]["is_suppressed"]


async def test_a_flood_is_told_once_and_ends(tell, central, clock):
    rows = await tell(*(structs.replace(HIGH, kind=f"kind {n}") for n in range(103)))
    flood = [r for r in rows if r["alarm_type"] == "flood"]
    assert [(f["severity"], f["value"], f["is_quiet"]) for f in flood] == [("critical", 101, False)]
    assert sum(r["is_quiet"] for r in rows) == 3
    async with central.get(UNIT).system() as ctx:
        assert await calm(ctx) == 0
    clock.forward(minutes=2)
    async with central.get(UNIT).system() as ctx:
        assert await calm(ctx) == 1
    rows = await tell()
    assert not next(r for r in rows if r["alarm_type"] == "flood")["is_on"]
