"""Many rows at once, all or none; and taking back what an import made."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, Index, Integer, String, Uuid, func, select
from sqlalchemy.orm import Mapped, mapped_column

from hub.contract.context import Ctx
from hub.contract.errors import Conflict, HubError, NotFound
from hub.contract.ids import uuid7
from hub.contract.model import Base, Entity
from hub.contract.resource import Resource
from hub.contract.types import Id, Instant

from . import crud
from .uow import REFUSALS, note, refusal

MOST_ERRORS = 1_000
_TOGETHER = 200
Row = tuple[int, msgspec.Struct]


class Import(Base):
    """An import that was done. made, revisions: the rows that it made and that still stand."""

    __tablename__ = "hub_import"
    __table_args__ = (Index(None, "tenant", "resource", "at"),)
    tenant: Mapped[Id] = mapped_column(primary_key=True)
    id: Mapped[Id] = mapped_column(primary_key=True, default=uuid7)
    at: Mapped[Instant]
    actor: Mapped[str] = mapped_column(String(120))
    resource: Mapped[str] = mapped_column(String(120))
    rows: Mapped[int]
    made: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    revisions: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    undone_at: Mapped[datetime | None]


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """One fault. row: as a spreadsheet counts, so the header of a table is row 1."""

    row: int
    field: str
    code: str
    message: str


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A row that an undo left as it is, and why."""

    id: UUID
    reason: str


class Undone(msgspec.Struct, frozen=True, kw_only=True):
    """removed: how many rows are gone."""

    removed: int
    kept: list[Kept]


def fault(row: int, error: HubError) -> Refusal:
    """What is wrong with one row."""
    field = str(error.extra.get("field", ""))
    return Refusal(row=row, field=field, code=error.code, message=str(error))


async def attempt(ctx: Ctx, work: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
    """Do something whole or not at all inside a unit of work; HubError tells why not."""
    audit: list[Any] = ctx.db.sync_session.info["audit"]
    events, lines = len(ctx.events), len(audit)
    try:
        async with ctx.db.begin_nested():
            done = await work(*arguments)
            await ctx.db.flush()
    except (HubError, *REFUSALS) as error:
        del ctx.events[events:], audit[lines:]
        raise (error if isinstance(error, HubError) else refusal(error)) from None
    return done


async def create(
    ctx: Ctx, res: Resource[Any], rows: Sequence[Row]
) -> tuple[list[Any], list[Refusal]]:
    """Create what can be created; for the rest, each row's fault. Commit only without faults."""
    made: list[Any] = []
    faults: list[Refusal] = []
    for start in range(0, len(rows), _TOGETHER):
        part = rows[start : start + _TOGETHER]
        try:
            made += await attempt(ctx, crud.create_all, ctx, res, [b for _, b in part])
        except HubError:
            for number, body in part:
                try:
                    made.append(await attempt(ctx, crud.create, ctx, res, body))
                except HubError as error:
                    faults.append(fault(number, error))
        if len(faults) >= MOST_ERRORS:
            break
    return made, faults


def record(ctx: Ctx, res: Resource[Any], made: Sequence[Any]) -> UUID:
    """Remember what an import made, so that it can be taken back."""
    ident = uuid7()
    ctx.db.add(
        Import(
            tenant=ctx.actor.tenant,
            id=ident,
            at=ctx.clock(),
            actor=ctx.actor.id,
            resource=_name(res),
            rows=len(made),
            made=[row.id for row in made],
            revisions=[row.revision for row in made],
        )
    )
    note(ctx, "import", res.model.__tablename__, ident, {"rows": [None, len(made)]})
    return ident


def _name(res: Resource[Any]) -> str:
    return f"{res.plugin}.{res.name}"


async def undo(ctx: Ctx, res: Resource[Any], ident: UUID) -> Undone:
    """Remove what an import made. What was changed or is used since stays, and is named."""
    found = await ctx.db.scalar(
        select(Import)
        .where(Import.tenant == ctx.actor.tenant, Import.id == ident, Import.resource == _name(res))
        .with_for_update()
    )
    if found is None:
        raise NotFound(f"there is no import {ident} of {res.name}", identifier=str(ident))
    if found.undone_at is not None:
        raise Conflict("this import was undone before")
    left = dict(zip(found.made, found.revisions, strict=True))
    kept: list[Kept] = []
    for start in range(0, len(found.made), _TOGETHER):
        kept += await _take_back(ctx, res, found, found.made[start : start + _TOGETHER])
    stay = {k.id for k in kept}
    found.made = [i for i in left if i in stay]
    found.revisions = [left[i] for i in found.made]
    if not kept:
        found.undone_at = ctx.clock()
    removed = len(left) - len(kept)
    told = {"removed": [None, removed], "kept": [None, len(kept)]}
    note(ctx, "undo", res.model.__tablename__, ident, told)
    return Undone(removed=removed, kept=kept)


async def _take_back(
    ctx: Ctx, res: Resource[Any], found: Import, idents: Sequence[UUID]
) -> list[Kept]:
    revisions = dict(zip(found.made, found.revisions, strict=True))
    rows = await crud.several(ctx, res, idents)
    used = await _grown(ctx, res, found.at, idents)
    kept, free = [], []
    for ident in idents:
        row = rows.get(ident)
        if row is None:
            kept.append(Kept(id=ident, reason="it is gone, or out of your sight"))
        elif row.revision != revisions[ident]:
            kept.append(Kept(id=ident, reason="it was changed since"))
        elif ident in used:
            kept.append(Kept(id=ident, reason=f"{used[ident]} was added to it since"))
        else:
            free.append(row)
    spare = [row.id for row in free]

    async def remove(these: Sequence[Any]) -> None:
        for row in these:
            await crud.delete(ctx, res, row, wholly=True)

    try:
        await attempt(ctx, remove, free)
    except HubError:
        for ident in spare:
            try:
                row = (await crud.several(ctx, res, [ident]))[ident]
                await attempt(ctx, remove, [row])
            except HubError as error:
                kept.append(Kept(id=ident, reason=str(error)))
    return kept


async def _grown(
    ctx: Ctx, res: Resource[Any], at: datetime, idents: Sequence[UUID]
) -> dict[UUID, str]:
    """Rows to which something was added that would go with them, and its table."""
    found: dict[UUID, str] = {}
    for mapper in Base.registry.mappers:
        child: Any = mapper.class_
        for column in mapper.columns if issubclass(child, Entity) else ():
            goes = column.info.get("ref") == res.model.__tablename__
            if goes and column.info.get("ondelete") == "CASCADE":
                table = child.__table__
                asked = select(column).where(
                    table.c.tenant == ctx.actor.tenant,
                    column.in_(idents),
                    func.greatest(table.c.created_at, table.c.updated_at) > at,
                )
                connection = await ctx.db.connection()
                parents = (await connection.execute(asked)).scalars()
                found.update(dict.fromkeys(parents, child.__tablename__))
    return found
