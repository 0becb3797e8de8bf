"""What waits in memory for the next group commit: bounded, and counting what it must let go."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from hub import Gap, GapCause, Note, ReadingBatch, Record, Stream

Item = ReadingBatch | Record
BATCH_OVERHEAD = 8  # what one batch costs beyond its rows, in readings
Clock = Callable[[], int]


class Taken(NamedTuple):
    """Items in order of arrival; ticket: all that was queued up to it is in here or gone."""

    items: list[tuple[Stream, Item]]
    ticket: int


class Inbox:
    """A queue from many callers to one writer thread.

    Telemetry gives way first, oldest first; records only when nothing else is left. Either is
    told as a `Gap` or a `Note` ahead of the next items.
    """

    def __init__(self, max_readings: int, max_records: int, clock: Clock) -> None:
        self._max_readings, self._max_records, self._clock = max_readings, max_records, clock
        self._changed = threading.Condition()
        self._readings: deque[tuple[int, Stream, ReadingBatch]] = deque()
        self._records: deque[tuple[int, Record]] = deque()
        self._weight = self._ticket = 0
        self._woken = self._closed = self._touched = False
        self._enough = 0
        self._urgent = 0  # ticket up to which somebody waits
        self._gap: Gap | None = None
        self._lost_records = 0
        self.cause = GapCause.OVERLOAD
        self.dropped = self.rows = 0

    def put(self, stream: Stream, item: Item) -> None:
        """Queue; never blocks."""
        with self._changed:
            idle = not self._ready()
            self._ticket += 1
            if isinstance(item, ReadingBatch):
                self._readings.append((self._ticket, stream, item))
                self._weight += len(item) + BATCH_OVERHEAD
                self.rows += len(item)
                while self._weight > self._max_readings and len(self._readings) > 1:
                    self._let_go()
            else:
                self._records.append((self._ticket, item))
                if len(self._records) > self._max_records:
                    self._records.popleft()
                    self._lost_records += 1
            if idle or self.rows >= self._enough:  # waking the writer costs more than queueing
                self._enough = self._max_readings if self.rows >= self._enough else self._enough
                self._changed.notify()

    def _let_go(self) -> None:
        _, _, batch = self._readings.popleft()
        self._weight -= len(batch) + BATCH_OVERHEAD
        self.rows -= len(batch)
        self.dropped += len(batch)
        first, last = int(np.min(batch.time)), int(np.max(batch.time))
        gap = self._gap
        self._gap = Gap(
            at=self._clock(),
            device="",
            cause=self.cause,
            since=min(first, gap.since) if gap else first,
            until=max(last, gap.until or last) if gap else last,
            lost=len(batch) + (gap.lost if gap else 0),
        )

    def gather(self, period: float, enough: int) -> bool:
        """Wait for `enough` readings, or for `period` s behind the first item; False: closed."""
        with self._changed:
            self._enough = enough
            while not (self._ready() or self._pressing()):
                self._changed.wait()
            end = time.monotonic() + period
            while not (self._pressing() or self.rows >= enough):
                left = end - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            self._woken = self._touched = False
            return not self._closed

    def _pressing(self) -> bool:
        oldest = self._oldest()
        return self._woken or self._closed or (oldest is not None and oldest <= self._urgent)

    def _oldest(self) -> int | None:
        waiting = [queue[0][0] for queue in (self._readings, self._records) if queue]
        return min(waiting, default=None)

    def _ready(self) -> bool:
        return bool(
            self._readings or self._records or self._gap or self._lost_records or self._touched
        )

    def take(self, limit: int) -> Taken:
        """Up to about `limit` readings, with all records that came before the last of them."""
        with self._changed:
            items: list[tuple[Stream, Item]] = list(self._losses())
            rows = 0
            while self._readings or self._records:
                telemetry_next = self._readings and (
                    not self._records or self._readings[0][0] < self._records[0][0]
                )
                if telemetry_next:
                    if rows >= limit:
                        break
                    _, stream, batch = self._readings.popleft()
                    self._weight -= len(batch) + BATCH_OVERHEAD
                    self.rows -= len(batch)
                    rows += len(batch)
                    items.append((stream, batch))
                else:
                    items.append((Stream.EVENTS, self._records.popleft()[1]))
            oldest = self._oldest()
            return Taken(items, self._ticket if oldest is None else oldest - 1)

    def _losses(self) -> list[tuple[Stream, Record]]:
        found: list[tuple[Stream, Record]] = []
        if self._gap:
            found.append((Stream.EVENTS, self._gap))
        if self._lost_records:
            message = f"{self._lost_records} records did not fit the memory queue"
            note = Note(
                at=self._clock(), level="alarm", code="buffer.records_lost", message=message
            )
            found.append((Stream.EVENTS, note))
        self._gap, self._lost_records = None, 0
        return found

    def hurry(self) -> int:
        """Have all that is queued committed at once; the ticket of what was queued last."""
        with self._changed:
            self._urgent = self._ticket
            self._changed.notify()
            return self._ticket

    def wake(self) -> None:
        """Have the writer look up from waiting."""
        with self._changed:
            self._woken = True
            self._changed.notify()

    def touch(self) -> None:
        """Have the writer commit at the end of the period even if nothing is queued."""
        with self._changed:
            self._touched = True
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
