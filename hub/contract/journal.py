"""What a gateway must not lose: readings and records, in two streams, until the centre has them."""

import enum
from collections.abc import AsyncIterator, Sequence
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from .points import PointSpec
from .readings import ReadingBatch


class Stream(enum.StrEnum):
    """Each has its own contiguous sequence; events are sent first."""

    EVENTS = "events"
    TELEMETRY = "telemetry"


class Record(Struct, frozen=True, kw_only=True, tag_field="type"):
    """Something to be told once. at: µs since 1970 UTC."""

    at: int


class CatalogueEntry(Struct, frozen=True, kw_only=True):
    """One point as the centre is told of it; `id` is the gateway's, never reused."""

    id: int
    device: str
    spec: PointSpec
    profile: str = ""
    driver: str = ""
    every: float | None = None
    station: str = ""
    role: str = ""


class Catalogue(Record, frozen=True, tag="catalogue"):
    """Points that are new or whose description changed."""

    points: tuple[CatalogueEntry, ...]


class GapCause(enum.StrEnum):
    DEVICE_SILENT = "device_silent"
    COMM_DOWN = "comm_down"
    DISK_FULL = "disk_full"
    DISABLED = "disabled"
    GATEWAY_DOWN = "gateway_down"
    OVERLOAD = "overload"
    CORRUPT = "corrupt"


class Gap(Record, frozen=True, tag="gap"):
    """Readings of a device that do not exist, and why. until: None while it lasts.

    device: empty when the whole gateway is meant.
    """

    device: str
    cause: GapCause
    since: int
    until: int | None = None
    lost: int = 0


class DeviceState(Record, frozen=True, tag="device"):
    channel: str
    device: str
    online: bool
    reason: str = ""


class Note(Record, frozen=True, tag="note"):
    """Something an operator should know: clock jump, disk full, corrupt buffer set aside."""

    level: str
    code: str
    message: str


class CommandDone(Record, frozen=True, tag="command"):
    id: str
    key: str
    actor: str
    outcome: str
    detail: str = ""


class SwitchTold(Record, frozen=True, tag="switch"):
    """A switch moved."""

    device: str
    point: str
    old: float
    new: float


class CommandState(enum.StrEnum):
    """How far a command of the centre is. unknown: sent, and nobody can say what came of it."""

    REQUESTED = "requested"
    AWAITING_APPROVAL = "awaiting_approval"
    QUEUED = "queued"
    SENT = "sent"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    TIMEOUT = "timeout"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


class CommandTold(Record, frozen=True, tag="command_state"):
    """A step of a command that the centre gave. id: of the command."""

    id: str
    key: str
    state: CommandState
    outcome: str = ""
    detail: str = ""


class JournalStatus(Struct, frozen=True, kw_only=True):
    """depth: readings not yet acknowledged by the centre. Times are µs since 1970 UTC."""

    healthy: bool
    depth: int
    bytes: int
    oldest_unsent: int | None
    committed: int
    acknowledged: int
    dropped: int
    message: str = ""


class Place(Struct, frozen=True, kw_only=True):
    """Where a reading lies: row of a frame of a stream, and whether the centre has that frame."""

    stream: Stream
    seq: int
    row: int
    acknowledged: bool


class Stretch(Struct, frozen=True, kw_only=True):
    """Readings as they lie in a stream. epoch: of the sequence numbers; another one begins anew.

    first, last: frames, of which those without readings bring none.
    """

    epoch: UUID
    first: int
    last: int
    batches: tuple[ReadingBatch, ...]


class Journal(Protocol):
    """The gateway's durable log. `sync.buffer` is the one we ship."""

    async def point_ids(self, keys: Sequence[str]) -> list[int]:
        """Local ids of `device.point` keys, assigned at first sight and never reused."""

    def readings(self, batch: ReadingBatch, stream: Stream = Stream.TELEMETRY) -> None:
        """Queue for the next group commit (≤ 200 ms). Never blocks; takes engineering values."""

    def record(self, record: Record) -> None:
        """Queue a record on the events stream."""

    async def flush(self) -> None:
        """Return when all that was queued before is on disk."""

    async def locate(self, point: int, time: int) -> Place | None:
        """Where the reading of that local id and time lies; None when it is not on disk (now)."""

    async def after(self, epoch: UUID | None, seq: int, max_bytes: int) -> Stretch | None:
        """What lies on disk behind frame `seq` of the telemetry, from its beginning when the epoch
        is another by now; None when nothing does (now).
        """

    def history(self, since: int, until: int) -> AsyncIterator[ReadingBatch]:
        """Readings on disk with since ≤ time < until (µs since 1970 UTC), one stream after the
        other in order of commit; what is damaged is left out."""

    def status(self) -> JournalStatus: ...
