"""Alarms that gateways tell of, and what people do with them."""

import csv
import io

import psycopg
import pytest
from msgspec import structs

from hub import (
    DIRECTORY,
    ORDERS,
    Alarm,
    AlarmStep,
    AlarmTold,
    CatalogueEntry,
    DeviceState,
    Mark,
    MarkAlarm,
    Mask,
    MaskAlarms,
    PointSpec,
    Severity,
    SwitchTold,
    uuid7,
)
from hub.kernel.database import DATABASE

T0 = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
GATEWAY = uuid7()
URL = "/api/v1/scada/alarms"


class Given(list):
    """Orders that were given, in order."""

    async def give(self, ctx, gateway, order, *, expires=None):
        self.append((gateway, order))
        return uuid7()


class Site:
    """A gateway's meter `m1` in station SS1, and what it tells."""

    def __init__(self, central, tenant):
        self.central, self.tenant = central, tenant

    async def work(self, verb, *args):
        pool = self.central.get(DATABASE).pool
        async with pool.connection() as connection, connection.transaction():
            await connection.execute("SELECT set_config('busbar.tenant', %s, true)", (self.tenant,))
            return await getattr(self.central.get(DIRECTORY), verb)(connection, GATEWAY, *args)

    async def tell(self, alarm, step=AlarmStep.RAISED, **more):
        told = AlarmTold(at=T0 + 1_000_000, alarm=alarm, step=step, **more)
        return await self.work("told", told)


def alarm(ident="a1", **more):
    base = Alarm(
        id=ident, device="m1", point="voltage", kind="high", severity=Severity.WARNING,
        message="m1.voltage is 245.5 V, above 240 V", raised_at=T0, value=245.5, threshold=240.0,
        station="SS1",
    )  # fmt: skip
    return structs.replace(base, **more)


@pytest.fixture
async def me(sign_in):
    return await sign_in("scada.*")


@pytest.fixture
def orders(central):
    given = Given()
    central.provide(ORDERS, given)
    return given


@pytest.fixture
async def site(central, client, me, orders):
    who = await (await client.get("/api/v1/auth/me", headers=me)).json()
    site = Site(central, who["tenant_id"])
    spec = PointSpec(name="voltage", address="hr:0", unit="V", alarm_high=240.0)
    await site.work("adopt", [CatalogueEntry(id=7, device="m1", spec=spec, station="SS1")])
    return site


async def listed(client, me, **query):
    return (await (await client.get(URL, params=query, headers=me)).json())["items"]


async def journal(client, me, ident):
    answer = await client.get(f"{URL}/{ident}/journal", headers=me)
    return [(e["step"], e["actor"], e["source"]) for e in (await answer.json())["items"]]


async def put(client, me, ident, verb, status=200, **body):
    answer = await client.put(f"{URL}/{ident}/{verb}", json=body, headers=me)
    assert answer.status == status, await answer.text()
    return await answer.json()


async def test_a_gateways_station_is_made_and_its_devices_stand_there(client, site, me):
    (station,) = (await (await client.get("/api/v1/scada/stations", headers=me)).json())["items"]
    (device,) = (await (await client.get("/api/v1/scada/devices", headers=me)).json())["items"]
    assert (station["code"], device["station_id"]) == ("SS1", station["id"])


async def test_an_alarm_is_one_row_with_its_source_time_however_often_it_is_told(client, site, me):
    events = await site.tell(alarm())
    assert [type(e).__name__ for e in events] == ["AlertRaised"]
    assert await site.tell(alarm()) == []
    (row,) = await listed(client, me)
    assert (row["status"], row["raised_at"], row["value"]) == (
        "active", "2026-01-01T00:00:00Z", 245.5,
    )  # fmt: skip
    assert row["point_id"]
    assert row["station_id"]
    assert await journal(client, me, row["id"]) == [("raised", "", "gateway")]


async def test_the_condition_goes_and_the_alarm_waits_to_be_seen(client, site, me, orders):
    await site.tell(alarm())
    await site.tell(alarm(version=2, on=False, cleared_at=T0 + 5_000_000), AlarmStep.CLEARED)
    (row,) = await listed(client, me)
    assert row["status"] == "cleared"
    row = await put(client, me, row["id"], "acknowledge", note="seen")
    assert (row["status"], row["note"]) == ("closed", "seen")
    ((gateway, order),) = orders
    assert (gateway, type(order), order.alarm) == (GATEWAY, MarkAlarm, "a1")
    assert order.acknowledged.note == "seen"
    assert [s for s, _, _ in await journal(client, me, row["id"])] == [
        "raised", "cleared", "acknowledged",
    ]  # fmt: skip


