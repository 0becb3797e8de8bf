"""What is wrong with a configuration: all of it at once, each fault with its place."""

import difflib
import re
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

import msgspec

Path = tuple[str | int, ...]

_AT = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.?(?P<key>[^.\[\]]+)|\[(?P<index>\d+)\]")


class Fault(NamedTuple):
    """path: keys and indexes from the root of the configuration. message: what is wrong and what
    to do about it."""

    path: Path
    message: str


class Faults(Exception):
    """A configuration that cannot be used; the message has one line a fault."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        super().__init__("\n".join(lines))


def dotted(path: Path) -> str:
    """`channels[0].devices[1].name`"""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def explain(kind: Any, value: Any, path: Path = ()) -> list[Fault]:
    """Every reason why `value` cannot become a `kind` (not only the first, as msgspec says it)."""
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as e:
        found = list(_inside(kind, value, path))
        return found or [_plain(str(e), path)]
    return []


def near(word: str, known: list[str]) -> str:
    """A hint for a word that is not among the known ones."""
    close = difflib.get_close_matches(word, known, 1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(known))}"


def _plain(message: str, path: Path) -> Fault:
    where = _AT.search(message)
    if where is None:
        return Fault(path, message)
    steps = tuple(
        int(s["index"]) if s["index"] else s["key"] for s in _STEP.finditer(where["path"])
    )
    return Fault(path + steps, message[: where.start()])


def _inside(kind: Any, value: Any, path: Path) -> Iterator[Fault]:
    kind = _narrow(kind, value)
    origin, args = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and isinstance(value, dict):
        yield from _struct(kind, value, path)
    elif origin in {tuple, list} and args and isinstance(value, list):
        for i, item in enumerate(value):
            yield from explain(args[0], item, (*path, i))
    elif isinstance(origin, type) and issubclass(origin, Mapping) and isinstance(value, dict):
        for key, item in value.items():
            yield from explain(args[1], item, (*path, key))


def _struct(kind: type[msgspec.Struct], value: dict[str, Any], path: Path) -> Iterator[Fault]:
    config = kind.__struct_config__
    fields = {f.encode_name: f for f in msgspec.structs.fields(kind)}
    for key in value.keys() - fields.keys() - {config.tag_field}:
        if config.forbid_unknown_fields:
            yield Fault((*path, key), f"unknown key {key!r}: {near(key, list(fields))}")
    for key, field in fields.items():
        if key in value:
            yield from explain(field.type, value[key], (*path, key))
        elif field.required:
            yield Fault(path, f"the key {key!r} is missing")


def _narrow(kind: Any, value: Any) -> Any:
    """The member of a union, or the annotated type, that `value` means to be."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) not in {Union, types.UnionType}:
        return kind
    members = [m for m in get_args(kind) if m is not type(None)]
    if len(members) == 1:
        return _narrow(members[0], value)
    for member in members:
        config = getattr(member, "__struct_config__", None)
        if config and isinstance(value, dict) and value.get(config.tag_field) == config.tag:
            return member
    return kind
