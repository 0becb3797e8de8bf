"""Backup and restore of the centre's database.

pg_dump and the count of all rows look at one snapshot, so their agreement after a restore is exact,
however busy the centre is meanwhile. A restore is one transaction: it is there whole or not at all.
"""

import datetime as dt
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
from alembic.script import ScriptDirectory
from psycopg.sql import SQL, Identifier

from hub.contract.errors import ConfigError
from hub.contract.plugin import Plugin

from . import backup_files as files
from . import migrate, pgtools
from .backup_files import BadBackup, Manifest
from .database import APP, SYSTEM

Connection = psycopg.Connection[Any]

_TABLES = """
SELECT c.relname FROM pg_class c
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
   AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'e')
 ORDER BY 1
"""
_SESSIONS = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
   AND pid <> pg_backend_pid() AND coalesce(backend_type, 'client backend') = 'client backend'
"""
# The dump says what each role may do, but not what it may not: tables must begin with no rights.
_NO_RIGHTS = f"""
ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON TABLES FROM {APP}, {SYSTEM};
ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON SEQUENCES FROM {APP}, {SYSTEM};
"""
_EXTENSION = "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A centre as backup and restore see it.

    dsn: of the owner. runtime: folder of the keys. key: of the settings, or "". tools: folder of
    pg_dump and pg_restore, if they are not to be looked for.
    """

    dsn: str
    runtime: Path
    plugins: Sequence[Plugin]
    key: str = ""
    tools: Path | None = None

    def fingerprint(self) -> str:
        """Of the key in force; "" when none was ever made."""
        path = self.runtime / "encryption.key"
        key = self.key or (path.read_text().strip() if path.exists() else "")
        return files.fingerprint(key.encode()) if key else ""


def take(place: Place, into: Path, passphrase: str = "") -> tuple[Path, Manifest]:
    """Make a new folder inside `into`; it has its name only once it is complete. Blocking.

    Raises ConfigError when something is missing, ToolFailed, psycopg.Error.
    """
    now = dt.datetime.now(dt.UTC)
    into.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".partial-", dir=into))
    try:
        manifest = _fill(place, work, now, passphrase)
        files.write_manifest(work, manifest)
        done = into / f"busbar-{now:%Y%m%dT%H%M%S}-{now.microsecond:06}Z"
        work.rename(done)
        _sync(into)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    return done, manifest


def _fill(place: Place, work: Path, now: dt.datetime, passphrase: str) -> Manifest:
    keys = files.keys_in(place.runtime) if passphrase else {}
    if keys:
        files.seal_keys(work / files.KEYS, keys, passphrase)
    with psycopg.connect(place.dsn) as connection:
        connection.execute("SET idle_in_transaction_session_timeout = 0")
        connection.commit()
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        _see_all(connection)
        major = connection.info.server_version // 10_000
        program, tools = pgtools.find("pg_dump", major, place.tools)
        snapshot = _one(connection, "SELECT pg_export_snapshot()")
        dump = work / files.DUMP
        dump.touch(mode=0o600)
        options = ("--format=custom", "--no-owner", "--no-comments", f"--snapshot={snapshot}")
        pgtools.run(program, place.dsn, *options, f"--file={dump}")
        with dump.open("rb") as written:
            os.fsync(written.fileno())
        return Manifest(
            made_at=now,
            busbar=version("busbar"),
            postgres=major,
            tools=tools,
            timescaledb=_one(connection, _EXTENSION) or "",
            revisions=_revisions(connection),
            rows=_rows(connection),
            files={p.name: files.describe(p) for p in sorted(work.iterdir())},
            key=place.fingerprint(),
        )


def restore(
    place: Place,
    folder: Path,
    passphrase: str = "",
    *,
    replace: bool = False,
    keyless: bool = False,
) -> Manifest:
    """Put a backup into the database, check it, migrate it. Blocking.

    replace: whatever is in the database goes. keyless: go on though sealed secrets will not open.
    Raises BadBackup or ConfigError before anything is touched.
    """
    manifest = files.read_manifest(folder)
    _known(place, manifest)
    keys = _keys(place, folder, manifest, passphrase, replace=replace, keyless=keyless)
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        _see_all(connection)
        program = _fitting(place, connection, manifest)
        if sessions := _one(connection, _SESSIONS):
            raise BadBackup(f"{sessions} other sessions use the database: stop the centre first")
        if tables := connection.execute(_TABLES).fetchall():
            if not replace:
                raise BadBackup(
                    f"the database is not empty ({len(tables)} tables): give an empty one,"
                    " or --replace to lose what is in it"
                )
            _clear(connection)
    files.place_keys(place.runtime, keys)
    _load(place.dsn, program, folder / files.DUMP, manifest)
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        found = _rows(connection)
        connection.execute("ANALYZE")
    if found != manifest.rows:
        differ = {t for t, _ in found.items() ^ manifest.rows.items()}
        raise BadBackup(f"rows differ from the manifest in {', '.join(sorted(differ))}")
    migrate.upgrade(place.dsn, place.plugins)
    return manifest