async def test_what_both_sides_said_during_a_partition_becomes_one_truth(
    client, site, me, orders, clock
):
    await site.tell(alarm())
    (row,) = await listed(client, me)
    row = await put(client, me, row["id"], "acknowledge", note="seen here")
    later = Mark(at=int(clock().timestamp() * 1e6) + 60_000_000, by="technician", note="seen there")
    there = alarm(version=2, acknowledged=later)
    await site.tell(there, AlarmStep.ACKNOWLEDGED, by="technician", note="seen there")
    (row,) = await listed(client, me)
    assert (row["acknowledged_by"], row["note"]) == ("technician", "seen there")
    ((_, order),) = orders
    gateway_sees = there.marked(acknowledged=order.acknowledged)
    assert gateway_sees.acknowledged == later
    echoed = structs.replace(gateway_sees, version=3)
    said = order.acknowledged
    await site.tell(echoed, AlarmStep.ACKNOWLEDGED, by=said.by, note=said.note)
    steps = await journal(client, me, row["id"])
    assert sorted(source for step, _, source in steps if step == "acknowledged") == [
        "centre", "gateway", "gateway",
    ]  # fmt: skip
    (row,) = await listed(client, me)
    assert row["acknowledged_by"] == "technician"


async def test_an_acknowledgement_of_the_centre_stays_when_older_news_arrive(client, site, me):
    await site.tell(alarm())
    (row,) = await listed(client, me)
    await put(client, me, row["id"], "acknowledge")
    await site.tell(alarm(version=2, on=False, cleared_at=T0 + 9), AlarmStep.CLEARED)
    (row,) = await listed(client, me)
    assert row["status"] == "closed"


async def test_closing_needs_the_condition_gone_or_a_note_and_a_permission(
    client, site, me, sign_in
):
    await site.tell(alarm())
    (row,) = await listed(client, me)
    clerk = await sign_in("scada.alarms.close", "scada.alarms.read")
    await put(client, clerk, row["id"], "close", 403, note="because I want it")
    await put(client, me, row["id"], "close", 409, note=" ")
    row = await put(client, me, row["id"], "close", note="sensor is being replaced")
    assert (row["status"], row["is_on"]) == ("closed", True)
    await put(client, me, row["id"], "close", 409, note="again")
    await site.tell(alarm("a2"))
    second = next(r for r in await listed(client, me) if r["status"] == "active")
    await site.tell(alarm("a2", version=2, on=False, cleared_at=T0 + 9), AlarmStep.CLEARED)
    assert (await put(client, clerk, second["id"], "close"))["status"] == "closed"


async def test_active_alarms_come_gravest_first_and_without_the_shelved(client, site, me, orders):
    await site.tell(alarm("a1"))
    await site.tell(alarm("a2", kind="high_high", severity=Severity.CRITICAL))
    await site.tell(alarm("a3", kind="state", severity=Severity.ERROR))
    answer = await (await client.get(f"{URL}/active", headers=me)).json()
    assert [a["severity"] for a in answer["items"]] == ["critical", "error", "warning"]
    assert answer["count"] == {"active": 3}
    body = {"minutes": 30, "note": "being repaired"}
    shelved = await client.post(f"{URL}/{answer['items'][0]['id']}/shelve", json=body, headers=me)
    assert shelved.status == 200
    ((_, order),) = orders
    assert isinstance(order, MaskAlarms)
    assert (order.mask.device, order.mask.point, order.mask.kind) == ("m1", "voltage", "high_high")
    answer = await (await client.get(f"{URL}/active", headers=me)).json()
    assert [a["severity"] for a in answer["items"]] == ["error", "warning"]
    answer = await (await client.get(f"{URL}/active?masked=true", headers=me)).json()
    assert len(answer["items"]) == 3


async def test_nobody_is_told_of_masked_alarms_and_of_a_flood(site):
    mask = Mask(device="m1", until=T0 + 10**9, by="ann")
    assert await site.tell(alarm("a1", masked=mask)) == []
    assert await site.tell(alarm("a2", kind="low", quiet=True)) == []
    back = await site.tell(alarm("a1", version=2), AlarmStep.UNSHELVED)
    assert [type(e).__name__ for e in back] == ["AlertRaised"]


async def test_many_are_acknowledged_with_one_note(client, site, me, orders):
    for n in range(5):
        await site.tell(alarm(f"a{n}", kind=f"k{n}"))
    rows = await listed(client, me)
    body = {"ids": [r["id"] for r in rows] + [str(uuid7())], "note": "storm"}
    done = await (await client.post(f"{URL}/bulk-acknowledge", json=body, headers=me)).json()
    assert (done["acknowledged"], len(done["missing"])) == (5, 1)
    assert {r["status"] for r in await listed(client, me)} == {"acknowledged"}
    assert len(orders) == 5


