"""What is done to every text before it is stored: NFC, no control characters, no HTML tags.

Left as they are: fields whose name tells a secret, a template or code, objects of free form, and
what a type marks with `Meta(extra={"raw": True})`.
"""

import re
import unicodedata
from functools import cache
from typing import Any

import msgspec
import msgspec.inspect as mi

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_HIDDEN = re.compile(r"<(script|style)\b[^>]*>.*?(</\1\s*>|$)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<!--.*?(-->|$)|</?[A-Za-z][^<>]*>|<[!?][^<>]*>", re.DOTALL)
_RAW = re.compile(
    r"passw|token|secret|credential|^key$|_key$|template|^code_|_code$|script|xml|expression|query"
)
_MORE = 10


def text(value: str) -> str:
    """One text without tags and control characters, in NFC."""
    value = _CONTROL.sub("", value)
    if not value.isascii():
        value = unicodedata.normalize("NFC", value)
    for _ in range(_MORE):  # taking one tag away may make another
        if "<" not in value:
            break
        fewer = _TAG.sub("", _HIDDEN.sub("", value))
        if fewer == value:
            break
        value = fewer
    return value


def clean(data: bytes, type_: Any) -> bytes:
    """A JSON body with its texts cleaned; what is not JSON is left for the decoder to refuse."""
    if data.isascii() and b"<" not in data and b"\\u" not in data:
        return data
    try:
        body = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return data
    return msgspec.json.encode(_walk(body, _raw_fields(type_)))


def cleaned(value: Any, type_: Any) -> Any:
    """The same for what was read already."""
    return _walk(value, _raw_fields(type_))


def _walk(value: Any, raw: frozenset[str] = frozenset()) -> Any:
    if isinstance(value, str):
        return text(value)
    if isinstance(value, list):
        return [_walk(v) for v in value]
    if isinstance(value, dict):
        return {k: v if k in raw or _RAW.search(k) else _walk(v) for k, v in value.items()}
    return value


@cache
def _raw_fields(type_: Any) -> frozenset[str]:
    info = mi.type_info(type_)
    if not isinstance(info, mi.StructType):
        return frozenset()
    return frozenset(f.encode_name for f in info.fields if _is_raw(f.type))


def _is_raw(kind: mi.Type) -> bool:
    if isinstance(kind, mi.Metadata):
        return bool((kind.extra or {}).get("raw")) or _is_raw(kind.type)
    if isinstance(kind, mi.UnionType):
        return any(_is_raw(k) for k in kind.types)
    return isinstance(kind, mi.DictType | mi.AnyType | mi.RawType)
