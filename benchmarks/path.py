"""The whole path of a gateway, socket to durable buffer, against a loop that only reads.

Twenty meters of 100 registers are read as fast as they answer: by a gateway that scales, judges,
and commits every value with synchronous=FULL, and by one bare pymodbus client a meter that throws
the values away. Each runs alone on its core; the meters have the other.
"""

import asyncio
import json
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from pymodbus.client import AsyncModbusTcpClient

from benchmarks.figures import Figure, report
from benchmarks.gateway import free_port, process, usage

METERS, REGISTERS = 20, 100
WARM, SECONDS = 4.0, 8.0
LOOP = "import benchmarks.path as b, sys; b.loop([int(p) for p in sys.argv[1:]])"


def settings(folder: Path, ports: list[int], port: int) -> Path:
    """A gateway whose polls follow each other without a pause."""
    points = ", ".join(
        f'{{ name = "r{n}", address = "hr:{n}", type = "uint16" }}' for n in range(REGISTERS)
    )
    channels = "".join(
        f'[[channels]]\nname = "c{n}"\ndriver = "modbus-tcp"\nhost = "127.0.0.1"\nport = {p}\n'
        f'devices = [{{ name = "m{n}", every = 0.0005, points = [{points}] }}]\n'
        for n, p in enumerate(ports)
    )
    path = folder / "gateway.toml"
    path.write_text(
        f'[gateway]\ndata_dir = "{folder / "data"}"\n[api]\nport = {port}\n'
        f'[log]\nlevel = "warning"\n{channels}'
    )
    return path


def loop(ports: list[int]) -> None:
    """Read all registers of all meters for ever; print how many each second."""

    async def read(port: int, count: list[int]) -> None:
        client = AsyncModbusTcpClient("127.0.0.1", port=port)
        await client.connect()
        while True:
            answer = await client.read_holding_registers(0, count=REGISTERS)
            count[0] += len(answer.registers)

    async def run() -> None:
        count = [0]
        tasks = [asyncio.create_task(read(port, count)) for port in ports]
        while not any(t.done() for t in tasks):
            await asyncio.sleep(1.0)
            print(f"{time.time()} {count[0]}", flush=True)

    asyncio.run(run())


def gateway(folder: Path, ports: list[int]) -> tuple[float, float]:
    """(points/s on their way to the disk, processor seconds per 1,000 points)."""
    port = free_port()
    args = [sys.executable, "-m", "hub.cli", "gateway", "-c", str(settings(folder, ports, port))]
    with process(args, folder, 0) as running:

        def kept() -> int:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/local/status") as reply:
                count: int = json.load(reply)["readings"]
                return count

        time.sleep(WARM)
        cpu, before, start = usage(running.pid)[0], kept(), time.monotonic()
        time.sleep(SECONDS)
        done, seconds = kept() - before, time.monotonic() - start
        return done / seconds, (usage(running.pid)[0] - cpu) / done * 1000


def bare(folder: Path, ports: list[int]) -> tuple[float, float]:
    """The same of the bare loop."""
    with process([sys.executable, "-c", LOOP, *map(str, ports)], folder, 0) as running:
        assert running.stdout
        rows: list[tuple[float, int]] = []
        cpu = 0.0
        while len(rows) < WARM + SECONDS:
            at, count = running.stdout.readline().split()
            rows.append((float(at), int(count)))
            if len(rows) == WARM:
                cpu = usage(running.pid)[0]
        first, last = rows[int(WARM) - 1], rows[-1]
        done = last[1] - first[1]
        return done / (last[0] - first[0]), (usage(running.pid)[0] - cpu) / done * 1000


def main() -> None:
    """Print both rates and what a point costs."""
    args = [sys.executable, "-m", "simulators.counting", "--devices", str(METERS)]
    args += ["--registers", str(REGISTERS)]
    with tempfile.TemporaryDirectory() as name, process(args, Path(name), 1) as field:
        assert field.stdout
        ports = json.loads(field.stdout.readline())["ports"]
        ours, our_cost = gateway(Path(name), ports)
        theirs, their_cost = bare(Path(name), ports)
    against = "bare pymodbus loop"
    report(
        f"{METERS} meters × {REGISTERS} registers, socket to buffer",
        [
            Figure(
                name="points a second",
                ours=ours,
                ceiling=theirs,
                unit="/s",
                against=against,
                goal=0.5,
            ),
            Figure(
                name="points a CPU second",
                ours=1000 / our_cost,
                ceiling=1000 / their_cost,
                unit="",
                against=against,
            ),
        ],
    )
