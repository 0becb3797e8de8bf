"""Exactly once while both sides are killed, links hang and answers are lost."""

import asyncio
import contextlib
import itertools
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from sync.buffer import Buffer
from tests.integration.sync.parts import Centre
from tests.integration.sync.test_uplink import acknowledged, fill, served, times, uplink

KILLS = 22
HERE = "tests.integration.sync"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def at_work(log: Path) -> None:
    """Wait until the producer has something acknowledged that it had not before."""
    before = log.read_text().count("f ") if log.exists() else 0
    async with asyncio.timeout(20):
        while not log.exists() or log.read_text().count("f ") == before:
            await asyncio.sleep(0.02)


class Process:
    """A child that is started again after each kill."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._command = (sys.executable, "-m", f"{HERE}.{module}", *arguments)
        self._running: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._running = await asyncio.create_subprocess_exec(
            *self._command, stdout=asyncio.subprocess.DEVNULL
        )

    async def kill(self) -> None:
        assert self._running
        with contextlib.suppress(ProcessLookupError):
            self._running.send_signal(signal.SIGKILL)
        await self._running.wait()

    async def ended(self, timeout: float) -> int:
        assert self._running
        return await asyncio.wait_for(self._running.wait(), timeout)


def told(log: Path) -> tuple[int, int]:
    """What the producer's own log says: all that was queued, and all that was acknowledged."""
    lines = [line.split() for line in log.read_text().split("\n")[:-1]]
    queued = max(int(line[1]) + int(line[2]) for line in lines if line[0] == "q")
    return queued, max(int(line[1]) for line in lines if line[0] == "f")


@pytest.mark.slow
async def test_nothing_is_lost_or_doubled_when_both_sides_are_killed_at_random(
    plain_centre: Centre, tmp_path: Path
) -> None:
    log, port, chance = tmp_path / "producer.log", free_port(), random.Random(7)
    gateway = Process(
        "kill_gateway", str(tmp_path / "b.db"), str(log), f"http://127.0.0.1:{port}",
        plain_centre.key,
    )  # fmt: skip
    centre = Process("kill_centre", plain_centre.dsn, str(port))
    both = (gateway, centre)
    acknowledged_before: list[tuple[int, int]] = []
    await asyncio.gather(*(one.start() for one in both))
    try:
        for _ in range(KILLS):
            await at_work(log)
            await asyncio.sleep(chance.uniform(0, 0.8))
            victim = chance.choice(both)
            await victim.kill()
            if victim is gateway:
                acknowledged_before.append(told(log))
            await victim.start()
        await asyncio.sleep(2)
        log.with_suffix(".stop").touch()
        assert await gateway.ended(30) == 0
    finally:
        for one in both:
            await one.kill()
    queued, flushed = told(log)
    found = await times(plain_centre)
    assert queued == flushed
    assert len(np.unique(found)) == len(found), "doubled"
    assert found.max() < queued
    missing = np.setdiff1d(np.arange(queued), found)
    for gone in missing.tolist():  # only what was queued but not acknowledged before a kill
        assert any(sure <= gone < all_ for all_, sure in acknowledged_before), f"{gone} lost"
    uploads = await plain_centre.rows(
        "SELECT min(time), max(time) FROM reading GROUP BY xmin ORDER BY xmin::text::bigint"
    )
    assert all(done[1] < following[0] for done, following in itertools.pairwise(uploads)), "order"
    assert len(acknowledged_before) >= 5


class Proxy:
    """Between gateway and centre; can stop moving bytes, or swallow answers."""

    def __init__(self, target: int) -> None:
        self.target, self.frozen, self.swallow = target, asyncio.Event(), False
        self._writers: set[asyncio.StreamWriter] = set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[int]:
        self.frozen.set()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            self.reset()
            server.close()

    def reset(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        self._writers |= {writer, back}
        with contextlib.suppress(OSError):
            await asyncio.gather(
                self._pump(reader, back, answers=False), self._pump(there, writer, answers=True)
            )
        self._writers -= {writer, back}

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        while data := await source.read(1 << 16):
            await self.frozen.wait()
            if answers and self.swallow:
                self.swallow = False
                self.reset()
                return
            sink.write(data)
            await sink.drain()
        sink.close()


async def test_a_lost_answer_is_a_duplicate_at_the_centre_and_no_second_row(
    plain_centre: Centre, tmp_path: Path
) -> None:
    async with Buffer.opened(tmp_path / "b.db") as buffer, served(plain_centre) as port:
        proxy = Proxy(port)
        async with proxy.running() as front, uplink(buffer, front, plain_centre.key):
            await fill(buffer, 1_000)
            await acknowledged(buffer)
            for at in range(1_000, 6_000, 1_000):
                proxy.swallow = True
                await fill(buffer, 1_000, at)
                await acknowledged(buffer)
    assert np.array_equal(await times(plain_centre), np.arange(6_000))
    ((duplicates,),) = await plain_centre.rows(
        "SELECT sum(duplicates)::int FROM sync_cursor WHERE stream = 'telemetry'"
    )
    assert duplicates >= 4


@pytest.mark.slow
async def test_a_link_that_is_half_open_for_45_s_is_noticed_and_nothing_is_lost(
    plain_centre: Centre, tmp_path: Path
) -> None:
    async with Buffer.opened(tmp_path / "b.db") as buffer, served(plain_centre) as port:
        proxy = Proxy(port)
        async with proxy.running() as front, uplink(buffer, front, plain_centre.key) as link:
            await fill(buffer, 1_000)
            await acknowledged(buffer)
            proxy.frozen.clear()
            for at in range(1_000, 46_000, 1_000):
                await fill(buffer, 1_000, at)
                await asyncio.sleep(1.0)
            assert not link.online
            proxy.reset()
            proxy.frozen.set()
            await acknowledged(buffer, 5.0)
    assert np.array_equal(await times(plain_centre), np.arange(46_000))


async def test_booted_while_the_centre_is_away_and_killed_twice(
    plain_centre: Centre, tmp_path: Path
) -> None:
    log, port = tmp_path / "producer.log", free_port()
    gateway = Process(
        "kill_gateway", str(tmp_path / "b.db"), str(log), f"http://127.0.0.1:{port}",
        plain_centre.key,
    )  # fmt: skip
    sure = []
    for _ in range(2):
        await gateway.start()
        await at_work(log)
        await asyncio.sleep(0.5)
        await gateway.kill()
        sure.append(told(log))
    log.with_suffix(".stop").touch()
    async with served(plain_centre, port):
        await gateway.start()
        assert await gateway.ended(20) == 0
    found = await times(plain_centre)
    assert len(np.unique(found)) == len(found)
    missing = np.setdiff1d(np.arange(told(log)[0]), found)
    assert all(any(low <= gone < high for high, low in sure) for gone in missing.tolist())
    assert len(found) >= sure[1][1] - (sure[0][0] - sure[0][1])
