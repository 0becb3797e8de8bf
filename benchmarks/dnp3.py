"""DNP3: our codec, master and outstation beside dnp3py (pure Python as well), in one run.

Integrity polls of 1,000 points over loopback TCP. Both masters ask the same outstation in a process
of its own, first ours, then theirs; then our master asks each outstation.
"""

import asyncio
import contextlib
import multiprocessing
import os
import resource
import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

import dnp3.database as theirs
import numpy as np
from dnp3.datalink.frame import DataLinkFrame
from dnp3.datalink.parser import FrameParser as TheirParser
from dnp3.master import DefaultSOEHandler, Master, MasterConfig, MasterTcpRunner
from dnp3.outstation import Outstation, OutstationConfig, OutstationTcpRunner

from benchmarks.figures import Figure, console, rate, report
from drivers.dnp3.address import parse
from drivers.dnp3.codec.link import Frame, FrameParser, encode
from drivers.dnp3.codec.objects import PointType
from drivers.dnp3.config import Dnp3Device, Dnp3Tcp
from drivers.dnp3.driver import Dnp3Driver
from drivers.dnp3.lines import connect_tcp, listen_tcp
from drivers.dnp3.master import Association, MasterChannel, Measurements, operations
from drivers.dnp3.outstation import Database, OutstationServer, OutstationSettings
from hub import Point, PointSpec

POINTS, SECONDS, FLEET = 1000, 3.0, 100
KINDS = (PointType.AI, PointType.BI, PointType.CTR, PointType.BO)


def our_database(points: int) -> Database:
    each = points // len(KINDS)
    database = Database({kind: range(each) for kind in KINDS})
    for kind in KINDS:
        database.load(kind, np.arange(each) % 2, 0x01, 0)
    return database


async def finished(pipe: Connection) -> None:
    """Until the other process says so."""
    await asyncio.to_thread(pipe.recv)


async def serve_ours(pipe: Connection, points: int) -> None:
    settings = OutstationSettings(unsolicited=False)
    server = OutstationServer(settings, our_database(points))
    async with server.listen("127.0.0.1", 0) as port:
        pipe.send(port)
        await finished(pipe)


async def serve_theirs(pipe: Connection, points: int) -> None:
    each = points // len(KINDS)
    room = theirs.DatabaseConfig(each, each, each, each, each, each)
    database = theirs.Database(config=room)
    for n in range(each):
        database.add_analog_input(n, theirs.AnalogInputConfig())
        database.add_binary_input(n, theirs.BinaryInputConfig())
        database.add_counter(n, theirs.CounterConfig())
        database.add_binary_output(n, theirs.BinaryOutputConfig())
    outstation = Outstation(database=database, config=OutstationConfig(address=10))
    runner = OutstationTcpRunner(outstation=outstation, host="127.0.0.1", port=0)
    running = asyncio.ensure_future(runner.run())
    while runner.local_address is None:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.01)
    pipe.send(runner.local_address[1])
    await finished(pipe)
    running.cancel()


def _run(serve: Callable[[Connection, int], Any], pipe: Connection, points: int) -> None:
    asyncio.run(serve(pipe, points))


@contextlib.contextmanager
def outstation(serve: Callable[[Connection, int], Any], points: int = POINTS) -> Iterator[int]:
    """An outstation in a process of its own; yields its port."""
    context = multiprocessing.get_context("spawn")
    mine, its = context.Pipe()
    process = context.Process(target=_run, args=(serve, its, points), daemon=True)
    process.start()
    try:
        yield mine.recv()
    finally:
        mine.send(None)
        process.join(5)


@contextlib.asynccontextmanager
async def our_master(port: int) -> AsyncIterator[Association]:
    line = await connect_tcp("127.0.0.1", port, within=5)
    yield Association(MasterChannel(line), 10)
    line.close()


async def our_polls(port: int) -> float:
    async with our_master(port) as peer:
        seen = 0

        def count(reports: list[Any]) -> None:
            nonlocal seen
            seen += sum(len(r.columns) for r in reports if isinstance(r, Measurements))

        peer.on_reports = count
        polls, start = 0, time.perf_counter()
        while time.perf_counter() - start < SECONDS:
            await operations.integrity(peer)
            polls += 1
        assert seen == polls * POINTS
        return polls / (time.perf_counter() - start)


async def their_polls(port: int) -> float:
    handler = DefaultSOEHandler()
    master = Master(handler=handler, config=MasterConfig(address=1, outstation_address=10))
    async with MasterTcpRunner(master=master, host="127.0.0.1", port=port) as runner:
        polls, start = 0, time.perf_counter()
        while time.perf_counter() - start < SECONDS:
            await runner.integrity_poll()
            polls += 1
        assert len(handler.analog_inputs) == POINTS // len(KINDS)
        return polls / (time.perf_counter() - start)


