"""Telemetry at the centre: who owns the points, and who keeps their values.

Values are kept per *series*, a small integer that the owner of the points gives each of them. The
store knows no tenant: whoever asks it has authorised the series first.
"""

import datetime as dt
import enum
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from msgspec import Struct

from .alarms import AlarmTold
from .context import Event
from .journal import CatalogueEntry, CommandTold, DeviceState, SwitchTold
from .readings import ReadingBatch


class Aggregate(enum.StrEnum):
    """How readings of a bucket become one value."""

    AVG = "avg"
    MIN = "min"
    MAX = "max"
    SUM = "sum"
    FIRST = "first"
    LAST = "last"
    COUNT = "count"
    DELTA = "delta"  # rise of a counter inside the bucket


class Bucket(Struct, frozen=True, kw_only=True):
    """value: None when no reading fell into it. coverage: share of the expected readings, 0…1."""

    series: int
    start: dt.datetime
    value: float | None
    count: int
    coverage: float | None = None


class CompletenessState(enum.StrEnum):
    """What can be said of a range."""

    COMPLETE = "complete"
    GAPS = "gaps"
    PENDING = "pending"  # the gateway may have more for this range
    UNKNOWN = "unknown"  # no gateway has this point


class Hole(Struct, frozen=True):
    """Readings that do not exist, and why. until: None while it lasts. device: empty for all."""

    since: dt.datetime
    until: dt.datetime | None
    cause: str
    device: str
    lost: int


class Completeness(Struct, frozen=True):
    """proved_until: everything acquired before is stored or named in `gaps`."""

    state: CompletenessState
    gaps: tuple[Hole, ...] = ()
    proved_until: dt.datetime | None = None


class ReadingStore(Protocol):
    """Values at the centre; `sync.store` implements it. Times are aware; batches carry series."""

    async def latest(self, series: Sequence[int]) -> ReadingBatch:
        """The newest reading of each series that has one."""

    async def history(
        self,
        series: Sequence[int],
        start: dt.datetime,
        end: dt.datetime,
        *,
        limit: int,
        after: tuple[dt.datetime, int] | None = None,
    ) -> ReadingBatch:
        """Raw readings in [start, end) by (time, series), beginning behind `after`."""

    async def aggregate(
        self,
        series: Sequence[int],
        start: dt.datetime,
        end: dt.datetime,
        *,
        bucket: str,
        fn: Aggregate,
        zone: str = "UTC",
        include_bad: bool = False,
    ) -> list[Bucket]:
        """Buckets (`1m 5m 15m 1h 1d 1mo`) in `zone`, from the coarsest roll-up that fits."""

    async def completeness(
        self, series: Sequence[int], start: dt.datetime, end: dt.datetime
    ) -> Mapping[int, Completeness]:
        """Whether all that was acquired in [start, end) is stored, or which holes there are."""

    def live(self, series: Sequence[int]) -> AsyncIterator[ReadingBatch]:
        """Readings as they are stored, conflated to the newest per series for a slow reader."""


class News(Protocol):
    """Wakes whoever follows a topic when a transaction that told it commits.

    Telling is SQL: `SELECT pg_notify('busbar_news', topic)`.
    """

    def follow(self, topic: str) -> AsyncIterator[None]:
        """At once, then after each change."""


class PointDirectory(Protocol):
    """Who owns points at the centre; the scada plugin implements it.

    connection: the psycopg `AsyncConnection` of the ingest's own transaction.
    """

    async def adopt(
        self, connection: Any, gateway: UUID, entries: Sequence[CatalogueEntry]
    ) -> Mapping[int, int]:
        """Create or update the points of a gateway's catalogue; local id → series."""

    async def told(
        self,
        connection: Any,
        gateway: UUID,
        record: DeviceState | AlarmTold | CommandTold | SwitchTold,
    ) -> Sequence[Event]:
        """Note what happened at a gateway; the events to publish with it."""
