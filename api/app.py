"""The web application of the centre: one envelope around every request, and the routes."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import psycopg
from aiohttp import hdrs, web
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from api import console, endpoints, exchange, health, limits, live, resources, system
from api.access import ACCESS, AccessLog, line
from api.metrics import METRICS, Metrics
from api.problems import from_error, problem
from api.request import ACTOR, CALLER, CORRELATION_ID, PATIENCE, REQUEST_ID, authenticate
from api.state import STATE, Options, State
from hub import BadRequest, HubError, TimedOut, Unavailable
from hub.kernel.app import UNIT, Hub, Route
from hub.kernel.database import DATABASE
from hub.kernel.rates import RATES

log = logging.getLogger("busbar.api")
SLOW = 1.0
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_ID = re.compile(r"[A-Za-z0-9._-]{8,100}")
_TEXT = re.compile(
    r"^(text/|application/(json|problem\+json|javascript|xml|x-ndjson))|\+json|\+xml"
)

_CORS = {
    "Access-Control-Allow-Credentials": "true",
    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": (
        "Authorization, Content-Type, X-Request-ID, X-Correlation-ID, X-CSRF-Token, X-API-Key, "
        "Idempotency-Key, If-Match"
    ),
    "Access-Control-Expose-Headers": (
        "X-Request-ID, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, "
        "Location, ETag, Content-Disposition"
    ),
    "Access-Control-Max-Age": "600",
}


def build(hub: Hub, options: Options | None = None) -> web.Application:
    """The application of a hub whose database and plugins are ready."""
    asked: Any = hub.hooks.hook.hub_authenticate
    known = {s: asked(hub=hub, scheme=s) for s in ("bearer", "apikey")}
    options = options or Options()
    app = web.Application(middlewares=[envelope], client_max_size=1 << 20)
    app[ACCESS] = AccessLog(options.access_log)
    app.cleanup_ctx.append(app[ACCESS].context)
    app.on_response_prepare.append(_dressed)
    app[METRICS] = Metrics()
    app[STATE] = State(
        hub=hub,
        unit=hub.get(UNIT),  # type: ignore[arg-type]
        reader=hub.get(DATABASE).reader,
        rates=hub.get(RATES),
        options=options,
        authenticators={scheme: found for scheme, found in known.items() if found},
    )
    app[exchange.EXPORTS] = asyncio.Semaphore(exchange.AT_ONCE)
    plugins = (*hub.plugins.values(), console.plugin(hub))
    for plugin in plugins:
        for endpoint in plugin.actions:
            endpoints.add(app, plugin, endpoint)
        for res in plugin.resources:
            resources.add(app, res)
    live.add(app, plugins)
    for route in hub.routes:
        app.router.add_route(route.method, route.path, _guard(route))
    health.add(app)
    system.add(app, plugins)
    console.add(app)
    return app


async def _dressed(request: web.Request, response: web.StreamResponse) -> None:
    """Headers of what is sent while it is made; never tell which software answers."""
    if "X-Request-ID" not in response.headers and REQUEST_ID in request:
        _dress(request, response, request[REQUEST_ID])
    response.headers.pop(hdrs.SERVER, None)


def _guard(route: Route) -> Handler:
    """A mounted handler behind the sign-in and permission that its route names."""
    if route.public:
        return route.handler

    async def handle(request: web.Request) -> web.StreamResponse:
        actor = await authenticate(request)
        if route.permission:
            actor.require(route.permission)
        answer: web.StreamResponse = await route.handler(request)
        return answer

    return handle


@web.middleware
async def envelope(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Request id, time limit, errors, headers, compression, log and metrics."""
    given = request.headers.get("X-Request-ID", "")
    request[REQUEST_ID] = ident = given if _ID.fullmatch(given) else uuid4().hex
    chain = request.headers.get("X-Correlation-ID", "")
    request[CORRELATION_ID] = chain if _ID.fullmatch(chain) else ident
    start = time.perf_counter()
    if request.method == hdrs.METH_OPTIONS and "Access-Control-Request-Method" in request.headers:
        response: web.StreamResponse = web.Response(status=204)
    elif secure := _to_https(request):
        response = secure
    else:
        response = await _answer(request, handler, ident)
    _finish(request, response, ident)
    _note(request, response.status, time.perf_counter() - start, ident)
    return response


