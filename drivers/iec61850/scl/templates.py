"""DataTypeTemplates: types resolved to trees, and those trees as MMS types."""

from collections.abc import Mapping

from msgspec import Struct

from drivers.iec61850.mms import data
from drivers.iec61850.mms.types import Type

from .tree import Element, SclError

# Far above any device; types that double at each level would otherwise fill the memory.
MAX_ATTRIBUTES = 200_000


class Item(Struct, frozen=True, kw_only=True):
    """A data object (cdc set) or a data attribute (basic type set), with what is below it.

    enum: id of the EnumType of an enumeration. triggers: of `dchg`, `qchg`, `dupd`.
    """

    name: str
    fc: str = ""
    cdc: str = ""
    basic: str = ""
    enum: str = ""
    count: int = 0
    triggers: tuple[str, ...] = ()
    value: str = ""
    items: tuple["Item", ...] = ()


class Templates:
    """Each type is resolved once, however many nodes use it."""

    def __init__(self, root: Element | None) -> None:
        children = root.children if root else []
        self._elements: dict[tuple[str, str], Element] = {}
        for child in children:
            self._elements.setdefault((child.tag, child.get("id")), child)
        self._resolved: dict[tuple[str, str, str], tuple[Item, ...]] = {}
        self._open: set[tuple[str, str, str]] = set()
        self._sizes: dict[int, int] = {}
        self.enums: Mapping[str, Mapping[int, str]] = {
            e.get("id"): {int(v.get("ord")): v.text.strip() for v in e.all("EnumVal")}
            for e in children
            if e.tag == "EnumType"
        }

    def node(self, type_id: str) -> tuple[Item, ...]:
        """The data objects of a logical node type; none when the file has no such type."""
        return self._resolve("LNodeType", type_id, "")

    def _resolve(self, tag: str, type_id: str, fc: str) -> tuple[Item, ...]:
        """Children of a type; those of a DAType take the functional constraint of their user."""
        key = tag, type_id, fc
        if key in self._resolved:
            return self._resolved[key]
        element = self._elements.get((tag, type_id))
        if element is None:
            return ()
        if key in self._open:
            raise SclError(f"line {element.line}: {tag} {type_id!r} contains itself")
        self._open.add(key)
        items = tuple(self._item(c, fc) for c in element.all("DO", "SDO", "DA", "BDA"))
        self._open.discard(key)
        self._resolved[key] = items
        size = self._sizes[id(items)] = sum(self._sizes.get(id(item.items), 1) for item in items)
        if size > MAX_ATTRIBUTES:
            raise SclError(f"line {element.line}: {tag} {type_id!r} has {size} attributes")
        return items

    def _item(self, element: Element, fc: str) -> Item:
        name, type_id = element.get("name"), element.get("type")
        if element.tag in {"DO", "SDO"}:
            target = self._elements.get(("DOType", type_id))
            return Item(
                name=name,
                cdc=target.get("cdc") if target else "",
                count=_count(element),
                items=self._resolve("DOType", type_id, ""),
            )
        basic, fc = element.get("bType"), element.get("fc") or fc
        value = element.first("Val")
        return Item(
            name=name,
            fc=fc,
            basic=basic,
            enum=type_id if basic == "Enum" else "",
            count=_count(element),
            triggers=tuple(t for t in ("dchg", "qchg", "dupd") if element.flag(t)),
            value=value.text.strip() if value else "",
            items=self._resolve("DAType", type_id, fc) if basic == "Struct" else (),
        )


def _count(element: Element) -> int:
    """Elements of an array; a count given by name of another attribute is not an array for us."""
    text = element.get("count", "0")
    return int(text) if text.isdecimal() else 0


_BASIC = {
    "BOOLEAN": Type(data.BOOLEAN),
    "INT8": Type(data.INTEGER, 8),
    "INT16": Type(data.INTEGER, 16),
    "INT24": Type(data.INTEGER, 24),
    "INT32": Type(data.INTEGER, 32),
    "INT64": Type(data.INTEGER, 64),
    "INT128": Type(data.INTEGER, 128),
    "INT8U": Type(data.UNSIGNED, 8),
    "INT16U": Type(data.UNSIGNED, 16),
    "INT24U": Type(data.UNSIGNED, 24),
    "INT32U": Type(data.UNSIGNED, 32),
    "INT64U": Type(data.UNSIGNED, 64),
    "FLOAT32": Type(data.FLOAT, 32),
    "FLOAT64": Type(data.FLOAT, 64),
    "Enum": Type(data.INTEGER, 8),
    "Dbpos": Type(data.BIT_STRING, 2),
    "Tcmd": Type(data.BIT_STRING, 2),
    "Quality": Type(data.BIT_STRING, -13),
    "Check": Type(data.BIT_STRING, -2),
    "TrgOps": Type(data.BIT_STRING, -6),
    "OptFlds": Type(data.BIT_STRING, -10),
    "SvOptFlds": Type(data.BIT_STRING, -8),
    "LogOptFlds": Type(data.BIT_STRING, -1),
    "Timestamp": Type(data.UTC_TIME),
    "EntryTime": Type(data.BINARY_TIME, 6),
    "EntryID": Type(data.OCTET_STRING, 8),
    "Octet6": Type(data.OCTET_STRING, -6),
    "Octet16": Type(data.OCTET_STRING, -16),
    "Octet64": Type(data.OCTET_STRING, -64),
    "Unicode255": Type(data.MMS_STRING, -255),
    "ObjRef": Type(data.VISIBLE_STRING, -129),
    "Currency": Type(data.VISIBLE_STRING, -3),
}
_PHYSICAL_ADDRESS = Type(
    data.STRUCTURE,
    fields={
        "Addr": Type(data.OCTET_STRING, 6),
        "PRIORITY": Type(data.UNSIGNED, 8),
        "VID": Type(data.UNSIGNED, 16),
        "APPID": Type(data.UNSIGNED, 16),
    },
)


# A setting of groups is declared once, and seen both as the active and as the edited value.
_SETTINGS = {"SG", "SE"}


def mms_type(item: Item, fc: str) -> Type | None:
    """An item as MMS shows it under one functional constraint; None when it has nothing there."""
    if item.items or item.cdc:
        fields = {
            child.name: kind for child in item.items if (kind := mms_type(child, fc)) is not None
        }
        if not fields:
            return None
        kind = Type(data.STRUCTURE, fields=fields)
    elif item.fc != fc and {item.fc, fc} != _SETTINGS:
        return None
    elif item.basic == "PhyComAddr":
        kind = _PHYSICAL_ADDRESS
    elif item.basic.startswith("VisString"):
        size = item.basic.removeprefix("VisString")
        kind = Type(data.VISIBLE_STRING, -int(size) if size.isdecimal() else -255)
    else:
        kind = _BASIC.get(item.basic, Type(data.VISIBLE_STRING, -255))
    return Type(data.ARRAY, item.count, element=kind) if item.count else kind
