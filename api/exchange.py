"""Whole lists out and in: exports, imports, undo, and one verb on many rows."""

import asyncio
import contextlib
import logging
import tempfile
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from aiohttp import web

from api import tables
from api.idempotency import once
from api.request import (
    UnsupportedMedia,
    allow,
    authenticate,
    caller,
    decode,
    ident,
    params,
    raw_body,
    reply,
)
from api.sheets import KINDS, Csv, Ndjson, Xlsx
from api.state import STATE
from hub import Actor, BadRequest, Ctx, Invalid, Op, Resource, uuid7
from hub.kernel import bulk, crud, imports
from hub.kernel.uow import note

log = logging.getLogger("busbar.api")
EXPORTS = web.AppKey("exports", asyncio.Semaphore)
AT_ONCE = 4
LARGEST = 16 << 20
_PATIENCE = 600.0
_STALLED = 60.0


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """dry_run: tell what would happen, and do nothing."""

    dry_run: bool = False


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did, or would do. id: what it is undone by. rows: how many the file has."""

    id: UUID | None
    dry_run: bool
    rows: int
    created: int
    ignored: list[str]
    errors: list[imports.Refusal]


class _Rehearsed(Exception):
    def __init__(self, report: Report) -> None:
        self.report = report


def add(app: web.Application, res: Resource[Any]) -> None:
    """Paths of one resource, before those with an id in their place."""
    route = app.router.add_route
    if Op.CREATE in res.ops:
        route("POST", f"{res.path}/import", _import(res))
        route("POST", f"{res.path}/imports/{{id}}/undo", _undo(res))
    for ask in bulk.asks(res):
        route("POST", f"{res.path}/bulk/{ask.name}", _bulk(res, ask))


def undo_permission(res: Resource[Any]) -> str | None:
    return res.permission(Op.DELETE if Op.DELETE in res.ops else Op.CREATE)


def wanted(request: web.Request) -> str:
    """The kind of file that a list is asked for as; empty for the ordinary answer."""
    given = request.query.get("format", "")
    if not given:
        accepted = request.headers.get("Accept", "").partition(";")[0].strip()
        return next((n for n, kind in KINDS.items() if kind.content_type == accepted), "")
    if given != "json" and given not in KINDS:
        raise BadRequest(f"format is json, {', '.join(KINDS)}", field="format")
    return "" if given == "json" else given


async def export(
    request: web.Request, res: Resource[Any], actor: Actor, form: str
) -> web.StreamResponse:
    """A list as a file. What was asked for is audited before the first byte leaves."""
    query = list(request.query.items())
    state = request.app[STATE]
    rows = crud.everything(state.reader, actor, res, query)
    allow(request, _PATIENCE)
    async with contextlib.aclosing(rows), request.app[EXPORTS]:
        async with state.unit(actor, caller(request)) as ctx:
            told = {"format": [None, form], "query": [None, request.query_string]}
            note(ctx, "export", res.model.__tablename__, uuid7(), told)
        if form == "xlsx":
            return await _workbook(request, res, rows)
        kind = Csv if form == "csv" else Ndjson
        return await _stream(request, res, kind(res.read_fields), rows)


def _headers(res: Resource[Any], suffix: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{res.plugin}-{res.name}.{suffix}"'}


async def _stream(
    request: web.Request, res: Resource[Any], kind: Csv | Ndjson, rows: Any
) -> web.StreamResponse:
    first = await anext(rows, None) or ()
    response = web.StreamResponse(headers=_headers(res, kind.suffix))
    response.content_type, response.charset = kind.content_type, "utf-8"
    response.enable_compression()
    await response.prepare(request)
    try:
        await response.write(kind.head() + kind.rows(first))
        async for part in rows:
            async with asyncio.timeout(_STALLED):
                await response.write(kind.rows(part))
        await response.write_eof()
    except Exception as error:  # noqa: BLE001  -- a file that ends too early must not look whole
        log.warning("an export broke off: %r", error, extra={"action": "api.export"})
        if request.transport is not None:
            request.transport.abort()
    return response


async def _workbook(request: web.Request, res: Resource[Any], rows: Any) -> web.StreamResponse:
    with tempfile.TemporaryDirectory(prefix="busbar-export-") as folder:
        file = Path(folder) / "export.xlsx"
        book = await asyncio.to_thread(Xlsx, res.read_fields, file, res.title or res.name)
        try:
            async for part in rows:
                await asyncio.to_thread(book.rows, part)
        finally:
            await asyncio.to_thread(book.close)
        response = web.StreamResponse(headers=_headers(res, "xlsx"))
        response.content_type = Xlsx.content_type
        response.content_length = (await asyncio.to_thread(file.stat)).st_size
        await response.prepare(request)
        with file.open("rb") as source:
            while chunk := await asyncio.to_thread(source.read, 1 << 18):
                async with asyncio.timeout(_STALLED):
                    await response.write(chunk)
        await response.write_eof()
    return response


async def _permitted(request: web.Request, permission: str | None) -> Actor:
    actor = await authenticate(request)
    actor.require(permission)
    return actor


def _import(res: Resource[Any]) -> Any:
    async def handle(request: web.Request) -> web.StreamResponse:
        actor = await _permitted(request, res.permission(Op.CREATE))
        dry = params(request, Options).dry_run
        if request.content_type not in {Csv.content_type, Ndjson.content_type}:
            raise UnsupportedMedia(f"send {Csv.content_type} or {Ndjson.content_type}")
        allow(request, _PATIENCE)
        data = await raw_body(request, LARGEST)
        table = await asyncio.to_thread(tables.read, res, data, request.content_type)
        try:
            async with request.app[STATE].unit(actor, caller(request)) as ctx:

                async def answer() -> web.Response:
                    return reply(await _fill(ctx, res, table, dry=dry), 201)

                response = await (answer() if dry else once(request, ctx, data, answer))
        except _Rehearsed as rehearsed:
            return reply(rehearsed.report)
        return response

    return handle


async def _fill(ctx: Ctx, res: Resource[Any], table: tables.Table, *, dry: bool) -> Report:
    """Create the rows. A fault, or a dry run, raises, so that nothing is kept."""
    made, faults = await imports.create(ctx, res, table.rows)
    errors = sorted([*table.faults, *faults], key=lambda e: (e.row, e.field))
    errors = errors[: imports.MOST_ERRORS]
    if errors and not dry:
        raise Invalid(f"nothing was imported: {len(errors)} faults", errors=errors)
    report = Report(
        id=None if dry else imports.record(ctx, res, made),
        dry_run=dry,
        rows=table.total,
        created=len(made),
        ignored=table.ignored,
        errors=errors,
    )
    if dry:
        raise _Rehearsed(report)
    return report


def _undo(res: Resource[Any]) -> Any:
    async def handle(request: web.Request) -> web.StreamResponse:
        actor = await _permitted(request, undo_permission(res))
        allow(request, _PATIENCE)
        async with request.app[STATE].unit(actor, caller(request)) as ctx:
            undone = await imports.undo(ctx, res, ident(request))
        return reply(undone)

    return handle


def _bulk(res: Resource[Any], ask: bulk.Ask) -> Any:
    async def handle(request: web.Request) -> web.StreamResponse:
        actor = await _permitted(request, ask.permission)
        data = await raw_body(request, request.app[STATE].options.max_body)
        body = decode(request, data, ask.type)
        async with request.app[STATE].unit(actor, caller(request)) as ctx:

            async def answer() -> web.Response:
                return reply(await bulk.run(ctx, res, ask, body))

            response = await once(request, ctx, data, answer)
        return response  # noqa: RET504  -- only after the commit

    return handle
