"""Who wants to know what happened."""

import datetime as dt
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from msgspec import Struct

if TYPE_CHECKING:
    from .context import Ctx


class Happened(Struct, frozen=True, kw_only=True):
    """An event as it is delivered. id: the same at every attempt and for every subscriber.

    correlation_id: the same for all that follows from one request. causation_id: the event whose
    handling emitted this one.
    """

    id: UUID
    type: str
    tenant: UUID
    at: dt.datetime
    actor: str
    data: Mapping[str, Any]
    correlation_id: str = ""
    causation_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class Subscriber:
    """A handler of events whose type matches one of `patterns` (`user.*`, `*`).

    It runs once per event, in a transaction of the event's tenant that also notes that it ran: what
    it writes is written exactly once. What it does outside of the database may be done again.
    batch: above 1, the handler is given up to so many events of one tenant at a time, as a list;
    when it fails on several they are tried again one by one.
    """

    name: str
    patterns: tuple[str, ...]
    handler: "Callable[[Ctx, Any], Awaitable[None]]"
    batch: int = 1

    def wants(self, type_: str) -> bool:
        return any(fnmatchcase(type_, pattern) for pattern in self.patterns)


def subscribe(
    *patterns: str, name: str = "", batch: int = 1
) -> "Callable[[Callable[[Ctx, Any], Awaitable[None]]], Subscriber]":
    """`@subscribe("user.logged_in")` on `async def f(ctx, event)`.

    Without a pattern it handles what companies' own subscriptions (`function`) send it. name:
    under which progress is kept; the module's and function's when empty.
    """

    def make(handler: "Callable[[Ctx, Any], Awaitable[None]]") -> Subscriber:
        own = f"{handler.__module__}.{handler.__name__}"
        return Subscriber(name=name or own, patterns=patterns, handler=handler, batch=batch)

    return make


class Replayer(Protocol):
    """Has events handled again; whoever handles one twice sees the same id."""

    @property
    def subscribers(self) -> Mapping[str, Subscriber]:
        """Whoever listens in this installation, by name."""

    async def replay(self, ctx: "Ctx", event: UUID, names: Collection[str] | None = None) -> int:
        """Hand the event to these subscribers again (to all that want it); to how many.

        One that still waits or was set aside is tried at once, from its first attempt. NotFound
        when the tenant has no such event, Invalid for a subscriber that there is not.
        """
