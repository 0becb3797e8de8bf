"""The generic operations of a Resource."""

import functools
from collections.abc import AsyncGenerator, Sequence
from operator import attrgetter
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET
from sqlalchemy import Select, func, select

from hub.contract.context import Actor, Ctx, Event
from hub.contract.errors import BadRequest, Forbidden, NotFound, Stale
from hub.contract.model import Entity, SoftDelete
from hub.contract.resource import Op, Resource

from . import filters
from .reads import Prepared, Reader
from .scopes import Scopes

S = TypeVar("S", bound=Select[Any])


class Page(msgspec.Struct, kw_only=True):
    """Part of a list. total and pages are not counted when a cursor is followed."""

    items: list[Any]
    total: int | None
    page: int | None
    limit: int
    pages: int | None
    next_cursor: str | None


_PLANS = 1_000


class RowChanged(Event, frozen=True, tag="row.changed"):
    """A row of a Resource was created, updated or deleted."""

    resource: str
    operation: str
    id: UUID
    revision: int


async def list_(reader: Reader, actor: Actor, res: Resource[Any], query: filters.Query) -> Page:
    """One page; at most two statements, sent together."""
    window, prepared = _plan(reader, actor, res, query)
    rows, *counts = await reader.run(actor.tenant, prepared)
    total = counts[0][0][0] if counts else None
    items = [res.read(*row) for row in rows[: window.limit]]
    last: Any = items[-1] if len(rows) > window.limit else None
    return Page(
        items=items,
        total=total,
        page=window.page,
        limit=window.limit,
        pages=None if total is None else -(-total // window.limit),
        next_cursor=filters.cursor(getattr(last, window.sort), last.id) if last else None,
    )


def _plan(
    reader: Reader, actor: Actor, res: Resource[Any], query: filters.Query
) -> tuple[filters.Window, Prepared]:
    """A list as it is asked of the database; kept, since consoles ask for the same lists."""
    key = (res, actor.tenant, tuple(query))
    kept = None if reader.scopes(actor, res.model) else reader.kept
    if kept is not None and key in kept:
        found: tuple[filters.Window, Prepared] = kept[key]
        return found
    window = filters.parse(res, query)
    plan = window, reader.prepare(*_statements(reader, actor, res, window))
    if kept is not None:
        if len(kept) >= _PLANS:
            kept.clear()
        kept[key] = plan
    return plan


def _statements(
    reader: Reader, actor: Actor, res: Resource[Any], window: filters.Window
) -> list[Select[Any]]:
    """The rows of a page, and how many there are unless a cursor leads to it."""
    places = res.model.__mapper__.columns
    stmt = _scoped(reader.scopes, actor, res, _selected(res)).where(*window.where)
    order = places[window.sort].desc() if window.descending else places[window.sort].asc()
    stmt = stmt.order_by(order.nulls_last(), places["id"]).limit(window.limit + 1)
    if window.after:
        return [stmt.where(filters.behind(res, window))]
    counted = select(func.count()).select_from(res.model.__table__)
    counted = _scoped(reader.scopes, actor, res, counted).where(*window.where)
    return [stmt.offset(((window.page or 1) - 1) * window.limit), counted]


def everything(
    reader: Reader, actor: Actor, res: Resource[Any], query: filters.Query
) -> AsyncGenerator[list[tuple[Any, ...]]]:
    """All rows of a list as it is narrowed and ordered, in parts; values as in `read_fields`."""
    window = filters.parse(res, query)
    if paged := {"page", "limit", "cursor"} & {key for key, _ in query}:
        raise BadRequest(f"an export has no pages: leave out {min(paged)}", field=min(paged))
    places = res.model.__mapper__.columns
    stmt = _scoped(reader.scopes, actor, res, _selected(res)).where(*window.where)
    order = places[window.sort].desc() if window.descending else places[window.sort].asc()
    return reader.stream(actor.tenant, stmt.order_by(order.nulls_last(), places["id"]))


async def read(reader: Reader, actor: Actor, res: Resource[Any], ident: UUID) -> Any:
    """The row as clients see it, or NotFound; another tenant's is not found either."""
    stmt = _scoped(reader.scopes, actor, res, _selected(res))
    stmt = stmt.where(res.model.__mapper__.columns["id"] == ident)
    (rows,) = await reader.fetch(actor.tenant, stmt)
    if not rows:
        raise _missing(res, ident)
    return res.read(*rows[0])


@functools.cache
def _selected(res: Resource[Any]) -> Select[Any]:
    columns = res.model.__mapper__.columns
    return select(*(columns[name] for name in res.read_fields))


def _scoped(scopes: Scopes, actor: Actor, res: Resource[Any], stmt: S) -> S:
    """Narrow to what the caller may see and what is not deleted, cheaper than any statement is."""
    columns = res.model.__mapper__.columns
    stmt = stmt.where(columns["tenant"] == actor.tenant, *scopes(actor, res.model))
    if issubclass(res.model, SoftDelete):
        stmt = stmt.where(columns["deleted_at"].is_(None))
    return stmt


def _missing(res: Resource[Any], ident: UUID) -> NotFound:
    return NotFound(f"there is no {res.name} {ident}", resource=res.name, identifier=str(ident))


def view(res: Resource[Any], row: Entity) -> msgspec.Struct:
    """A row as clients see it."""
    return res.read(*attrgetter(*res.read_fields)(row))


async def get(ctx: Ctx, res: Resource[Any], ident: UUID, *, lock: bool = False) -> Any:
    """The row to be changed, or NotFound; another tenant's is not found either."""
    stmt = _visible(ctx, res).where(res.model.id == ident)
    row = await ctx.db.scalar(stmt.with_for_update() if lock else stmt)
    if row is None:
        raise _missing(res, ident)
    return row


def _visible(ctx: Ctx, res: Resource[Any]) -> Select[Any]:
    scopes: Scopes = ctx.db.sync_session.info["scopes"]
    stmt = _scoped(scopes, ctx.actor, res, select(res.model))
    return stmt.execution_options(scoped=True)


async def several(ctx: Ctx, res: Resource[Any], idents: Sequence[UUID]) -> dict[UUID, Any]:
    """Those of the rows that there are, locked; always in the same order, so nobody deadlocks."""
    stmt = _visible(ctx, res).where(res.model.id.in_(idents)).order_by(res.model.id)
    return {row.id: row for row in await ctx.db.scalars(stmt.with_for_update())}


async def create(ctx: Ctx, res: Resource[Any], body: msgspec.Struct) -> Any:
    (row,) = await create_all(ctx, res, [body])
    return row


async def create_all(ctx: Ctx, res: Resource[Any], bodies: Sequence[msgspec.Struct]) -> list[Any]:
    """Rows in the order of `bodies`; without a plugin's own way of creating, in one message."""
    if custom := res.overrides.get(Op.CREATE):
        rows = [await custom(ctx, body) for body in bodies]
    else:
        rows = [res.model(**given(body)) for body in bodies]
        ctx.db.add_all(rows)
    await ctx.db.flush()
    await _check_scope(ctx, res, rows)
    for row in rows:
        _tell(ctx, res, row, "created")
    return rows


async def _check_scope(ctx: Ctx, res: Resource[Any], rows: Sequence[Any]) -> None:
    """Refuse to write what the writer would not see."""
    scopes: Scopes = ctx.db.sync_session.info["scopes"]
    conditions = scopes(ctx.actor, res.model)
    if not conditions:
        return
    idents = [row.id for row in rows]
    stmt = select(func.count()).select_from(res.model)
    stmt = stmt.where(res.model.tenant == ctx.actor.tenant, res.model.id.in_(idents), *conditions)
    if await ctx.db.scalar(stmt.execution_options(scoped=True)) != len(set(idents)):
        raise Forbidden("this row would lie outside of what you may see", resource=res.name)


async def update(ctx: Ctx, res: Resource[Any], row: Any, body: msgspec.Struct) -> Any:
    before = row.revision
    if custom := res.overrides.get(Op.UPDATE):
        await custom(ctx, row, body)
    else:
        for name, value in given(body).items():
            setattr(row, name, value)
    await ctx.db.flush()
    if row.revision != before:
        await _check_scope(ctx, res, [row])
        _tell(ctx, res, row, "updated")
    return row


async def delete(ctx: Ctx, res: Resource[Any], row: Any, *, wholly: bool = False) -> None:
    """wholly: do not keep what a soft delete would."""
    if custom := res.overrides.get(Op.DELETE):
        await custom(ctx, row)
    elif isinstance(row, SoftDelete) and not wholly:
        row.deleted_at = ctx.clock()
    else:
        await ctx.db.delete(row)
    await ctx.db.flush()
    _tell(ctx, res, row, "deleted")


def check_revision(row: Entity, if_match: str | None) -> None:
    """Refuse to change what is no longer what the client has seen."""
    if if_match is None or if_match.strip() == "*":
        return
    tags = {tag.strip().removeprefix("W/").strip('"') for tag in if_match.split(",")}
    if str(row.revision) not in tags:
        raise Stale(f"its revision is now {row.revision}: read it again", revision=row.revision)


def given(body: msgspec.Struct) -> dict[str, Any]:
    """The fields that the client sent; null is a value, absent is not."""
    return {f: v for f in body.__struct_fields__ if (v := getattr(body, f)) is not UNSET}


def _tell(ctx: Ctx, res: Resource[Any], row: Entity, operation: str) -> None:
    ctx.emit(
        RowChanged(
            resource=f"{res.plugin}.{res.name}",
            operation=operation,
            id=row.id,
            revision=row.revision,
        ),
        tenant=row.tenant,
    )
