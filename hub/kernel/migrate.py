"""Schema changes: one Alembic branch per plugin in one version table, then the tenant walls."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg.sql import SQL, Identifier
from sqlalchemy import Column, Connection, String, Table, create_engine, pool

from hub.contract.model import Base
from hub.contract.plugin import Plugin

from .database import APP, SYSTEM

HERE = Path(__file__).parent / "alembic"
_LOCK = 0x62757362  # "busb": one process migrates, the others wait
_APPEND_ONLY = ("hub_audit",)

ROLES = f"""
DO $$ BEGIN
  CREATE ROLE {APP} NOLOGIN NOBYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
DO $$ BEGIN
  CREATE ROLE {SYSTEM} NOLOGIN NOBYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
DO $$ BEGIN
  IF NOT pg_has_role(current_user, '{APP}', 'SET') THEN
    EXECUTE format('GRANT {APP}, {SYSTEM} TO %I WITH SET TRUE', current_user);
  END IF;
END $$;
"""
_RIGHTS = f"""
GRANT USAGE ON SCHEMA public TO {APP}, {SYSTEM};
ALTER DEFAULT PRIVILEGES IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {APP}, {SYSTEM};
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO {APP}, {SYSTEM};
"""

Table("hub_absent_version", Base.metadata, Column("version_num", String(32), primary_key=True))
_ABSENT = """CREATE TABLE IF NOT EXISTS hub_absent_version (
  version_num varchar(32) CONSTRAINT pk_hub_absent_version PRIMARY KEY)"""
Table(
    "hub_branch_version",
    Base.metadata,
    Column("branch", String(100), primary_key=True),
    Column("version_num", String(32), nullable=False),
)
_BRANCH = """CREATE TABLE IF NOT EXISTS hub_branch_version (
  branch varchar(100) CONSTRAINT pk_hub_branch_version PRIMARY KEY,
  version_num varchar(32) NOT NULL)"""
_REMEMBER = """
INSERT INTO hub_branch_version VALUES (%s, %s)
ON CONFLICT (branch) DO UPDATE SET version_num = excluded.version_num
"""
_MOVE = """
WITH moved AS (
  DELETE FROM {source} WHERE regexp_replace(version_num, '_[0-9]+$', '') {test}(%s)
  RETURNING version_num)
INSERT INTO {target} SELECT version_num FROM moved
"""

_UNPROTECTED = """
SELECT c.relname FROM pg_class c
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant' AND NOT a.attisdropped
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
   AND NOT c.relispartition AND NOT c.relforcerowsecurity
"""


def config(plugins: Iterable[Plugin], connection: Connection | None = None) -> Config:
    """Alembic's configuration over the directories of all plugins."""
    directories = [HERE / "versions", *(p.migrations for p in plugins if p.migrations)]
    cfg = Config()
    cfg.set_main_option("script_location", str(HERE))
    cfg.set_main_option("path_separator", "newline")
    cfg.set_main_option("version_locations", "\n".join(map(str, directories)))
    cfg.attributes["connection"] = connection
    return cfg


@contextmanager
def _alone(dsn: str) -> Iterator[psycopg.Connection]:
    """Hold the migration lock on a connection of its own."""
    with psycopg.connect(dsn, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        yield holder


def upgrade(dsn: str, plugins: Iterable[Plugin], to: str = "heads") -> None:
    """Bring the database to the heads of all branches and wall every tenant table. Blocking."""
    plugins = list(plugins)
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), poolclass=pool.NullPool
    )
    with _alone(dsn) as holder:
        holder.execute(ROLES + _RIGHTS)
        present = {"hub", *(p.name for p in plugins)}
        _set_aside(holder, present)
        lineage = _lineage(plugins)
        _restate(holder, present, lineage)
        with engine.connect() as connection:
            command.upgrade(config(plugins, connection), to)
        _remember(holder, lineage)
        protect(holder)


def _set_aside(connection: psycopg.Connection, present: set[str]) -> None:
    """Keep the versions of plugins that are not installed where Alembic does not look for them.

    Their tables stay, and when they come back they go on from there.
    """
    connection.execute(_ABSENT)
    connection.execute(_BRANCH)
    if connection.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,):
        return
    for source, target, test in (
        ("alembic_version", "hub_absent_version", "<> ALL"),
        ("hub_absent_version", "alembic_version", "= ANY"),
    ):
        move = SQL(_MOVE).format(
            source=Identifier(source), target=Identifier(target), test=SQL(test)
        )
        connection.execute(move, (list(present),))


