"""Real `busbar` processes around real PostgreSQL, and counting meters, for scenarios."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from hub import ReadingBatch
from hub.children import Child
from sync import frames

KEY = "k" * 40
Values = dict[str, list[int]]  # point key → values in some order


def free_port() -> int:
    """A port that nobody listens on now; a killed process takes the same one again."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


@contextlib.contextmanager
def counting_meters(devices: int, registers: int, served: Path) -> Iterator[list[int]]:
    """Ports of meters whose n-th reading of a register is n; `served` tells all at the end."""
    command = [sys.executable, "-m", "simulators.counting", "--devices", str(devices)]
    command += ["--registers", str(registers), "--served", str(served)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as field:
        assert field.stdout is not None
        try:
            yield json.loads(field.stdout.readline())["ports"]
        finally:
            field.send_signal(signal.SIGTERM)


def write_gateway(folder: Path, ports: Sequence[int], registers: int, every: float) -> Path:
    """Settings of a gateway that reads all registers of these meters."""
    points = ", ".join(
        f'{{ name = "r{n}", address = "hr:{n}", type = "uint16" }}' for n in range(registers)
    )
    path = folder / "gateway.toml"
    path.write_text(
        "".join(
            f'[[channels]]\nname = "line{n}"\ndriver = "modbus-tcp"\nhost = "127.0.0.1"\n'
            f'port = {port}\n[[channels.devices]]\nname = "meter{n}"\nevery = {every}\n'
            f"points = [{points}]\n"
            for n, port in enumerate(ports)
        )
    )
    return path


def compiled(folder: Path) -> dict[str, str]:
    """Processes that start many times need not compile everything each time."""
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "compiled")}


def centre(folder: Path, dsn: str, port: int, **more: str) -> Child:
    """The centre, on a database of the test. more: environment that wins."""
    env = {
        **compiled(folder),
        "DATABASE_URL": dsn,
        "BUSBAR_SITE__RUNTIME_ROOT": str(folder / "central"),
        "BUSBAR_API__PORT": str(port),
        "BUSBAR_PLUGIN__SYNC__GATEWAYS": json.dumps({"site": KEY}),
        **more,
    }
    return Child("centre", ["central"], folder / "centre.log", env)


def gateway(folder: Path, config: Path, centre_port: int, port: int, **more: str) -> Child:
    """A gateway that sends to that centre. more: environment that wins."""
    env = {
        **compiled(folder),
        "BUSBAR_GATEWAY__NAME": "site",
        "BUSBAR_GATEWAY__DATA_DIR": str(folder / "gateway"),
        "BUSBAR_CENTRAL__URL": f"http://127.0.0.1:{centre_port}",
        "BUSBAR_CENTRAL__KEY": KEY,
        "BUSBAR_API__PORT": str(port),
        **more,
    }
    return Child("gateway", ["gateway", "-c", str(config)], folder / "gateway.log", env)


async def kill(child: Child) -> None:
    """SIGKILL, as the power or the kernel would."""
    assert child.process is not None
    with contextlib.suppress(ProcessLookupError):
        os.kill(child.process.pid, signal.SIGKILL)
    await child.process.wait()


def on_disk(file: Path) -> Values:
    """What a gateway's buffer has acknowledged: every good value in it, by point."""
    found: Values = defaultdict(list)
    with contextlib.closing(sqlite3.connect(file)) as database:
        keys = dict(database.execute("SELECT id, key FROM point"))
        rows = database.execute("SELECT bytes FROM frame WHERE stream = 'telemetry' ORDER BY seq")
        for (data,) in rows:
            frame = frames.decode(data)
            if frame.kind is frames.FrameKind.READINGS:
                add(found, frames.readings(frame), keys)
    return found


def add(found: Values, batch: ReadingBatch, keys: dict[int, str]) -> None:
    good = ~np.isnan(batch.value) & (batch.quality == 0)
    for point, value in zip(batch.point[good].tolist(), batch.value[good].tolist(), strict=True):
        found[keys[point]].append(int(value))


async def until(true: object, seconds: float) -> None:
    """Wait until an async question is answered with yes."""
    async with asyncio.timeout(seconds):
        while not await true():  # type: ignore[operator]  # noqa: ASYNC110
            await asyncio.sleep(0.2)
