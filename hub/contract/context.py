"""What a handler is given: who asks, from where, the open transaction, the clock."""

import datetime as dt
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, Protocol, TypeVar
from uuid import UUID

import msgspec

from .errors import Forbidden, NoService
from .http import HTTP, HttpClient
from .jobs import JOBS, Jobs
from .key import Key

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession


T = TypeVar("T")
Clock = Callable[[], dt.datetime]


def utcnow() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Something that happened. The tag is its stable name (`user.locked`).

    external: other systems may publish it too.
    """

    external: ClassVar[bool] = False


class External(Event, frozen=True, tag="external"):
    """What another system says: an event of type `name` with its data as they came."""

    name: str
    data: dict[str, Any]


@lru_cache(maxsize=4096)
def _matches(pattern: str, code: str) -> bool:
    wanted, given = pattern.split("."), code.split(".")
    for i, part in enumerate(wanted):
        if part == "*" and i == len(wanted) - 1:
            return len(given) > i
        if i >= len(given) or part not in ("*", given[i]):
            return False
    return len(wanted) == len(given)


def permits(patterns: frozenset[str], code: str) -> bool:
    """Whether `module.resource.action` is granted; `*` is any segment, a last `*` all that follow.

    A pattern that begins with `!` takes away and wins.
    """
    if any(p.startswith("!") and _matches(p[1:], code) for p in patterns):
        return False
    return code in patterns or any(_matches(p, code) for p in patterns)


def _meet(one: str, other: str) -> bool:
    """Whether some code matches both patterns."""
    a, b = one.split("."), other.split(".")
    for x, y in zip(a, b, strict=False):
        if "*" not in (x, y) and x != y:
            return False
    short, long = sorted((a, b), key=len)
    return len(a) == len(b) or (short[-1] == "*" and len(long) > len(short))


def grants(held: frozenset[str], wanted: Collection[str]) -> str | None:
    """The first of `wanted` that whoever holds `held` cannot give away, or None.

    What was taken away from the giver has to be taken away from the taker too.
    """
    spared = [p[1:] for p in wanted if p.startswith("!")]
    for pattern in wanted:
        if pattern.startswith("!"):
            continue
        if not any(_matches(p, pattern) for p in held if not p.startswith("!")):
            return pattern
        for taken in (p[1:] for p in held if p.startswith("!")):
            if _meet(taken, pattern) and not any(_matches(s, taken) for s in spared):
                return pattern
    return None


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who asks. kind: user, api_key, gateway, system. session: what signing out ends.

    limits: so many requests in so many seconds, for who has figures of his own. bound: patterns
    that count for one row only.
    """

    id: str
    tenant: UUID
    kind: str = "user"
    name: str = ""
    session: UUID | None = None
    roles: tuple[str, ...] = ()
    permissions: frozenset[str] = frozenset()
    expires: dt.datetime | None = None
    limits: tuple[tuple[int, int], ...] = ()
    bound: tuple[tuple[str, UUID], ...] = ()

    def may(self, permission: str | None, row: UUID | None = None) -> bool:
        """row: the one that is meant, with what was granted for it alone. None is what all may."""
        if permission is None or permits(self.permissions, permission):
            return True
        own = {pattern for pattern, bound in self.bound if bound == row}
        return bool(own) and permits(self.permissions | own, permission)

    def require(self, permission: str | None, row: UUID | None = None) -> None:
        if not self.may(permission, row):
            raise Forbidden(f"this needs the permission {permission}", required_action=permission)


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Where a request comes from. secure: it came over TLS. origin: scheme, host and port.

    correlation_id: of all that follows from one request, through events and jobs. causation_id: the
    event that is being handled. depth: how many events lead to this one.
    """

    request_id: str = ""
    correlation_id: str = ""
    causation_id: UUID | None = None
    depth: int = 0
    ip: str = ""
    user_agent: str = ""
    origin: str = ""
    language: str = "en"
    secure: bool = False
    idempotency_key: str = ""
    cookies: Mapping[str, str] = {}


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller proves itself with. scheme: `bearer`, `apikey`."""

    scheme: str
    token: str
    caller: Caller = Caller()


@dataclass(kw_only=True)
class Ctx:
    """One unit of work: everything done through `db` is committed together, or not at all."""

    db: "AsyncSession"
    actor: Actor
    clock: Clock = utcnow
    caller: Caller = field(default_factory=Caller)
    services: Mapping[Any, Any] = field(default_factory=dict)
    events: list[tuple[UUID, Event]] = field(default_factory=list)
    refusal: Exception | None = None

    def act_as(self, actor: Actor) -> None:
        """From here on the audit names this actor, who has just proved who he is."""
        self.actor = self.db.sync_session.info["actor"] = actor

    def called_by(self, caller: Caller) -> None:
        """From here on audit and events are part of this chain."""
        self.caller = self.db.sync_session.info["caller"] = caller

    def refuse(self, error: Exception) -> None:
        """Commit what was done so far (a failed attempt), then answer with the error."""
        self.refusal = error

    def emit(self, event: Event, tenant: UUID | None = None) -> None:
        """Publish when the transaction commits; nothing leaves if it rolls back."""
        self.events.append((tenant or self.actor.tenant, event))

    def require(self, permission: str | None) -> None:
        self.actor.require(permission)

    def get(self, key: "Key[T]") -> T:
        """A service of this process, or LookupError that names it."""
        try:
            service: T = self.services[key]
        except KeyError:
            raise NoService(f"no service provides {key.name!r} in this process") from None
        return service

    @property
    def http(self) -> HttpClient:
        """The client for servers outside."""
        return self.get(HTTP)

    @property
    def jobs(self) -> Jobs:
        """Starts work in the background."""
        return self.get(JOBS)


class UnitOfWork(Protocol):
    """Opens transactions outside of a request: jobs, subscribers, authenticators."""

    def __call__(self, actor: Actor, caller: Caller = ...) -> AbstractAsyncContextManager[Ctx]:
        """A transaction inside the actor's tenant."""

    def system(
        self, caller: Caller = ..., actor: Actor | None = None
    ) -> AbstractAsyncContextManager[Ctx]:
        """A transaction that sees all tenants; new rows must name theirs. Use it sparingly."""


class Cookie(msgspec.Struct, frozen=True, kw_only=True):
    """A cookie to set; an empty value deletes it. max_age: seconds, None = until the browser ends.

    Always HttpOnly and SameSite=Strict; Secure unless the request came in clear from this host.
    """

    name: str
    value: str = ""
    path: str = "/"
    max_age: int | None = None


_FILE = msgspec.Meta(extra_json_schema={"type": "string", "format": "binary"})


class Download(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is a file. pieces: instead of data, asked for after the commit."""

    name: str
    media_type: str
    data: bytes = b""
    pieces: Annotated[AsyncIterator[bytes], _FILE] | None = None


class Reply(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A handler's answer when status, headers or cookies matter; else it returns the body alone."""

    body: T
    status: int = 200
    headers: Mapping[str, str] = {}
    cookies: tuple[Cookie, ...] = ()
