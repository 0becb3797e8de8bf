"""Plugins narrow what an actor sees; it holds for everything that shows or writes rows."""

import sys
import types

import pytest
from sqlalchemy import select

from hub import UNIT, Actor, Plugin, hookimpl
from plugins.scada import Device, Station

URL = "/api/v1/scada/stations"
NORTH = {"code": "N", "name": "North", "station_type": "solar", "region": "north"}
SOUTH = {"code": "S", "name": "South", "station_type": "solar", "region": "south"}


@hookimpl
def hub_row_scope(actor, model):
    if "regions.all" in actor.permissions:
        return None
    if model is Station:
        return Station.region == "north"
    if model is Device:
        return Device.station_id.in_(select(Station.id).where(Station.region == "north"))
    return None


@pytest.fixture(scope="session")
def busbar_modules():
    module = types.ModuleType("regions")
    module.hub_plugin = lambda: Plugin(name="regions")
    module.hub_row_scope = hub_row_scope
    sys.modules["regions"] = module
    yield ("plugins.identity", "plugins.scada", "regions")
    del sys.modules["regions"]


@pytest.fixture
async def people(client, sign_in):
    chief, north = await sign_in("scada.*", "regions.all"), await sign_in("scada.*")
    rows = {}
    for station in (NORTH, SOUTH):
        answer = await client.post(URL, json=station, headers=chief)
        rows[station["code"]] = (await answer.json())["id"]
    return chief, north, rows


async def test_lists_exports_and_single_rows_are_narrowed(client, people):
    chief, north, rows = people
    listed = await (await client.get(URL, headers=north)).json()
    assert ([r["code"] for r in listed["items"]], listed["total"]) == (["N"], 1)
    exported = await client.get(f"{URL}?format=csv", headers=north)
    text = await exported.text()
    assert ("North" in text, "South" in text) == (True, False)
    assert (await client.get(f"{URL}/{rows['S']}", headers=north)).status == 404
    assert (await client.get(f"{URL}/{rows['S']}", headers=chief)).status == 200


async def test_what_is_out_of_sight_is_not_changed(client, people):
    _, north, rows = people
    one = f"{URL}/{rows['S']}"
    assert (await client.patch(one, json={"name": "x"}, headers=north)).status == 404
    assert (await client.delete(one, headers=north)).status == 404
    body = {"ids": [rows["N"], rows["S"]], "body": {"name": "x"}}
    answer = await client.post(f"{URL}/bulk/update", json=body, headers=north)
    assert answer.status == 422
    assert [e["id"] for e in (await answer.json())["details"]] == [rows["S"]]


async def test_nothing_is_written_out_of_ones_sight(client, people):
    _, north, rows = people
    new = SOUTH | {"code": "S2"}
    assert (await client.post(URL, json=new, headers=north)).status == 403
    moved = await client.patch(f"{URL}/{rows['N']}", json={"region": "south"}, headers=north)
    assert moved.status == 403
    lines = "code,name,station_type,region\nN2,a,solar,north\nS2,b,solar,south"
    answer = await client.post(
        f"{URL}/import", data=lines, headers=north | {"Content-Type": "text/csv"}
    )
    assert answer.status == 422
    details = (await answer.json())["details"]
    assert [(e["row"], e["code"]) for e in details] == [(3, "insufficient_permissions")]


async def test_nothing_refers_to_what_is_out_of_sight(client, people):
    _, north, rows = people
    for code, status in (("N", 201), ("S", 422)):
        device = {"code": f"D{code}", "name": "Meter", "station_id": rows[code]}
        answer = await client.post("/api/v1/scada/devices", json=device, headers=north)
        assert answer.status == status, await answer.text()
    listed = await client.get("/api/v1/scada/devices", headers=north)
    assert [d["code"] for d in (await listed.json())["items"]] == ["DN"]


async def test_statements_of_plugins_are_narrowed_too(central, client, people):
    chief, _, rows = people
    device = {"code": "DS", "name": "Meter", "station_id": rows["S"]}
    await client.post("/api/v1/scada/devices", json=device, headers=chief)
    async with central.get(UNIT).system() as ctx:
        tenant = await ctx.db.scalar(select(Station.tenant).limit(1))
    joined = select(Device.code, Station.code).join(Station, Station.id == Device.station_id)
    async with central.get(UNIT)(Actor(id="a", tenant=tenant)) as ctx:
        assert list(await ctx.db.scalars(select(Station.code))) == ["N"]
        assert (await ctx.db.execute(joined)).all() == []
    everything = Actor(id="b", tenant=tenant, permissions=frozenset({"regions.all"}))
    async with central.get(UNIT)(everything) as ctx:
        assert (await ctx.db.execute(joined)).all() == [("DS", "S")]
