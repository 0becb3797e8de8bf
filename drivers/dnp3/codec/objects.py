"""The object library (IEEE 1815 annex A) as one table: group, variation, what an object holds.

A layout is a row of words. `bit` and `bits2` are packed; `flags`, `status`, `code` … are named
octets; `i16` … `f64` are the value; `t48` is a time in ms since 1970 UTC, `rel16` ms after the
common time of occurrence before it; `string` has as many octets as the variation says; `sized`
carries its own length; `none` is a header without data.
"""

import enum
from functools import cache
from typing import Any

import numpy as np
from msgspec import Struct


class PointType(enum.StrEnum):
    """The kinds of points of an outstation, named as in an address (`ai:0`).

    boc, aoc: the commands that a binary or analog output was given.
    """

    BI = "bi"
    DBI = "dbi"
    BO = "bo"
    BOC = "boc"
    CTR = "ctr"
    FCTR = "fctr"
    AI = "ai"
    FAI = "fai"
    AO = "ao"
    AOC = "aoc"
    OS = "os"


class Role(enum.Enum):
    """What the objects of a group are for."""

    STATIC = enum.auto()
    EVENT = enum.auto()
    COMMAND = enum.auto()
    COMMAND_EVENT = enum.auto()
    DEADBAND = enum.auto()
    OTHER = enum.auto()


class Group(Struct, frozen=True, kw_only=True):
    number: int
    title: str
    layouts: dict[int, str]
    role: Role = Role.OTHER
    point: PointType | None = None


_COUNTER = {1: "flags u32", 2: "flags u16", 3: "flags u32", 4: "flags u16"}
_TIMED_COUNTER = {5: "flags u32 t48", 6: "flags u16 t48", 7: "flags u32 t48", 8: "flags u16 t48"}
_ANALOG_EVENT = {
    1: "flags i32",
    2: "flags i16",
    3: "flags i32 t48",
    4: "flags i16 t48",
    5: "flags f32",
    6: "flags f64",
    7: "flags f32 t48",
    8: "flags f64 t48",
}
_COMMAND_EVENT = {n: layout.replace("flags", "status") for n, layout in _ANALOG_EVENT.items()}
_STRING = dict.fromkeys(range(1, 256), "string")
_SIZED = dict.fromkeys(range(1, 256), "sized")


def _group(
    number: int,
    title: str,
    layouts: dict[int, str],
    role: Role = Role.OTHER,
    point: PointType | None = None,
) -> Group:
    return Group(number=number, title=title, layouts=layouts, role=role, point=point)


