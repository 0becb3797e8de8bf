"""Who wants to know what happened."""

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from uuid import UUID

from msgspec import Struct

if TYPE_CHECKING:
    from .context import Ctx


class Happened(Struct, frozen=True, kw_only=True):
    """An event as it is delivered. id: the same at every attempt and for every subscriber."""

    id: UUID
    type: str
    tenant: UUID
    at: dt.datetime
    actor: str
    data: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Subscriber:
    """A handler of events whose type matches one of `patterns` (`user.*`, `*`).

    It runs once per event, in a transaction of the event's tenant that also notes that it ran: what
    it writes is written exactly once. What it does outside of the database may be done again.
    """

    name: str
    patterns: tuple[str, ...]
    handler: "Callable[[Ctx, Happened], Awaitable[None]]"

    def wants(self, type_: str) -> bool:
        return any(fnmatchcase(type_, pattern) for pattern in self.patterns)


def subscribe(
    *patterns: str, name: str = ""
) -> "Callable[[Callable[[Ctx, Happened], Awaitable[None]]], Subscriber]":
    """`@subscribe("user.logged_in")` on `async def f(ctx, event)`.

    name: under which progress is kept; the module's and function's when empty.
    """

    def make(handler: "Callable[[Ctx, Happened], Awaitable[None]]") -> Subscriber:
        own = f"{handler.__module__}.{handler.__name__}"
        return Subscriber(name=name or own, patterns=patterns, handler=handler)

    return make
