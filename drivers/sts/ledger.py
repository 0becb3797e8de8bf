"""Which identifier each transaction of each meter has, so that no token is ever made twice.

A reservation is durable before the token exists. A token follows from meter, order, identifier and
random number alone, so whoever asks again, even after a crash, gets the same one, and no token
needs to be kept in clear.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import aiosqlite
from msgspec import Struct, structs

from hub import Conflict

from .errors import NoIdentifier
from .standard import TID_LIMIT
from .tid import skip_reserved

_SCHEMA = """
CREATE TABLE IF NOT EXISTS reservation (
    pan TEXT NOT NULL, base INTEGER NOT NULL, txn TEXT NOT NULL, fingerprint TEXT NOT NULL,
    tid INTEGER, random INTEGER NOT NULL, PRIMARY KEY (pan, txn)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS reservation_tid ON reservation (pan, base, tid);
"""


class Reservation(Struct, frozen=True, kw_only=True):
    """pan and transaction name it; fingerprint: of the whole request.

    tid: None for tokens without one (class 1, key changes).
    """

    pan: str
    base: int
    transaction: str
    fingerprint: str
    tid: int | None
    random: int

    def after(self, last: int | None, limit: int) -> "Reservation":
        """This one, moved behind the last identifier used for its meter and base date."""
        if self.tid is None:
            return self
        tid = skip_reserved(self.tid if last is None else max(self.tid, last + 1))
        if tid > limit:
            raise NoIdentifier
        return structs.replace(self, tid=tid)

    def same_as(self, wanted: "Reservation") -> "Reservation":
        if self.fingerprint != wanted.fingerprint:
            raise Conflict(
                f"transaction {self.transaction!r} of meter {self.pan} was another request"
            )
        return self


class Ledger(Protocol):
    async def reserve(self, wanted: Reservation, limit: int = TID_LIMIT - 1) -> Reservation:
        """The reservation of that meter and transaction, made now if there is none.

        A new one gets the first identifier from `wanted.tid` on that its meter never had, or
        NoIdentifier is raised if that is behind `limit`. Raises Conflict if the transaction is
        known with another fingerprint. Atomic and durable.
        """


class MemoryLedger:
    """A ledger for tests and simulators: forgets all when the process ends."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Reservation] = {}
        self._last: dict[tuple[str, int], int] = {}

    async def reserve(self, wanted: Reservation, limit: int = TID_LIMIT - 1) -> Reservation:
        known = self._known.get((wanted.pan, wanted.transaction))
        if known:
            return known.same_as(wanted)
        made = wanted.after(self._last.get((wanted.pan, wanted.base)), limit)
        self._known[made.pan, made.transaction] = made
        if made.tid is not None:
            self._last[made.pan, made.base] = made.tid
        return made


class SqliteLedger:
    """A ledger in one SQLite file, safe between processes and against power loss."""

    def __init__(self, db: aiosqlite.Connection) -> None:
        self._db, self._lock = db, asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path) -> AsyncIterator["SqliteLedger"]:
        async with aiosqlite.connect(path, isolation_level=None, timeout=30) as db:
            await db.execute("PRAGMA journal_mode=WAL")
            await db.execute("PRAGMA synchronous=FULL")
            await db.executescript(_SCHEMA)
            yield cls(db)

    async def reserve(self, wanted: Reservation, limit: int = TID_LIMIT - 1) -> Reservation:
        async with self._lock:
            await self._db.execute("BEGIN IMMEDIATE")
            try:
                made = await self._reserve(wanted, limit)
            except BaseException:
                await self._db.execute("ROLLBACK")
                raise
            await self._db.execute("COMMIT")
            return made

    async def _reserve(self, wanted: Reservation, limit: int) -> Reservation:
        known = await self._row(
            "SELECT pan, base, txn, fingerprint, tid, random FROM reservation"
            " WHERE pan = ? AND txn = ?",
            wanted.pan,
            wanted.transaction,
        )
        if known:
            pan, base, transaction, fingerprint, tid, random = known
            return Reservation(
                pan=pan,
                base=base,
                transaction=transaction,
                fingerprint=fingerprint,
                tid=tid,
                random=random,
            ).same_as(wanted)
        last = await self._row(
            "SELECT max(tid) FROM reservation WHERE pan = ? AND base = ?", wanted.pan, wanted.base
        )
        made = wanted.after(last[0] if last else None, limit)
        await self._db.execute(
            "INSERT INTO reservation (pan, base, txn, fingerprint, tid, random)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (made.pan, made.base, made.transaction, made.fingerprint, made.tid, made.random),
        )
        return made

    async def _row(self, query: str, *values: object) -> "sqlite3.Row | None":
        async with self._db.execute(query, values) as cursor:
            return await cursor.fetchone()
