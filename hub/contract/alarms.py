"""Alarms by ISA-18.2: what one is, its life, and how two sides of a broken link agree on it.

A gateway raises an alarm and says when its condition comes and goes. People mark it, at the
gateway or at the centre; a mark counts for the occurrence that its author saw. Of two marks of one
occurrence the later counts; both stay in the journal. So both sides reach the same status whatever
the order in which they hear of each other.
"""

import enum
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Protocol

from msgspec import Meta, Struct, structs

from .context import Ctx
from .journal import Record


class Severity(enum.StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class AlarmKind(enum.StrEnum):
    """What a gateway raises; the centre has further ones."""

    LOW_LOW = "low_low"
    LOW = "low"
    HIGH = "high"
    HIGH_HIGH = "high_high"
    STATE = "state"
    RATE = "rate_of_change"
    COMMS = "comms_lost"
    FLOOD = "flood"


class AlarmStatus(enum.StrEnum):
    """active: nobody has acknowledged it. cleared: gone before anybody did. closed: normal."""

    ACTIVE = "active"
    ACKNOWLEDGED = "acknowledged"
    CLEARED = "cleared"
    CLOSED = "closed"


class AlarmStep(enum.StrEnum):
    """One entry of an alarm's journal."""

    RAISED = "raised"
    REPEATED = "repeated"
    CLEARED = "cleared"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"
    SHELVED = "shelved"
    UNSHELVED = "unshelved"
    SUPPRESSED = "suppressed"
    UNSUPPRESSED = "unsuppressed"


class Mark(Struct, frozen=True, kw_only=True):
    """Somebody's word on one occurrence of an alarm. at: µs since 1970 UTC."""

    at: int
    by: str
    note: str = ""
    occurrence: int = 1


class Mask(Struct, frozen=True, kw_only=True):
    """Alarms that are recorded and shown to nobody until then.

    suppressed: by the state of the plant (maintenance), not by an operator's choice (shelved).
    point, kind: empty = all of the device. until: µs since 1970 UTC.
    """

    device: str
    point: str = ""
    kind: str = ""
    until: int
    by: str
    note: str = ""
    suppressed: bool = False

    def covers(self, device: str, point: str, kind: str) -> bool:
        return self.device == device and self.point in {"", point} and self.kind in {"", kind}


class Alarm(Struct, frozen=True, kw_only=True):
    """One alarm as it is now. Times are µs since 1970 UTC, of the source where it gives them.

    point: empty when the whole device is meant. version: rises with every change at its source.
    occurrence: how often its condition came before it was closed. on: the condition is there.
    masked: until when nobody is told of it. quiet: one of a flood, which is told as one.
    """

    id: str
    device: str
    point: str
    kind: str
    severity: Severity
    message: str
    raised_at: int
    version: int = 1
    occurrence: int = 1
    on: bool = True
    cleared_at: int | None = None
    value: float | None = None
    threshold: float | None = None
    acknowledged: Mark | None = None
    closed: Mark | None = None
    masked: Mask | None = None
    quiet: bool = False
    station: str = ""

    @property
    def status(self) -> AlarmStatus:
        seen = self.acknowledged is not None and self.acknowledged.occurrence == self.occurrence
        ended = self.closed is not None and self.closed.occurrence == self.occurrence
        if ended or (seen and not self.on):
            return AlarmStatus.CLOSED
        if seen:
            return AlarmStatus.ACKNOWLEDGED
        return AlarmStatus.ACTIVE if self.on else AlarmStatus.CLEARED

    def marked(self, *, acknowledged: Mark | None = None, closed: Mark | None = None) -> "Alarm":
        """With these words of people as well; an older word on the same occurrence changes
        nothing."""
        return structs.replace(
            self,
            acknowledged=later(self.acknowledged, acknowledged),
            closed=later(self.closed, closed),
        )


def merged(known: Alarm, source: Alarm) -> Alarm:
    """What its source says of the condition now, and what people said on both sides."""
    newer, older = (source, known) if source.version > known.version else (known, source)
    return newer.marked(acknowledged=older.acknowledged, closed=older.closed)


def later(one: Mark | None, other: Mark | None) -> Mark | None:
    """The mark that counts: of the newer occurrence, then of the later time, then by name."""
    found = [mark for mark in (one, other) if mark is not None]
    return max(found, key=lambda m: (m.occurrence, m.at, m.by, m.note), default=None)


class AlarmTold(Record, frozen=True, tag="alarm"):
    """A step of an alarm's life, with all that is known of it then. by: empty = the gateway."""

    alarm: Alarm
    step: AlarmStep
    by: str = ""
    note: str = ""


class OutsideAlarm(Struct, frozen=True, kw_only=True):
    """What somebody says of a device that is no gateway: a meters' platform, a sensor's cloud.

    device: by the name that the sender has for it (`external_id`). kind: one alarm of a device is
    open for each. at: µs since 1970 UTC. on: False when the condition is gone. lasting: the sender
    tells the end too, so that hearing of it again means nothing; else each time is an occurrence.
    """

    source: Literal["acrel", "iot", "ai", "centre"]
    device: str
    kind: Annotated[str, Meta(min_length=1, max_length=100)]
    severity: Severity
    message: Annotated[str, Meta(max_length=1_000)]
    at: int
    on: bool = True
    lasting: bool = False
    value: float | None = None
    threshold: float | None = None


class OutsideAlarms(Protocol):
    """Alarms that reach the centre by themselves, not through a gateway. scada implements it."""

    async def tell(self, ctx: Ctx, told: Sequence[OutsideAlarm]) -> None:
        """Raise, repeat or clear, in this order, in the caller's transaction.

        Devices that nobody knows are passed over. What ended before it began changes nothing.
        """


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What of a point's description a site sets for itself; None leaves it as it is."""

    low_limit: float | None = None
    high_limit: float | None = None
    alarm_low: float | None = None
    alarm_high: float | None = None
    deadband: Annotated[float, Meta(ge=0)] | None = None
    normal_state: int | None = None
    rate_limit: Annotated[float, Meta(gt=0)] | None = None
    alarm_delay: Annotated[float, Meta(ge=0)] | None = None
    clear_delay: Annotated[float, Meta(ge=0)] | None = None

    def given(self) -> dict[str, Any]:
        """What is set."""
        return {k: v for k, v in structs.asdict(self).items() if v is not None}
