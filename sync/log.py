"""The gateway's log: one SQLite file of frames, used by one thread.

Every method may raise `sqlite3.Error`; after one, `close` it and open it again. What `write` has
returned from is on disk (WAL, `synchronous=FULL`). A frame's row is keyed by the last sequence
number that it covers, so a notice of loss stands where the frames that it replaces ended.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self
from uuid import UUID, uuid4

import msgspec

from hub import CatalogueEntry, GapCause, ReadingBatch, Record, Stream

from . import frames
from .room import Room

SCHEMA = """
CREATE TABLE IF NOT EXISTS buffer (epoch BLOB NOT NULL, created INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS point (
    id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, entry BLOB);
CREATE TABLE IF NOT EXISTS stream (
    name TEXT PRIMARY KEY, seq INTEGER NOT NULL, hash BLOB NOT NULL, acknowledged INTEGER NOT NULL,
    readings INTEGER NOT NULL, sent INTEGER NOT NULL, dropped INTEGER NOT NULL,
    bytes INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS frame (
    stream TEXT NOT NULL, seq INTEGER NOT NULL, kind INTEGER NOT NULL, first INTEGER NOT NULL,
    last INTEGER NOT NULL, count INTEGER NOT NULL, stored INTEGER NOT NULL, hash BLOB NOT NULL,
    bytes BLOB NOT NULL, PRIMARY KEY (stream, seq));
"""
QUICK_CHECK = 32 << 20
Payload = ReadingBatch | Sequence[Record]


class CorruptLog(sqlite3.DatabaseError):
    """The file is a database, but not a log that can be continued."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


@dataclass(frozen=True, slots=True)
class Tail:
    """Where a stream stands. readings, sent, dropped: totals since the epoch began."""

    seq: int
    hash: bytes
    acknowledged: int = 0
    readings: int = 0
    sent: int = 0
    dropped: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """A payload that no frame can hold."""

    stream: Stream
    reason: str


class Log:
    """An open log file. epoch: differs whenever the sequence began anew.

    attempt: what the tails are if the commit that failed last did happen after all.
    """

    PORTION = 5_000  # frames that one `trim` deletes at most, of each stream

    def __init__(self, path: Path, now: int, *, check: bool = False) -> None:
        """Open or create. check: read all of the file even if it is large."""
        self.path = path
        self._check = check
        self.attempt: dict[Stream, Tail] = {}
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
        try:
            self._prepare(now)
        except BaseException:
            self._db.close()
            raise

    def _prepare(self, now: int) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self.room = Room(self.path, self._db)
        if self._check or self.path.stat().st_size <= QUICK_CHECK:
            (verdict,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise CorruptLog(verdict)
        with self._transaction():
            for statement in filter(str.strip, SCHEMA.split(";")):
                self._db.execute(statement)
            if self._db.execute("SELECT count(*) FROM buffer").fetchone() == (0,):
                self._db.execute("INSERT INTO buffer VALUES (?, ?)", (uuid4().bytes, now))
            (epoch,) = self._db.execute("SELECT epoch FROM buffer").fetchone()
            self.epoch = UUID(bytes=epoch)
            for stream in Stream:
                begin = frames.genesis(self.epoch, stream)
                self._db.execute(
                    "INSERT OR IGNORE INTO stream VALUES (?, 0, ?, 0, 0, 0, 0, 0)", (stream, begin)
                )
        self.tails = {stream: self._read_tail(stream) for stream in Stream}
        self.room.hold_back()

    def _read_tail(self, stream: Stream) -> Tail:
        row = self._db.execute(
            "SELECT seq, hash, acknowledged, readings, sent, dropped, bytes FROM stream"
            " WHERE name = ?",
            (stream,),
        ).fetchone()
        tail = Tail(*row)
        newest = self._db.execute(
            "SELECT seq, hash, kind, bytes FROM frame WHERE stream = ? ORDER BY seq DESC LIMIT 1",
            (stream,),
        ).fetchone()
        if newest and newest[:2] != (tail.seq, tail.hash):
            raise CorruptLog(f"the newest {stream} frame is not the one that was written last")
        if newest and newest[2] != frames.FrameKind.LOST and frames.digest(newest[3]) != newest[1]:
            raise CorruptLog(f"the newest {stream} frame is damaged")
        return tail

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def assign(self, wanted: Sequence[tuple[int | None, str]]) -> list[int]:
        """Ids of keys, by (id to take if the key is new, key)."""
        with self._transaction():
            self._db.executemany("INSERT OR IGNORE INTO point (id, key) VALUES (?, ?)", wanted)
        find = "SELECT id FROM point WHERE key = ?"
        return [self._db.execute(find, (key,)).fetchone()[0] for _, key in wanted]

    def write(
        self, payloads: Sequence[tuple[Stream, Payload]], now: int, acknowledged: dict[Stream, int]
    ) -> list[Refused]:
        """Append frames and move watermarks in one commit; what no frame can hold is returned."""
        tails, refused = dict(self.tails), list[Refused]()
        self.attempt = {}
        with self._transaction():
            for stream, payload in payloads:
                try:
                    tails[stream] = self._append(stream, tails[stream], payload, now)
                except (frames.FrameError, TypeError, ValueError, OverflowError) as error:
                    refused.append(Refused(stream, f"{type(error).__name__}: {error}"))
            for stream, seq in acknowledged.items():
                tails[stream] = self._advance(stream, tails[stream], seq)
            for stream, tail in tails.items():
                if tail != self.tails[stream]:
                    self._save(stream, tail)
            self.attempt = tails
        self.tails = tails
        return refused

    def _append(self, stream: Stream, tail: Tail, payload: Payload, now: int) -> Tail:
        seq = tail.seq + 1
        if isinstance(payload, ReadingBatch):
            kind, readings = frames.FrameKind.READINGS, len(payload)
            data = frames.encode_readings(seq, tail.hash, payload)
        else:
            kind, readings = frames.FrameKind.RECORDS, 0
            data = frames.encode_records(seq, tail.hash, payload)
            self._describe(payload)
        first, last = frames.times(data)
        hashed = frames.digest(data)
        self._db.execute(
            "INSERT INTO frame VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (stream, seq, kind, first, last, len(payload), now, hashed, data),
        )
        return replace(
            tail,
            seq=seq,
            hash=hashed,
            readings=tail.readings + readings,
            bytes=tail.bytes + len(data),
        )

    def _describe(self, records: Sequence[Record]) -> None:
        """Remember the catalogue, for a centre that has lost it."""
        for record in records:
            for entry in getattr(record, "points", ()):
                self._db.execute(
                    "UPDATE point SET entry = ? WHERE id = ?",
                    (msgspec.msgpack.encode(entry), entry.id),
                )

    def _advance(self, stream: Stream, tail: Tail, seq: int) -> Tail:
        seq = min(seq, tail.seq)
        if seq <= tail.acknowledged:
            return tail
        (sent,) = self._db.execute(
            "SELECT coalesce(sum(count), 0) FROM frame WHERE stream = ? AND kind = ?"
            " AND seq > ? AND seq <= ?",
            (stream, frames.FrameKind.READINGS, tail.acknowledged, seq),
        ).fetchone()
        return replace(tail, acknowledged=seq, sent=tail.sent + sent)

    def _save(self, stream: Stream, tail: Tail) -> None:
        self._db.execute(
            "UPDATE stream SET seq = ?, hash = ?, acknowledged = ?, readings = ?, sent = ?,"
            " dropped = ?, bytes = ? WHERE name = ?",
            (
                *(tail.seq, tail.hash, tail.acknowledged, tail.readings, tail.sent),
                *(tail.dropped, tail.bytes, stream),
            ),
        )

    def oldest_unsent(self) -> int | None:
        """Time of the oldest reading that the centre does not have."""
        row = self._db.execute(
            "SELECT first FROM frame WHERE stream = ? AND seq > ? ORDER BY seq LIMIT 1",
            (Stream.TELEMETRY, self.tails[Stream.TELEMETRY].acknowledged),
        ).fetchone()
        return row[0] if row else None

    def newest(self) -> int | None:
        """Time of the newest reading in the log."""
        row = self._db.execute(
            "SELECT last FROM frame WHERE stream = ? ORDER BY seq DESC LIMIT 1",
            (Stream.TELEMETRY,),
        ).fetchone()
        return row[0] if row else None

    def catalogue(self) -> list[tuple[int, str, CatalogueEntry | None]]:
        """All points with what was last said of them."""
        decode: Callable[[bytes], CatalogueEntry] = msgspec.msgpack.Decoder(CatalogueEntry).decode
        return [
            (number, key, decode(entry) if entry else None)
            for number, key, entry in self._db.execute("SELECT id, key, entry FROM point")
        ]

    @property
    def size(self) -> int:
        """Bytes of all frames."""
        return sum(tail.bytes for tail in self.tails.values())

    def trim(self, stored_before: int, max_bytes: int) -> int:
        """Delete acknowledged frames that are too old or too many; how many went."""
        gone = 0
        for stream in (Stream.TELEMETRY, Stream.EVENTS):
            excess = self.size - max_bytes
            doomed = []
            for seq, stored, size in self._db.execute(
                "SELECT seq, stored, length(bytes) FROM frame WHERE stream = ? AND seq <= ?"
                " ORDER BY seq LIMIT ?",
                (stream, self.tails[stream].acknowledged, self.PORTION),
            ):
                if stored >= stored_before and excess <= 0:
                    break
                doomed.append((seq, size))
                excess -= size
            gone += self._delete(stream, doomed)
        return gone

    def _delete(self, stream: Stream, doomed: Sequence[tuple[int, int]]) -> int:
        if doomed:
            tail = self.tails[stream]
            tail = replace(tail, bytes=tail.bytes - sum(size for _, size in doomed))
            with self._transaction():
                self._db.execute(
                    "DELETE FROM frame WHERE stream = ? AND seq <= ?", (stream, doomed[-1][0])
                )
                self._save(stream, tail)
            self.tails[stream] = tail
        return len(doomed)

    def sacrifice(self, share: float, now: int, cause: GapCause) -> int:
        """Replace the oldest unsent telemetry by a notice of loss; how many readings went."""
        stream = Stream.TELEMETRY
        tail, size, doomed, wanted = self.tails[stream], 0, [], self.size * share
        for row in self._db.execute(
            "SELECT seq, kind, first, last, count, hash, length(bytes) FROM frame"
            " WHERE stream = ? AND seq > ? ORDER BY seq",
            (stream, tail.acknowledged),
        ):
            doomed.append(row)
            size += row[6]
            if size >= wanted:
                break
        if sum(row[1] != frames.FrameKind.LOST for row in doomed) == 0:
            return 0
        lost: int = sum(row[4] for row in doomed if row[1] != frames.FrameKind.LOST)
        span = (tail.acknowledged + 1, doomed[-1][0])
        times = (min(row[2] for row in doomed), max(row[3] for row in doomed))
        count = sum(row[4] for row in doomed)
        before = self._hash_before(stream, span[0])
        notice = frames.encode_lost(span, times, count, before, doomed[-1][5], cause)
        tail = replace(tail, dropped=tail.dropped + lost, bytes=tail.bytes - size + len(notice))
        with self._transaction():
            self._db.execute(
                "DELETE FROM frame WHERE stream = ? AND seq BETWEEN ? AND ?", (stream, *span)
            )
            self._db.execute(
                "INSERT INTO frame VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (stream, span[1], frames.FrameKind.LOST, *times, count, now, doomed[-1][5], notice),
            )
            self._save(stream, tail)
        self.tails[stream] = tail
        return lost

    def condemn(self, stream: Stream, seq: int, now: int) -> None:
        """Replace one frame whose bytes are damaged by a notice of its loss."""
        first, last, count, hashed = self._db.execute(
            "SELECT first, last, count, hash FROM frame WHERE stream = ? AND seq = ?",
            (stream, seq),
        ).fetchone()
        before = self._db.execute(
            "SELECT hash FROM frame WHERE stream = ? AND seq < ? ORDER BY seq DESC LIMIT 1",
            (stream, seq),
        ).fetchone()
        previous = before[0] if before else frames.genesis(self.epoch, stream)
        notice = frames.encode_lost(
            (seq, seq), (first, last), count, previous, hashed, GapCause.CORRUPT
        )
        with self._transaction():
            self._db.execute(
                "UPDATE frame SET kind = ?, stored = ?, bytes = ? WHERE stream = ? AND seq = ?",
                (frames.FrameKind.LOST, now, notice, stream, seq),
            )

    def _hash_before(self, stream: Stream, seq: int) -> bytes:
        """The `previous` of the frame that now stands first among the unsent."""
        (data,) = self._db.execute(
            "SELECT bytes FROM frame WHERE stream = ? AND seq >= ? ORDER BY seq LIMIT 1",
            (stream, seq),
        ).fetchone()
        return frames.decode(data).previous

    def renew(self, since: int, before: Mapping[Stream, int], now: int) -> tuple[int, int]:
        """Begin a new epoch with the unsent frames behind `before` and those stored after `since`.

        (frames that go along, unsent frames that do not)
        """
        epoch, kept, left = uuid4(), 0, 0
        tails = {stream: Tail(0, frames.genesis(epoch, stream)) for stream in Stream}
        with self._transaction():
            self._db.execute("UPDATE buffer SET epoch = ?, created = ?", (epoch.bytes, now))
            for stream in Stream:
                rows = self._db.execute(
                    "SELECT seq, stored FROM frame WHERE stream = ? ORDER BY seq", (stream,)
                ).fetchall()
                for seq, stored in rows:
                    (data,) = self._db.execute(
                        "DELETE FROM frame WHERE stream = ? AND seq = ? RETURNING bytes",
                        (stream, seq),
                    ).fetchone()
                    if seq <= self.tails[stream].acknowledged:
                        continue
                    is_new = seq > before.get(stream, 0) or stored > since
                    payload = _payload(data) if is_new else None
                    if payload is None:
                        left += 1
                        continue
                    tails[stream] = self._append(stream, tails[stream], payload, now)
                    kept += 1
                self._save(stream, tails[stream])
        self.epoch, self.tails, self.attempt = epoch, tails, {}
        return kept, left


def _payload(data: bytes) -> Payload | None:
    """What a frame says, None if it is damaged or only a notice of loss."""
    try:
        frame = frames.decode(data)
        if frame.kind is frames.FrameKind.READINGS:
            return frames.readings(frame)
        return frames.records(frame)
    except frames.FrameError:
        return None
