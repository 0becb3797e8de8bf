"""A whole site in one process: a breaker on Modbus, a gateway, a wire that can be cut, a centre."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp

import api
import config
import sync
from drivers import iec61850, modbus, mqtt
from hub import Role
from hub.kernel.app import Hub
from hub.kernel.profiles import Profiles
from hub.kernel.run import make_hub
from plugins import identity, scada
from simulators.modbus import Server, Unit
from sync import fleet
from tests.waiting import until

KEY = "a key of a gateway under test"
CENTRE = """
[site]
runtime_root = "{folder}/centre"
[database]
dsn = "{dsn}"
[api]
port = 0
[plugin.sync.gateways]
g1 = "{key}"
"""
GATEWAY = """
[gateway]
name = "g1"
data_dir = "{folder}/gateway"
[api]
port = 0
[buffer]
commit_ms = 50
[central]
url = "http://127.0.0.1:{wire}"
key = "{key}"
"""
BREAKER = """
[[channels]]
name = "line"
driver = "modbus-tcp"
host = "127.0.0.1"
port = {field}
request_timeout = 0.5
backoff = {{ first = 0.05, last = 0.1 }}
[[channels.devices]]
name = "CB1"
profile = "generic/modbus_breaker"
unit = 1
every = 0.1
station = "S9"
[channels.devices.alarms]
"switch.position" = {{ normal_state = 1 }}
"""


class Wire:
    """A TCP proxy that can be cut and mended."""

    def __init__(self) -> None:
        self.target = self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._server.wait_closed()
            self._server = None

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
            self._writers.add(back)
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, back))
                group.create_task(_copy(there, writer))
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            for each in (writer,):
                self._writers.discard(each)
                each.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


@dataclass
class Site:
    """centre, gateway: running hubs. breaker: the device. moves: positions that it was sent to.
    stuck: it takes commands and does not move. channels: read instead of the breaker, by the
    drivers of these modules."""

    folder: Path
    dsn: str
    centre: Hub
    wire: Wire
    breaker: Unit
    server: Server
    client: aiohttp.ClientSession
    moves: list[int] = field(default_factory=list)
    stuck: bool = False
    channels: str = ""
    drivers: tuple[ModuleType, ...] = (modbus, iec61850, mqtt)
    gateway: Hub | None = None
    _running: asyncio.Task[None] | None = None

    def move(self, _: str, value: int) -> None:
        self.moves.append(value)
        if self.stuck:
            self.breaker.image.set("switch.position", 1 - value)

    async def start_gateway(self) -> Hub:
        path = self.folder / "gateway.toml"
        head = GATEWAY.format(folder=self.folder, wire=self.wire.port, key=KEY)
        path.write_text(head + (self.channels or BREAKER.format(field=self.server.port)))
        modules = (api, sync, *dict.fromkeys(self.drivers))
        hub = make_hub(
            config.load(path), Role.GATEWAY, modules=modules, installed=False, profiles=Profiles()
        )
        self.gateway, self._running = hub, asyncio.create_task(hub.run())
        await _started(hub, self._running)
        return hub

    @contextlib.asynccontextmanager
    async def gateway_process(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """The same gateway as a process of its own."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hub.cli", "gateway", "-c", str(self.folder / "gateway.toml"),
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def stop_gateway(self) -> None:
        if self.gateway is not None and self._running is not None:
            self.gateway.stopping.set()
            await asyncio.wait_for(self._running, 10)
            self.gateway = None

    async def get(self, path: str, me: dict[str, str]) -> Any:
        async with self.client.get(f"/api/v1/{path}", headers=me) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def send(
        self, method: str, path: str, me: dict[str, str], body: Any, key: str = ""
    ) -> tuple[int, Any]:
        headers = me | ({"Idempotency-Key": key} if key else {})
        url = f"/api/v1/{path}"
        async with self.client.request(method, url, json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def control(self, me: dict[str, str]) -> dict[str, Any]:
        """The breaker's control point, once the centre knows it."""

        async def known() -> Any:
            items = (await self.get("scada/controls", me))["items"]
            return items[0] if items else None

        found: dict[str, Any] = await until(known)
        return found

    async def command(self, ident: str, me: dict[str, str], *states: str) -> dict[str, Any]:
        """The command, once it is in one of these states."""

        async def there() -> Any:
            row = await self.get(f"scada/commands/{ident}", me)
            return row if row["state"] in states else None

        row: dict[str, Any] = await until(there, 20.0, 0.02)
        return row

    async def linked(self) -> None:
        """Return once the gateway's live link is up."""
        from sync.gateway import LINK

        def up() -> bool:
            gateway = self.gateway
            return gateway is not None and LINK in gateway.services and gateway.get(LINK).online

        await until(up)


@contextlib.asynccontextmanager
async def site(
    folder: Path, dsn: str, channels: str = "", more: tuple[ModuleType, ...] = ()
) -> AsyncIterator[Site]:
    """more: plugins of the centre beside those that a site needs."""
    path = folder / "centre.toml"
    path.write_text(CENTRE.format(folder=folder, dsn=dsn, key=KEY))
    settings = config.load(path)
    modules = (identity, scada, *more, sync, fleet, api)
    hub = make_hub(settings, Role.CENTRAL, modules=modules, installed=False)
    running, wire = asyncio.create_task(hub.run()), Wire()
    breaker = Unit(Profiles().find("generic/modbus_breaker"))
    breaker.image.set("breaker", 1)
    breaker.image.set("switch.position", 1)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(_stop, hub, running)
        await _started(hub, running)
        address = hub.facts["address"]
        wire.target = int(address.rsplit(":", 1)[1])
        await wire.mend()
        stack.push_async_callback(wire.cut)
        server = await stack.enter_async_context(Server({1: breaker}))
        client = await stack.enter_async_context(aiohttp.ClientSession(address))
        made = Site(folder, dsn, hub, wire, breaker, server, client, channels=channels)
        breaker.on_write.append(made.move)
        stack.push_async_callback(made.stop_gateway)
        await made.start_gateway()
        yield made


async def _started(hub: Hub, running: asyncio.Task[None]) -> None:
    starting = asyncio.create_task(hub.started.wait())
    await asyncio.wait((starting, running), return_when=asyncio.FIRST_COMPLETED, timeout=30)
    if not hub.started.is_set():
        starting.cancel()
        await running


async def _stop(hub: Hub, running: asyncio.Task[None]) -> None:
    hub.stopping.set()
    await asyncio.wait_for(running, 15)
