"""What all tests share: an embedded PostgreSQL and the folder of outside data."""

import os
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
