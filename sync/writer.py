"""The thread that owns the log file: group commits, room, retention, healing.

A thread of our own and not aiosqlite: encoding, inserting and committing are one step here, and
aiosqlite would change threads at every statement of it. Whoever only reads uses aiosqlite.
"""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import structlog
from msgspec import Struct

from hub import Catalogue, CatalogueEntry, Gap, GapCause, JournalStatus, Note, PointSpec, Stream

from .inbox import Clock, Inbox, Item, Taken
from .log import Log
from .packing import FRAME_ROWS, Translation, payloads

T = TypeVar("T")

COMMIT_ROWS = 50_000
PROVISIONAL = 1 << 24  # ids given while no file could be read
RETRY = 1.0  # s
TRIM_EVERY = 10_000_000  # µs
TELL_EVERY = 60_000_000  # µs
MAKE_ROOM = 0.125  # share of the log that is given up at once on a full disk
HOPELESS = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

_logger = structlog.get_logger(__name__)


class Limits(Struct, frozen=True, kw_only=True):
    """period: s between commits. keep: µs of acknowledged history. Sizes: bytes of frames."""

    period: float = 0.2
    keep: int = 7 * 86_400_000_000
    history_bytes: int = 1 << 30
    max_bytes: int = 4 << 30


class Writer(threading.Thread):
    """Moves what is in the inbox into the log. committed(ticket) is called in this thread."""

    def __init__(
        self,
        path: Path,
        inbox: Inbox,
        limits: Limits,
        clock: Clock,
        committed: Callable[[int], None],
    ) -> None:
        super().__init__(name="buffer", daemon=True)
        self._path, self._inbox, self._limits, self._clock = path, inbox, limits, clock
        self._committed = committed
        self._log: Log | None = None
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._acknowledged: dict[Stream, int] = {}
        self._wishes: list[tuple[Callable[[], Any], Future[Any]]] = []
        self._ids: dict[str, int] = {}
        self._translate = Translation({})
        self._trimmed = self._told_loss = self._given_up = 0
        self._next_try = 0.0
        self._trouble = ""
        self._began = self._check = False
        self._first_tails: dict[Stream, int] = {}
        self.generation = 0
        self.status = JournalStatus(
            healthy=False, depth=0, bytes=0, oldest_unsent=None, committed=0, acknowledged=0,
            dropped=0, message="opening",
        )  # fmt: skip

    def acknowledge(self, stream: Stream, seq: int) -> None:
        """The centre has all up to `seq`; written with the next commit. From any thread."""
        with self._lock:
            self._acknowledged[stream] = max(seq, self._acknowledged.get(stream, 0))
        self._inbox.touch()

    def call(self, wish: Callable[[], T]) -> "Future[T]":
        """Run a function in this thread between two commits. From any thread."""
        future: Future[T] = Future()
        with self._lock:
            self._wishes.append((wish, future))
        self._inbox.wake()
        return future

    def finish(self, timeout: float) -> None:
        """Commit what waits and end; gives up after `timeout` s. From any thread."""
        self._inbox.close()
        self.join(timeout / 2)
        self._stopping.set()
        self.join(timeout / 2)

    def run(self) -> None:
        """Gather, commit, keep house, until the inbox is closed and empty."""
        self._try_open()
        running = True
        while running and not self._stopping.is_set():
            running = self._inbox.gather(self._limits.period, FRAME_ROWS)
            self._grant()
            more = True
            while more and not self._stopping.is_set():
                taken = self._inbox.take(COMMIT_ROWS)
                if self._store(taken):
                    self._committed(taken.ticket)
                more = self._inbox.rows >= (FRAME_ROWS if running else 1)
        self._grant()
        if self._log:
            self._log.close()

    def _grant(self) -> None:
        with self._lock:
            wishes, self._wishes = self._wishes, []
        for wish, future in wishes:
            try:
                future.set_result(wish())
            except Exception as error:  # noqa: BLE001 - it belongs to whoever waits for it
                future.set_exception(error)

    def _store(self, taken: Taken) -> bool:
        """Keep trying until the items are on disk; False when told to end before."""
        epoch, attempt = None, None
        while not self._stopping.is_set():
            try:
                if self._log is None:
                    self._log = self._open()
                if not (epoch == self._log.epoch and attempt == self._log.tails):
                    self._write(self._log, taken.items)
                self._keep_house(self._log)
            except (sqlite3.Error, OSError) as error:
                if self._log is not None:
                    epoch, attempt = self._log.epoch, self._log.attempt or attempt
                self._suffer(error)
            else:
                self._recover()
                return True
            self._grant()
        return False

    def _write(self, log: Log, items: Sequence[tuple[Stream, Item]]) -> None:
        with self._lock:
            acknowledged = dict(self._acknowledged)
        translated = [(stream, self._translate(item)) for stream, item in items]
        for refused in log.write(list(payloads(translated)), self._clock(), acknowledged):
            _logger.error("no frame can hold it", stream=refused.stream, reason=refused.reason)
        with self._lock:
            for stream, seq in acknowledged.items():
                if self._acknowledged.get(stream) == seq:
                    del self._acknowledged[stream]

    def _keep_house(self, log: Log) -> None:
        """Retention of history, and the hard limit."""
        log.attempt = {}
        now = self._clock()
        if log.size > self._limits.max_bytes:
            log.trim(now - self._limits.keep, self._limits.max_bytes)
        if log.size > self._limits.max_bytes:
            share = 1.02 - self._limits.max_bytes / log.size
            self._tell_loss(log.sacrifice(share, now, GapCause.DISK_FULL), "the size limit")
        if abs(now - self._trimmed) >= TRIM_EVERY:
            while log.trim(now - self._limits.keep, self._limits.history_bytes) >= Log.PORTION:
                pass
            self._trimmed = now
        self._refresh(log)

    def _tell_loss(self, lost: int, reason: str) -> None:
        """An alarm at the first loss, then with the sum at most once a minute."""
        self._given_up += lost
        now = self._clock()
        if self._given_up and abs(now - self._told_loss) >= TELL_EVERY:
            message = f"{self._given_up} unsent readings were given up to {reason} of {self._path}"
            _logger.error("buffer gave up readings", lost=self._given_up, reason=reason)
            self._note("buffer.dropped", message)
            self._given_up, self._told_loss = 0, now

    def _note(self, code: str, message: str, level: str = "alarm") -> None:
        note = Note(at=self._clock(), level=level, code=code, message=message)
        self._inbox.put(Stream.EVENTS, note)

    def _suffer(self, error: Exception, *, patient: bool = True) -> None:
        """Do about an error what can be done; the next try comes after `RETRY`."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if not self._trouble:
            _logger.error("buffer cannot be written", path=str(self._path), reason=str(error))
        self._trouble = f"{self._path}: {error}"
        if code == sqlite3.SQLITE_FULL:
            self._inbox.cause = GapCause.DISK_FULL
            if self._make_room():
                return
        if self._log is not None:
            self._log.close()
            self._log = None
        if code in HOPELESS:
            self._set_aside(str(error))
        elif patient:
            self.status = self._with_trouble()
            self._stopping.wait(RETRY)

    def _make_room(self) -> bool:
        """On a full disk: history goes first, then the oldest unsent telemetry, counted."""
        if self._log is None:
            return False
        now = self._clock()
        try:
            self._log.room.free()
            if self._log.trim(now, 0):
                return True
            lost = self._log.sacrifice(MAKE_ROOM, now, GapCause.DISK_FULL)
        except (sqlite3.Error, OSError):
            return False
        self._tell_loss(lost, "a full disk")
        return lost > 0

    def _set_aside(self, reason: str) -> None:
        """Move a corrupt file out of the way; it is kept for whoever wants to look into it."""
        now = self._clock()
        stamp = datetime.fromtimestamp(now / 1e6, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        aside = self._path.with_name(f"{self._path.name}.corrupt-{stamp}")
        with contextlib.suppress(OSError):
            since = self.status.oldest_unsent or int(self._path.stat().st_ctime * 1e6)
            for suffix in ("-wal", "-shm", ""):
                part = self._path.with_name(self._path.name + suffix)
                if part.exists():
                    part.rename(aside.with_name(aside.name + suffix))
            self._inbox.put(
                Stream.EVENTS,
                Gap(
                    at=now, device="", cause=GapCause.CORRUPT, since=min(since, now), until=now,
                    lost=self.status.depth,
                ),
            )  # fmt: skip
            self._note("buffer.corrupt", f"{self._path} was corrupt ({reason}); kept as {aside}")

    def _recover(self) -> None:
        """Trouble is over when there is also room to spare again."""
        if not self._trouble or self._log is None or time.monotonic() < self._next_try:
            return
        self._next_try = time.monotonic() + RETRY
        if self._log.room.hold_back():
            _logger.info("buffer can be written again", path=str(self._path))
            self._note("buffer.healed", f"was not writable: {self._trouble}", "info")
            self._trouble, self._inbox.cause = "", GapCause.OVERLOAD
            self._refresh(self._log)

    def condemn(self, stream: Stream, seq: int) -> None:
        """Only in this thread: one frame is damaged in an otherwise sound file."""
        if self._log is not None:
            self._log.condemn(stream, seq, self._clock())
            self._note("buffer.corrupt", f"{stream} frame {seq} of {self._path} is damaged")

    def renew(self, since: int) -> None:
        """Only in this thread: the file is an older copy of what the centre has seen already.

        Frames of this run are new for certain, those of earlier ones by the time of their commit.
        """
        if self._log is None:
            return
        with self._lock:
            self._acknowledged.clear()
        kept, left = self._log.renew(since, self._first_tails, self._clock())
        message = (
            f"{self._path} is an older copy of what the centre has: a new epoch begins with"
            f" {kept} unsent frames; {left} from before {since} us were sent in the old one"
        )
        _logger.error("buffer is an older copy", path=str(self._path), kept=kept, left=left)
        self._note("buffer.restored", message)
        self._refresh(self._log)

    def distrust(self) -> None:
        """Only in this thread: a reader met damage; look at the whole file."""
        if self._log is not None:
            self._log.close()
            self._log = None
        self._check = True
        self._try_open()

    def _try_open(self) -> None:
        for _ in range(2):  # a corrupt file is set aside by the first try
            try:
                self._log = self._open()
            except (sqlite3.Error, OSError) as error:
                self._suffer(error, patient=False)
            else:
                self._refresh(self._log)
                return
        self.status = self._with_trouble()

    def _open(self) -> Log:
        fresh = not self._path.exists()
        log = Log(self._path, self._clock(), check=self._check)
        self._check = False
        try:
            wanted = [(number, key) for key, number in self._ids.items()]
            real = log.assign(wanted) if wanted else []
        except BaseException:
            log.close()
            raise
        pairs = zip(wanted, real, strict=True)
        self._translate = Translation({old: new for (old, _), new in pairs if old != new})
        self.generation += 1
        newest = log.newest()
        if not self._began and not fresh and newest is not None:
            now = self._clock()
            gap = Gap(
                at=now, device="", cause=GapCause.GATEWAY_DOWN, since=min(newest, now), until=now
            )
            self._inbox.put(Stream.EVENTS, gap)
        if not self._began:
            self._first_tails = {stream: tail.seq for stream, tail in log.tails.items()}
        self._began = True
        return log

    def point_ids(self, keys: Sequence[str]) -> list[int]:
        """Only in this thread. Without a file ids are provisional and translated when written."""
        new = [key for key in dict.fromkeys(keys) if key not in self._ids]
        if new and self._log is not None:
            try:
                real = self._log.assign([(None, key) for key in new])
            except (sqlite3.Error, OSError) as error:
                self._suffer(error, patient=False)
            else:
                self._ids.update(zip(new, real, strict=True))
                new = []
        for key in new:
            self._ids[key] = PROVISIONAL + len(self._ids)
        return [self._ids[key] for key in keys]

    def catalogue(self) -> Catalogue:
        """Only in this thread: all points, described as far as they ever were."""
        found = self._log.catalogue() if self._log else []
        entries = [entry or _bare(number, key) for number, key, entry in found]
        return Catalogue(at=self._clock(), points=tuple(entries))

    def _refresh(self, log: Log) -> None:
        tail = log.tails
        committed = sum(one.readings for one in tail.values())
        sent = sum(one.sent for one in tail.values())
        given_up = sum(one.dropped for one in tail.values())
        self.status = JournalStatus(
            healthy=not self._trouble,
            depth=committed - sent - given_up,
            bytes=log.size,
            oldest_unsent=log.oldest_unsent(),
            committed=committed,
            acknowledged=sent,
            dropped=given_up,
            message=self._trouble,
        )

    def _with_trouble(self) -> JournalStatus:
        known = self.status
        return JournalStatus(
            healthy=False, depth=known.depth, bytes=known.bytes, oldest_unsent=known.oldest_unsent,
            committed=known.committed, acknowledged=known.acknowledged, dropped=known.dropped,
            message=self._trouble or known.message,
        )  # fmt: skip


def _bare(number: int, key: str) -> CatalogueEntry:
    """A point that was never described: its key says device and name."""
    device, _, name = key.partition(".")
    return CatalogueEntry(id=number, device=device, spec=PointSpec(name=name or device, address=""))