def _known(place: Place, manifest: Manifest) -> None:
    """Refuse a schema that the installed version cannot have made."""
    script = ScriptDirectory.from_config(migrate.config(place.plugins))
    known = {revision.revision for revision in script.walk_revisions()}
    present = {"hub", *(p.name for p in place.plugins)}
    newer = [r for r in manifest.revisions if r not in known and r.rpartition("_")[0] in present]
    if newer:
        raise BadBackup(
            f"the backup is of Busbar {manifest.busbar}, whose schema is newer"
            f" ({', '.join(newer)}): install that version or a later one"
        )


def _keys(
    place: Place, folder: Path, manifest: Manifest, passphrase: str, *, replace: bool, keyless: bool
) -> dict[str, str]:
    """The keys to put in place, once it is certain that sealed secrets will open."""
    kept, here = files.KEYS in manifest.files, place.fingerprint()
    keys = files.open_keys(folder / files.KEYS, passphrase) if kept and passphrase else {}
    if place.key:
        keys.pop("encryption.key", None)
    brought = keys.get("encryption.key", "").strip()
    if brought and here and here != manifest.key and not replace:
        raise BadBackup(f"{place.runtime} has another encryption.key: --replace puts it aside")
    then = files.fingerprint(brought.encode()) if brought else here
    if manifest.key and then != manifest.key and not keyless:
        raise BadBackup(
            "sealed secrets will not open with the key of this place: "
            + ("give --passphrase-file for the keys of the backup" if kept and not passphrase
               else f"put back auth.encryption_key or {place.runtime}/encryption.key")
            + ", or --without-keys to go on without them"
        )  # fmt: skip
    return keys


def _fitting(place: Place, connection: Connection, manifest: Manifest) -> Path:
    """pg_restore for this dump, once the server can take it."""
    major = connection.info.server_version // 10_000
    if major < manifest.postgres:
        raise ConfigError(
            f"the backup is of PostgreSQL {manifest.postgres}, this server is {major}"
        )
    wanted = manifest.timescaledb
    available = "SELECT 1 FROM pg_available_extension_versions WHERE name = %s AND version = %s"
    if wanted and not _one(connection, available, "timescaledb", wanted):
        raise ConfigError(f"the backup needs TimescaleDB {wanted}: this server does not have it")
    return pgtools.find("pg_restore", max(major, manifest.tools), place.tools)[0]


def _clear(connection: Connection) -> None:
    connection.execute("DROP EXTENSION IF EXISTS timescaledb CASCADE")
    connection.execute("DROP SCHEMA public CASCADE")
    connection.execute("CREATE SCHEMA public")
    connection.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")


def _load(dsn: str, program: Path, dump: Path, manifest: Manifest) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(migrate.ROLES + _NO_RIGHTS)
        name = connection.info.dbname
    with _restoring(dsn, manifest.timescaledb), tempfile.NamedTemporaryFile("r+") as contents:
        pgtools.run(program, dsn, "--list", f"--file={contents.name}", str(dump))
        lines = [line for line in contents if " DEFAULT ACL " not in line]
        contents.seek(0)
        contents.truncate()
        contents.writelines(lines)
        contents.flush()
        options = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-comments")
        pgtools.run(
            program, dsn, *options, f"--dbname={name}", f"--use-list={contents.name}", str(dump)
        )


@contextmanager
def _restoring(dsn: str, timescaledb: str) -> Iterator[None]:
    """With the extension there is a mode for it, in which its workers rest."""
    if not timescaledb:
        yield
        return
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            SQL("CREATE EXTENSION IF NOT EXISTS timescaledb WITH SCHEMA public VERSION {}").format(
                Identifier(timescaledb)
            )
        )
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SELECT timescaledb_pre_restore()")
    try:
        yield
    finally:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("SELECT timescaledb_post_restore()")


def _see_all(connection: Connection) -> None:
    """Row-level security binds the owner of the tables too, unless it may pass it by."""
    who = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
    if not _one(connection, who):
        raise ConfigError(
            "the user of database.dsn does not see the rows of all companies: let a superuser run"
            f' ALTER ROLE "{connection.info.user}" BYPASSRLS'
        )


def _revisions(connection: Connection) -> tuple[str, ...]:
    if not _one(connection, "SELECT to_regclass('alembic_version')"):
        raise ConfigError("the database holds no centre: there is nothing to back up")
    found = connection.execute("SELECT version_num FROM alembic_version ORDER BY 1")
    return tuple(row[0] for row in found)


def _rows(connection: Connection) -> dict[str, int]:
    names = [name for (name,) in connection.execute(_TABLES).fetchall()]
    count = SQL("SELECT count(*) FROM public.{}")
    return {n: connection.execute(count.format(Identifier(n))).fetchall()[0][0] for n in names}


def _one(connection: Connection, query: str, *values: object) -> Any:
    row = connection.execute(query, values or None).fetchone()
    return row[0] if row else None


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
