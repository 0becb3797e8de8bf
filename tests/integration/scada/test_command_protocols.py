"""The same commands of the centre over DNP3, IEC 61850 and MQTT, on good and on bad days."""

import asyncio

import pytest

from hub import uuid7
from simulators.field import config as field_config
from tests.integration.scada.fields import FIELDS
from tests.waiting import until


@pytest.fixture
async def me(person):
    return await person("scada.*")


@pytest.fixture(params=FIELDS)
async def field(request, place):
    """The gateway operates this device instead of the site's Modbus breaker."""
    await place.stop_gateway()
    async with FIELDS[request.param]() as made:
        place.channels = field_config([made.channel])
        place.drivers = (made.module,)
        await place.start_gateway()
        yield made
        await place.stop_gateway()


async def control(place, me, field):
    async def known():
        items = (await place.get(f"scada/controls?code={field.control}", me))["items"]
        return items[0] if items else None

    found = await until(known, 20.0, 0.05)
    await place.linked()

    async def seen():
        rows = (await place.get("scada/controls/present", me))["items"]
        return next((r for r in rows if r["id"] == found["id"] and not r["stale"]), None)

    assert (await until(seen, 20.0, 0.05))["value"] == field.closed
    return found


async def execute(place, me, row, value=0.0, **more):
    body = {"value": value, "reason": "planned maintenance"} | more
    path = f"scada/controls/{row['id']}/execute"
    got, asked = await place.send("POST", path, me, body, str(uuid7()))
    assert got == 202, asked
    return asked


async def shown(place, me, row, value):
    async def there():
        rows = (await place.get("scada/controls/present", me))["items"]
        return next(r for r in rows if r["id"] == row["id"])["value"] == value

    await until(there, 10.0, 0.05)


async def test_it_opens_and_closes_in_two_steps_and_its_feedback_confirms_it(place, me, field):
    row = await control(place, me, field)
    asked = await execute(place, me, row, test=True)
    await place.command(asked["id"], me, "confirmed")
    assert field.steps == [], "a test checks everything and sends nothing"
    for value, now in ((0.0, field.open), (1.0, field.closed)):
        asked = await execute(place, me, row, value)
        ended = await place.command(asked["id"], me, "confirmed", "failed", "timeout", "unknown")
        assert (ended["state"], ended["result"]) in {
            ("confirmed", "done"),
            ("confirmed", "accepted"),
        }
        await shown(place, me, row, now)
    assert row["select_before_operate"] is field.two_steps
    once = ["select", "operate"] if field.two_steps else ["operate"]
    assert field.steps == once * 2


async def test_a_device_that_refuses_is_not_confirmed(place, me, field):
    row = await control(place, me, field)
    await place.send("PUT", f"scada/controls/{row['id']}", me, {"timeout_seconds": 2})
    field.refuse()
    asked = await execute(place, me, row)
    ended = await place.command(asked["id"], me, "confirmed", "failed", "timeout", "unknown")
    result, state = field.refused
    assert ended["state"] == state, ended
    assert ended["result"] == result
    assert "operate" not in field.steps


async def test_a_switch_that_does_not_move_is_a_timeout_not_a_success(place, me, field):
    row = await control(place, me, field)
    await place.send("PUT", f"scada/controls/{row['id']}", me, {"timeout_seconds": 2})
    field.stick()
    asked = await execute(place, me, row)
    ended = await place.command(asked["id"], me, "confirmed", "failed", "timeout", "unknown")
    assert ended["state"] == "timeout", ended
    assert "operate" in field.steps


async def test_without_its_device_a_command_fails_or_is_not_confirmed(place, me, field):
    row = await control(place, me, field)
    await place.send("PUT", f"scada/controls/{row['id']}", me, {"timeout_seconds": 2})
    await field.leave()
    await asyncio.sleep(0.3)
    asked = await execute(place, me, row)
    ended = await place.command(asked["id"], me, "confirmed", "failed", "timeout", "unknown")
    assert ended["state"] in {"failed", "timeout"}, ended
    assert field.steps == []
