"""How long a value takes from the meter's answer to a person's WebSocket.

Twenty meters of 100 registers change at every poll, 2,000 points a second. A gateway, the centre on
an embedded PostgreSQL, and a client that follows all points run as processes of their own. Every
value has the time at which the meter's answer arrived; the client, on the same clock, takes the
difference. There is no ceiling to compare with: group commit (200 ms) bounds it from below.
"""

import asyncio
import datetime as dt
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import aiohttp

from benchmarks.figures import console, machine
from benchmarks.gateway import free_port
from hub.children import Child

METERS, REGISTERS = 20, 100
WARM, SECONDS = 6.0, 20.0
KEY = "k" * 40


def settings(folder: Path, ports: list[int]) -> Path:
    """A gateway that polls every register once a second."""
    points = ", ".join(
        f'{{ name = "r{n}", address = "hr:{n}", type = "uint16" }}' for n in range(REGISTERS)
    )
    path = folder / "gateway.toml"
    path.write_text(
        "".join(
            f'[[channels]]\nname = "c{n}"\ndriver = "modbus-tcp"\nhost = "127.0.0.1"\nport = {p}\n'
            f'devices = [{{ name = "m{n}", every = 1.0, points = [{points}] }}]\n'
            for n, p in enumerate(ports)
        )
    )
    return path


async def follow(address: str, administrator: dict[str, str]) -> list[float]:
    """Seconds from the reading's own time to its arrival here, for every value that came."""
    late: list[float] = []
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession(address) as http:
        async with http.post("/api/v1/auth/login", json=administrator) as reply:
            token = (await reply.json())["access_token"]
        head = {"Authorization": f"Bearer {token}"}
        url = "/api/v1/scada/ws/readings"
        async with http.ws_connect(url, headers=head, max_msg_size=0) as socket:
            await socket.send_json({"event_type": "subscribe", "data": {}})
            start = loop.time()
            while loop.time() < start + WARM + SECONDS:
                message = await socket.receive_json()
                now = dt.datetime.now(dt.UTC)
                if message["event_type"] == "readings" and loop.time() > start + WARM:
                    late += [
                        (now - dt.datetime.fromisoformat(r["time"])).total_seconds()
                        for r in message["data"]
                    ]
    return late


async def run(folder: Path, ports: list[int]) -> list[float]:
    """Start the processes, follow, stop them."""
    port = free_port()
    centre = Child(
        "centre",
        ["central"],
        folder / "centre.log",
        {
            "BUSBAR_SITE__RUNTIME_ROOT": str(folder / "central"),
            "BUSBAR_API__PORT": str(port),
            "BUSBAR_PLUGIN__SYNC__GATEWAYS": json.dumps({"bench": KEY}),
        },
    )
    gateway = Child(
        "gateway",
        ["gateway", "-c", str(settings(folder, ports))],
        folder / "gateway.log",
        {
            "BUSBAR_GATEWAY__NAME": "bench",
            "BUSBAR_GATEWAY__DATA_DIR": str(folder / "gateway"),
            "BUSBAR_CENTRAL__URL": f"http://127.0.0.1:{port}",
            "BUSBAR_CENTRAL__KEY": KEY,
            "BUSBAR_API__PORT": str(free_port()),
        },
    )
    try:
        await centre.start()
        facts = await centre.ready(120)
        await gateway.start()
        await gateway.ready(60)
        await asyncio.sleep(3.0)
        return await follow(facts["address"], facts["administrator"])
    finally:
        await gateway.stop()
        await centre.stop()


def main() -> None:
    """Print the distribution."""
    args = [sys.executable, "-m", "simulators.counting", "--devices", str(METERS)]
    args += ["--registers", str(REGISTERS)]
    with (
        tempfile.TemporaryDirectory() as name,
        subprocess.Popen(args, stdout=subprocess.PIPE) as field,
    ):
        assert field.stdout
        try:
            late = asyncio.run(run(Path(name), json.loads(field.stdout.readline())["ports"]))
        finally:
            field.terminate()
    cuts = statistics.quantiles(late, n=100)
    console.print(f"\n[bold]live values[/bold]\n{machine()}, load {os.getloadavg()[0]:.1f}")
    console.print(
        f"{len(late):,} values at {len(late) / SECONDS:,.0f}/s, meter's answer → WebSocket: median "
        f"{cuts[49] * 1e3:.0f} ms, p99 {cuts[98] * 1e3:.0f} ms, worst {max(late) * 1e3:.0f} ms"
    )
