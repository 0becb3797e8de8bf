"""From an aiohttp request to what a handler takes, and back."""

import asyncio
import base64
import hmac
import ipaddress
import re
from typing import Any
from uuid import UUID

import msgspec
from aiohttp import web

from api import limits
from api.clean import clean
from api.problems import invalid
from api.state import STATE, Options
from hub import (
    Actor,
    BadRequest,
    Caller,
    Cookie,
    Credentials,
    Download,
    Forbidden,
    HubError,
    NotFound,
    Reply,
    TooLarge,
    Unauthenticated,
)
from plugins.identity import ACCOUNTS

CSRF_COOKIE = "busbar_csrf"
REQUEST_ID = web.RequestKey("request_id", str)
CORRELATION_ID = web.RequestKey("correlation_id", str)
CALLER = web.RequestKey("caller", Caller)
ACTOR = web.RequestKey("actor", Actor)
PATIENCE = web.RequestKey("patience", asyncio.Timeout)


class UnsupportedMedia(HubError):
    """Send application/json."""

    status, code = 415, "unsupported_media_type"


def caller(request: web.Request) -> Caller:
    """Where the request comes from; forwarded headers count only from trusted proxies."""
    if CALLER in request:
        return request[CALLER]
    options = request.app[STATE].options
    ip, secure = request.remote or "", request.secure
    if "X-Forwarded-For" in request.headers and options.trusts(ip):
        secure = request.headers.get("X-Forwarded-Proto", "") == "https"
        ip = _behind(request.headers.getall("X-Forwarded-For"), ip, options)
    made = Caller(
        request_id=request[REQUEST_ID],
        correlation_id=request[CORRELATION_ID],
        ip=ip,
        user_agent=request.headers.get("User-Agent", "")[:500],
        origin=request.headers.get("Origin", ""),
        language=request.headers.get("Accept-Language", "en")[:2].lower(),
        secure=secure,
        idempotency_key=request.headers.get("Idempotency-Key", "")[:200],
        cookies=dict(request.cookies) if "Cookie" in request.headers else {},
    )
    request[CALLER] = made
    return made


def _behind(forwarded: list[str], ip: str, options: Options) -> str:
    """The nearest address that is none of our proxies: what is left of it anyone can write."""
    for hop in reversed(",".join(forwarded).split(",")):
        address = hop.strip()
        if not _is_address(address):
            break
        ip = address
        if not options.trusts(address):
            break
    return ip


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def credentials(request: web.Request) -> Credentials | None:
    """What the request proves itself with, if anything."""
    if key := request.headers.get("X-API-Key"):
        return Credentials(scheme="apikey", token=key, caller=caller(request))
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if not token:
        return None
    return Credentials(scheme=scheme.lower(), token=token.strip(), caller=caller(request))


async def authenticate(request: web.Request, rate: str = "api") -> Actor:
    """The actor of a request, or Unauthenticated."""
    shown = credentials(request)
    if shown is None:
        limits.anonymous(request, caller(request).ip)
        raise Unauthenticated
    state = request.app[STATE]
    limits.flood(request, shown.caller.ip)
    actor = await identify(state.authenticators, shown)
    if "X-Tenant-ID" in request.headers:
        enter = state.hub.get(ACCOUNTS).enter
        actor = await enter(actor, request.headers["X-Tenant-ID"])
    request[ACTOR] = actor
    limits.spend(request, actor, rate)
    return actor


async def identify(authenticators: Any, shown: Credentials) -> Actor:
    known = authenticators.get(shown.scheme)
    if known is None:
        raise Unauthenticated("sign in with a bearer token or an API key")
    actor: Actor = await known(shown)
    return actor


def allow(request: web.Request, seconds: float) -> None:
    """Give a request more time than most may take, counted from now."""
    if (patience := request.get(PATIENCE)) is not None and patience.when() is not None:
        patience.reschedule(asyncio.get_running_loop().time() + seconds)


def ident(request: web.Request) -> UUID:
    """The `{id}` of a path; a malformed one is simply not found."""
    found: UUID = place(request, "id", UUID)
    return found


def place(request: web.Request, name: str, type_: Any) -> Any:
    raw = request.match_info[name]
    try:
        return msgspec.convert(raw, type_, strict=False)
    except msgspec.ValidationError:
        raise NotFound(f"there is no {raw!r} here", identifier=raw) from None