GROUPS: dict[int, Group] = {
    group.number: group
    for group in (
        _group(0, "device attribute", dict.fromkeys(range(1, 256), "attribute")),
        _group(1, "binary input", {1: "bit", 2: "flags"}, Role.STATIC, PointType.BI),
        _group(
            2,
            "binary input event",
            {1: "flags", 2: "flags t48", 3: "flags rel16"},
            Role.EVENT,
            PointType.BI,
        ),
        _group(3, "double-bit input", {1: "bits2", 2: "flags"}, Role.STATIC, PointType.DBI),
        _group(
            4,
            "double-bit input event",
            {1: "flags", 2: "flags t48", 3: "flags rel16"},
            Role.EVENT,
            PointType.DBI,
        ),
        _group(10, "binary output status", {1: "bit", 2: "flags"}, Role.STATIC, PointType.BO),
        _group(11, "binary output event", {1: "flags", 2: "flags t48"}, Role.EVENT, PointType.BO),
        _group(
            12,
            "binary output command",
            {1: "code count on off status", 2: "code count on off status", 3: "bit"},
            Role.COMMAND,
            PointType.BO,
        ),
        _group(
            13,
            "binary output command event",
            {1: "status", 2: "status t48"},
            Role.COMMAND_EVENT,
            PointType.BOC,
        ),
        _group(
            20,
            "counter",
            {**_COUNTER, 5: "u32", 6: "u16", 7: "u32", 8: "u16"},
            Role.STATIC,
            PointType.CTR,
        ),
        _group(
            21,
            "frozen counter",
            {**_COUNTER, **_TIMED_COUNTER, 9: "u32", 10: "u16", 11: "u32", 12: "u16"},
            Role.STATIC,
            PointType.FCTR,
        ),
        _group(22, "counter event", {**_COUNTER, **_TIMED_COUNTER}, Role.EVENT, PointType.CTR),
        _group(
            23, "frozen counter event", {**_COUNTER, **_TIMED_COUNTER}, Role.EVENT, PointType.FCTR
        ),
        _group(
            30,
            "analog input",
            {
                1: "flags i32",
                2: "flags i16",
                3: "i32",
                4: "i16",
                5: "flags f32",
                6: "flags f64",
            },
            Role.STATIC,
            PointType.AI,
        ),
        _group(
            31,
            "frozen analog input",
            {
                1: "flags i32",
                2: "flags i16",
                3: "flags i32 t48",
                4: "flags i16 t48",
                5: "i32",
                6: "i16",
                7: "flags f32",
                8: "flags f64",
            },
            Role.STATIC,
            PointType.FAI,
        ),
        _group(32, "analog input event", _ANALOG_EVENT, Role.EVENT, PointType.AI),
        _group(33, "frozen analog input event", _ANALOG_EVENT, Role.EVENT, PointType.FAI),
        _group(
            34,
            "analog input deadband",
            {1: "u16", 2: "u32", 3: "f32"},
            Role.DEADBAND,
            PointType.AI,
        ),
        _group(
            40,
            "analog output status",
            {1: "flags i32", 2: "flags i16", 3: "flags f32", 4: "flags f64"},
            Role.STATIC,
            PointType.AO,
        ),
        _group(
            41,
            "analog output command",
            {1: "i32 status", 2: "i16 status", 3: "f32 status", 4: "f64 status"},
            Role.COMMAND,
            PointType.AO,
        ),
        _group(42, "analog output event", _ANALOG_EVENT, Role.EVENT, PointType.AO),
        _group(
            43, "analog output command event", _COMMAND_EVENT, Role.COMMAND_EVENT, PointType.AOC
        ),
        _group(
            50,
            "time and date",
            {1: "t48", 2: "t48 interval", 3: "t48", 4: "t48 interval unit"},
        ),
        _group(51, "common time of occurrence", {1: "t48", 2: "t48"}),
        _group(52, "time delay", {1: "u16", 2: "u16"}),
        _group(60, "class", {1: "none", 2: "none", 3: "none", 4: "none"}),
        _group(70, "file", dict.fromkeys(range(1, 9), "sized")),
        _group(80, "internal indications", {1: "bit"}),
        _group(81, "device storage", {1: "fill group variation"}),
        _group(82, "device profile", {1: "sized"}),
        _group(83, "private registration", {1: "sized", 2: "sized"}),
        _group(85, "data set prototype", {1: "sized"}),
        _group(86, "data set descriptor", {1: "sized", 2: "flags", 3: "sized"}),
        _group(87, "data set", {1: "sized"}),
        _group(88, "data set event", {1: "sized"}),
        _group(90, "application identifier", {1: "sized"}),
        _group(91, "activate configuration", {1: "sized"}),
        _group(100, "floating point", {1: "flags f32", 2: "flags f64", 3: "flags f32"}),
        _group(101, "binary-coded decimal", {1: "bcd2", 2: "bcd4", 3: "bcd8"}),
        _group(102, "unsigned octet", {1: "u8"}),
        _group(110, "octet string", _STRING, Role.STATIC, PointType.OS),
        _group(111, "octet string event", _STRING, Role.EVENT, PointType.OS),
        _group(112, "virtual terminal output", _STRING),
        _group(113, "virtual terminal event", _STRING),
        _group(120, "authentication", {**_SIZED, 3: "user sequence", 4: "user"}),
        _group(
            121,
            "security statistic",
            {1: "flags association u32"},
        ),
        _group(
            122,
            "security statistic event",
            {1: "flags association u32", 2: "flags association u32 t48"},
        ),
    )
}

