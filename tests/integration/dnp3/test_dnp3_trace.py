"""The wire trace of a gateway in words: layers chosen while it runs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from argon2 import PasswordHasher

from drivers.dnp3.codec.objects import PointType
from drivers.dnp3.outstation import OutstationServer, OutstationSettings
from tests.integration.dnp3.dnp3_rig import START, Plant, database, running
from tests.waiting import until

HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("open sesame")
SIGNED = {"Authorization": aiohttp.encode_basic_auth("technician", "open sesame")}
FILE = """
[gateway]
name = "s7"
data_dir = "{folder}"
[api]
port = 0
technician = "{hash}"
[[channels]]
driver = "dnp3-tcp"
name = "line"
host = "127.0.0.1"
port = {port}
[[channels.devices]]
name = "rtu"
every = 0.05
points = [{ name = "volts", address = "ai:0" }]
"""
TRACE = "/api/v1/local/trace/line"
Site = tuple[aiohttp.ClientSession, Any]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    server = OutstationServer(OutstationSettings(keep_alive=None), database(), Plant())
    async with server.listen("127.0.0.1", 0) as port:
        file = FILE.replace("{hash}", HASH).replace("{port}", str(port))
        async with (
            running(file, tmp_path) as hub,
            aiohttp.ClientSession(hub.facts["address"]) as client,
        ):

            async def polled() -> bool:
                body = await get(client, "/api/v1/local/points?match=rtu.volts")
                return body["points"][0].get("quality") == 0

            await until(polled)
            yield client, server


async def get(client: aiohttp.ClientSession, path: str, status: int = 200) -> Any:
    async with client.get(path) as reply:
        assert reply.status == status
        return await reply.json()


async def switch(client: aiohttp.ClientSession, query: str = "") -> Any:
    async with client.post(TRACE + query, headers=SIGNED) as reply:
        assert reply.status == 200
        return await reply.json()


def words(frames: list[dict[str, Any]]) -> set[str]:
    """What the lines begin with."""
    return {line.split()[0] for frame in frames for line in frame["lines"]}


async def test_explaining_a_value_spells_out_its_last_frames(site: Site) -> None:
    client, _ = site
    url = "/api/v1/local/explain/rtu.volts"
    lines = [line for f in (await get(client, url))["wire"] for line in f["lines"]]
    assert any(line.startswith("link 1 → 10 UNCONFIRMED_USER_DATA") for line in lines)
    assert any("READ" in line for line in lines)
    assert any(line.startswith("  g30v5") and "value=0.0" in line for line in lines)
    assert words((await get(client, f"{url}?layers=link"))["wire"]) == {"link"}
    assert words((await get(client, f"{url}?layers="))["wire"]) == set()
    wrong = await get(client, f"{url}?layers=link,flux", 400)
    assert "flux is not one of link, transport, application, objects" in wrong["detail"]


async def test_the_ring_is_decoded_in_the_layers_that_are_asked_for(site: Site) -> None:
    client, _ = site
    assert (await switch(client))["layers"] == ["link", "transport", "application", "objects"]

    async def some() -> Any:
        frames = (await get(client, f"{TRACE}?layers=application"))["frames"]
        return frames if len(frames) >= 4 else None

    assert words(await until(some)) == {"application"}
    assert words((await get(client, TRACE))["frames"]) == set()
    assert (await switch(client, "?on=0"))["traced"] is False


async def test_a_watcher_changes_layers_without_a_new_connection(site: Site) -> None:
    client, server = site
    await switch(client)
    async with client.ws_connect(f"{TRACE}/stream?layers=link") as socket:
        assert words([await socket.receive_json(timeout=5) for _ in range(4)]) == {"link"}
        await socket.send_str("objects")
        async with asyncio.timeout(5):
            while words([await socket.receive_json()]) != {"g30v5"}:
                pass
        await socket.send_str("flux")
        async with asyncio.timeout(5):
            while "error" not in (told := await socket.receive_json()):
                pass
        assert "flux" in told["error"]
        await socket.send_str("")
        async with asyncio.timeout(5):
            while (await socket.receive_json())["lines"]:
                pass
        server.database.update(PointType.AI, 0, 7.25, time=START)
        await socket.send_str("objects")
        async with asyncio.timeout(5):
            while not any("value=7.25" in x for x in (await socket.receive_json())["lines"]):
                pass
    with contextlib.suppress(ConnectionError):
        await switch(client, "?on=0")
