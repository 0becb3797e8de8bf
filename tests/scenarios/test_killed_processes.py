"""Gateway and centre are killed at random under load; the meters' own log is the judge."""

import asyncio
import itertools
import json
import random
from collections import defaultdict
from pathlib import Path

import psycopg
import pytest

from tests.scenarios import site

KILLS, DEVICES, REGISTERS, EVERY = 20, 6, 60, 0.1


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_what_the_buffer_acknowledged_is_stored_exactly_once_and_in_order(
    database: str, tmp_path: Path
) -> None:
    served, chance = tmp_path / "served.json", random.Random(11)
    acknowledged: dict[str, set[int]] = defaultdict(set)
    with site.counting_meters(DEVICES, REGISTERS, served) as ports:
        config = site.write_gateway(tmp_path, ports, REGISTERS, EVERY)
        port = site.free_port()
        centre = site.centre(tmp_path, database, port)
        gateway = site.gateway(tmp_path, config, port, site.free_port())
        await centre.start()
        await centre.ready(60)
        await gateway.start()
        await gateway.ready(30)
        buffer = tmp_path / "gateway" / "buffer.db"
        for _ in range(KILLS):
            await asyncio.sleep(chance.uniform(0.3, 1.2))
            victim = chance.choice((centre, gateway))
            await site.kill(victim)
            for key, values in site.on_disk(buffer).items():
                acknowledged[key].update(values)
            await victim.start()
            await victim.ready(60)
        await asyncio.sleep(1.5)
    counts = json.loads(served.read_text())
    for key, values in site.on_disk(buffer).items():
        acknowledged[key].update(values)
    total = sum(len(v) for v in acknowledged.values())

    async def all_there() -> bool:
        return await stored(database) >= total

    try:
        await site.until(all_there, 60)
    finally:
        await gateway.stop()
        await centre.stop()
    table = await by_point(database)
    assert {k: sorted(v) for k, v in table.items()} == {
        k: sorted(v) for k, v in site.on_disk(buffer).items()
    }, "the table holds exactly what the buffer's history holds, once"
    for key, values in table.items():
        assert acknowledged[key] <= set(values), f"{key}: acknowledged and lost"
        assert all(a < b for a, b in itertools.pairwise(values)), f"{key}: order"
        meter, register = key.split(".r")
        seen = counts[str(ports[int(meter.removeprefix("meter"))])][int(register)]
        assert values[-1] <= seen, f"{key}: a value that no meter gave"
    assert total > KILLS * DEVICES * REGISTERS


GOOD = """
    FROM reading JOIN scada_point p ON p.series = point_id
    JOIN scada_device d ON d.id = p.device_id WHERE quality = 0
"""


async def stored(dsn: str) -> int:
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        row = await (await connection.execute("SELECT count(*)" + GOOD)).fetchone()
        assert row is not None
        return int(row[0])


async def by_point(dsn: str) -> dict[str, list[int]]:
    """Values of every point in the order of their times."""
    found: dict[str, list[int]] = defaultdict(list)
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        rows = await connection.execute(
            "SELECT d.source_name || '.' || p.name, value" + GOOD + "ORDER BY time, value"
        )
        async for key, value in rows:
            found[key].append(int(value))
    return found
