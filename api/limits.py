"""How many requests are answered, per address, user and key."""

from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from api.metrics import METRICS
from api.state import STATE
from hub import Actor, ConfigError, TooMany
from hub.kernel.rates import GATEWAY, Verdict

VERDICT = web.RequestKey("verdict", Verdict)
FLOOD = 1_000
Most = Annotated[int, Meta(ge=1)]


class Limit(Struct, frozen=True):
    """So many in so many seconds."""

    most: Most
    seconds: Most


_API = Limit(120, 60)  # 100, and a burst of 20
LIMITS = {
    "api": _API,
    "upload": Limit(10, 3_600),
    "upload_staff": Limit(200, 3_600),
    "ai": Limit(20, 60),
    "webhook_in": Limit(600, 60),
    "gateway": Limit(*GATEWAY),
}
BULK = "media.library.bulk"  # field crews send their photos at the end of the day
_STRICT = Limit(100, 900)
_WORDS = {
    "upload": "Upload limit exceeded, please try again later",
    "upload_staff": "Upload limit exceeded, please try again later",
}


def flood(request: web.Request, ip: str) -> None:
    """Refuse an address that asks far too often, before anything is done for it."""
    if request.app[STATE].options.rate_profile != "bench":
        _spend(request, f"flood/{ip}", "flood", Limit(FLOOD, 60))


def anonymous(request: web.Request, ip: str, kind: str = "api") -> None:
    """Count a request of nobody in particular against its address."""
    _class(request, kind, f"ip/{ip}")


def known(kind: str, place: str) -> str:
    """The class, or ConfigError: a misspelt one would limit nothing."""
    if kind not in LIMITS:
        raise ConfigError(f"{place}: there is no rate class {kind!r}; {', '.join(LIMITS)}")
    return kind


def spend(request: web.Request, actor: Actor, kind: str = "api") -> None:
    """Count a request against who sent it; a key has figures of its own."""
    if kind == "upload" and actor.may(BULK):
        kind = "upload_staff"
    if actor.kind == "api_key":
        for most, seconds in actor.limits:
            _spend(request, f"key/{actor.id}", "key", Limit(most, seconds))
    if actor.kind != "api_key" or kind != "api":
        _class(request, kind, f"{actor.kind}/{actor.id}")


def _class(request: web.Request, kind: str, who: str) -> None:
    profile = request.app[STATE].options.rate_profile
    if kind == "api" and profile == "bench":
        return
    limit = _STRICT if kind == "api" and profile == "strict" else LIMITS[kind]
    _spend(request, f"{kind}/{who}", kind, limit)


def _spend(request: web.Request, key: str, kind: str, limit: Limit) -> None:
    verdict = request.app[STATE].rates.spend(key, limit.most, limit.seconds)
    if kind != "flood":
        request[VERDICT] = verdict
    if not verdict.allowed:
        request[VERDICT] = verdict
        request.app[METRICS].limited.labels(kind).inc()
        raise TooMany(
            _WORDS.get(kind, "Too many requests, please try again later"),
            retry_after=verdict.reset,
        )


def tell(request: web.Request, response: web.StreamResponse) -> None:
    """Say how many requests are left."""
    verdict = request.get(VERDICT)
    if verdict is not None:
        response.headers["RateLimit-Limit"] = str(verdict.limit)
        response.headers["RateLimit-Remaining"] = str(verdict.remaining)
        response.headers["RateLimit-Reset"] = str(verdict.reset)
