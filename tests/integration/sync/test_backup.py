"""Backups of the centre's database, on both kinds of server."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psycopg
import pytest

from hub import Role
from hub.contract.errors import ConfigError
from hub.kernel import backup_files as files
from hub.kernel.backup import Place, restore, take
from hub.kernel.backup_files import BadBackup
from hub.kernel.migrate import required, upgrade
from hub.kernel.pgtools import find
from hub.kernel.registry import load
from hub.kernel.vault import AesVault, key_of

PLUGINS = tuple(load(Role.CENTRAL, modules=("hub.kernel.central",))[0].values())
PASSPHRASE = "twelve letters and more"
COUNT = 20_000


@pytest.fixture(params=["plain", "timescale"])
def server(request: pytest.FixtureRequest) -> str:
    """DSN of a superuser."""
    dsn: str = request.getfixturevalue("postgres" if request.param == "plain" else "timescale")
    return dsn


@pytest.fixture
def databases(server: str) -> Iterator[tuple[str, str]]:
    """DSNs of two empty databases of one server."""
    yield from empty(server)


def empty(server: str) -> Iterator[tuple[str, str]]:
    names = [f"b{os.urandom(6).hex()}" for _ in range(2)]
    with psycopg.connect(server, autocommit=True) as admin:
        for name in names:
            admin.execute(f'CREATE DATABASE "{name}"')
    one, two = (psycopg.conninfo.make_conninfo(server, dbname=n) for n in names)
    yield one, two
    with psycopg.connect(server, autocommit=True) as admin:
        for name in names:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def place(dsn: str, runtime: Path, key: str = "") -> Place:
    return Place(dsn=dsn, runtime=runtime, plugins=PLUGINS, key=key)


def fill(dsn: str, count: int = COUNT, at: int = 0) -> None:
    """Readings, one a minute."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO reading (point_id, time, value, quality) SELECT 1 + n %% 7,"
            " '2026-01-01Z'::timestamptz + n * interval '1 minute', sqrt(n), n %% 3"
            " FROM generate_series(%s::int, %s::int) n",
            (at, at + count - 1),
        )


