"""What a protocol driver implements.

One `Driver` is one channel: a TCP peer, a serial line, a broker, an association. A channel has
devices, a device has points. The supervisor owns the loop (connect, start up, poll, listen,
command, back off); a driver is the thin session it talks through.
"""

import enum
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any, ClassVar, Generic, Literal, Protocol, TypeVar

from msgspec import Meta, Struct

from .alarms import Limits
from .errors import Unsupported
from .points import Point, PointName, PointSpec
from .readings import ReadingBatch

Recording = Literal["all", "change"]


class Backoff(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Seconds between attempts to reconnect: jittered, doubling from `first` to `last`.

    auth: after the peer refused our credentials, so that we lock nobody out.
    """

    first: Annotated[float, Meta(gt=0)] = 0.5
    last: Annotated[float, Meta(gt=0)] = 3.0
    auth: Annotated[float, Meta(gt=0)] = 60.0


class DeviceConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what a driver needs to know of one device on its channel.

    profile: `vendor/model`; its points come first, `points` add to them or replace by name.
    every: poll period in seconds of points that name none. record: as the channel's when absent.
    station: code of the station where it stands. role: what it counts there. alarms: point name →
    limits of this site.
    """

    name: PointName
    profile: str | None = None
    points: tuple[PointSpec, ...] = ()
    every: Annotated[float, Meta(gt=0)] = 1.0
    enabled: bool = True
    record: Recording | None = None
    station: Annotated[str, Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9_.\-/]{0,49})?$")] = ""
    role: Literal["", "incomer", "feeder", "generation", "customer"] = ""
    alarms: Mapping[str, Limits] = {}


class ChannelConfig(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="driver"
):
    """Base of every driver's configuration; the tag names the driver (`modbus-tcp`).

    A subclass adds `devices: tuple[ItsDeviceConfig, ...]`. Times are seconds. A session is given
    up when neither side has shown bytes (`Link.wire`) for twice `request_timeout` during a request.
    record: `all` keeps every polled value; `change` keeps one that differs from the last kept by
    more than the point's deadband, or in quality, or is 60 s younger (15 min for counters).
    """

    name: PointName
    enabled: bool = True
    connect_timeout: Annotated[float, Meta(gt=0)] = 4.0
    request_timeout: Annotated[float, Meta(gt=0)] = 5.0
    backoff: Backoff = Backoff()
    queue: Annotated[int, Meta(ge=1)] = 16
    record: Recording = "all"


class Can(enum.Flag):
    """What a driver's session overrides."""

    NOTHING = 0
    READ = enum.auto()
    EVENTS = enum.auto()
    BROWSE = enum.auto()
    OPERATE = enum.auto()
    SELECT = enum.auto()
    SET_CLOCK = enum.auto()
    TIMED = enum.auto()  # `operate` heeds `Command.at`


class Command(Struct, frozen=True, kw_only=True):
    """A control of one point by one person. expires: µs since 1970 UTC; never sent after it.

    at: µs since 1970 UTC when the device shall execute it by its own clock; None at once.
    value: an operator's engineering value; a driver gets it raw, as `(value - offset) / scale`.
    """

    point: Point
    value: float | str
    actor: str
    expires: int
    id: str = ""
    test: bool = False
    check_interlock: bool = True
    check_synchronism: bool = False
    at: int | None = None


class Outcome(enum.StrEnum):
    """How a control ended. The machine repeats none of them."""

    DONE = "done"
    ACCEPTED = "accepted"  # the device reports completion later
    TIMEOUT = "timeout"
    NO_SELECT = "no_select"
    REJECTED = "rejected"  # never sent, or refused by the device
    LOCAL = "local"
    INTERLOCKED = "interlocked"
    EXPIRED = "expired"
    NOT_SUPPORTED = "not_supported"
    UNKNOWN = "unknown"  # sent, and the link died


class Result(Struct, frozen=True, kw_only=True):
    """An outcome with the device's own words (status code, AddCause, read-back)."""

    outcome: Outcome
    detail: str = ""


