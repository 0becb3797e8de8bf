"""Is the process alive, may it get requests, what is wrong; and its figures."""

import asyncio
import datetime as dt
import hmac
import time
from importlib.metadata import version
from typing import Any

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from api.metrics import METRICS
from api.request import caller, reply
from api.state import STATE
from hub import Forbidden
from hub.kernel import migrate
from hub.kernel.database import DATABASE

_LIMIT = 2.0


def add(app: web.Application) -> None:
    started = time.monotonic()

    async def health(request: web.Request) -> web.Response:
        checks = await _checks(request)
        healthy = all(word == "ok" for word in checks.values())
        body = {
            "status": "ok" if healthy else "unhealthy",
            "timestamp": dt.datetime.now(dt.UTC),
            "uptime": round(time.monotonic() - started, 1),
            "version": version("busbar"),
            "checks": checks,
        }
        return reply(body, 200 if healthy else 503)

    app.router.add_get("/health", health)
    app.router.add_get("/health/live", _alive)
    app.router.add_get("/health/ready", _ready)
    app.router.add_get("/metrics", _metrics)


async def _alive(_: web.Request) -> web.Response:
    return reply({"alive": True, "status": "alive"})


async def _ready(request: web.Request) -> web.Response:
    ready = all(word == "ok" for word in (await _checks(request)).values())
    return reply(
        {"ready": ready, "status": "ready" if ready else "not ready"}, 200 if ready else 503
    )


async def _checks(request: web.Request) -> dict[str, str]:
    """One word per check."""
    hub = request.app[STATE].hub
    engine = hub.get(DATABASE).engine
    try:
        async with asyncio.timeout(_LIMIT), engine.connect() as connection:
            behind = await connection.run_sync(migrate.pending, hub.plugins.values())
    except (SQLAlchemyError, OSError, TimeoutError):
        return {"database": "down", "migrations": "unknown"}
    return {"database": "ok", "migrations": "down" if behind else "ok"}


async def _metrics(request: web.Request) -> web.Response:
    token = request.app[STATE].options.metrics_token
    shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
    local = caller(request).ip in {"127.0.0.1", "::1", ""}
    if not local and not (token and hmac.compare_digest(token.encode(), shown.encode())):
        raise Forbidden("figures are shown to this machine, or for the metrics token")
    metrics = request.app[METRICS]
    pool: Any = request.app[STATE].hub.get(DATABASE).engine.pool
    metrics.database.labels("in_use").set(pool.checkedout())
    metrics.database.labels("idle").set(pool.checkedin())
    return web.Response(
        body=metrics.render(), headers={"Content-Type": "text/plain; version=0.0.4"}
    )
