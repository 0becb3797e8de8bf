"""Two processes of the centre behind nginx on one database: killed, restarted, never missed."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hub.children import Child
from plugins.identity.opening import COOKIE
from tests.scenarios import site
from tests.scenarios.test_killed_processes import by_point, stored
from tests.tools import nginx

DEVICES, REGISTERS, EVERY = 2, 30, 0.1
SITES = ("north", "south")


@dataclass
class Fleet:
    """Two centres, two gateways, and nginx between them."""

    folder: Path
    database: str
    centres: list[Child]
    gateways: list[Child]
    ports: tuple[int, int]
    https: int
    ca: Path
    administrator: dict[str, str]

    def trust(self) -> aiohttp.TCPConnector:
        """Makes a connection for each request, so that each may reach another process."""
        return aiohttp.TCPConnector(
            ssl=ssl.create_default_context(cafile=str(self.ca)), force_close=True
        )

    async def sign_in(self) -> dict[str, Any]:
        """Through nginx: tokens."""
        at = f"https://127.0.0.1:{self.https}/api/v1/auth/login"
        async with (
            aiohttp.ClientSession(connector=self.trust()) as http,
            http.post(at, json=self.administrator) as reply,
        ):
            assert reply.status == 200, await reply.text()
            return {**await reply.json(), "refresh_token": reply.cookies[COOKIE].value}

    @asynccontextmanager
    async def person(
        self, tokens: dict[str, Any], port: int = 0
    ) -> AsyncIterator[aiohttp.ClientSession]:
        """Talks to nginx, or past it to one centre."""
        address = f"http://127.0.0.1:{port}" if port else f"https://127.0.0.1:{self.https}"
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        async with aiohttp.ClientSession(address, connector=self.trust(), headers=headers) as http:
            yield http

    def on_disk(self) -> site.Values:
        found: site.Values = {}
        for name in SITES:
            found |= site.on_disk(self.folder / name / "gateway" / "buffer.db")
        return found


@contextmanager
def fields(folder: Path) -> Iterator[list[Path]]:
    """Configurations of both gateways, each with meters of its own."""
    with (
        site.counting_meters(DEVICES, REGISTERS, folder / "one.json") as one,
        site.counting_meters(DEVICES, REGISTERS, folder / "two.json") as two,
    ):
        files = []
        for name, ports in zip(SITES, (one, two), strict=True):
            (folder / name).mkdir()
            path = site.write_gateway(folder / name, ports, REGISTERS, EVERY)
            path.write_text(path.read_text().replace('"meter', f'"{name}'))
            files.append(path)
        yield files


@pytest.fixture
async def fleet(database: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    shared = {
        **site.compiled(tmp_path),
        "JWT_SECRET_KEY": "j" * 64,
        "ENCRYPTION_KEY": "e" * 44,
        "RATE_LIMIT_PROFILE": "bench",
        "BUSBAR_PLUGIN__SYNC__GATEWAYS": json.dumps({name: site.KEY + name for name in SITES}),
    }
    ports, https = (site.free_port(), site.free_port()), site.free_port()
    centres, gateways = [], []
    for name, port in zip("ab", ports, strict=True):
        (tmp_path / name).mkdir()
        centres.append(site.centre(tmp_path / name, database, port, **shared))
    front = tmp_path / "nginx"
    front.mkdir()
    ca = nginx.certify(front)
    with (
        fields(tmp_path) as files,
        nginx.running(front, nginx.site(front, site.free_port(), https, ports)),
    ):
        for name, file in zip(SITES, files, strict=True):
            more = {
                **site.compiled(tmp_path),
                "BUSBAR_GATEWAY__NAME": name,
                "BUSBAR_CENTRAL__URL": f"https://127.0.0.1:{https}",
                "BUSBAR_CENTRAL__KEY": site.KEY + name,
                "BUSBAR_CENTRAL__CA_FILE": str(ca),
            }
            gateways.append(site.gateway(tmp_path / name, file, https, site.free_port(), **more))
        try:
            await centres[0].start()
            administrator = (await centres[0].ready(60))["administrator"]
            await centres[1].start()
            await centres[1].ready(60)
            for gateway in gateways:
                await gateway.start()
            for gateway in gateways:
                await gateway.ready(30)
            yield Fleet(tmp_path, database, centres, gateways, ports, https, ca, administrator)
        finally:
            for child in (*gateways, *centres):
                await child.stop()


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_readings_and_people_do_not_notice_which_process_is_gone(fleet: Fleet) -> None:
    async with fleet.person(await fleet.sign_in()) as person:
        asking = asyncio.create_task(ask_on(person))
        for victim in fleet.centres:
            await more(fleet.database, 300)
            await site.kill(victim)
            await more(fleet.database, 300)
            await victim.start()
            await victim.ready(60)
        for centre in fleet.centres:  # an upgrade: one after the other
            await centre.stop()
            await more(fleet.database, 300)
            await centre.start()
            await centre.ready(60)
        await more(fleet.database, 300)
        asking.cancel()
        answers = (await asyncio.gather(asking, return_exceptions=True))[0]
        assert isinstance(answers, asyncio.CancelledError), answers
    for gateway in fleet.gateways:
        await gateway.stop()
    found = fleet.on_disk()
    total = sum(map(len, found.values()))
    for gateway in fleet.gateways:  # what was written while they stopped
        await gateway.start()
        await gateway.ready(30)
    await site.until(lambda: at_least(fleet.database, total), 30)
    for gateway in fleet.gateways:
        await gateway.stop()
    table, found = await by_point(fleet.database), fleet.on_disk()
    assert len(table) == len(SITES) * DEVICES * REGISTERS
    for key, values in table.items():
        assert values == found[key][: len(values)], f"{key}: lost or doubled"
    log = (fleet.folder / "nginx" / "access.log").read_text().splitlines()
    taken = [line.partition(" 200 POST /api/v1/sync/telemetry") for line in log]
    took = {upstreams.rpartition(", ")[2] for upstreams, found_it, _ in taken if found_it}
    assert took == {f"127.0.0.1:{port}" for port in fleet.ports}, "both took readings"


async def ask_on(person: aiohttp.ClientSession) -> None:
    """A person who never waits longer than a moment, and takes no for an answer of the test."""
    while True:
        async with person.get("/api/v1/scada/points", params={"limit": "5"}) as reply:
            assert reply.status == 200, f"{reply.status} {await reply.text()}"
            await reply.read()
        await asyncio.sleep(0.02)


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_sessions_and_live_values_are_the_same_at_either(fleet: Fleet) -> None:
    await more(fleet.database, 500)
    one, two = fleet.ports
    tokens = await fleet.sign_in()
    async with fleet.person(tokens, one) as here, fleet.person(tokens, two) as there:
        ids = [await point(here, f"{name}0") for name in SITES]
        for person in (here, there):
            assert await live(person, ids) == set(ids), "what one takes in, all show"
        assert (await there.get("/api/v1/auth/me")).status == 200
        body = {"refresh_token": tokens["refresh_token"]}
        assert (await here.post("/api/v1/auth/logout", json=body)).status == 204
        ended = await there.post("/api/v1/auth/refresh", json=body)
        assert ended.status == 401, "a session that ended at one has ended at the other"


async def point(person: aiohttp.ClientSession, device: str) -> str:
    """A point of that device."""
    found: list[dict[str, Any]] = []
    async with person.get("/api/v1/scada/devices", params={"limit": "100"}) as reply:
        devices = {d["source_name"]: d["id"] for d in (await reply.json())["items"]}
    async with person.get("/api/v1/scada/points", params={"device_id": devices[device]}) as reply:
        found += (await reply.json())["items"]
    return str(found[0]["id"])


async def live(person: aiohttp.ClientSession, ids: list[str]) -> set[str]:
    """Which of the points tell at least three different values of their own accord."""
    seen: dict[str, set[float]] = {ident: set() for ident in ids}
    async with asyncio.timeout(20), person.ws_connect("/api/v1/scada/ws/readings") as socket:
        await socket.send_json({"event_type": "subscribe", "data": {"points": ids}})
        while not all(len(values) >= 3 for values in seen.values()):
            told = await socket.receive_json()
            if told["event_type"] == "readings":
                for reading in told["data"]:
                    seen[reading["point_id"]].add(reading["value"])
    return set(seen)


async def more(dsn: str, rows: int) -> None:
    """Wait until so many readings more are stored."""
    wanted = await stored(dsn) + rows
    await site.until(lambda: at_least(dsn, wanted), 40)


async def at_least(dsn: str, rows: int) -> bool:
    return await stored(dsn) >= rows
