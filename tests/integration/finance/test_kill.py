"""Processes that die while they post leave neither gaps nor doubles."""

import asyncio
import random
import sys
from collections import Counter
from pathlib import Path

from plugins.finance.proof import prove
from tests.integration.finance import poster

ROOT = Path(__file__).parents[3]


async def killed(dsn, tenant, prefix, after):
    """Keys that a process told as posted before SIGKILL, at a random moment."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, poster.__file__, dsn, str(tenant), prefix,
        stdout=asyncio.subprocess.PIPE, cwd=ROOT, env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None
    told = [await process.stdout.readline()]
    await asyncio.sleep(after)
    process.kill()
    rest, _ = await process.communicate()
    return [line.decode() for line in (told[0] + rest).split(b"\n")[:-1]]


async def test_twelve_kills_in_the_middle_of_posting_lose_and_double_nothing(books, migrated):
    chance = random.Random(12)
    told = []
    for pair in range(6):
        both = (
            killed(migrated, books.tenant, f"p{pair}{side}", chance.uniform(0.01, 0.25))
            for side in "xy"
        )
        told += [key for keys in await asyncio.gather(*both) for key in keys]
    await books.sql("SELECT 1 FROM finance_series FOR UPDATE")  # whoever still held it has let go
    rows = await books.sql("SELECT number, key FROM finance_entry ORDER BY number")
    assert [r.number for r in rows] == list(range(1, len(rows) + 1))
    assert set(told) <= {r.key for r in rows}
    assert max(Counter(told).values()) == 1
    assert len(told) >= 12
    async with books() as ctx:
        assert (await prove(ctx)).faults == {}
