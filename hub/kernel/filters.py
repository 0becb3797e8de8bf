"""A list's query string → conditions, order and page; anything that is not known is refused."""

import base64
import binascii
import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, and_, any_, literal, or_
from sqlalchemy.dialects.postgresql import ARRAY

from hub.contract.errors import BadRequest
from hub.contract.resource import Resource

Query = Sequence[tuple[str, str]]
LIMIT, MOST = 20, 100
RESERVED = frozenset({"page", "limit", "sort", "q", "cursor", "format"})

OPERATORS: Mapping[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "": lambda column, value: column == value,
    "ne": lambda column, value: column.is_distinct_from(value),
    "lt": lambda column, value: column < value,
    "lte": lambda column, value: column <= value,
    "gt": lambda column, value: column > value,
    "gte": lambda column, value: column >= value,
    "in": lambda column, values: column == any_(literal(values, ARRAY(column.type))),
    "null": lambda column, empty: column.is_(None) if empty else column.is_not(None),
    "prefix": lambda column, value: column.startswith(value, autoescape=True),
}


ORDERED = frozenset({"lt", "lte", "gt", "gte"})


@dataclass(frozen=True, kw_only=True)
class Window:
    """Which part of a list is wanted. after: the last row of the part before, (value, id)."""

    where: tuple[ColumnElement[bool], ...]
    sort: str
    descending: bool
    page: int | None
    limit: int
    after: tuple[Any, UUID] | None


def present(type_: Any) -> Any:
    """A type without null: a filter asks for that with `__null`."""
    given = tuple(t for t in get_args(type_) if t is not NoneType)
    if get_origin(type_) not in (UnionType, Union) or len(given) == len(get_args(type_)):
        return type_
    return functools.reduce(operator.or_, given)


def convert(raw: str, type_: Any, name: str) -> Any:
    """One text of a query string as the type of its column."""
    try:
        return msgspec.convert(raw, type_, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequest(f"{name}: {error}", field=name) from None


def parse(res: Resource[Any], query: Query) -> Window:
    """Read a list's query string; unknown, repeated or ill-typed parameters are a 400."""
    given: dict[str, str] = {}
    for key, value in query:
        if key in given:
            raise BadRequest(f"{key} is given twice", field=key)
        given[key] = value
    where = [_condition(res, key, raw) for key, raw in given.items() if key not in RESERVED]
    if text := given.get("q"):
        where.append(_search(res, text))
    order = given.get("sort", res.sort[0])
    sort = order.removeprefix("-")
    if sort not in {s.removeprefix("-") for s in res.sort}:
        raise BadRequest(f"cannot sort by {sort}; can by {', '.join(res.sort)}", field="sort")
    limit = convert(given.get("limit", str(LIMIT)), int, "limit")
    page = convert(given.get("page", "1"), int, "page")
    if not 1 <= limit <= MOST:
        raise BadRequest(f"limit is 1 to {MOST}", field="limit")
    if not 1 <= page <= 1_000_000:
        raise BadRequest("page begins at 1", field="page")
    cursor = given.get("cursor")
    return Window(
        where=tuple(where),
        sort=sort,
        descending=order.startswith("-"),
        page=None if cursor else page,
        limit=limit,
        after=_read_cursor(res, sort, cursor) if cursor else None,
    )


def _condition(res: Resource[Any], key: str, raw: str) -> ColumnElement[bool]:
    name, _, verb = key.partition("__")
    known = verb in OPERATORS
    if name not in ("id", *res.filters) or not known:
        raise BadRequest(
            f"cannot filter by {key}; can by {', '.join(res.filters) or 'nothing'}", field=key
        )
    column = res.model.__mapper__.columns[name]
    type_ = present(next(f.type for f in res.fields if f.name == name))
    if verb == "null":
        empty: bool = convert(raw, bool, key)
        return OPERATORS["null"](column, empty)
    if column.type.python_type is bool and verb in ORDERED:
        raise BadRequest(f"{name} is yes or no: neither is more", field=key)
    if verb == "in":
        values = [convert(v, type_, key) for v in raw.split(",") if v]
        return OPERATORS["in"](column, values)
    if verb == "prefix":
        if not isinstance(column.type.python_type, type) or column.type.python_type is not str:
            raise BadRequest(f"{name} is not a text", field=key)
        return OPERATORS["prefix"](column, raw)
    return OPERATORS[verb](column, convert(raw, type_, key))


def _search(res: Resource[Any], text: str) -> ColumnElement[bool]:
    if not res.search:
        raise BadRequest("this list has no search", field="q")
    columns = res.model.__mapper__.columns
    return or_(*(columns[name].icontains(text, autoescape=True) for name in res.search))


def behind(res: Resource[Any], window: Window) -> ColumnElement[bool]:
    """The rows after `window.after` in its order; nulls come last."""
    assert window.after is not None  # noqa: S101  -- callers ask only then
    columns = res.model.__mapper__.columns
    column, ident = columns[window.sort], columns["id"]
    value, last = window.after
    if value is None:
        return and_(column.is_(None), ident > last)
    further = column < value if window.descending else column > value
    return or_(further, and_(column == value, ident > last), column.is_(None))


def cursor(value: Any, ident: UUID) -> str:
    """Where a list goes on, opaque to clients."""
    return base64.urlsafe_b64encode(msgspec.json.encode((value, ident))).decode().rstrip("=")


def _read_cursor(res: Resource[Any], sort: str, raw: str) -> tuple[Any, UUID]:
    type_ = next(f.type for f in res.fields if f.name == sort)
    try:
        data = base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4))
        return msgspec.json.decode(data, type=tuple[type_, UUID])  # type: ignore[valid-type]
    except (binascii.Error, msgspec.MsgspecError, ValueError):
        raise BadRequest(
            "this cursor is not one of ours, or of another order", field="cursor"
        ) from None
