"""A whole gateway, from the meters' sockets to the centre's acknowledgement, beside another one.

Ours and thingsboard-gateway poll the same simulated meters once a second, one after the other,
each pinned to one core with everything else on the other. What counts is processor time and memory
for the same points. Where the peer cannot run (it needs root for a network of its own, Mosquitto,
and its packages), ours is shown alone.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.table import Table

from benchmarks.figures import console, machine
from benchmarks.peers import thingsboard

REGISTERS = 1000
LOADS = (1, 10, 40)  # meters
WARM, SECONDS = 8.0, 20.0
ALONE = "BUSBAR_BENCH_ALONE"
ROOT = Path(__file__).parents[1]
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class Run:
    """offered, delivered: points/s. cores: of the gateway. rss: MB at start and end."""

    name: str
    offered: float
    delivered: float
    cores: float
    rss: tuple[float, float]

    @property
    def cost(self) -> float:
        """Cores for 1,000 points/s."""
        return self.cores / max(self.delivered, 1.0) * 1000


@contextmanager
def process(
    args: list[str], folder: Path, core: int, **env: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A child pinned to a core, ended with the block."""
    with (folder / "children.log").open("ab") as log:
        child = subprocess.Popen(
            args, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, env={**os.environ, **env}
        )
    pin(child.pid, core)
    try:
        yield child
    finally:
        end(child)


def pin(pid: int, core: int) -> None:
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(pid, {core})


def end(child: subprocess.Popen[bytes]) -> None:
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(10)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    if child.stdout:
        child.stdout.close()


