"""A valid value of any API type, for tests that walk every endpoint."""

import datetime as dt
import re
import uuid
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import inspect as mi

_TEXTS = ("A", "AAAAAAAA", "a@b.example", "ar", "USD", "+967777000111", "a1", "1")


def sample(type_: Any, **given: Any) -> Any:
    """The smallest valid value as JSON knows it: required fields only, and what is given."""
    return msgspec.to_builtins(_of(mi.type_info(type_))) | given


def _of(kind: mi.Type) -> Any:
    made: Any
    match kind:
        case mi.StructType():
            made = {f.encode_name: _of(f.type) for f in kind.fields if f.required}
        case mi.Metadata():
            made = _of(kind.type)
        case mi.StrType():
            made = _text(kind)
        case mi.IntType() | mi.FloatType():
            made = kind.ge if kind.ge is not None else (kind.gt or 0) + 1
        case mi.ListType() | mi.SetType() | mi.VarTupleType():
            made = [_of(kind.item_type)] * (kind.min_length or 0)
        case mi.UnionType():
            made = _of(next(t for t in kind.types if not isinstance(t, mi.NoneType)))
        case mi.LiteralType():
            made = kind.values[0]
        case mi.EnumType():
            made = next(iter(kind.cls))
        case _:
            made = _plain(kind)
    return made


def _text(kind: mi.StrType) -> str:
    low, high = kind.min_length or 0, kind.max_length or 1000
    for text in _TEXTS:
        fits = low <= len(text) <= high
        if fits and (kind.pattern is None or re.search(kind.pattern, text)):
            return text
    return "A" * max(low, 1)


def _plain(kind: mi.Type) -> Any:
    plain: dict[type, Any] = {
        mi.BoolType: True,
        mi.UUIDType: uuid.UUID(int=0),
        mi.DateTimeType: dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        mi.DateType: dt.date(2026, 1, 1),
        mi.DecimalType: Decimal(1),
        mi.DictType: {},
        mi.AnyType: {},
        mi.NoneType: None,
    }
    if type(kind) not in plain:
        raise NotImplementedError(f"no sample of {kind}")
    return plain[type(kind)]