async def test_statistics_by_eemua_191(client, site, me):
    for n in range(4):
        await site.tell(alarm(f"a{n}", raised_at=T0 + n * 10_000_000))
    await site.tell(alarm("b", kind="state", severity=Severity.ERROR))
    query = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T01:00:00Z"}
    body = await (await client.get(f"{URL}/statistics", params=query, headers=me)).json()
    figures = body["figures"]
    assert (figures["total"], figures["per_operator_hour"]) == (5, 5.0)
    assert (figures["verdict"], figures["peak"]) == ("acceptable", 5)
    assert [c["name"] for c in figures["chattering"]] == ["m1.voltage high"]
    assert figures["most_frequent"][0] == {"name": "m1.voltage high", "count": 4, "share": 0.8}
    query["to"] = "2026-01-03T00:00:00Z"
    body = await (await client.get(f"{URL}/statistics", params=query, headers=me)).json()
    assert len(body["stale"]) == 5


async def test_export_as_a_table_that_no_spreadsheet_takes_for_a_formula(client, site, me):
    await site.tell(alarm(message="=cmd|'/c calc'!A1"))
    answer = await client.get(f"{URL}/export?from=2026-01-01T00:00:00Z", headers=me)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="alarms.csv"'
    (row,) = csv.DictReader(io.StringIO((await answer.read()).decode("utf-8-sig")))
    assert row["message"] == "'=cmd|'/c calc'!A1"
    assert row["raised_at"] == "2026-01-01T00:00:00+00:00"


async def test_another_company_sees_none_of_it(client, site, me, sign_in):
    await site.tell(alarm())
    (row,) = await listed(client, me)
    other = await sign_in("scada.*", tenant="other")
    assert await listed(client, other) == []
    await put(client, other, row["id"], "acknowledge", 404)


async def test_a_socket_shows_each_change_of_an_alarm(client, site, me):
    async with client.ws_connect("/api/v1/scada/ws/alarms", headers=me) as socket:
        await socket.send_json({"event_type": "subscribe", "data": {}})
        assert (await socket.receive_json(timeout=5))["event_type"] == "subscribed"
        await site.tell(alarm())
        said = await socket.receive_json(timeout=5)
        assert [(a["status"], a["message"]) for a in said["data"]] == [
            ("active", "m1.voltage is 245.5 V, above 240 V")
        ]
        await put(client, me, said["data"][0]["id"], "acknowledge")
        said = await socket.receive_json(timeout=5)
        assert [a["status"] for a in said["data"]] == ["acknowledged"]


async def test_devices_come_and_go_as_events(site, migrated):
    state = DeviceState(at=T0, channel="line", device="m1", online=True)
    (event,) = await site.work("told", state)
    assert type(event).__name__ == "DeviceOnline"
    (event,) = await site.work("told", structs.replace(state, online=False, at=T0 + 9_000_000))
    assert event.last_seen_at.isoformat() == "2026-01-01T00:00:00+00:00"
    with psycopg.connect(migrated) as connection:
        query = "SELECT status, last_seen_at FROM scada_device"
        (row,) = connection.execute(query).fetchall()
    assert row[0] == "offline"


async def test_work_on_a_device_or_a_station_suppresses_its_alarms(client, site, me, orders):
    (device,) = (await (await client.get("/api/v1/scada/devices", headers=me)).json())["items"]
    body = {"minutes": 60, "note": "relay test"}
    for kind, ident in (("devices", device["id"]), ("stations", device["station_id"])):
        url = f"/api/v1/scada/{kind}/{ident}/maintenance"
        assert (await client.post(url, json=body, headers=me)).status == 200
    assert [(o.mask.device, o.mask.suppressed) for _, o in orders] == [("m1", True)] * 2
    status = await client.get(f"/api/v1/scada/devices/{device['id']}/status", headers=me)
    assert (await status.json())["maintenance_until"] is not None


async def test_a_switch_that_moved_is_an_event_with_its_source_time(site):
    told = SwitchTold(at=T0, device="m1", point="voltage", old=1.0, new=0.0)
    (event,) = await site.work("told", told)
    assert (type(event).__name__, event.old, event.new) == ("NetworkSwitchChanged", 1.0, 0.0)
    assert event.at.isoformat() == "2026-01-01T00:00:00+00:00"
    assert await site.work("told", structs.replace(told, device="nobody")) == []


async def test_a_socket_ends_when_the_right_to_listen_was_taken_away(client, site, me, sign_in):
    boss = await sign_in("*")
    async with client.ws_connect("/api/v1/scada/ws/alarms", headers=me) as socket:
        await socket.send_json({"event_type": "subscribe", "data": {}})
        assert (await socket.receive_json(timeout=5))["event_type"] == "subscribed"
        who = await (await client.get("/api/v1/auth/me", headers=me)).json()
        url = f"/api/v1/identity/users/{who['id']}/roles"
        assert (await client.post(url, json={"roles": []}, headers=boss)).status == 200
        await site.tell(alarm())
        said = await socket.receive(timeout=5)
        assert (said.data, socket.close_code) == (4403, 4403)
