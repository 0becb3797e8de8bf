"""One transaction: tenant, references, revision, audit and outbox, for every write of a plugin."""

import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, cast
from uuid import UUID

import msgspec
import psycopg
from sqlalchemy import Connection, UniqueConstraint, event, inspect, select
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.util import await_only

from hub.contract.context import Actor, Caller, Clock, Ctx, utcnow
from hub.contract.errors import Conflict, HubError, Invalid
from hub.contract.model import Base, Entity, SoftDelete

from .commit import change, commit
from .database import SYSTEM, Database
from .scopes import ALL, Scopes

NOBODY = Actor(id="system", tenant=UUID(int=0), kind="system")
_LOCAL = Caller()
_UNTOLD = frozenset({"tenant", "updated_at", "revision"})


class _Session(Session):
    """A session bound to one tenant (`info["tenant"]`), or to none (`None`: sees all)."""


@event.listens_for(_Session, "after_begin")
def _enter(session: Session, _: object, connection: Connection) -> None:
    tenant: UUID | None = session.info["tenant"]
    scope = (
        f"SET LOCAL ROLE {SYSTEM}" if tenant is None else f"SET LOCAL busbar.tenant = '{tenant}'"
    )
    raw: Any = connection.connection.driver_connection
    session.info["raw"] = raw
    await_only(raw.execute(f"BEGIN; {scope}", prepare=False))


@event.listens_for(_Session, "do_orm_execute")
def _narrow(state: ORMExecuteState) -> None:
    """Add the tenant and hide what is deleted, unless the statement says so itself (`scoped`)."""
    if state.execution_options.get("scoped"):
        return
    if (state.is_update or state.is_delete) and not state.execution_options.get("unaudited"):
        raise TypeError(
            "a bulk write skips audit and revision: load the rows, or give "
            "execution_options(unaudited=True)"
        )
    options: list[Any] = [
        with_loader_criteria(SoftDelete, lambda cls: cls.deleted_at.is_(None), include_aliases=True)
    ]
    tenant = state.session.info["tenant"]
    if tenant is not None:
        options.append(
            with_loader_criteria(Entity, lambda cls: cls.tenant == tenant, include_aliases=True)
        )
    if tenant is not None and not state.is_column_load:
        options += _row_scopes(state.session.info)
    state.statement = state.statement.options(*options)


def _row_scopes(info: dict[Any, Any]) -> list[Any]:
    """What plugins let this actor see, asked once in a unit of work."""
    if "narrow" not in info:
        info["narrow"] = [
            with_loader_criteria(model, condition, include_aliases=True)
            for model, conditions in info["scopes"].of(info["actor"]).items()
            for condition in conditions
        ]
    narrow: list[Any] = info["narrow"]
    return narrow


def note(ctx: Ctx, action: str, table: str, row: UUID, data: dict[str, Any]) -> None:
    """Write to the audit what is more than the change of one row."""
    info = ctx.db.sync_session.info
    info["audit"].append(_audit_line(info, ctx.actor.tenant, action, table, row, data, ctx.clock()))


def changes(row: Entity, action: str) -> dict[str, list[Any]]:
    """`{field: [old, new]}`, without what must not be read again."""
    state = inspect(row)
    out = {}
    for attr in state.mapper.column_attrs:
        info = attr.columns[0].info
        if attr.key in _UNTOLD or info.get("write_only") or info.get("secret"):
            continue
        history = state.attrs[attr.key].history
        if action == "delete":
            old, new = getattr(row, attr.key), None
        elif history.has_changes():
            old = history.deleted[0] if history.deleted else None
            new = history.added[0] if history.added else None
        else:
            continue
        out[attr.key] = [msgspec.to_builtins(old), msgspec.to_builtins(new)]
    return out


def _target(table: str) -> type[Entity]:
    for mapper in Base.registry.mappers:
        if getattr(mapper.local_table, "name", None) == table:
            return cast("type[Entity]", mapper.class_)
    raise LookupError(f"a reference names table {table!r}, which no plugin brings")


def _check_references(session: Session, row: Entity) -> None:
    state = inspect(row)
    for attr in state.mapper.column_attrs:
        table = attr.columns[0].info.get("ref")
        added = state.attrs[attr.key].history.added if table else None
        if not table or not added or added[0] is None:
            continue
        target = _target(table)
        known: set[Any] = session.info["known"]
        if (target, added[0]) in known:
            continue
        if any(isinstance(o, target) and o.id == added[0] for o in session.new):
            continue
        with session.no_autoflush:
            found = session.scalar(
                select(target.id).where(target.tenant == row.tenant, target.id == added[0])
            )
        if found is None:
            raise Invalid(f"{attr.key}: there is no such {target.__name__.lower()}", field=attr.key)
        known.add((target, added[0]))