def _restate(
    connection: psycopg.Connection, present: set[str], lineage: Mapping[str, set[str]]
) -> None:
    """Name in Alembic's table what it takes for granted, and no more.

    It stores no revision that another one depends on. So what a plugin that is gone had implied
    would be run again, and what one that is back implies would be named twice, which it refuses.
    """
    known = connection.execute(
        "SELECT version_num FROM hub_branch_version WHERE branch = ANY(%s)", (list(present),)
    )
    stored = _stored(connection)
    applied = _ancestors({*stored, *(row[0] for row in known)}, lineage)
    named = applied - {parent for one in applied for parent in lineage[one]}
    if not applied or named == stored:
        return
    with connection.transaction():
        connection.execute("DELETE FROM alembic_version")
        for version in sorted(named):
            connection.execute("INSERT INTO alembic_version VALUES (%s)", (version,))


def _remember(connection: psycopg.Connection, lineage: Mapping[str, set[str]]) -> None:
    """Write down how far each branch is, whatever Alembic's table names."""
    applied = _ancestors(_stored(connection), lineage)
    for branch in {_branch(one) for one in applied}:
        own = {one for one in applied if _branch(one) == branch}
        for last in own - {parent for one in own for parent in lineage[one]}:
            connection.execute(_REMEMBER, (branch, last))


def _stored(connection: psycopg.Connection) -> set[str]:
    if connection.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,):
        return set()
    return {row[0] for row in connection.execute("SELECT version_num FROM alembic_version")}


def _lineage(plugins: Iterable[Plugin]) -> dict[str, set[str]]:
    """Of every revision those that it follows or depends on."""
    script = ScriptDirectory.from_config(config(plugins))
    return {
        one.revision: {*_names(one.down_revision), *_names(one.dependencies)}
        for one in script.walk_revisions()
    }


def _ancestors(of: set[str], lineage: Mapping[str, set[str]]) -> set[str]:
    """Themselves and all before them, as far as their scripts are here."""
    found: set[str] = set()
    waiting = of & lineage.keys()
    while waiting:
        found |= waiting
        waiting = {parent for one in waiting for parent in lineage[one]} - found
    return found


def _branch(revision: str) -> str:
    return revision.rpartition("_")[0]


def protect(connection: psycopg.Connection) -> None:
    """Force row-level security on every table with a column `tenant` that has none yet.

    A session that has not said for whom it works gets an error, never rows.
    """
    for (table,) in connection.execute(_UNPROTECTED).fetchall():
        logging.getLogger(__name__).debug("walling %s", table)
        with connection.transaction():
            connection.execute(f"""
                ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
                CREATE POLICY tenant ON "{table}" TO {APP}
                  USING (tenant = current_setting('busbar.tenant')::uuid);
                CREATE POLICY system ON "{table}" TO {SYSTEM} USING (true);
            """)
    for table in _APPEND_ONLY:
        if connection.execute("SELECT to_regclass(%s)", (table,)).fetchone() == (None,):
            continue
        connection.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM {APP}, {SYSTEM}")


def required(plugins: Iterable[Plugin]) -> frozenset[str]:
    """Revisions that the version table of an up-to-date database names.

    A head that another revision depends on is implied by that one, so Alembic does not store it.
    """
    script = ScriptDirectory.from_config(config(plugins))
    implied: set[str] = set()
    for revision in script.walk_revisions():
        implied.update(_names(revision.dependencies))
    return frozenset(script.get_heads()) - implied


def _names(revisions: str | Iterable[str] | None) -> tuple[str, ...]:
    return (revisions,) if isinstance(revisions, str) else tuple(revisions or ())


def revise(
    dsn: str, plugins: Iterable[Plugin], branch: str, message: str, depends: str = ""
) -> Path:
    """Write the next revision of one plugin from the difference between models and database."""
    plugins = list(plugins)
    directory = next((p.migrations for p in plugins if p.name == branch), HERE / "versions")
    if directory is None:
        raise ValueError(f"plugin {branch} names no migrations directory")
    existing = sorted(directory.glob(f"{branch}_[0-9]*.py"))
    upgrade(dsn, plugins)

    def own(_context: Any, _revision: Any, directives: list[Any]) -> None:
        for ops in (directives[0].upgrade_ops, directives[0].downgrade_ops):
            ops.ops = [o for o in ops.ops if getattr(o, "table_name", "").startswith(f"{branch}_")]

    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), poolclass=pool.NullPool
    )
    with engine.connect() as connection:
        command.revision(
            config(plugins, connection),
            message=message,
            autogenerate=True,
            head=f"{branch}@head" if existing else "base",
            branch_label=None if existing else branch,
            version_path=str(directory),
            rev_id=f"{branch}_{len(existing) + 1:04}",
            depends_on=depends or None,
            process_revision_directives=own,
        )
    written = max(directory.glob(f"{branch}_[0-9]*.py"))
    lines = written.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not line.lstrip().startswith("# ###")]
    written.write_text("".join(kept), encoding="utf-8")
    return written