class Node(Struct, frozen=True, kw_only=True):
    """One step of browsing a device's model; a leaf carries the point that it would make."""

    path: str
    name: str
    leaf: bool
    spec: PointSpec | None = None


class Session:
    """One live connection. Override what the protocol can do; `Driver.can` says what that is.

    Any method may raise `LinkError` (the channel reconnects) or `ProtocolError` (treated alike).
    """

    async def startup(self) -> ReadingBatch:
        """Bring the image up to date: integrity poll, general interrogation, retained messages."""
        return ReadingBatch.empty()

    async def read(self, points: tuple[Point, ...]) -> ReadingBatch:
        """Poll points of one device.

        The supervisor passes the same tuple object at every poll, so a plan may be cached by it.
        A point that the device refuses comes back INVALID; a device that does not answer raises
        `NoResponse`. Never returns a value that was not received.
        """
        raise Unsupported

    def events(self) -> AsyncIterator[ReadingBatch]:
        """Values that the device reports by itself, for as long as the session lives."""
        raise Unsupported

    def browse(self, path: str = "") -> AsyncIterator[Node]:
        """The device's own model below `path`."""
        raise Unsupported

    async def select(self, command: Command) -> Result:
        raise Unsupported

    async def operate(self, command: Command) -> Result:
        raise Unsupported

    async def cancel(self, command: Command) -> Result:
        raise Unsupported

    async def set_clock(self, device: str) -> None:
        raise Unsupported


class Link(Protocol):
    """What the hub lends a driver."""

    @property
    def state(self) -> MutableMapping[str, bytes]:
        """Small facts of the channel that outlive a restart of the gateway, ≤ 64 KiB a key.

        Set here what the peer will be asked from (a report's EntryID, a sequence number), in
        `events()` behind the `yield` of the readings that it follows: those are on disk before it.
        Setting costs nothing; the newest values are written together about once a second, so that
        after a kill a fact may be a second old. An old or foreign one must do no harm.
        """

    def now(self) -> int:
        """µs since 1970 UTC by the gateway's clock."""

    def wire(self, device: str, sent: bool, data: bytes, note: str = "") -> None:
        """Show bytes to whoever traces this channel; costs nothing when nobody does."""

    def warn(self, device: str, message: str) -> None:
        """Log a trouble of one device, once until `clear` is called for it."""

    def clear(self, device: str) -> None:
        """Log that the device's trouble is over, if there was one."""


C = TypeVar("C", bound=ChannelConfig)


Explainer = Callable[[bool, bytes], Iterable[str]]  # (sent, octets) → what they say


class Driver(ABC, Generic[C]):
    """One channel of a protocol.

    config_type: a `ChannelConfig` subclass, or a union of tagged ones. layers: of the protocol,
    that `explainer` can tell of.
    """

    config_type: ClassVar[Any]
    can: ClassVar[Can]
    layers: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: C, points: Sequence[Point], link: Link) -> None:
        self.config, self.points, self.link = config, tuple(points), link

    @classmethod
    @abstractmethod
    def address(cls, spec: PointSpec, device: DeviceConfig) -> Any:
        """Parse `spec.address` and `spec.type` into the driver's address struct, or ConfigError."""

    @classmethod
    def polls(cls, address: Any) -> bool:
        """Whether a point can be read when asked for; others only come as events."""
        return Can.READ in cls.can

    @classmethod
    def explainer(cls, layers: frozenset[str]) -> Explainer:
        """Puts the octets of a wire trace into words, in order; each watcher has its own."""
        return lambda sent, data: ()

    @classmethod
    def check(cls, config: C, points: Sequence[Point]) -> list[str]:
        """Faults between points that one point alone does not show (overlapping writes)."""
        return []

    @abstractmethod
    def open(self) -> AbstractAsyncContextManager[Session]:
        """Connect on enter, raising LinkError, AuthError or ConfigError; release on exit."""