def usage(pid: int) -> tuple[float, float]:
    """(processor seconds, resident MB) of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return (int(fields[11]) + int(fields[12])) / TICKS, pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def delivered(out: Path) -> float:
    lines = out.read_text().splitlines() if out.exists() else []
    return float(lines[-1].split()[1]) if lines else 0.0


def measure(name: str, pid: int, out: Path, meters: int) -> Run:
    """Wait for the first values, let it settle, then count."""
    deadline = time.monotonic() + 60
    while not delivered(out):
        if time.monotonic() > deadline:
            log = out.parent / "children.log"
            raise RuntimeError(f"{name} delivered nothing: {log.read_text()[-2000:]}")
        time.sleep(0.2)
    time.sleep(WARM)
    cpu, rss = usage(pid)
    start, before = time.monotonic(), delivered(out)
    time.sleep(SECONDS)
    after, seconds = delivered(out), time.monotonic() - start
    cpu_end, rss_end = usage(pid)
    return Run(
        name=name,
        offered=meters * REGISTERS,
        delivered=(after - before) / seconds,
        cores=(cpu_end - cpu) / seconds,
        rss=(rss, rss_end),
    )


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


def write_config(folder: Path, ports: list[int], centre: int) -> Path:
    """A gateway that keeps every register of every meter."""
    profile = folder / "profiles" / "bench" / "counter.toml"
    profile.parent.mkdir(parents=True)
    rows = "".join(
        f'[[points]]\nname = "r{n}"\naddress = "hr:{n}"\ntype = "uint16"\n'
        'description = "times read"\n'
        for n in range(REGISTERS)
    )
    head = (
        'code = "bench/counter"\ntitle = "Meter whose registers count"\nmanufacturer = "Busbar"\n'
        'model = "counter"\nprotocol = "modbus"\n'
    )
    profile.write_text(f'{head}reference = "simulators.counting"\n{rows}')
    channels = "".join(
        f'[[channels]]\nname = "c{n}"\ndriver = "modbus-tcp"\nhost = "127.0.0.1"\nport = {port}\n'
        f'devices = [{{ name = "m{n}", profile = "bench/counter", every = 1.0 }}]\n'
        for n, port in enumerate(ports)
    )
    path = folder / "gateway.toml"
    path.write_text(
        f'[gateway]\ndata_dir = "{folder / "data"}"\nprofiles = ["{folder / "profiles"}"]\n'
        f'[central]\nurl = "http://127.0.0.1:{centre}"\nkey = "{"k" * 32}"\n'
        f'[api]\nport = {free_port()}\n[log]\nlevel = "warning"\n{channels}'
    )
    return path


def ours(folder: Path, ports: list[int]) -> Run:
    """Busbar, durable (synchronous=FULL), to a centre that only counts."""
    port, out = free_port(), folder / "centre.txt"
    config = write_config(folder, ports, port)
    sink = [sys.executable, "-m", "benchmarks.peers.centre", str(port), str(out)]
    gateway = [sys.executable, "-m", "hub.cli", "gateway", "-c", str(config)]
    with process(sink, folder, 1), process(gateway, folder, 0) as running:
        return measure("busbar", running.pid, out, len(ports))


def theirs(folder: Path, ports: list[int], python: Path) -> Run:
    """thingsboard-gateway, SQLite store (synchronous=NORMAL), QoS 1 to Mosquitto."""
    port, out = free_port(), folder / "sink.txt"
    thingsboard.configure(folder, python, ports, REGISTERS, port)
    broker = thingsboard.broker(folder, port)
    pin(broker.pid, 1)
    sink = [sys.executable, "-m", "benchmarks.peers.thingsboard_sink", str(port), str(out)]
    try:
        with process(sink, folder, 1):
            running = thingsboard.start(folder, python)
            pin(running.pid, 0)
            try:
                return measure("thingsboard-gateway", running.pid, out, len(ports))
            finally:
                end(running)
    finally:
        end(broker)


def field(meters: int, run: Callable[[Path, list[int]], Run]) -> Run:
    """Run one gateway against fresh meters."""
    args = [sys.executable, "-m", "simulators.counting", "--devices", str(meters)]
    args += ["--registers", str(REGISTERS)]
    with tempfile.TemporaryDirectory() as name, process(args, Path(name), 1) as meters_process:
        assert meters_process.stdout
        ports = json.loads(meters_process.stdout.readline())["ports"]
        return run(Path(name), ports)


def show(runs: list[Run]) -> None:
    table = Table()
    for column in (
        "gateway",
        "points/s offered",
        "delivered",
        "cores",
        "per 1,000 points/s",
        "RSS MB",
    ):
        table.add_column(column, justify="left" if column == "gateway" else "right")
    for r in runs:
        table.add_row(
            r.name,
            f"{r.offered:,.0f}",
            f"{r.delivered:,.0f}",
            f"{r.cores:.3f}",
            f"{r.cost:.4f}",
            f"{r.rss[0]:.0f} → {r.rss[1]:.0f}",
        )
    console.print(table)


def secluded() -> bool:
    """Whether the peer may run here: a network with nothing but loopback."""
    return os.environ.get(ALONE) == "1"


def seclude(python: Path | None) -> None:
    """Start again in a network namespace of our own, where the peer cannot call home."""
    if python is None or secluded() or os.geteuid() != 0 or not shutil.which("unshare"):
        return
    again = f'ip link set lo up && exec "{sys.executable}" -m benchmarks gateway'
    os.environ[ALONE] = "1"
    sys.stdout.flush()
    os.execvp("unshare", ["unshare", "-n", "sh", "-c", again])


def main() -> None:
    """Print ours beside the peer's for every load."""
    python = thingsboard.HOME / "bin" / "python" if secluded() else thingsboard.install()
    seclude(python)
    console.print(f"\n[bold]gateway[/bold]\n{machine()}")
    runs: list[Run] = []
    ratios = []
    for meters in LOADS:
        runs.append(field(meters, ours))
        if secluded() and python is not None:
            peer = field(meters, lambda folder, ports: theirs(folder, ports, python))
            runs.append(peer)
            ratios.append(peer.cost / runs[-2].cost)
            console.print(
                f"{meters * REGISTERS:,} points/s: {ratios[-1]:.1f} × its points per CPU second"
            )
    show(runs)
    if ratios:
        console.print(f"median {median(ratios):.1f} × its points per CPU second (goal ≥ 3)")
