"""The ledger in a file: between tasks, between processes, through a kill."""

import asyncio
import sys
from pathlib import Path

import pytest
from msgspec import structs

from drivers.sts.errors import NoIdentifier
from drivers.sts.ledger import MemoryLedger, Reservation, SqliteLedger
from hub import Conflict

WANTED = Reservation(
    pan="600727000000000009", base=2014, transaction="T1", fingerprint="a", tid=100, random=7
)
CHILD = """
import asyncio, sys
from pathlib import Path
from drivers.sts.ledger import Reservation, SqliteLedger

async def main(path, name):
    async with SqliteLedger.open(Path(path)) as ledger:
        for n in range(10_000):
            made = await ledger.reserve(Reservation(
                pan="600727000000000009", base=2014, transaction=f"{name}-{n}",
                fingerprint="a", tid=100, random=0))
            print(made.transaction, made.tid, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_reservation_is_found_again_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    async with SqliteLedger.open(path) as ledger:
        first = await ledger.reserve(WANTED)
    async with SqliteLedger.open(path) as ledger:
        later = structs.replace(WANTED, tid=5000, random=1)
        assert await ledger.reserve(later) == first
        other = structs.replace(WANTED, transaction="T2")
        assert (await ledger.reserve(other)).tid == 101
        with pytest.raises(Conflict):
            await ledger.reserve(structs.replace(WANTED, fingerprint="b"))


async def test_a_refused_reservation_is_not_kept(tmp_path: Path) -> None:
    async with SqliteLedger.open(tmp_path / "ledger.db") as ledger:
        with pytest.raises(NoIdentifier):
            await ledger.reserve(WANTED, limit=50)
        assert (await ledger.reserve(structs.replace(WANTED, tid=7))).tid == 7


async def test_tasks_that_race_get_different_identifiers(tmp_path: Path) -> None:
    async with SqliteLedger.open(tmp_path / "ledger.db") as ledger:
        wanted = [structs.replace(WANTED, transaction=f"T{n}") for n in range(50)]
        made = await asyncio.gather(*(ledger.reserve(each) for each in wanted * 2))
    assert sorted({each.tid for each in made if each.tid}) == list(range(100, 150))
    assert made[:50] == made[50:]


async def test_both_ledgers_give_the_same_answers(tmp_path: Path) -> None:
    steps = [
        WANTED,
        structs.replace(WANTED, transaction="T2", tid=1441),
        structs.replace(WANTED, transaction="T3", tid=3),
        structs.replace(WANTED, transaction="T4", base=2035, tid=3),
        structs.replace(WANTED, transaction="T5", tid=None),
        WANTED,
    ]
    memory = MemoryLedger()
    async with SqliteLedger.open(tmp_path / "ledger.db") as ledger:
        for step in steps:
            assert await ledger.reserve(step) == await memory.reserve(step)


async def test_two_processes_one_of_them_killed_never_share_an_identifier(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    children = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", CHILD, str(path), name, stdout=asyncio.subprocess.PIPE
        )
        for name in ("a", "b")
    ]
    written = ["", ""]
    try:
        for _ in range(15):
            for n, child in enumerate(children):
                assert child.stdout
                async with asyncio.timeout(60):
                    written[n] += (await child.stdout.readline()).decode()
    finally:
        for child in children:
            child.kill()
    for n, child in enumerate(children):
        written[n] += (await child.communicate())[0].decode()
    # The last line of a killed process may be cut.
    lines = [line.split() for text in written for line in text.split("\n")[:-1]]
    seen = [line for line in lines if len(line) == 2]
    assert len(seen) > 20
    tids = [tid for _, tid in seen]
    assert len(set(tids)) == len(tids)
    async with SqliteLedger.open(path) as ledger:
        for name, tid in seen[:: len(seen) // 20]:
            kept = await ledger.reserve(structs.replace(WANTED, transaction=name, random=0))
            assert kept.tid == int(tid)
