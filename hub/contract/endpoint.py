"""Endpoints that are not rows: typed functions with a path, and rooms of live values.

What a function may ask for, by name: `ctx`, `row` (of a Resource), `params` (a struct filled from
the query string), `body` (a struct decoded from JSON), `raw` (a `RawRequest`, in place of a body),
and each `{name}` of its path.
"""

import enum
import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_type_hints

Handler = Callable[..., Awaitable[Any]]
_PLACE = re.compile(r"{(\w+)}")


class Scope(enum.Enum):
    """What a handler's transaction sees."""

    TENANT = "tenant"
    SYSTEM = "system"  # all tenants; only for what happens before a tenant is known


@dataclass(frozen=True, kw_only=True)
class RawRequest:
    """A request as it came, for what is signed. headers: names in lower case."""

    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What a handler takes and gives, read from its annotations."""

    arguments: tuple[str, ...]
    places: Mapping[str, Any]
    body: Any = None
    params: Any = None
    returns: Any = None


def signature(handler: Handler, path: str = "", own: tuple[str, ...] = ()) -> Signature:
    """Check a handler's arguments against its path; a stranger among them is a TypeError."""
    hints = get_type_hints(handler, include_extras=True)
    arguments = tuple(inspect.signature(handler).parameters)
    places = {name: hints.get(name, str) for name in _PLACE.findall(path)}
    for name in arguments:
        if name not in {"ctx", "body", "raw", "params", *own, *places}:
            raise TypeError(f"{handler.__qualname__}: who gives {name!r}? ctx, body, raw, params")
    if missing := set(places) - set(arguments):
        raise TypeError(f"{handler.__qualname__} takes no {', '.join(sorted(missing))} of its path")
    return Signature(
        arguments=arguments,
        places=places,
        body=hints.get("body"),
        params=hints.get("params"),
        returns=hints.get("return"),
    )


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One method of one path below `/api/v1/<module>/`.

    permission: None = any authenticated caller. public: no sign-in at all. module: a URL module of
    the plugin other than its name. idempotent: honours `Idempotency-Key`. cookie: one that it may
    rely on; a request that brings it must come from our own page. rate: api, upload, ai or
    webhook_in, whose figures limit it. media: the type of a `Download`.
    """

    method: str
    path: str
    handler: Handler
    signature: Signature
    permission: str | None = None
    public: bool = False
    module: str = ""
    scope: Scope = Scope.TENANT
    status: int = 200
    idempotent: bool = False
    cookie: str = ""
    rate: str = "api"
    media: str = "*/*"

    @property
    def name(self) -> str:
        return self.handler.__name__

    @property
    def summary(self) -> str:
        return (inspect.getdoc(self.handler) or "").partition("\n")[0]


def _endpoint(method: str, path: str, options: dict[str, Any]) -> Callable[[Handler], Endpoint]:
    def make(handler: Handler) -> Endpoint:
        return Endpoint(
            method=method,
            path=path,
            handler=handler,
            signature=signature(handler, path),
            **options,
        )

    return make


def query(path: str, **options: Any) -> Callable[[Handler], Endpoint]:
    """A GET that reads: `@query("readings/history", permission="scada.readings.read")`."""
    return _endpoint("GET", path, options)


def action(path: str, method: str = "POST", **options: Any) -> Callable[[Handler], Endpoint]:
    """A request that does something: `@action("login", module="auth", public=True)`."""
    return _endpoint(method, path, options)


@dataclass(frozen=True, kw_only=True)
class Room:
    """What clients follow over a WebSocket: joined by name, or at `/api/v1/<module>/ws/<name>`.

    open: runs in a transaction with the client's parameters, checks what may be seen, and returns
    a stream, or the name of a room whose messages are meant, or None for the messages of this one.
    A stream runs after the transaction is over. Its next item is asked for when the client has
    taken the last one (and `params.min_interval_ms` have passed, where there is such a field), so a
    stream that conflates needs no queue. key: the field of the parameters that a name carries:
    `job_<id>`. default: joined by whoever may, when he asks for updates without naming any.
    """

    name: str
    open: Handler
    params: Any
    permission: str | None = None
    module: str = ""
    key: str = ""
    default: bool = False


def room(name: str, **options: Any) -> Callable[[Handler], Room]:
    """`@room("readings", permission="scada.readings.read")` on `async def f(ctx, params)`."""

    def make(handler: Handler) -> Room:
        return Room(name=name, open=handler, params=signature(handler).params, **options)

    return make


@dataclass(frozen=True, kw_only=True)
class Action:
    """A verb of a Resource beyond create, read, update, delete."""

    name: str
    handler: Handler
    signature: Signature
    item: bool
    method: str
    permission: str
    idempotent: bool
    start: tuple[str, ...] = ()
    end: str = ""
    rate: str = "api"
    media: str = "*/*"
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        return (inspect.getdoc(self.handler) or "").partition("\n")[0]
