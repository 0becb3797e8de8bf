"""A simulated network's two substations at the centre, with what flows through them."""

import contextlib

import pytest

from hub import UNIT
from plugins.scada.network import look
from simulators.field import config as field_config
from simulators.field import serve_network
from tests.waiting import until


@pytest.fixture
async def me(person):
    return await person("scada.*")


@pytest.fixture
async def network(place):
    """The gateway reads the simulated network instead of its breaker."""
    await place.stop_gateway()
    async with contextlib.AsyncExitStack() as stack:
        field = await stack.enter_async_context(serve_network())
        place.channels = field_config(field.channels(0.5))
        await place.start_gateway()
        yield field
        await place.stop_gateway()


async def test_two_substations_with_their_devices_loads_and_energy(place, network, me):
    async def ready():
        items = (await place.get("scada/stations?sort=code&code__prefix=SS", me))["items"]
        if [s["code"] for s in items] != ["SS1", "SS2"]:
            return None
        status = await place.get(f"scada/stations/{items[0]['id']}/status", me)
        return items if status["load_kw"] and status["status"] == "online" else None

    first, _ = await until(ready, 30.0, 0.2)
    status = await place.get(f"scada/stations/{first['id']}/status", me)
    assert (status["devices"], status["devices_online"]) == (25, 25)
    assert status["load_kw"] > 1
    readings = await place.get(f"scada/stations/{first['id']}/readings", me)
    assert len(readings["items"]) > 200
    report = await place.get("scada/energy", me)
    assert [s["code"] for s in report["items"]] == ["S9", "SS1", "SS2"]
    devices = (await place.get("scada/devices?code__prefix=SS1-INC", me))["items"]
    assert [(d["station_role"], d["station_id"]) for d in devices] == [("incomer", first["id"])]

    url = f"scada/stations/{first['id']}"
    got, _ = await place.send("PUT", url, me, {"capacity_kw": status["load_kw"] / 2})
    assert got == 200
    before = await place.get(url, me)
    async with place.centre.get(UNIT).system() as ctx:
        assert await look(ctx) == 3
    after = await place.get(url, me)
    assert after["overload_since"] is not None
    assert (after["status"], after["revision"]) == ("online", before["revision"])


async def test_an_open_breaker_takes_its_customers_down(place, network, me):
    async def known():
        items = (await place.get("scada/controls?code__prefix=SS1-F1-CB", me))["items"]
        return items[0] if items else None

    control = await until(known, 30.0, 0.2)
    await place.linked()
    body = {"value": 0, "reason": "planned maintenance"}
    path = f"scada/controls/{control['id']}/execute"
    got, asked = await place.send("POST", path, me, body, "one")
    assert got == 202, asked
    row = await place.command(asked["id"], me, "confirmed", "failed", "timeout", "unknown")
    assert row["state"] == "confirmed", row

    async def raised():
        items = (await place.get("scada/alarms/active", me))["items"]
        return [a for a in items if a["alarm_type"] == "state"]

    (alarm,) = await until(raised, 15.0, 0.1)
    assert alarm["message"] == "SS1-F1-CB.switch.position is open, normally closed"
    shown = await place.get(f"scada/stations/{control['station_id']}/alarms", me)
    assert alarm["id"] in [a["id"] for a in shown["items"]]
