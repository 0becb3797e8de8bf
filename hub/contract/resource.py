"""A Resource says what clients may do with a table; the hub does it."""

import enum
import functools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import UNSET, UnsetType

from .endpoint import Action, Handler, signature
from .errors import Conflict
from .model import Entity

M = TypeVar("M", bound=Entity)


class Op(enum.Flag):
    """The generic operations."""

    LIST = enum.auto()
    GET = enum.auto()
    CREATE = enum.auto()
    UPDATE = enum.auto()
    DELETE = enum.auto()
    READ = LIST | GET
    WRITE = CREATE | UPDATE | DELETE
    CRUD = READ | WRITE


_VERBS = {
    Op.LIST: "read",
    Op.GET: "read",
    Op.CREATE: "write",
    Op.UPDATE: "write",
    Op.DELETE: "write",
}


@dataclass(frozen=True, kw_only=True)
class Field:
    """One visible column: its JSON type and what a client may do with it."""

    name: str
    type: Any
    info: Mapping[str, Any]
    optional: bool


def fields(model: type[Entity]) -> tuple[Field, ...]:
    """The visible columns of a model in table order."""
    hints = get_type_hints(model, include_extras=True)
    place = {column: i for i, column in enumerate(model.__table__.columns)}
    out = []
    for attr in sorted(model.__mapper__.column_attrs, key=lambda a: place[a.columns[0]]):
        column = attr.columns[0]
        if column.info.get("hidden"):
            continue
        optional = column.default is not None or column.server_default is not None
        out.append(
            Field(
                name=attr.key,
                type=get_args(hints[attr.key])[0],
                info=column.info,
                optional=bool(optional or getattr(column, "nullable", False)),
            )
        )
    return tuple(out)


@dataclass(kw_only=True, eq=False)
class Resource(Generic[M]):
    """Rows of `model` at `/api/v1/<plugin>/<name>`.

    filters, sort: columns that a list may be narrowed and ordered by; sort[0] is the default order.
    search: columns that `q` looks into. verbs: last part of an operation's permission where it is
    not `read` or `write`. subject: its middle part where that is not the name. root: served at its
    module itself. Of a model that has owners (`__own__`) everybody uses his own rows.
    """

    name: str
    model: type[M]
    ops: Op = Op.CRUD
    filters: tuple[str, ...] = ()
    sort: tuple[str, ...] = ("created_at",)
    search: tuple[str, ...] = ()
    verbs: Mapping[Op, str] = field(default_factory=dict)
    module: str = ""
    root: bool = False
    plugin: str = ""
    title: str = ""
    subject: str = ""
    overrides: dict[Op, Handler] = field(default_factory=dict)
    actions: dict[str, Action] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = {f.name for f in self.fields}
        if stray := {*self.filters, *self.search, *(s.lstrip("-") for s in self.sort)} - known:
            raise TypeError(
                f"{self.model.__name__} has no visible field {', '.join(sorted(stray))}"
            )

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        return fields(self.model)

    @property
    def _subject(self) -> str:
        return (self.subject or self.name).replace("-", "_")

    @property
    def path(self) -> str:
        module = f"/api/v1/{self.module or self.plugin}"
        return module if self.root else f"{module}/{self.name}"

    def permission(self, op: Op) -> str | None:
        """None: the rows are the caller's own."""
        if self.model.__own__:
            return None
        return f"{self.plugin}.{self._subject}.{self.verbs.get(op, _VERBS[op])}"

    def _struct(self, suffix: str, parts: list[Any], **kw: Any) -> type[msgspec.Struct]:
        table = self.model.__tablename__
        name = "".join(word.title() for word in table.split("_")) + suffix
        return msgspec.defstruct(name, parts, module=self.model.__module__, **kw)

    @cached_property
    def read_fields(self) -> tuple[str, ...]:
        return tuple(f.name for f in self.fields if not f.info.get("write_only"))

    @cached_property
    def read(self) -> type[msgspec.Struct]:
        """What is answered; positional in the order of `read_fields`."""
        return self._struct(
            "", [(f.name, f.type) for f in self.fields if f.name in self.read_fields]
        )

    @cached_property
    def create(self) -> type[msgspec.Struct]:
        """What a POST carries; an absent optional field takes its default."""
        parts = [
            (f.name, f.type | UnsetType, UNSET) if f.optional else (f.name, f.type)
            for f in self.fields
            if not f.info.get("read_only")
        ]
        return self._struct("Create", parts, kw_only=True, forbid_unknown_fields=True)

    @cached_property
    def update(self) -> type[msgspec.Struct]:
        """What a PUT or PATCH carries; an absent field stays, null is a value."""
        parts = [
            (f.name, f.type | UnsetType, UNSET)
            for f in self.fields
            if not (f.info.get("read_only") or f.info.get("create_only"))
        ]
        return self._struct("Update", parts, kw_only=True, forbid_unknown_fields=True)

    def on(self, op: Op) -> Callable[[Handler], Handler]:
        """Replace CREATE `(ctx, body)`, UPDATE `(ctx, row, body)` or DELETE `(ctx, row)`."""

        def add(handler: Handler) -> Handler:
            self.overrides[op] = handler
            return handler

        return add

    def action(
        self,
        name: str,
        *,
        item: bool = True,
        method: str = "POST",
        verb: str = "",
        idempotent: bool = False,
        **extra: Any,
    ) -> Callable[[Handler], Handler]:
        """A verb beyond the generic ones: `POST /<plugin>/<resource>/{id}/<name>`.

        verb: last part of its permission, `name` when empty.
        """

        def add(handler: Handler) -> Handler:
            self.actions[name] = Action(
                name=name,
                handler=handler,
                signature=signature(handler, own=("row",)),
                item=item,
                method=method,
                permission=verb or name.replace("-", "_"),
                idempotent=idempotent,
                **extra,
            )
            return handler

        return add

    def transition(
        self, name: str, *, start: Collection[enum.StrEnum], end: enum.StrEnum, **options: Any
    ) -> Callable[[Handler], Handler]:
        """An action that moves `row.status` to `end`; from any state not in `start` it is a 409."""

        def add(handler: Handler) -> Handler:
            @functools.wraps(handler)
            async def move(ctx: Any, row: Any, **rest: Any) -> Any:
                if row.status not in start:
                    raise Conflict(
                        f"cannot {name} what is {row.status}", allowed=sorted(map(str, start))
                    )
                row.status = end
                await handler(ctx, row, **rest)
                return row

            states = tuple(sorted(map(str, start)))
            self.action(name, start=states, end=str(end), **options)(move)
            return handler

        return add

    def action_permission(self, action: Action) -> str | None:
        if self.model.__own__:
            return None
        return f"{self.plugin}.{self._subject}.{action.permission}"
