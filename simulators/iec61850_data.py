"""Values of a simulated IED: a tree by name, made from an SCL model; data sets; who is told."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from drivers.iec61850 import model
from drivers.iec61850.mms import data, types
from drivers.iec61850.mms.data import AccessError, BinaryTime, Bits, UtcTime
from drivers.iec61850.mms.pdu import ObjectName
from drivers.iec61850.mms.types import Type
from drivers.iec61850.scl.document import Document, Ied
from drivers.iec61850.scl.templates import Item

NON_EXISTENT, DENIED, INVALID_VALUE, INCONSISTENT = map(AccessError, (10, 3, 11, 7))
_WRITABLE = {"SP", "CF", "DC", "SV", "SE"}
_EMPTY: dict[int, Any] = {
    data.BOOLEAN: False,
    data.INTEGER: 0,
    data.UNSIGNED: 0,
    data.FLOAT: 0.0,
    data.OCTET_STRING: b"",
    data.VISIBLE_STRING: "",
    data.MMS_STRING: "",
    data.UTC_TIME: UtcTime(0),
    data.BINARY_TIME: BinaryTime(0, 0),
}
OnChange = Callable[[ObjectName, int], None]


def empty(kind: Type) -> Any:
    """A value of a type, as a device shows it before anything happened."""
    if kind.kind == data.STRUCTURE:
        return {name: empty(part) for name, part in kind.fields.items()}
    if kind.kind == data.ARRAY and kind.element is not None:
        return [empty(kind.element) for _ in range(kind.size)]
    if kind.kind == data.BIT_STRING:
        return Bits(0, abs(kind.size))
    return b"\0" * 8 if kind.kind == data.OCTET_STRING and kind.size == 8 else _EMPTY[kind.kind]


class Data:
    """The model of one IED with values. References are `LDinst/LN.DO.DA`, without the FC."""

    def __init__(self, document: Document, ied: Ied) -> None:
        self.model = model.from_scl(ied)
        self.inst = {device.inst: device.domain for device in ied.devices}
        self.values: dict[str, dict[str, Any]] = {
            domain: {node: empty(kind) for node, kind in device.nodes.items()}
            for domain, device in self.model.devices.items()
        }
        self.on_change: OnChange | None = None
        for device in ied.devices:
            for node in device.nodes:
                tree = self.values[device.domain][node.name]
                for item in node.items:
                    _fill(document, tree, item, (item.name,), node.values)

    def names(self, domain: str) -> list[str]:
        """All variables of a logical device in the order of MMS."""
        device = self.model.devices[domain]
        return sorted(n for node, kind in device.nodes.items() for n in _names(node, kind))

    def get(self, name: ObjectName) -> Any:
        """The value of a variable, or AccessError."""
        kind = self.model.type_of(name)
        value = self._find(name)
        return NON_EXISTENT if kind is None or value is None else value

    def encoded(self, name: ObjectName) -> bytes:
        """The variable as an access result."""
        kind, value = self.model.type_of(name), self._find(name)
        if kind is None or value is None:
            return b"\x80\x01\x0a"
        return types.encode(kind, value)

    def _find(self, name: ObjectName) -> Any:
        node, *path = name.item.split("$")
        here: Any = self.values.get(name.domain or "", {}).get(node)
        for part in path:
            here = here.get(part) if isinstance(here, dict) else None
        return here

    def write(self, name: ObjectName, value: Any) -> AccessError | None:
        """What a client may set: settings, configuration, descriptions."""
        parts = name.item.split("$")
        kind = self.model.type_of(name)
        if kind is None:
            return NON_EXISTENT
        if len(parts) < 3 or parts[1] not in _WRITABLE:
            return DENIED
        return self.put(name, value)

    def put(self, name: ObjectName, value: Any) -> AccessError | None:
        """Set any variable to a decoded value of its type."""
        kind = self.model.type_of(name)
        *path, last = name.item.split("$")
        parent = self._find(ObjectName("$".join(path), name.domain)) if path else None
        if kind is None or not isinstance(parent, dict):
            return NON_EXISTENT
        try:
            shaped = named(kind, value)
            types.encode(kind, shaped)
        except ValueError:
            return INCONSISTENT
        parent[last] = shaped
        return None

    def set(self, reference: str, value: Any, *, q: int = 0, at: int | None = None) -> None:
        """A process value changes: value, quality bits and time together; reports are told.

        at: µs since 1970. Raises KeyError for a reference that the model does not have.
        """
        inst, _, rest = reference.partition("/")
        node, *path = rest.split(".")
        domain = self.inst[inst]
        fc = next(f for f in ("ST", "MX") if self._has(domain, node, f, path))
        item = "$".join((node, fc, *path))
        before = self.get(ObjectName(item, domain))
        self.put(ObjectName(item, domain), value)
        for depth in range(len(path) - 1, 0, -1):
            owner = self._find(ObjectName("$".join((node, fc, *path[:depth])), domain))
            if isinstance(owner, dict) and "q" in owner:
                quality = Bits(q, 13)
                trigger = 1 if before != value else 2 if owner["q"] != quality else 0
                owner["q"] = quality
                owner["t"] = UtcTime(at if at is not None else time.time_ns() // 1000, 0x0A)
                if trigger and self.on_change:
                    self.on_change(ObjectName(item, domain), trigger)
                return

    def _has(self, domain: str, node: str, fc: str, path: list[str]) -> bool:
        return self.model.type_of(ObjectName("$".join((node, fc, *path)), domain)) is not None

    def has(self, reference: str) -> bool:
        inst, _, rest = reference.partition("/")
        node, *path = rest.split(".")
        return inst in self.inst and any(
            self._has(self.inst[inst], node, fc, path) for fc in ("ST", "MX")
        )


def named(kind: Type, value: Any) -> Any:
    """A decoded value with its structures by name. Raises ValueError when the shape differs."""
    if kind.kind == data.STRUCTURE:
        if isinstance(value, Mapping):
            value = list(value.values())
        if not isinstance(value, list) or len(value) != len(kind.fields):
            raise ValueError("not a structure of this type")
        pairs = zip(kind.fields.items(), value, strict=True)
        return {name: named(part, each) for (name, part), each in pairs}
    if kind.kind == data.BOOLEAN and not isinstance(value, bool):
        raise ValueError("not a boolean")
    return value


def _names(prefix: str, kind: Type) -> Iterator[str]:
    yield prefix
    for name, part in kind.fields.items():
        yield from _names(f"{prefix}${name}", part)


def _fill(
    document: Document, tree: Any, item: Item, path: tuple[str, ...], given: Mapping[str, str]
) -> None:
    """Put the configured values of an item into the tree."""
    for child in item.items:
        _fill(document, tree, child, (*path, child.name), given)
    text = given.get(".".join(path), item.value)
    if item.items or not text:
        return
    here = tree[item.fc]
    for part in path[:-1]:
        here = here[part]
    here[path[-1]] = _value(document, item, text, here[path[-1]])


def _value(document: Document, item: Item, text: str, before: Any) -> Any:
    if item.basic == "Enum":
        numbers = {label: number for number, label in document.enums.get(item.enum, {}).items()}
        return numbers.get(text, int(text) if text.lstrip("-").isdecimal() else 0)
    if isinstance(before, bool):
        return text in {"true", "1"}
    if isinstance(before, int | float):
        return type(before)(float(text))
    return text if isinstance(before, str) else before
