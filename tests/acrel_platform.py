"""A stand-in of the Acrel platform's HTTP interface: meters that obey, or do not."""

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from drivers.acrel_http.client import signature

SECRET = "a shared secret"
PAGE = 3


class Platform:
    """meters: id → newest values. history: id → all values. refusal: why commands are refused."""

    def __init__(self) -> None:
        self.meters: dict[str, dict[str, Any]] = {}
        self.history: dict[str, list[dict[str, Any]]] = {}
        self.commands: list[tuple[str, dict[str, Any]]] = []
        self.refusal, self.status = "", 0
        self.url = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Platform"]:
        app = web.Application(middlewares=[self._admit])
        app.router.add_get("/api/v1/meters", self._list)
        app.router.add_get("/api/v1/meters/{id}/latest", self._latest)
        app.router.add_get("/api/v1/meters/{id}/history", self._history)
        app.router.add_post("/api/v1/meters/{id}/commands", self._command)
        async with TestServer(app) as server:
            self.url = str(server.make_url("")).rstrip("/")
            yield self

    @web.middleware
    async def _admit(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.status:
            return web.json_response({"detail": "out of order"}, status=self.status)
        body = await request.read()
        stamp = request.headers.get("X-Acrel-Timestamp", "")
        expected = signature(SECRET.encode(), stamp, request.method, request.path_qs, body)
        signed = hmac.compare_digest(request.headers.get("X-Acrel-Signature", ""), expected)
        if signed:
            signed = abs((datetime.now(UTC) - datetime.fromisoformat(stamp)).total_seconds()) < 300
        token = request.headers.get("Authorization") == f"Bearer {SECRET}"
        if not signed and not token:
            return web.json_response({"detail": "who are you?"}, status=401)
        return await handler(request)  # type: ignore[no-any-return]

    def _page(self, request: web.Request, items: list[Any]) -> web.Response:
        page = int(request.query["page"])
        part = items[(page - 1) * PAGE : page * PAGE]
        more = page + 1 if len(items) > page * PAGE else None
        return web.json_response({"items": part, "next": more})

    async def _list(self, request: web.Request) -> web.Response:
        return self._page(request, [{"meter_id": ident} for ident in sorted(self.meters)])

    def _known(self, request: web.Request) -> str:
        ident = request.match_info["id"]
        if ident not in self.meters:
            raise web.HTTPNotFound(text="{}", content_type="application/json")
        return ident

    async def _latest(self, request: web.Request) -> web.Response:
        return web.json_response(self.meters[self._known(request)])

    async def _history(self, request: web.Request) -> web.Response:
        values = self.history.get(self._known(request), [])
        start, end = request.query["from"], request.query["to"]
        return self._page(request, [v for v in values if start <= v["timestamp"] < end])

    async def _command(self, request: web.Request) -> web.Response:
        ident = self._known(request)
        if self.refusal:
            return web.json_response({"detail": self.refusal}, status=409)
        self.commands.append((ident, await request.json()))
        return web.json_response({}, status=202)
