"""Endpoints that are not rows: binds a function's arguments from the request."""

from typing import Any

from aiohttp import web

from api import limits
from api.idempotency import once
from api.request import (
    authenticate,
    caller,
    check_cookies,
    decode,
    params,
    place,
    raw_body,
    respond,
)
from api.state import STATE
from hub import Endpoint, Plugin, RawRequest, Scope


def path_of(plugin: Plugin, endpoint: Endpoint) -> str:
    return f"/api/v1/{endpoint.module or plugin.name}/{endpoint.path}".rstrip("/")


def add(app: web.Application, plugin: Plugin, endpoint: Endpoint) -> None:
    app.router.add_route(endpoint.method, path_of(plugin, endpoint), handler(endpoint))


def handler(endpoint: Endpoint) -> Any:
    sign = endpoint.signature
    limits.known(endpoint.rate, endpoint.path)

    async def handle(request: web.Request) -> web.StreamResponse:
        state = request.app[STATE]
        if endpoint.cookie and endpoint.cookie in request.cookies:
            check_cookies(request, state.options)
        actor = None if endpoint.public else await authenticate(request, endpoint.rate)
        if endpoint.public:
            limits.anonymous(request, caller(request).ip, endpoint.rate)
        if endpoint.permission and actor:
            actor.require(endpoint.permission)
        arguments: dict[str, Any] = {n: place(request, n, t) for n, t in sign.places.items()}
        if sign.params is not None:
            arguments["params"] = params(request, sign.params)
        data = b""
        if sign.body is not None:
            data = await raw_body(request, state.options.max_body)
            arguments["body"] = decode(request, data, sign.body)
        elif "raw" in sign.arguments:
            data = await raw_body(request, state.options.max_body)
            headers = {name.lower(): value for name, value in request.headers.items()}
            arguments["raw"] = RawRequest(body=data, headers=headers)
        if actor and endpoint.scope is Scope.TENANT:
            unit = state.unit(actor, caller(request))
        else:
            unit = state.unit.system(caller(request), actor)
        async with unit as ctx:

            async def answer() -> web.Response:
                return respond(request, await endpoint.handler(ctx, **arguments), endpoint.status)

            response = await (once(request, ctx, data, answer) if endpoint.idempotent else answer())
        return response  # noqa: RET504  -- only after the commit

    return handle
