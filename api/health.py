"""Is the process alive, may it get requests, what is wrong; and its figures."""

import asyncio
import datetime as dt
import hmac
import math
import time
from importlib.metadata import version
from typing import Any

from aiohttp import web
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from api.metrics import METRICS
from api.request import caller, reply
from api.state import STATE
from hub import Forbidden
from hub.kernel import migrate
from hub.kernel.app import Hub
from hub.kernel.database import DATABASE

_LIMIT = 2.0
_FRESH = 5.0
_VERSIONS = text("SELECT version_num FROM alembic_version")


def add(app: web.Application) -> None:
    app[CHECKS] = Checks(app[STATE].hub)
    started, known = time.monotonic(), version("busbar")

    async def health(request: web.Request) -> web.Response:
        checks = await request.app[CHECKS].words()
        healthy = all(word == "ok" for word in checks.values())
        body = {
            "status": "ok" if healthy else "unhealthy",
            "timestamp": dt.datetime.now(dt.UTC),
            "uptime": round(time.monotonic() - started, 1),
            "version": known,
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
    ready = all(word == "ok" for word in (await request.app[CHECKS].words()).values())
    return reply(
        {"ready": ready, "status": "ready" if ready else "not ready"}, 200 if ready else 503
    )


class Checks:
    """The words of all checks, asked at most every five seconds."""

    def __init__(self, hub: Hub) -> None:
        self._engine = hub.get(DATABASE).engine
        self._required = migrate.required(hub.plugins.values())
        self._words: dict[str, str] = {}
        self._asked = -math.inf
        self._turn = asyncio.Lock()

    async def words(self) -> dict[str, str]:
        async with self._turn:
            if time.monotonic() - self._asked >= _FRESH:
                self._words, self._asked = await self._ask(), time.monotonic()
            return self._words

    async def _ask(self) -> dict[str, str]:
        try:
            async with asyncio.timeout(_LIMIT), self._engine.connect() as connection:
                stored = set(await connection.scalars(_VERSIONS))
        except (SQLAlchemyError, OSError, TimeoutError):
            return {"database": "down", "migrations": "unknown"}
        return {"database": "ok", "migrations": "ok" if self._required <= stored else "down"}


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


CHECKS = web.AppKey("checks", Checks)
