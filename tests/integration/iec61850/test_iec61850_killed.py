"""A gateway that is killed: what the IED reported meanwhile, and nothing twice, reaches its log."""

import asyncio
import contextlib
import random
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from drivers.iec61850.mms.data import Bits
from drivers.iec61850.mms.pdu import ObjectName
from hub import Stream
from simulators.iec61850 import SimulatedIed
from sync import frames
from tests.integration.iec61850.peer import Peer
from tests.waiting import until

AT = 1_700_000_000_000_000
BLOCK = ObjectName("LLN0$BR$brcbPosition01", "BAY1CTRL")
CONFIG = """
[gateway]
name = "g1"
data_dir = "{folder}/gateway"
[api]
port = 0
[buffer]
commit_ms = 50
[[channels]]
driver = "iec61850"
name = "bay"
host = "127.0.0.1"
port = {port}
backoff = {{ first = 0.05, last = 0.1 }}
[[channels.devices]]
name = "bay"
ied = "BAY1"
points = [ {{ name = "position", address = "CTRL/XCBR1.Pos.stVal[ST]", kind = "double" }} ]
"""


class Killed:
    """A gateway in a process of its own, and what is on its disk."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._file = folder / "gateway.toml"
        self._file.write_text(CONFIG.format(folder=folder, port=port))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Ends by SIGKILL."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hub.cli", "gateway", "-c", str(self._file)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            yield
        finally:
            process.kill()
            await process.wait()

    def events(self) -> list[int]:
        """Device times of the reported moves, in the order of the log."""
        query = "SELECT bytes FROM frame WHERE stream = ? AND kind = ? ORDER BY seq"
        arguments = (Stream.EVENTS, frames.FrameKind.READINGS)
        found = self._ask("buffer.db", query, *arguments)
        batches = [frames.readings(frames.decode(octets)) for (octets,) in found]
        return [when for batch in batches for when in batch.time.tolist()]

    def kept(self) -> bytes:
        """The entry behind which the next gateway resumes."""
        found = dict(self._ask("state.db", "SELECT key, value FROM fact WHERE kind = 'driver'"))
        return next((value for key, value in found.items() if key.endswith(str(BLOCK))), b"")

    async def holds(self, count: int) -> None:
        """Wait until so many moves are on disk."""
        await until(lambda: len(self.events()) >= count, 40)

    async def keeps(self, entry: bytes) -> None:
        await until(lambda: self.kept() == entry)

    def _ask(self, file: str, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        path = self._folder / "gateway" / file
        with contextlib.suppress(sqlite3.OperationalError):
            address = f"{path.as_uri()}?mode=ro"
            with contextlib.closing(sqlite3.connect(address, uri=True, timeout=5)) as database:
                return database.execute(query, arguments).fetchall()
        return []


def move(ied: SimulatedIed, n: int) -> None:
    ied.data.set("CTRL/XCBR1.Pos.stVal", Bits(1 + n % 2, 2), at=AT + n)


async def test_exactly_the_missed_events_arrive_after_a_kill(tmp_path: Path) -> None:
    ied = SimulatedIed()
    async with ied.serve() as port:
        gateway, told = Killed(tmp_path, port), 0
        for _ in range(3):
            async with gateway.running():
                await until(lambda: ied.blocks[BLOCK].values["RptEna"], 40)
                for _ in range(5):
                    told += 1
                    move(ied, told)
                await gateway.holds(told)
                await gateway.keeps(ied.blocks[BLOCK].newest)
            for _ in range(7):
                told += 1
                move(ied, told)
        async with gateway.running():
            await gateway.holds(told)
            await asyncio.sleep(0.3)
    assert gateway.events() == [AT + n for n in range(1, told + 1)]


async def test_killed_at_any_moment_nothing_is_lost_and_no_entry_is_ahead_of_its_readings(
    tmp_path: Path,
) -> None:
    ied, chance = SimulatedIed(), random.Random(61850)
    entries: dict[bytes, int] = {}
    async with ied.serve() as port:
        gateway, told, repeated = Killed(tmp_path, port), 0, 0
        for _ in range(3):
            async with gateway.running():
                await until(lambda: ied.blocks[BLOCK].values["RptEna"], 40)
                async with asyncio.timeout(40):
                    for _ in range(chance.randint(100, 300)):
                        told += 1
                        move(ied, told)
                        entries[ied.blocks[BLOCK].newest] = told
                        await asyncio.sleep(0.005)
            stored, entry = gateway.events(), gateway.kept()
            kept = max((n for known, n in entries.items() if known <= entry), default=0)
            assert set(stored) >= {AT + n for n in range(1, kept + 1)}
            repeated += sum(1 for when in set(stored) if when > AT + kept)
        async with gateway.running():
            await until(lambda: set(gateway.events()) == {AT + n for n in range(1, told + 1)}, 40)
            await asyncio.sleep(0.3)
    assert len(gateway.events()) - told <= repeated


async def test_a_kill_between_reports_of_libiec61850_loses_none(
    libiec61850: Peer, tmp_path: Path
) -> None:
    gateway = Killed(tmp_path, libiec61850.port)
    told: list[int] = []

    async def moves(count: int) -> None:
        for _ in range(count):
            n = len(told) + 1
            told.append(AT + n * 1000)
            position, at = 1 + n % 2, AT // 1000 + n
            await libiec61850.tell(f"dbpos CTRL/XCBR1.Pos.stVal {position} {at}")

    for _ in range(2):
        async with gateway.running():
            await until(gateway.kept, 40)
            before = gateway.kept()
            await moves(3)
            await gateway.holds(len(told))
            await until(lambda before=before: gateway.kept() != before)
            await asyncio.sleep(1.2)
        await moves(4)
    async with gateway.running():
        await gateway.holds(len(told))
        await asyncio.sleep(0.3)
    assert gateway.events() == told