def readings(dsn: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT * FROM reading ORDER BY time, point_id").fetchall()


def heads(dsn: str) -> set[str]:
    with psycopg.connect(dsn) as connection:
        return {row[0] for row in connection.execute("SELECT version_num FROM alembic_version")}


@pytest.fixture
def made(databases: tuple[str, str], tmp_path: Path) -> tuple[Place, Place, Path]:
    """A filled place, an empty one, and the backup of the first."""
    upgrade(databases[0], PLUGINS)
    fill(databases[0])
    here, there = (place(d, tmp_path / n) for d, n in zip(databases, ("a", "b"), strict=True))
    key_of("", here.runtime)
    folder, _ = take(here, tmp_path / "backups", PASSPHRASE)
    return here, there, folder


@pytest.fixture
def plain(postgres: str, tmp_path: Path) -> Iterator[tuple[Place, Place, Path]]:
    """As `made`, on PostgreSQL alone and with fewer readings."""
    for databases in empty(postgres):
        upgrade(databases[0], PLUGINS)
        fill(databases[0], 500)
        here, there = (place(d, tmp_path / n) for d, n in zip(databases, ("a", "b"), strict=True))
        key_of("", here.runtime)
        folder, _ = take(here, tmp_path / "backups", PASSPHRASE)
        yield here, there, folder


def test_a_restored_database_holds_the_same_readings_walls_and_keys(
    made: tuple[Place, Place, Path],
) -> None:
    here, there, folder = made
    sealed = AesVault(key_of("", here.runtime)).seal("secret", "somewhere")
    restore(there, folder, PASSPHRASE)
    assert readings(there.dsn) == readings(here.dsn)
    assert len(readings(there.dsn)) == COUNT
    assert heads(there.dsn) == heads(here.dsn) == required(PLUGINS)
    assert AesVault(key_of("", there.runtime)).unseal(sealed, "somewhere") == "secret"
    assert walls(there.dsn) == walls(here.dsn)
    fill(there.dsn, 10, at=COUNT)
    assert len(readings(there.dsn)) == COUNT + 10


def walls(dsn: str) -> list[tuple[object, ...]]:
    """Row-level security and what may be done to each table by whom."""
    with psycopg.connect(dsn) as connection:
        return connection.execute(
            "SELECT relname, relkind, relrowsecurity, relforcerowsecurity,"
            " (SELECT array_agg(polname::text ORDER BY polname) FROM pg_policy"
            "   WHERE polrelid = c.oid),"
            " has_table_privilege('busbar_app', c.oid, 'SELECT'),"
            " has_table_privilege('busbar_app', c.oid, 'INSERT'),"
            " has_table_privilege('busbar_app', c.oid, 'DELETE')"
            " FROM pg_class c WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'p') ORDER BY 1"
        ).fetchall()


def test_what_is_in_the_database_goes_only_when_told(made: tuple[Place, Place, Path]) -> None:
    here, there, folder = made
    fill(here.dsn, 5, at=COUNT)
    with pytest.raises(BadBackup, match="not empty"):
        restore(here, folder, PASSPHRASE)
    assert len(readings(here.dsn)) == COUNT + 5
    restore(here, folder, PASSPHRASE, replace=True)
    assert len(readings(here.dsn)) == COUNT
    with psycopg.connect(there.dsn) as connection:
        assert connection.execute("SELECT to_regclass('reading')").fetchone() == (None,)


def test_a_backup_under_load_is_one_moment(
    plain: tuple[Place, Place, Path], tmp_path: Path
) -> None:
    here, there, _ = plain
    ended, written = threading.Event(), []

    def write() -> None:
        while not ended.is_set():
            written.append(500 + 100 * len(written))
            fill(here.dsn, 100, at=written[-1])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while not written:
            ended.wait(0.01)
        folder, manifest = take(here, tmp_path / "loaded", PASSPHRASE)
    finally:
        ended.set()
        writer.join()
    restore(there, folder, PASSPHRASE)
    found = readings(there.dsn)
    assert len(found) == manifest.rows["reading"] < len(readings(here.dsn))
    assert len(found) % 100 == 0, "whole transactions"
    assert found == readings(here.dsn)[: len(found)]


@pytest.mark.parametrize("name", [files.DUMP, files.KEYS, files.MANIFEST])
@pytest.mark.parametrize("harm", ["flipped", "truncated", "missing"])
def test_a_damaged_backup_is_refused_and_touches_nothing(
    plain: tuple[Place, Place, Path], name: str, harm: str
) -> None:
    here, _, folder = plain
    path = folder / name
    data = bytearray(path.read_bytes())
    if harm == "flipped":
        data[len(data) // 2] ^= 1
    path.write_bytes(data if harm == "flipped" else data[: len(data) // 2])
    if harm == "missing":
        path.unlink()
    with pytest.raises(BadBackup):
        restore(here, folder, PASSPHRASE, replace=True)
    assert len(readings(here.dsn)) == 500


def test_a_manifest_that_was_altered_is_refused(plain: tuple[Place, Place, Path]) -> None:
    _, there, folder = plain
    path = folder / files.MANIFEST
    document = msgspec.json.decode(path.read_bytes())
    document["manifest"]["rows"]["reading"] += 1
    path.write_bytes(msgspec.json.encode(document))
    with pytest.raises(BadBackup, match="checksum"):
        restore(there, folder, PASSPHRASE)


def test_an_older_schema_is_migrated_after_the_restore(postgres: str, tmp_path: Path) -> None:
    for one, two in empty(postgres):
        upgrade(one, PLUGINS, "scada_0003")
        old = heads(one)
        folder, manifest = take(place(one, tmp_path / "a"), tmp_path / "backups")
        assert old != required(PLUGINS)
        assert set(manifest.revisions) == old
        restore(place(two, tmp_path / "b"), folder)
        assert heads(two) == required(PLUGINS)


def test_a_newer_schema_is_refused(plain: tuple[Place, Place, Path], tmp_path: Path) -> None:
    here, there, _ = plain
    with psycopg.connect(here.dsn) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'scada_9999'"
                           " WHERE version_num LIKE 'scada%'")  # fmt: skip
    folder, _ = take(here, tmp_path / "newer", PASSPHRASE)
    with pytest.raises(BadBackup, match="scada_9999"):
        restore(there, folder, PASSPHRASE)


def test_secrets_that_would_not_open_stop_a_restore(plain: tuple[Place, Place, Path]) -> None:
    here, there, folder = plain
    with pytest.raises(BadBackup, match="passphrase is another"):
        restore(there, folder, "some other passphrase")
    with pytest.raises(BadBackup, match="--passphrase-file"):
        restore(there, folder)
    with pytest.raises(BadBackup, match="put back"):
        restore(
            place(there.dsn, there.runtime, "another key of thirty-two letters!"),
            folder,
            PASSPHRASE,
        )
    restore(there, folder, keyless=True)
    assert readings(there.dsn) == readings(here.dsn)


def test_the_database_must_not_be_in_use(plain: tuple[Place, Place, Path]) -> None:
    _, there, folder = plain
    with psycopg.connect(there.dsn), pytest.raises(BadBackup, match="stop the centre"):
        restore(there, folder, PASSPHRASE)


def test_an_owner_who_does_not_see_all_rows_is_told_so(
    plain: tuple[Place, Place, Path], tmp_path: Path
) -> None:
    here, _, _ = plain
    role = f"r{os.urandom(4).hex()}"
    with psycopg.connect(here.dsn, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN")
        try:
            dsn = psycopg.conninfo.make_conninfo(here.dsn, user=role)
            with pytest.raises(ConfigError, match="BYPASSRLS"):
                take(place(dsn, tmp_path), tmp_path / "none")
        finally:
            admin.execute(f"DROP ROLE {role}")
    assert list((tmp_path / "none").iterdir()) == [], "nothing half-done stays"


def test_a_missing_tool_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="pg_dump of PostgreSQL 99 or newer"):
        find("pg_dump", 99)
    with pytest.raises(ConfigError, match=r"versions found: none"):
        find("pg_dump", 1, tmp_path)
    program, major = find("pg_dump", 18)
    assert (program.name, major) == ("pg_dump", 18)