def polls() -> list[Figure]:
    with outstation(serve_ours) as port:
        ours, others = asyncio.run(our_polls(port)), asyncio.run(their_polls(port))
    with outstation(serve_theirs) as port:
        on_theirs = asyncio.run(our_polls(port))
        both_theirs = asyncio.run(their_polls(port))
    return [
        Figure(
            name="master: integrity polls of 1,000 points",
            ours=ours,
            ceiling=others,
            unit="polls/s",
            against="dnp3py master, our outstation",
            goal=3,
        ),
        Figure(
            name="master: points of those polls",
            ours=ours * POINTS,
            ceiling=others * POINTS,
            unit="points/s",
            against="dnp3py master, our outstation",
            goal=3,
        ),
        Figure(
            name="outstation: asked by our master",
            ours=ours,
            ceiling=on_theirs,
            unit="polls/s",
            against="dnp3py outstation, our master",
        ),
        Figure(
            name="both ends ours",
            ours=ours,
            ceiling=both_theirs,
            unit="polls/s",
            against="both ends dnp3py",
            goal=3,
        ),
    ]


def frames() -> list[Figure]:
    """Link frames of 250 octets found and checked, and made."""
    frame = Frame(0x44, 1, 10, os.urandom(250))
    data = encode(frame) * 100
    decoded = TheirParser()
    sample = next(iter(decoded.feed(data)))
    assert isinstance(sample, DataLinkFrame)

    def decode() -> int:
        parser = FrameParser()
        return sum(len(parser.feed(data)) for _ in range(30))

    def their_decode() -> int:
        parser = TheirParser()
        return sum(len(list(parser.feed(data))) for _ in range(10))

    def make() -> int:
        for _ in range(3000):
            encode(frame)
        return 3000

    def their_make() -> int:
        for _ in range(1000):
            sample.to_bytes()
        return 1000

    return [
        Figure(
            name="decode frames of 250 octets",
            ours=rate(decode),
            ceiling=rate(their_decode),
            unit="frames/s",
            against="dnp3py",
        ),
        Figure(
            name="encode frames of 250 octets",
            ours=rate(make),
            ceiling=rate(their_make),
            unit="frames/s",
            against="dnp3py",
        ),
    ]


async def fleet() -> None:
    """One process, 100 outstations, one poll a second each; processor time of that process."""
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(outstation(serve_fleet, FLEET)) for _ in range(1)]
        lines = [await connect_tcp("127.0.0.1", ports[0], within=5) for _ in range(FLEET)]
        peers = [Association(MasterChannel(line), 10) for line in lines]
        before = resource.getrusage(resource.RUSAGE_SELF)
        start = time.perf_counter()

        async def one(peer: Association, shift: float) -> None:
            await asyncio.sleep(shift)
            while time.perf_counter() - start < SECONDS:
                await operations.integrity(peer)
                await asyncio.sleep(1.0)

        await asyncio.gather(*(one(peer, n / FLEET) for n, peer in enumerate(peers)))
        after = resource.getrusage(resource.RUSAGE_SELF)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        share = used / (time.perf_counter() - start)
        for line in lines:
            line.close()
    console.print(
        f"{FLEET} outstations of 100 points, 1 integrity poll/s each: {share:.1%} of a core"
    )


async def serve_fleet(pipe: Connection, count: int) -> None:
    """Many outstations behind one port: each connection is a device of its own."""
    kept = []

    def opened(line: Any) -> None:
        server = OutstationServer(OutstationSettings(unsolicited=False), our_database(100))
        server.attach(line)
        kept.append(server)

    listener = await listen_tcp("127.0.0.1", 0, opened)
    pipe.send(listener.sockets[0].getsockname()[1])
    await finished(pipe)
    listener.close()
    assert len(kept) == count


class Clock:
    """What the hub lends a driver: the time; nobody watches or warns."""

    def now(self) -> int:
        return time.time_ns() // 1000

    def wire(self, device: str, sent: bool, data: bytes, note: str = "") -> None: ...
    def warn(self, device: str, message: str) -> None: ...
    def clear(self, device: str) -> None: ...


async def latency() -> None:
    """From a change in the outstation to the batch that its session gives the hub, in one process.

    Reported unsolicited, and confirmed before the next change.
    """
    database = our_database(100)
    server = OutstationServer(OutstationSettings(), database)
    spec = PointSpec(name="v", address="ai:0")
    point = Point(id=1, key="rtu.v", device="rtu", spec=spec, address=parse(spec))
    async with server.listen("127.0.0.1", 0) as port:
        config = Dnp3Tcp(
            name="line", host="127.0.0.1", port=port, devices=(Dnp3Device(name="rtu"),)
        )
        async with Dnp3Driver(config, (point,), Clock()).open() as session:
            await session.startup()
            took = []
            stream = session.events()
            for n in range(2000):
                coming = asyncio.ensure_future(anext(stream))
                while len(server.outstation.events):  # noqa: ASYNC110 - confirmed without an event
                    await asyncio.sleep(0)
                begin = time.perf_counter()
                database.update(PointType.AI, 0, n + 2.0, time=n)
                assert (await coming).value[-1] == n + 2.0
                took.append(time.perf_counter() - begin)
            await stream.aclose()
    cuts = statistics.quantiles(took, n=100)
    console.print(
        f"event → hub: median {statistics.median(took) * 1e3:.2f} ms, p99 {cuts[98] * 1e3:.2f} ms"
    )


def main() -> None:
    report("DNP3", frames() + polls())
    asyncio.run(fleet())
    asyncio.run(latency())
