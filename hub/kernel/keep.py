"""Small facts that a gateway must not forget, in SQLite beside its buffer.

What `write` has returned from survives a kill and a power cut. A file that cannot be used is set
aside and begun anew: it holds nothing that cannot be learned again from the plant and the centre.
"""

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

log = logging.getLogger(__name__)

FILE = "state.db"
_TABLE = """
CREATE TABLE IF NOT EXISTS fact (
    kind text NOT NULL, key text NOT NULL, value blob NOT NULL, PRIMARY KEY (kind, key)
) WITHOUT ROWID
"""


class Keep:
    """Facts by kind and key. One thread owns the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, "state")
        self._database: sqlite3.Connection | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, folder: Path) -> AsyncIterator[Self]:
        """Open or begin the file; one that cannot be opened at all is trouble at `write`."""
        keep = cls(folder / FILE)
        loop = asyncio.get_running_loop()
        try:
            with contextlib.suppress(sqlite3.Error, OSError):
                await loop.run_in_executor(keep._thread, keep._connection)
            yield keep
        finally:
            await loop.run_in_executor(keep._thread, keep._close)
            keep._thread.shutdown()

    async def load(self, kind: str) -> dict[str, bytes]:
        """All facts of a kind; none when the file cannot be read."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._load, kind)
        except (sqlite3.Error, OSError) as error:
            log.warning("%s: %s: begins without it", self._path, error, extra={"action": "state"})
            return {}

    async def write(self, kind: str, facts: Mapping[str, bytes | None]) -> None:
        """Keep facts, forget those that are None. Raises sqlite3.Error or OSError."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._write, kind, dict(facts))

    def _connection(self) -> sqlite3.Connection:
        if self._database is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._database = self._open()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                aside = self._path.with_name(f"{self._path.name}.corrupt-{time.time_ns()}")
                self._path.rename(aside)
                log.error(  # noqa: TRY400  -- the file is at fault, not this place
                    "%s was corrupt (%s); kept as %s", self._path, error, aside,
                    extra={"action": "state"},
                )  # fmt: skip
                self._database = self._open()
        return self._database

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=FULL")
            database.execute(_TABLE)
        except BaseException:
            database.close()
            raise
        return database

    def _load(self, kind: str) -> dict[str, bytes]:
        rows = self._connection().execute("SELECT key, value FROM fact WHERE kind = ?", (kind,))
        return dict(rows.fetchall())

    def _write(self, kind: str, facts: Mapping[str, bytes | None]) -> None:
        database = self._connection()
        database.execute("BEGIN IMMEDIATE")
        try:
            database.executemany(
                "INSERT OR REPLACE INTO fact VALUES (?, ?, ?)",
                [(kind, key, value) for key, value in facts.items() if value is not None],
            )
            database.executemany(
                "DELETE FROM fact WHERE kind = ? AND key = ?",
                [(kind, key) for key, value in facts.items() if value is None],
            )
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None
