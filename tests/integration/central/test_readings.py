"""Readings reach those who may see them, and nobody else."""

import datetime as dt

import numpy as np
import pytest

from hub import DIRECTORY, GOOD, LOST, STORE, Bucket, CatalogueEntry, PointSpec, ReadingBatch, uuid7
from hub.kernel.database import DATABASE

T0 = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
GATEWAY = uuid7()


class Memory:
    """A store of readings in memory that keeps the contract."""

    def __init__(self):
        self.batch = ReadingBatch.empty()

    async def latest(self, series):
        keep = [
            i
            for i, s in enumerate(self.batch.point)
            if s in series and s not in self.batch.point[i + 1 :]
        ]
        return take(self.batch, keep)

    async def history(self, series, start, end, *, limit, after=None):
        low, high = start.timestamp() * 1e6, end.timestamp() * 1e6
        last = (after[0].timestamp() * 1e6, after[1]) if after else (-1, 0)
        rows = zip(self.batch.time, self.batch.point, strict=True)
        keep = [
            i for i, (t, s) in enumerate(rows) if s in series and low <= t < high and (t, s) > last
        ]
        return take(self.batch, keep[:limit])

    async def aggregate(self, series, start, end, *, bucket, fn, zone="UTC", include_bad=False):
        return [Bucket(series=s, start=start, value=1.5, count=2, coverage=1.0) for s in series]

    async def live(self, series):
        yield take(self.batch, [i for i, s in enumerate(self.batch.point) if s in series][-1:])


def take(batch, rows):
    rows = np.asarray(rows, int)
    return ReadingBatch(batch.point[rows], batch.time[rows], batch.value[rows], batch.quality[rows])


@pytest.fixture
async def meter(central, client, sign_in):
    """A gateway's meter with two points and their readings; series by name."""
    me = await sign_in("scada.*")
    tenant = (await (await client.get("/api/v1/auth/me", headers=me)).json())["tenant_id"]
    names = ("voltage", "energy")
    entries = [
        CatalogueEntry(id=i, device="meter-1", spec=PointSpec(name=n, address=f"hr:{i}", unit="V"))
        for i, n in enumerate(names, 7)
    ]
    async with central.get(DATABASE).pool.connection() as connection:
        await connection.execute("SELECT set_config('busbar.tenant', %s, true)", (tenant,))
        found = await central.get(DIRECTORY).adopt(connection, GATEWAY, entries)
        again = await central.get(DIRECTORY).adopt(connection, GATEWAY, entries)
    assert found == again
    store = Memory()
    series = [found[7], found[8]]
    times = [T0 + i * 60_000_000 for i in range(3) for _ in series]
    store.batch = ReadingBatch.of(
        series * 3,
        times,
        [230.0, 10, 231, float("nan"), 232, 12],
        [GOOD, GOOD, GOOD, LOST, GOOD, GOOD],
    )
    central.provide(STORE, store)
    return me


async def points(client, me):
    body = await (await client.get("/api/v1/scada/points?sort=series", headers=me)).json()
    return {p["name"]: p["id"] for p in body["items"]}


async def test_a_gateways_points_become_rows(client, meter):
    devices = await (await client.get("/api/v1/scada/devices", headers=meter)).json()
    assert [(d["code"], d["gateway_id"]) for d in devices["items"]] == [("meter-1", str(GATEWAY))]
    assert list(await points(client, meter)) == ["voltage", "energy"]


async def test_last_values(client, meter):
    ids = await points(client, meter)
    answer = await client.get("/api/v1/scada/readings/live", headers=meter)
    rows = (await answer.json())["items"]
    assert [(r["point_id"], r["value"], r["quality"]) for r in rows] == [
        (ids["voltage"], 232.0, "good"),
        (ids["energy"], 12.0, "good"),
    ]
    assert rows[0]["time"] == "2026-01-01T00:02:00Z"


async def test_history_goes_on_where_it_stopped(client, meter):
    query = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "limit": "4"}
    url = "/api/v1/scada/readings/history"
    first = await (await client.get(url, params=query, headers=meter)).json()
    query["cursor"] = first["next_cursor"]
    second = await (await client.get(url, params=query, headers=meter)).json()
    rows = first["items"] + second["items"]
    assert [r["value"] for r in rows] == [230.0, 10.0, 231.0, None, 232.0, 12.0]
    assert rows[3]["quality"] == "stale"
    assert second["next_cursor"] is None


async def test_buckets(client, meter):
    query = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "bucket": "1h"}
    url = "/api/v1/scada/readings/aggregate"
    body = await (await client.get(url, params=query, headers=meter)).json()
    assert [b["value"] for b in body["items"]] == [1.5, 1.5]
    for bad in ({"bucket": "2h"}, {"fn": "median"}, {"from": "yesterday"}, {"colour": "red"}):
        assert (await client.get(url, params=query | bad, headers=meter)).status == 400, bad


async def test_another_companys_points_do_not_exist(client, meter, sign_in):
    ids = await points(client, meter)
    other = await sign_in("scada.*", tenant="other")
    url = "/api/v1/scada/readings/live"
    answer = await client.get(url, params={"points": ids["voltage"]}, headers=other)
    assert answer.status == 404
    assert (await (await client.get(url, headers=other)).json())["items"] == []


async def test_a_socket_follows_its_points(client, meter):
    ids = await points(client, meter)
    async with client.ws_connect("/api/v1/scada/ws/readings", headers=meter) as socket:
        await socket.send_json({"event_type": "subscribe", "data": {"points": [ids["voltage"]]}})
        assert (await socket.receive_json())["event_type"] == "subscribed"
        first = await socket.receive_json()
        assert [r["value"] for r in first["data"]] == [232.0]
        await socket.send_json({"event_type": "ping"})
        while (said := await socket.receive_json())["event_type"] == "readings":
            assert said["data"][0]["point_id"] == ids["voltage"]
        assert dt.datetime.fromisoformat(said["data"]["server_time"])


async def test_a_socket_asks_who_you_are(client, meter, sign_in):
    path = "/api/v1/scada/ws/readings"
    async with client.ws_connect(path) as socket:
        await socket.send_json({"event_type": "subscribe", "data": {}})
        assert (await socket.receive()).data == 4401
    refused = await client.get(path, headers=await sign_in("other.things.only"))
    assert refused.status == 403
    foreign = await client.get(path, headers=meter | {"Origin": "https://evil.example"})
    assert foreign.status == 403