@event.listens_for(_Session, "before_flush")
def _stamp(session: Session, *_: object) -> None:
    tenant, now = session.info["tenant"], session.info["clock"]()
    audit: list[dict[str, Any]] = session.info["audit"]
    for row in [*session.new, *session.dirty, *session.deleted]:
        if not isinstance(row, Entity):
            continue
        action = "delete" if row in session.deleted else "update"
        if row in session.new:
            action = "create"
            row.tenant = tenant or row.tenant
            row.id = row.id or cast("Any", type(row).__table__).c.id.default.arg(None)
            row.created_at = row.updated_at = now
        elif action == "update":
            if not session.is_modified(row):
                continue
            row.updated_at = now
        if tenant is not None and row.tenant != tenant:
            raise Invalid("a row cannot change its tenant")
        _check_references(session, row)
        if row.__audited__:
            audit.append(_audit_row(session.info, row, action, now))


def _audit_row(
    info: Mapping[Any, Any], row: Entity, action: str, now: dt.datetime
) -> dict[str, Any]:
    told = changes(row, action)
    return _audit_line(info, row.tenant, action, row.__tablename__, row.id, told, now)


def _audit_line(
    info: Mapping[Any, Any],
    tenant: UUID,
    action: str,
    table: str,
    row: UUID,
    data: dict[str, Any],
    at: dt.datetime,
) -> dict[str, Any]:
    actor: Actor = info["actor"]
    caller: Caller = info["caller"]
    return {
        "tenant": tenant,
        "at": at,
        "actor": actor.id,
        "actor_kind": actor.kind,
        "action": action,
        "table": table,
        "row": row,
        "change": change(data),
        "request_id": caller.request_id,
        "correlation_id": caller.correlation_id,
        "ip": caller.ip,
    }


class Unit:
    """Opens units of work on one database. told: called after a commit that wrote events."""

    def __init__(
        self,
        database: Database,
        clock: Clock = utcnow,
        services: Mapping[Any, Any] | None = None,
        scopes: Scopes = ALL,
    ) -> None:
        self.database, self.clock = database, clock
        self.services = services if services is not None else {}
        self.scopes = scopes
        self.told: Callable[[], None] = lambda: None

    def __call__(
        self, actor: Actor, caller: Caller = _LOCAL
    ) -> contextlib.AbstractAsyncContextManager[Ctx]:
        return self._open(actor, actor.tenant, caller)

    def system(
        self, caller: Caller = _LOCAL, actor: Actor | None = None
    ) -> contextlib.AbstractAsyncContextManager[Ctx]:
        return self._open(actor or NOBODY, None, caller)

    @contextlib.asynccontextmanager
    async def _open(self, actor: Actor, tenant: UUID | None, caller: Caller) -> AsyncIterator[Ctx]:
        session = AsyncSession(
            self.database.engine, sync_session_class=_Session, expire_on_commit=False
        )
        session.sync_session.info.update(
            tenant=tenant,
            actor=actor,
            caller=caller,
            clock=self.clock,
            audit=[],
            known=set(),
            scopes=self.scopes,
        )
        ctx = Ctx(db=session, actor=actor, clock=self.clock, caller=caller, services=self.services)
        try:
            async with session, session.begin():
                yield ctx
                await session.flush()
                await commit(ctx)
        except REFUSALS as error:
            raise refusal(error) from None
        if ctx.events:
            self.told()
        if ctx.refusal is not None:
            raise ctx.refusal


REFUSALS = (StaleDataError, IntegrityError, psycopg.IntegrityError, DataError)


def refusal(error: Exception) -> HubError:
    """Why a flush or commit failed, in words of the request."""
    if isinstance(error, StaleDataError):
        return Conflict("someone else changed it meanwhile: read it again")
    if isinstance(error, DataError):
        return Invalid(f"a value does not fit: {error.orig}")
    return explain(error.orig if isinstance(error, IntegrityError) else error)


def explain(error: BaseException | None) -> HubError:
    """What the database refused, in words of the request."""
    diag = getattr(error, "diag", None)
    state, name = getattr(diag, "sqlstate", ""), getattr(diag, "constraint_name", "") or ""
    table = getattr(diag, "table_name", "") or ""
    columns = ", ".join(_columns(table, name))
    if state == "23505":
        return Conflict(f"{columns} is already in use", field=columns)
    if state == "23503":
        return Conflict(f"{table} still refers to it" if table else "something refers to it")
    if state == "23502":
        column = getattr(diag, "column_name", "")
        return Invalid(f"{column} is missing", field=column)
    return Invalid(f"the database refuses it: {name or state}")


def _columns(table: str, constraint: str) -> list[str]:
    """The fields of a constraint; PostgreSQL itself does not tell behind row-level security."""
    known = Base.metadata.tables.get(table)
    for found in known.constraints if known is not None else ():
        if found.name == constraint and isinstance(found, UniqueConstraint):
            return [c.name for c in found.columns if c.name != "tenant"]
    return [constraint]
