"""Resource → routes. The order in each: who, may they, is it well said, does it exist, do it."""

from collections.abc import Iterator
from typing import Any

from aiohttp import web

from api import exchange, limits
from api.idempotency import once
from api.request import authenticate, caller, decode, ident, params, raw_body, reply, respond
from api.state import STATE
from hub import Actor, Ctx, Op, Resource
from hub.contract.endpoint import Action
from hub.kernel import crud


def add(app: web.Application, res: Resource[Any]) -> None:
    """Actions first: a literal segment wins over an id."""
    exchange.add(app, res)
    for action in res.actions.values():
        app.router.add_route(action.method, action_path(res, action), _action(res, action))
    for method, path, handler in _routes(res):
        app.router.add_route(method, path, handler)


def action_path(res: Resource[Any], action: Action) -> str:
    return f"{res.path}/{{id}}/{action.name}" if action.item else f"{res.path}/{action.name}"


def _routes(res: Resource[Any]) -> Iterator[tuple[str, str, Any]]:
    one = f"{res.path}/{{id}}"
    if Op.LIST in res.ops:
        yield "GET", res.path, _list(res)
    if Op.CREATE in res.ops:
        yield "POST", res.path, _create(res)
    if Op.GET in res.ops:
        yield "GET", one, _get(res)
    if Op.UPDATE in res.ops:
        yield "PUT", one, _update(res)
        yield "PATCH", one, _update(res)
    if Op.DELETE in res.ops:
        yield "DELETE", one, _delete(res)


async def _allowed(request: web.Request, permission: str | None, rate: str = "api") -> Actor:
    """Who asks, if he may: everywhere, or with the row that the path names."""
    actor = await authenticate(request, rate)
    row = ident(request) if actor.bound and "id" in request.match_info else None
    actor.require(permission, row)
    return actor


async def _permitted(request: web.Request, permission: str | None, rate: str = "api") -> Any:
    """The unit of work of a caller who may; nothing was read of the body or the database."""
    actor = await _allowed(request, permission, rate)
    return request.app[STATE].unit(actor, caller(request))


async def _body(request: web.Request) -> bytes:
    return await raw_body(request, request.app[STATE].options.max_body)


def _tag(row: Any) -> dict[str, str]:
    return {"ETag": f'"{row.revision}"'}


def _list(res: Resource[Any]) -> Any:
    permission = res.permission(Op.LIST)

    async def handle(request: web.Request) -> web.StreamResponse:
        actor = await _allowed(request, permission)
        if form := exchange.wanted(request):
            return await exchange.export(request, res, actor, form)
        reader = request.app[STATE].reader
        return reply(await crud.list_(reader, actor, res, list(request.query.items())))

    return handle


def _get(res: Resource[Any]) -> Any:
    permission = res.permission(Op.GET)

    async def handle(request: web.Request) -> web.Response:
        actor = await _allowed(request, permission)
        row = await crud.read(request.app[STATE].reader, actor, res, ident(request))
        tag = _tag(row)
        if request.headers.get("If-None-Match") == tag["ETag"]:
            return web.Response(status=304, headers=tag)
        return reply(row, headers=tag)

    return handle


def _create(res: Resource[Any]) -> Any:
    async def handle(request: web.Request) -> web.Response:
        unit = await _permitted(request, res.permission(Op.CREATE))
        data = await _body(request)
        body = decode(request, data, res.create)
        async with unit as ctx:

            async def answer() -> web.Response:
                row = await crud.create(ctx, res, body)
                where = {"Location": f"{res.path}/{row.id}", **_tag(row)}
                return reply(crud.view(res, row), 201, where)

            response = await once(request, ctx, data, answer)
        return response  # noqa: RET504  -- only after the commit

    return handle


def _update(res: Resource[Any]) -> Any:
    async def handle(request: web.Request) -> web.Response:
        unit = await _permitted(request, res.permission(Op.UPDATE))
        body = decode(request, await _body(request), res.update)
        async with unit as ctx:
            row = await crud.get(ctx, res, ident(request))
            crud.check_revision(row, request.headers.get("If-Match"))
            row = await crud.update(ctx, res, row, body)
        return reply(crud.view(res, row), headers=_tag(row))

    return handle


def _delete(res: Resource[Any]) -> Any:
    async def handle(request: web.Request) -> web.Response:
        async with await _permitted(request, res.permission(Op.DELETE)) as ctx:
            row = await crud.get(ctx, res, ident(request))
            crud.check_revision(row, request.headers.get("If-Match"))
            await crud.delete(ctx, res, row)
        return web.Response(status=204)

    return handle


def _action(res: Resource[Any], action: Action) -> Any:
    limits.known(action.rate, f"{res.path}/{action.name}")

    async def handle(request: web.Request) -> web.Response:
        unit = await _permitted(request, res.action_permission(action), action.rate)
        arguments: dict[str, Any] = {}
        if action.signature.params is not None:
            arguments["params"] = params(request, action.signature.params)
        data = b""
        if action.signature.body is not None:
            data = await _body(request)
            arguments["body"] = decode(request, data, action.signature.body)
        async with unit as ctx:
            if action.item:
                arguments["row"] = row = await crud.get(ctx, res, ident(request))
                crud.check_revision(row, request.headers.get("If-Match"))

            async def answer() -> web.Response:
                return await _answer(request, res, ctx, action, arguments)

            response = await (once(request, ctx, data, answer) if action.idempotent else answer())
        return response  # noqa: RET504  -- only after the commit

    return handle


async def _answer(
    request: web.Request,
    res: Resource[Any],
    ctx: Ctx,
    action: Action,
    arguments: dict[str, Any],
) -> web.Response:
    result = await action.handler(ctx, **arguments)
    await ctx.db.flush()
    if isinstance(result, res.model):
        return reply(crud.view(res, result), headers=_tag(result))
    return respond(request, result, 200)
