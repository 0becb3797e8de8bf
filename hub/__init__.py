"""The contract of Busbar: all that plugins and drivers may use."""

import importlib
from typing import TYPE_CHECKING, Any

from hub.contract.context import (
    Actor,
    Caller,
    Cookie,
    Credentials,
    Ctx,
    Event,
    Reply,
    UnitOfWork,
    grants,
    permits,
)
from hub.contract.driver import (
    Backoff,
    Can,
    ChannelConfig,
    Command,
    DeviceConfig,
    Driver,
    Link,
    Node,
    Outcome,
    Result,
    Session,
)
from hub.contract.endpoint import Endpoint, Room, Scope, action, query, room
from hub.contract.errors import (
    AuthError,
    BadRequest,
    ConfigError,
    Conflict,
    Forbidden,
    HubError,
    Invalid,
    LinkError,
    Locked,
    NoResponse,
    NotFound,
    ProtocolError,
    Stale,
    TimedOut,
    TooLarge,
    TooMany,
    Unauthenticated,
    Unavailable,
    Unsupported,
)
from hub.contract.events import Happened, Subscriber, subscribe
from hub.contract.journal import (
    Catalogue,
    CatalogueEntry,
    CommandDone,
    DeviceState,
    Gap,
    GapCause,
    Journal,
    JournalStatus,
    Note,
    Record,
    Stream,
)
from hub.contract.measurements import Measurement, ReadingType, measurements
<<<<<<< HEAD
from hub.contract.plugin import Plugin, Role, hookimpl
=======
from hub.contract.plugin import Authenticator, Plugin, Role, hookimpl
>>>>>>> main
from hub.contract.points import Kind, Point, PointSpec
from hub.contract.readings import (
    GOOD,
    LOST,
    Cause,
    Flag,
    ReadingBatch,
    Stamp,
    Validity,
    quality,
)
from hub.contract.services import DIRECTORY, JOURNAL, STORE, UNIT, Key
from hub.contract.telemetry import Aggregate, Bucket, PointDirectory, ReadingStore

if TYPE_CHECKING:
    from hub.contract.model import Base, Entity, SoftDelete, col, ref
    from hub.contract.resource import Op, Resource
    from hub.contract.types import (
        Big,
        Code,
        Currency,
        Day,
        Email,
        Id,
        Instant,
        Json,
        Label,
        Locale,
        Measured,
        MicroPrice,
        Minor,
        Name,
        Phone,
        Prose,
        Rate,
        Small,
        Strings,
        UtcDateTime,
        Wh,
        Zone,
        uuid7,
    )

__all__ = [
    "DIRECTORY",
    "GOOD",
    "JOURNAL",
    "LOST",
    "STORE",
    "UNIT",
    "Actor",
    "Aggregate",
    "AuthError",
    "Authenticator",
    "Backoff",
    "BadRequest",
    "Base",
    "Big",
    "Bucket",
    "Caller",
    "Can",
    "Catalogue",
    "CatalogueEntry",
    "Cause",
    "ChannelConfig",
    "Code",
    "Command",
    "CommandDone",
    "ConfigError",
    "Conflict",
    "Cookie",
    "Credentials",
    "Ctx",
    "Currency",
    "Day",
    "DeviceConfig",
    "DeviceState",
    "Driver",
    "Email",
    "Endpoint",
    "Entity",
    "Event",
    "Flag",
    "Forbidden",
    "Gap",
    "GapCause",
    "Happened",
    "HubError",
    "Id",
    "Instant",
    "Invalid",
    "Journal",
    "JournalStatus",
    "Json",
    "Key",
    "Kind",
    "Label",
    "Link",
    "LinkError",
<<<<<<< HEAD
    "Measurement",
=======
    "Locale",
    "Locked",
    "Measured",
    "Measurement",
    "MicroPrice",
    "Minor",
    "Name",
>>>>>>> main
    "NoResponse",
    "Node",
    "NotFound",
    "Note",
    "Op",
    "Outcome",
    "Phone",
    "Plugin",
    "Point",
    "PointDirectory",
    "PointSpec",
    "Prose",
    "ProtocolError",
    "Rate",
    "ReadingBatch",
    "ReadingStore",
    "ReadingType",
    "Record",
    "Reply",
    "Resource",
    "Result",
    "Role",
    "Room",
    "Scope",
    "Session",
    "Small",
    "SoftDelete",
    "Stale",
    "Stamp",
    "Stream",
    "Strings",
    "Subscriber",
    "TimedOut",
    "TooLarge",
    "TooMany",
    "Unauthenticated",
    "Unavailable",
    "UnitOfWork",
    "Unsupported",
    "UtcDateTime",
    "Validity",
    "Wh",
    "Zone",
    "action",
    "col",
    "grants",
    "hookimpl",
    "measurements",
<<<<<<< HEAD
=======
    "permits",
>>>>>>> main
    "quality",
    "query",
    "ref",
    "room",
    "subscribe",
    "uuid7",
]


def __getattr__(name: str) -> Any:
    """Tables and resources are loaded when first named: a gateway has none, and saves the room."""
    if name in __all__:
        for part in ("model", "resource", "types"):
            module = importlib.import_module(f"hub.contract.{part}")
            if hasattr(module, name):
                return globals().setdefault(name, getattr(module, name))
    raise AttributeError(f"hub has no {name!r}")
