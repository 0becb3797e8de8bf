"""Our MMS client beside two others, all against one libiec61850 server in another process."""

import asyncio
import contextlib
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, console, report
from drivers.iec61850 import model as tree
from drivers.iec61850 import scl
from drivers.iec61850.association import Options
from drivers.iec61850.ied import Ied
from drivers.iec61850.mms.pdu import ObjectName
from drivers.iec61850.reports import Wish
from hub import HubError
from simulators.iec61850 import FEEDER_BAY

SECONDS, CONNECTS, BAYS = 1.0, 300, 660
FLOAT = ObjectName("GGIO1$MX$AnIn1$mag$f", "PEERLD")
VALUES = ObjectName("LLN0$values", "PEERLD")
PEERS = Path(__file__).parent / "peers"


def main() -> None:
    if importlib.util.find_spec("pyiec61850") is None:
        console.print("iec61850: needs pyiec61850-ng (extra `dev`) for its server")
        return
    with served() as port:
        ours = asyncio.run(measured(port))
        silent = asyncio.run(beside_silence())
        size, took, reading = asyncio.run(beside_a_large_file())
        theirs = {"iec61850": other("iec61850_rust", port), "libiec61850": library(port)}
    report("IEC 61850 client", list(figures(ours, theirs)))
    gap = theirs["libiec61850"].get("gap", float("nan"))
    console.print(
        f"association with a silent peer: our event loop stood still for {silent * 1000:.1f} ms "
        f"at most, the threads beside libiec61850 for {gap:.2f} s"
    )
    console.print(
        f"SCD of {size / 1e6:.1f} MB read and made a model in {took:.1f} s, our event loop stood "
        f"still for {reading * 1000:.0f} ms at most"
    )


def figures(ours: dict[str, float], theirs: dict[str, dict[str, float]]) -> Iterator[Figure]:
    names = {
        "reads": ("float reads", "/s", 0.5),
        "sets": ("data sets of 100 floats", "/s", 0.5),
        "reported": ("float reads while reports arrive", "/s", 10),
        "good": (f"good connects of {CONNECTS}", "", 1),
    }
    for key, (name, unit, goal) in names.items():
        for peer, found in theirs.items():
            if key in found:
                wanted = goal if peer == "iec61850" else None
                yield Figure(
                    name=name,
                    ours=ours[key],
                    ceiling=found[key],
                    unit=unit,
                    against=peer,
                    goal=wanted,
                )


@contextlib.contextmanager
def served() -> Iterator[int]:
    """The port of a server in a process of its own."""
    from benchmarks.peers.iec61850_server import model  # noqa: PLC0415 - needs the peer's library

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "peer.cfg"
        path.write_text(model())
        command = [sys.executable, str(PEERS / "iec61850_server.py"), str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield int(process.stdout.readline())
            finally:
                process.kill()


def other(script: str, *arguments: object) -> dict[str, float]:
    """What a peer's client measures, in a process of its own; empty when it cannot run."""
    command = [sys.executable, str(PEERS / f"{script}.py")]
    command += [str(a) for a in (arguments[0], SECONDS, CONNECTS, *arguments[1:])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        console.print(f"{script} cannot be measured: {done.stderr.strip()[-300:]}")
    return json.loads(lines[-1]) if lines else {}


def library(port: int) -> dict[str, float]:
    import socket  # noqa: PLC0415

    with socket.create_server(("127.0.0.1", 0)) as silent:
        return other("iec61850_lib", port, silent.getsockname()[1])


async def rate(work: Callable[[], Awaitable[Any]]) -> float:
    done, start = 0, time.perf_counter()
    while (took := time.perf_counter() - start) < SECONDS:
        await work()
        done += 1
    return done / took


async def measured(port: int) -> dict[str, float]:
    ied = await Ied.open("127.0.0.1", port)
    await ied.discover()
    client = ied.client
    out = {
        "reads": await rate(lambda: client.read_one(FLOAT)),
        "sets": await rate(lambda: client.read_data_set(VALUES)),
    }
    block = next(b for b in await ied.blocks() if b.name.item.endswith("urcb01"))
    arrived: list[object] = []
    await ied.subscribe(block, Wish(), arrived.append)
    out["reported"] = await rate(lambda: client.read_one(FLOAT))
    assert len(arrived) > SECONDS
    await ied.close()
    out["good"] = 0
    for _ in range(CONNECTS):
        with contextlib.suppress(HubError):
            other_ied = await Ied.open("127.0.0.1", port)
            await other_ied.client.read_one(FLOAT)
            out["good"] += 1
            await other_ied.close()
    return out


async def beside_silence() -> float:
    """Longest stall of the event loop, in seconds, while a peer takes the call and says nothing."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with beating() as gaps:
        with contextlib.suppress(HubError):
            await Ied.open("127.0.0.1", port, Options(connect_timeout=2.0))
    server.close()
    return max(gaps)


async def beside_a_large_file() -> tuple[int, float, float]:
    """(octets, seconds to read, longest stall) of an SCD file of many feeder bays."""
    whole = FEEDER_BAY.read_text()
    start, end = whole.index("  <IED "), whole.index("</IED>\n") + 7
    bay, address = whole[start:end], whole.index("  <Communication>")
    bays = "".join(bay.replace('"BAY1"', f'"BAY{n}"') for n in range(BAYS))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "station.scd"
        path.write_text(whole[:address] + bays + whole[end:])
        async with beating() as gaps:
            begun = time.perf_counter()
            document = await asyncio.to_thread(scl.read, path)
            assert tree.from_scl(document.ied(f"BAY{BAYS - 1}")).devices
            took = time.perf_counter() - begun
        return path.stat().st_size, took, max(gaps)


@contextlib.asynccontextmanager
async def beating() -> AsyncIterator[list[float]]:
    """Gaps of the event loop, in seconds."""
    gaps, on = [0.0], True

    async def beat() -> None:
        last = time.perf_counter()
        while on:
            await asyncio.sleep(0)
            now = time.perf_counter()
            gaps[0], last = max(gaps[0], now - last), now

    heart = asyncio.create_task(beat())
    try:
        yield gaps
    finally:
        on = False
        await heart


if __name__ == "__main__":
    main()
