"""A gateway's own API over HTTP, in a whole hub with a real device."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from argon2 import PasswordHasher

import api
import config
from hub import Role
from hub.kernel.app import Hub
from hub.kernel.run import make_hub
from tests import memory_sync, toy
from tests.waiting import until

PASSWORD = "open sesame"
HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
GATEWAY = """
[gateway]
name = "s7"
data_dir = "{folder}"
[api]
host = "{host}"
port = 0
technician = "{hash}"
[[channels]]
driver = "toy"
name = "line"
host = "127.0.0.1"
port = {port}
request_timeout = 0.2
[[channels.devices]]
name = "m"
every = 0.05
points = [
  {{ name = "v", address = "1", scale = 0.1, unit = "V", alarm_high = 250 }},
  {{ name = "w", address = "1" }},
  {more}
]
"""


@contextlib.asynccontextmanager
async def gateway(
    tmp_path: Path,
    peer: toy.Peer,
    host: str = "127.0.0.1",
    technician: str = HASH,
    more: str = "",
) -> AsyncIterator[tuple[Hub, aiohttp.ClientSession]]:
    path = tmp_path / "gateway.toml"
    text = GATEWAY.format(folder=tmp_path, host=host, hash=technician, port=peer.port, more=more)
    path.write_text(text)
    settings = config.load(path)
    modules = (api, toy, memory_sync)
    hub = make_hub(settings, Role.GATEWAY, modules=modules, installed=False)
    running = asyncio.create_task(hub.run())
    await asyncio.wait_for(hub.started.wait(), 5)
    url = hub.facts["address"].replace("0.0.0.0", "127.0.0.1")
    try:
        jar = aiohttp.CookieJar(unsafe=True)  # that takes cookies of an address
        async with aiohttp.ClientSession(url, cookie_jar=jar) as client:
            yield hub, client
    finally:
        hub.stopping.set()
        await asyncio.wait_for(running, 3)


async def get(client: aiohttp.ClientSession, path: str, **more: Any) -> tuple[int, Any]:
    async with client.get(path, **more) as reply:
        text = await reply.text()
        return reply.status, json.loads(text) if "json" in reply.content_type else text


async def post(client: aiohttp.ClientSession, path: str, **more: Any) -> int:
    async with client.post(path, **more) as reply:
        return reply.status


async def value(client: aiohttp.ClientSession, path: str = "/api/v1/local/points?match=m.v") -> Any:
    async def good() -> Any:
        _, body = await get(client, path)
        first = body["points"][0]
        return first if first.get("quality") == 0 else None

    return await until(good)


def signed(password: str = PASSWORD, user: str = "technician") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


async def test_live_values_status_health_and_metrics(tmp_path):
    async with toy.peer(v=2205, w=1) as peer, gateway(tmp_path, peer) as (_, client):
        now = await value(client)
        assert (now["key"], now["value"], now["unit"], now["stale"]) == ("m.v", 220.5, "V", False)
        assert now["age"] < 2
        assert (await get(client, "/health/live"))[0] == 200
        assert (await get(client, "/health/ready"))[0] == 200
        _, health = await get(client, "/health")
        assert (health["status"], health["channels"]) == ("ok", {"line": "online"})
        _, status = await get(client, "/api/v1/local/status")
        assert (status["name"], status["channels"], status["channels_online"]) == ("s7", 1, 1)
        assert status["lag"] is None
        _, text = await get(client, "/metrics")
        assert 'busbar_channel_online{channel="line"} 1.0' in text
        assert "busbar_readings_taken_total" in text
        await peer.stop()

        async def degraded() -> bool:
            return (await get(client, "/health"))[1]["status"] == "degraded"

        await until(degraded)
        _, body = await get(client, "/api/v1/local/points")
        assert [p["stale"] for p in body["points"]] == [True, True]


async def test_a_value_is_explained_from_the_wire_to_the_buffer(tmp_path):
    async with toy.peer(v=2205, w=1) as peer, gateway(tmp_path, peer) as (_, client):
        await value(client)
        status, story = await get(client, "/api/v1/local/explain/m.v")
        assert status == 200
        assert story["raw"] == pytest.approx(2205)
        assert story["spec"]["scale"] == 0.1
        assert story["now"]["value"] == 220.5
        assert b"1 v\n".hex(" ") in [f["hex"] for f in story["wire"] if f["sent"]]
        status, problem = await get(client, "/api/v1/local/explain/m.none")
        assert (status, problem["code"]) == (404, "resource_not_found")


async def test_only_the_technician_changes_a_gateway(tmp_path):
    restart = "/api/v1/local/channels/line/restart"
    async with toy.peer(v=1, w=1) as peer, gateway(tmp_path, peer) as (_, client):
        await value(client)
        assert await post(client, restart) == 401
        assert await post(client, restart, headers=signed("wrong")) == 401
        assert await post(client, restart, headers=signed(user="root")) == 401
        assert await post(client, restart, headers={"Authorization": "Basic x"}) == 401
        assert peer.connections == 1
        assert await post(client, restart, headers=signed()) == 200
        assert await post(client, "/api/v1/local/channels/no/restart", headers=signed()) == 404
        await until(lambda: peer.connections == 2)
        assert await post(client, "/api/v1/local/channels/line/disable", headers=signed()) == 200
        _, body = await get(client, "/api/v1/local/channels")
        assert body["channels"][0]["state"] == "disabled"
        assert await post(client, "/api/v1/local/channels/line/enable", headers=signed()) == 200


async def test_without_a_credential_nothing_can_be_changed(tmp_path):
    async with toy.peer() as peer, gateway(tmp_path, peer, technician="") as (_, client):
        assert await post(client, "/api/v1/local/trace/line", headers=signed()) == 403


async def test_pages_of_other_sites_and_foreign_names_are_refused(tmp_path):
    async with toy.peer() as peer, gateway(tmp_path, peer) as (_, client):
        evil = {"Origin": "https://evil.example", **signed()}
        assert await post(client, "/api/v1/local/trace/line", headers=evil) == 403
        rebound = {"Host": "evil.example"}
        assert (await get(client, "/api/v1/local/points", headers=rebound))[0] == 403


async def test_bound_elsewhere_reading_asks_for_the_credential_too(tmp_path):
    async with toy.peer() as peer, gateway(tmp_path, peer, "0.0.0.0") as (_, client):
        assert (await get(client, "/health/live"))[0] == 200
        assert (await get(client, "/api/v1/local/points"))[0] == 401
        assert (await get(client, "/metrics"))[0] == 401
        assert (await get(client, "/api/v1/local/points", headers=signed()))[0] == 200


async def test_the_wire_is_traced_while_somebody_wants_it(tmp_path):
    trace = "/api/v1/local/trace/line"
    async with toy.peer(v=1, w=1) as peer, gateway(tmp_path, peer) as (_, client):
        await value(client)
        assert (await get(client, trace))[0] == 404
        assert await post(client, trace, headers=signed()) == 200
        async with client.ws_connect(f"{trace}/stream") as socket:
            frames = [await socket.receive_json(timeout=5) for _ in range(4)]
        assert {f["sent"] for f in frames} == {True, False}
        assert b"1 v\n".hex(" ") in [f["hex"] for f in frames]
        _, body = await get(client, trace)
        assert len(body["frames"]) >= 4
        assert await post(client, f"{trace}?on=0", headers=signed()) == 200
        assert (await get(client, trace))[0] == 404


async def test_achieved_periods_and_errors_of_channels_are_shown(tmp_path):
    async with toy.peer(v=1, w=1) as peer, gateway(tmp_path, peer) as (_, client):
        await value(client)
        await asyncio.sleep(0.2)
        _, body = await get(client, "/api/v1/local/channels")
        (line,) = body["channels"]
        assert (line["name"], line["driver"], line["state"]) == ("line", "toy", "online")
        assert line["polls"][0]["period"] == 0.05
        assert line["polls"][0]["achieved"] >= 0.04
        assert line["devices"][0]["online"] is True
        await peer.stop()

        async def failed() -> Any:
            line = (await get(client, "/api/v1/local/channels"))[1]["channels"][0]
            return line if line["error"] else None

        line = await until(failed)
        assert line["state"] in {"backoff", "connecting"}


async def test_alarms_are_acknowledged_and_shelved_on_site(tmp_path):
    async with toy.peer(v=3_000, w=1) as peer, gateway(tmp_path, peer) as (_, client):

        async def raised() -> Any:
            return (await get(client, "/api/v1/local/alarms"))[1]["alarms"]

        (alarm,) = await until(raised)
        assert (alarm["point"], alarm["status"], alarm["message"]) == (
            "v", "active", "m.v is 300 V, above 250 V",
        )  # fmt: skip
        one = f"/api/v1/local/alarms/{alarm['id']}"
        assert await post(client, f"{one}/acknowledge", json={"note": "seen"}) == 401
        more = {"json": {"note": "seen", "by": "Ann"}, "headers": signed()}
        assert await post(client, f"{one}/acknowledge", **more) == 200
        shelving = {"json": {"minutes": 5, "note": "known"}, "headers": signed()}
        assert await post(client, f"{one}/shelve", **shelving) == 200
        bad = {"json": {"colour": "red"}, "headers": signed()}
        assert await post(client, f"{one}/shelve", **bad) == 400
        none = "/api/v1/local/alarms/none/acknowledge"
        assert await post(client, none, json={}, headers=signed()) == 404
        (alarm,) = await raised()
        assert (alarm["status"], alarm["acknowledged"]["by"]) == ("acknowledged", "technician Ann")
        assert alarm["masked"]["note"] == "known"


async def test_a_technician_takes_over_and_gives_back(tmp_path):
    async with toy.peer(v=1, w=1) as peer, gateway(tmp_path, peer) as (_, client):
        url = "/api/v1/local/control"
        assert (await get(client, url))[1] == {"mode": "remote"}
        assert await post(client, f"{url}/local") == 401
        assert await post(client, f"{url}/local", headers=signed()) == 200
        assert (await get(client, url))[1] == {"mode": "local"}
        assert await post(client, f"{url}/remote", headers=signed()) == 200
