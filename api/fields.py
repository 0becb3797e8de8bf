"""What a form needs to know of a value's type, for clients that draw screens from it."""

import re
from typing import Any

import msgspec
from msgspec import inspect as mi

_PROSE = 1000  # characters from which a text is written in several lines

_KINDS: dict[type, str] = {
    mi.BoolType: "boolean",
    mi.IntType: "integer",
    mi.FloatType: "number",
    mi.DecimalType: "decimal",
    mi.StrType: "text",
    mi.UUIDType: "uuid",
    mi.DateTimeType: "instant",
    mi.DateType: "day",
    mi.TimeType: "time",
    mi.EnumType: "choice",
    mi.LiteralType: "choice",
    mi.ListType: "list",
    mi.SetType: "list",
    mi.VarTupleType: "list",
}


class Value(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A type: its kind, and what narrows it. items: kind of a list's members.

    hint: how an integer counts (minor units, Wh); a float is a measured value, which needs none.
    """

    kind: str
    nullable: bool = False
    options: list[str] = []
    items: str = ""
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str = ""
    hint: str = ""


def value(type_: Any) -> Value:
    """The description of any type that the API accepts."""
    return _of(mi.type_info(type_))


def members(type_: Any) -> list[tuple[mi.Field, Value]]:
    """The fields of a struct in their order, as JSON names them."""
    info = mi.type_info(type_)
    if not isinstance(info, mi.StructType):
        raise TypeError(f"{type_!r} is not a struct")
    return [(field, _of(field.type)) for field in info.fields]


def _of(kind: mi.Type) -> Value:
    hint = ""
    if isinstance(kind, mi.Metadata):
        hint = (kind.extra_json_schema or {}).get("description", "")
        kind = kind.type
    if isinstance(kind, mi.UnionType):
        return _union(kind, hint)
    found = Value(kind=_KINDS.get(type(kind), "json"), hint=hint)
    match kind:
        case mi.StrType():
            found.min_length, found.max_length = kind.min_length, kind.max_length
            found.pattern = kind.pattern or ""
            if (kind.max_length or 0) >= _PROSE:
                found.kind = "prose"
        case mi.IntType() | mi.FloatType():
            found.minimum, found.maximum = _bounds(kind)
            found.hint = hint if isinstance(kind, mi.IntType) else ""
        case mi.EnumType():
            found.options = [str(member.value) for member in kind.cls]
        case mi.LiteralType():
            found.options = [str(v) for v in kind.values]
        case mi.ListType() | mi.SetType() | mi.VarTupleType():
            inner = _of(kind.item_type)
            if inner.kind == "json":
                return Value(kind="json", hint=hint)
            found.items, found.options = inner.kind, inner.options
    return found


def _union(kind: mi.UnionType, hint: str) -> Value:
    absent = (mi.NoneType, mi.CustomType)
    wanted = [t for t in kind.types if not isinstance(t, absent)]
    found = _of(wanted[0]) if len(wanted) == 1 else Value(kind="json")
    found.nullable = any(isinstance(t, mi.NoneType) for t in kind.types)
    found.hint = found.hint or hint
    return found


def _bounds(kind: mi.IntType | mi.FloatType) -> tuple[float | None, float | None]:
    """Limits that a person may meet; those of the storage are none."""
    low, high = kind.ge if kind.ge is not None else kind.gt, kind.le
    wide = 2**31 - 1
    return (
        None if low is None or low <= -wide else low,
        None if high is None or high >= wide else high,
    )


def humanise(name: str) -> str:
    """`created_at` → `Created at`, `CaseNo` stays readable, `id` → `ID`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ").replace("-", " ").strip()
    if words == "id":
        return "ID"
    words = re.sub(r" id$", "", words)
    return words[:1].upper() + words[1:]