STATIC_GROUP = {g.point: g.number for g in GROUPS.values() if g.point and g.role is Role.STATIC}
EVENT_GROUP = {
    g.point: g.number
    for g in GROUPS.values()
    if g.point and g.role in {Role.EVENT, Role.COMMAND_EVENT}
}

_FIELDS: dict[str, list[tuple[str, str]]] = {
    "flags": [("flags", "u1")],
    "status": [("status", "u1")],
    "code": [("code", "u1")],
    "count": [("count", "u1")],
    "on": [("on", "<u4")],
    "off": [("off", "<u4")],
    "interval": [("interval", "<u4")],
    "unit": [("unit", "u1")],
    "fill": [("value", "u1")],
    "group": [("group", "u1")],
    "variation": [("variation", "u1")],
    "user": [("user", "<u2")],
    "sequence": [("sequence", "<u4")],
    "association": [("association", "<u2")],
    "u8": [("value", "u1")],
    "i16": [("value", "<i2")],
    "u16": [("value", "<u2")],
    "i32": [("value", "<i4")],
    "u32": [("value", "<u4")],
    "f32": [("value", "<f4")],
    "f64": [("value", "<f8")],
    "bcd2": [("digits", "V2")],
    "bcd4": [("digits", "V4")],
    "bcd8": [("digits", "V8")],
    "t48": [("time_low", "<u4"), ("time_high", "<u2")],
    "rel16": [("relative", "<u2")],
}
_INDEX = {1: "u1", 2: "<u2", 4: "<u4"}


class Form(enum.Enum):
    """How the objects of a variation lie behind their header."""

    NONE = enum.auto()
    PACKED = enum.auto()
    FIXED = enum.auto()
    STRING = enum.auto()
    SIZED = enum.auto()
    ATTRIBUTE = enum.auto()


class Variation(Struct, frozen=True, kw_only=True):
    """One row of the table. size: octets of an object; bits: of a packed one."""

    group: Group
    number: int
    form: Form
    size: int = 0
    bits: int = 0
    fields: tuple[tuple[str, str], ...] = ()

    def __hash__(self) -> int:
        return self.group.number << 8 | self.number

    def __str__(self) -> str:
        return f"g{self.group.number}v{self.number}"

    def has(self, field: str) -> bool:
        return any(name == field for name, _ in self.fields)


_FORMS = {
    "none": Form.NONE,
    "string": Form.STRING,
    "sized": Form.SIZED,
    "attribute": Form.ATTRIBUTE,
}


@cache
def variation(group: int, number: int) -> Variation | None:
    """The row of the table, or None when the standard has no such object."""
    entry = GROUPS.get(group)
    if entry is None:
        return None
    if number == 0:
        return Variation(group=entry, number=0, form=Form.NONE)
    layout = entry.layouts.get(number)
    if layout is None:
        return None
    if layout in {"bit", "bits2"}:
        bits = 1 if layout == "bit" else 2
        return Variation(group=entry, number=number, form=Form.PACKED, bits=bits)
    if form := _FORMS.get(layout):
        size = number if form is Form.STRING else 0
        return Variation(group=entry, number=number, form=form, size=size)
    fields = tuple(field for word in layout.split() for field in _FIELDS[word])
    size = np.dtype(list(fields)).itemsize
    return Variation(group=entry, number=number, form=Form.FIXED, size=size, fields=fields)


@cache
def record(entry: Variation, prefix: int = 0) -> np.dtype[Any]:
    """The numpy record of one object behind an index of `prefix` octets."""
    index = [("index", _INDEX[prefix])] if prefix else []
    fields = entry.fields if entry.form is Form.FIXED else (("octets", f"V{entry.size}"),)
    return np.dtype(index + list(fields))