def _to_https(request: web.Request) -> web.Response | None:
    """Where a request that our proxy took in clear has to go."""
    options = request.app[STATE].options
    if not options.production or request.headers.get("X-Forwarded-Proto") != "http":
        return None
    if not options.trusts(request.remote or ""):
        return None
    return web.Response(status=308, headers={"Location": str(request.url.with_scheme("https"))})


def _note(request: web.Request, status: int, seconds: float, ident: str) -> None:
    route = getattr(request.match_info.route.resource, "canonical", "unmatched")
    socket = status == 101  # how long it stayed open tells nothing about us
    request.app[METRICS].observe(request.method, route, status, 0.0 if socket else seconds)
    actor, given = request.get(ACTOR), request.get(CALLER)
    who = {
        "ip": given.ip if given else request.remote or "",
        "user": actor.id if actor else "",
        "tenant": str(actor.tenant) if actor else "",
        "request_id": ident,
    }
    if request.app[STATE].options.access_log is not None:
        request.app[ACCESS].add(line(request, status, seconds, **who))
    if seconds > SLOW and not socket:
        log.warning(
            "%s %s took %.1f s", request.method, route, seconds, extra={"action": "api.slow", **who}
        )


async def _answer(request: web.Request, handler: Handler, ident: str) -> web.StreamResponse:
    websocket = request.headers.get("Upgrade", "").lower() == "websocket"
    limit = None if websocket else request.app[STATE].options.timeout
    try:
        async with asyncio.timeout(limit) as request[PATIENCE]:
            return await handler(request)
    except web.HTTPException as error:
        return _http(error, ident)
    except Exception as error:  # noqa: BLE001  -- the last resort of every request
        return from_error(_understand(error, request, ident), ident)


def _understand(error: Exception, request: web.Request, ident: str) -> HubError:
    """Any failure as one of ours; what nobody foresaw is logged and told to nobody."""
    if isinstance(error, HubError):
        return error
    if isinstance(error, TimeoutError):
        return TimedOut()
    if isinstance(error, UnicodeError):
        return BadRequest("the address is not UTF-8")
    about = {"request_id": ident, "action": "api.failed"}
    if isinstance(error, OperationalError | PoolTimeout | psycopg.OperationalError):
        log.error("the database does not answer: %s", error, extra=about)
        return Unavailable("the database does not answer")
    log.error("%s %s failed", request.method, request.path, extra=about, exc_info=error)
    return HubError("Internal server error")


def _http(error: web.HTTPException, ident: str) -> web.StreamResponse:
    if error.status < 400:
        return error
    codes = {404: "resource_not_found", 405: "method_not_allowed", 413: "payload_too_large"}
    code = codes.get(error.status, "bad_request" if error.status < 500 else "internal_error")
    answer = problem(error.status, code, error.reason or code, ident)
    if "Allow" in error.headers:
        answer.headers["Allow"] = error.headers["Allow"]
    return answer


def _finish(request: web.Request, response: web.StreamResponse, ident: str) -> None:
    if response.prepared:
        return
    _dress(request, response, ident)
    if "Accept-Encoding" in request.headers:
        _compress(request, response)


def _dress(request: web.Request, response: web.StreamResponse, ident: str) -> None:
    headers, options = response.headers, request.app[STATE].options
    for name, value in options.headers:
        if name not in headers:
            headers[name] = value
    limits.tell(request, response)
    headers["X-Request-ID"], headers["X-Correlation-ID"] = ident, request[CORRELATION_ID]
    if "Cache-Control" not in headers and request.path.startswith("/api/"):
        headers["Cache-Control"] = "no-store"
    if request.headers.get("Origin") in options.origins:
        headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
        headers["Vary"] = "Origin"
        headers.update(_CORS)


def _compress(request: web.Request, response: web.StreamResponse) -> None:
    body = getattr(response, "body", None)
    small = not isinstance(body, bytes) or len(body) < 1024
    if small or not _TEXT.search(response.content_type):
        return
    if "gzip" in request.headers["Accept-Encoding"]:
        response.enable_compression(web.ContentCoding.gzip)
    else:
        response.enable_compression()
