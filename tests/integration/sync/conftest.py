"""A file system of 2 MB, and a centre on both kinds of database."""

import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from hub import ReadingBatch
from tests.integration.sync.parts import Centre, make_batch, migrate, open_centre
from tests.tools import timescale as timescale_server


@pytest.fixture
def batch() -> Callable[..., ReadingBatch]:
    return make_batch


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A mounted file system of 2 MB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "busbar-test", folder],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip(f"cannot mount a tmpfs here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture(params=["plain", "timescale"])
def prepared(request: pytest.FixtureRequest) -> str:
    """DSN of a migrated database, of either kind."""
    name = "database" if request.param == "plain" else "timescale_database"
    dsn: str = request.getfixturevalue(name)
    migrate(dsn)
    return dsn


@pytest.fixture
async def centre(prepared: str) -> AsyncIterator[Centre]:
    async with open_centre(prepared) as centre:
        yield centre


@pytest.fixture
async def plain_centre(database: str) -> AsyncIterator[Centre]:
    migrate(database)
    async with open_centre(database) as centre:
        yield centre


@pytest.fixture(scope="session")
def timescale() -> Iterator[str]:
    """DSN of a real TimescaleDB of this test session."""
    with tempfile.TemporaryDirectory(prefix="busbar-timescale-") as folder:
        try:
            server = timescale_server.start(Path(folder))
        except timescale_server.Unavailable as reason:
            if os.environ.get("BUSBAR_REQUIRE_PEERS"):
                pytest.fail(str(reason))
            pytest.skip(str(reason))
        yield server.dsn
        server.stop()


@pytest.fixture
def timescale_database(timescale: str) -> Iterator[str]:
    """DSN of an empty database with the extension at hand."""
    name = f"t{os.urandom(6).hex()}"
    with psycopg.connect(timescale, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
    yield psycopg.conninfo.make_conninfo(timescale, dbname=name)
    with psycopg.connect(timescale, autocommit=True) as admin:
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
