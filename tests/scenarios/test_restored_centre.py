"""The centre is lost and comes back from an old backup; the gateways' history fills the rest."""

import asyncio
import itertools
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest

from tests.scenarios import site
from tests.scenarios.client import signed_in
from tests.scenarios.test_killed_processes import by_point, stored

DEVICES, REGISTERS, EVERY = 4, 30, 0.1
PASSPHRASE = "a passphrase of the scenario"


@pytest.fixture
def second(postgres: str) -> Iterator[str]:
    """DSN of another empty database."""
    name = f"t{os.urandom(6).hex()}"
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
    yield psycopg.conninfo.make_conninfo(postgres, dbname=name)
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


async def busbar(env: Mapping[str, str], *args: str) -> str:
    """Run a command; what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hub.cli", *args, env={**os.environ, **env},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    return out.decode()


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_after_a_restore_gateways_refill_what_the_backup_did_not_have(
    database: str, second: str, tmp_path: Path
) -> None:
    secret, runtime = tmp_path / "passphrase", tmp_path / "central"
    secret.write_text(PASSPHRASE)
    env = {
        **site.compiled(tmp_path),
        "BUSBAR_BACKUP_PASSPHRASE_FILE": str(secret),
        "BUSBAR_SITE__RUNTIME_ROOT": str(runtime),
    }
    with site.counting_meters(DEVICES, REGISTERS, tmp_path / "served.json") as ports:
        config = site.write_gateway(tmp_path, ports, REGISTERS, EVERY)
        port = site.free_port()
        centre = site.centre(tmp_path, database, port)
        gateway = site.gateway(tmp_path, config, port, site.free_port())
        try:
            await centre.start()
            administrator = (await centre.ready(60))["administrator"]
            await gateway.start()
            await gateway.ready(30)
            await site.until(lambda: more_than(database, 2_000), 30)
            told = await busbar({**env, "DATABASE_URL": database}, "backup", str(tmp_path / "b"))
            (backup,) = (tmp_path / "b").iterdir()
            assert str(backup) in told
            at_backup = await stored(database)
            await site.until(lambda: more_than(database, at_backup + 2_000), 30)
            await site.kill(centre)
            runtime.rename(tmp_path / "lost")
            told = await busbar({**env, "DATABASE_URL": second}, "restore", str(backup))
            assert "restored" in told
            restored = await stored(second)
            assert 2_000 <= restored <= at_backup
            centre = site.centre(tmp_path, second, port)
            await centre.start()
            facts = await centre.ready(60)
            assert "administrator" not in facts, "accounts came with the backup"
            async with signed_in(facts["address"], administrator) as person:
                assert len(await person.all("scada/points")) == DEVICES * REGISTERS
            await site.until(lambda: more_than(second, at_backup + 4_000), 60)
        finally:
            await gateway.stop()
            found = site.on_disk(tmp_path / "gateway" / "buffer.db")
            await centre.stop()
    table = await by_point(second)
    assert sorted(table) == sorted(found)
    for key, values in table.items():
        assert values == sorted(found[key])[: len(values)], f"{key}: lost or doubled"
        assert all(a < b for a, b in itertools.pairwise(values)), f"{key}: order"


async def more_than(dsn: str, rows: int) -> bool:
    return await stored(dsn) > rows
