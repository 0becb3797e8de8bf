"""Space of the disk that is held back: without any, SQLite cannot even delete."""

import contextlib
import shutil
import sqlite3
from pathlib import Path

PAGE = 4_096
RESERVE = 256 << 10


class Room:
    """Of one open log file. The write-ahead log must fit into it when a small disk fills up."""

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self._path, self._db = path, database
        self._reserve = path.with_name(path.name + ".reserve")
        pages = max(16, min(1_000, shutil.disk_usage(path.parent).total // (16 * PAGE)))
        self._ahead = pages * PAGE
        self._db.execute(f"PRAGMA wal_autocheckpoint = {pages}")
        self._db.execute(f"PRAGMA journal_size_limit = {self._ahead}")

    def free(self) -> None:
        """Use the space for deleting on a full disk, and grow no more."""
        self._reserve.unlink(missing_ok=True)
        (pages,) = self._db.execute("PRAGMA page_count").fetchone()
        self._db.execute(f"PRAGMA max_page_count = {pages}")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def hold_back(self) -> bool:
        """False: there is no space left to hold back.

        The database may then grow as far as the write-ahead log still has room beside it.
        """
        try:
            if not self._reserve.exists() or self._reserve.stat().st_size < RESERVE:
                self._reserve.write_bytes(b"\0" * RESERVE)
        except OSError:
            with contextlib.suppress(OSError):
                self._reserve.unlink(missing_ok=True)
            return False
        room = self._path.stat().st_size + shutil.disk_usage(self._path.parent).free
        pages = max(64, (room - 3 * self._ahead) // PAGE)
        self._db.execute(f"PRAGMA max_page_count = {min(pages, 1 << 31)}")
        return True
