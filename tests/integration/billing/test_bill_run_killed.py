"""Bill runs whose processes die at random moments: no bill is doubled, no number is missing."""

import asyncio
import random
import sys
from pathlib import Path

from tests.integration.billing import biller, fleet

ROOT = Path(__file__).parents[3]


async def killed(dsn, tenant, run, after):
    """Whether the process ended by itself before it was killed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, biller.__file__, dsn, str(tenant), str(run),
        stdout=asyncio.subprocess.PIPE, cwd=ROOT, env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    await process.stdout.readline()
    try:
        await asyncio.wait_for(process.wait(), after)
    except TimeoutError:
        process.kill()
        await process.wait()
    return process.returncode == 0


async def test_a_run_killed_again_and_again_bills_everybody_once(office, migrated):
    """Two processes work on the same run, and both are killed ten times."""
    async with office() as ctx:
        await fleet.fill(ctx, 400)
    run = await office.select("2028-02-01")
    chance = random.Random(8)
    kills = issued = 0
    while kills < 10 or not issued:
        pair = (killed(migrated, office.tenant, run, chance.uniform(0.02, 0.2)) for _ in range(2))
        ended = await asyncio.gather(*pair)
        assert not any(ended), "too few customers for so many kills"
        kills += len(ended)
        (count,) = await office.sql("SELECT count(*) AS many FROM billing_invoice")
        issued = count.many
    assert await killed(migrated, office.tenant, run, 60)
    rows = await office.sql("SELECT agreement_id, number FROM billing_invoice ORDER BY number")
    assert [r.number for r in rows] == list(range(1, 401))
    assert len({r.agreement_id for r in rows}) == 400
    await office.sound()
    assert await office.bill("2028-02-01") == {}