async def raw_body(request: web.Request, limit: int) -> bytes:
    """The whole body; one byte over the limit is a 413."""
    if (request.content_length or 0) > limit:
        raise TooLarge(f"a body has at most {limit} bytes")
    data = bytearray()
    async for chunk in request.content.iter_chunked(1 << 16):
        data += chunk
        if len(data) > limit:
            raise TooLarge(f"a body has at most {limit} bytes")
    return bytes(data)


def decode(request: web.Request, data: bytes, type_: Any) -> Any:
    """JSON → struct: 415 for another type, 400 for no JSON, 422 for what it may not say."""
    if request.content_type != "application/json":
        raise UnsupportedMedia
    try:
        return msgspec.json.decode(clean(data, type_), type=type_)
    except msgspec.ValidationError as error:
        raise invalid(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from None


def params(request: web.Request, type_: Any) -> Any:
    """The query string as a struct; lists are comma-separated; anything unknown is a 400."""
    given: dict[str, Any] = {}
    lists = {
        f.encode_name
        for f in msgspec.inspect.type_info(type_).fields  # type: ignore[attr-defined]
        if _is_list(f.type)
    }
    for key, value in request.query.items():
        if key in given:
            raise BadRequest(f"{key} is given twice", field=key)
        given[key] = [v for v in value.split(",") if v] if key in lists else value
    try:
        return msgspec.convert(given, type_, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(error, BadRequest) from None


def _is_list(type_: Any) -> bool:
    kinds = type_.types if isinstance(type_, msgspec.inspect.UnionType) else (type_,)
    lists = (msgspec.inspect.ListType, msgspec.inspect.VarTupleType, msgspec.inspect.SetType)
    return any(isinstance(getattr(k, "type", k), lists) for k in kinds)


def check_cookies(request: web.Request, options: Options) -> None:
    """Refuse a cookie that another site made the browser send: our origin, and our page's token."""
    origin = request.headers.get("Origin") or _origin(request.headers.get("Referer", ""))
    own = f"{'https' if caller(request).secure else 'http'}://{request.host}"
    if origin not in options.origins | {own}:
        raise CsrfFailed("this request does not come from the console")
    pair = request.cookies.get(CSRF_COOKIE, "")
    shown = request.headers.get("X-CSRF-Token", "")
    fits = hmac.compare_digest(csrf_token(options.secret, pair).encode(), shown.encode())
    if not pair or not fits:
        raise CsrfFailed("X-CSRF-Token does not fit: GET /api/v1/system/csrf-token again")


def csrf_token(secret: bytes, cookie: str) -> str:
    """What a page of ours sends along with that cookie."""
    made = hmac.digest(secret, b"csrf" + cookie.encode(), "sha256")
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


class CsrfFailed(Forbidden):
    """The request was not made by our own page."""

    code = "csrf_failed"


def _origin(url: str) -> str:
    return "/".join(url.split("/")[:3])


def reply(data: Any, status: int = 200, headers: Any = None) -> web.Response:
    if data is None and status == 204:
        return web.Response(status=204, headers=headers)
    return web.Response(
        body=msgspec.json.encode(data),
        status=status,
        content_type="application/json",
        charset="utf-8",
        headers=headers,
    )


def respond(request: web.Request, answer: Any, status: int) -> web.Response:
    """A handler's answer as a response."""
    if isinstance(answer, Download):
        name = re.sub(r"[^A-Za-z0-9._-]", "_", answer.name)
        shown = {"Content-Disposition": f'attachment; filename="{name}"'}
        body = answer.data if answer.pieces is None else answer.pieces
        return web.Response(body=body, content_type=answer.media_type, headers=shown)
    if not isinstance(answer, Reply):
        return reply(answer, 204 if answer is None and status == 200 else status)
    response = reply(answer.body, answer.status, dict(answer.headers))
    for cookie in answer.cookies:
        _set_cookie(request, response, cookie)
    return response


def _set_cookie(request: web.Request, response: web.Response, cookie: Cookie) -> None:
    production = request.app[STATE].options.production
    response.set_cookie(
        cookie.name,
        cookie.value,
        path=cookie.path,
        max_age=cookie.max_age if cookie.value else 0,
        httponly=True,
        samesite="Strict",
        secure=production or caller(request).secure,
    )
