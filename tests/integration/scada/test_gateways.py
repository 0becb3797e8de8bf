"""A gateway that is gone: the centre says so, and since when."""

import datetime as dt

import psycopg
import pytest

from tests.waiting import until


@pytest.fixture
async def me(person):
    return await person("scada.*")


async def test_a_gone_gateway_is_shown_becomes_an_alarm_and_ends_with_its_return(place, me):
    await place.linked()
    await place.control(me)
    await place.stop_gateway()

    async def device():
        (row,) = (await place.get("scada/devices", me))["items"]
        return row

    async def lost():
        return (await device())["gateway_lost_at"]

    await until(lost, 10.0, 0.1)
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        connection.execute(
            "UPDATE scada_device SET gateway_lost_at = %s",
            (dt.datetime(2026, 1, 1, tzinfo=dt.UTC),),
        )

    async def alarms():
        return (await place.get("scada/alarms?alarm_type=gateway_lost", me))["items"]

    (alarm,) = await until(alarms, 15.0, 0.1)
    assert (alarm["status"], alarm["raised_at"]) == ("active", "2026-01-01T00:00:00Z")
    got, row = await place.send(
        "PUT", f"scada/alarms/{alarm['id']}/acknowledge", me, {"note": "on my way"}
    )
    assert (got, row["status"]) == (200, "acknowledged")
    await place.start_gateway()

    async def closed():
        (row,) = await alarms()
        return row["status"] == "closed" and not await lost()

    await until(closed, 10.0, 0.1)
