"""The data model of an IED as MMS types, from the device itself or from its SCL file."""

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from msgspec import Struct, field

from hub import ProtocolError

from .client import Client
from .mms import data
from .mms.data import AccessError
from .mms.pdu import ObjectName, ServiceError
from .mms.types import Type
from .scl.document import Device, Ied, Node
from .scl.templates import mms_type

T = TypeVar("T")

_FCS = ("ST", "MX", "SP", "SV", "CF", "DC", "SG", "SE", "SR", "OR", "BL", "EX", "CO", "US", "MS")


class LogicalDevice(Struct, frozen=True, kw_only=True):
    """nodes: a structure per logical node, its fields the functional constraints.

    data_sets: members by item name (`LLN0$events`).
    """

    domain: str
    names: list[str] = field(default_factory=list)
    nodes: dict[str, Type] = field(default_factory=dict)
    data_sets: dict[str, tuple[ObjectName, ...]] = field(default_factory=dict)


class Model(Struct, frozen=True):
    """Logical devices by MMS domain name."""

    devices: dict[str, LogicalDevice] = field(default_factory=dict)

    def type_of(self, name: ObjectName) -> Type | None:
        """The type of a variable, or None when the model has no such thing."""
        device = self.devices.get(name.domain or "")
        node, *path = name.item.split("$")
        found = device.nodes.get(node) if device else None
        return descend(found, path) if found else None

    def report_blocks(self) -> Iterator[tuple[ObjectName, Type]]:
        """All report control blocks, buffered ones first in each node."""
        for device in self.devices.values():
            for node, kind in device.nodes.items():
                for fc in ("BR", "RP"):
                    blocks = kind.fields.get(fc)
                    for block, inner in blocks.fields.items() if blocks else ():
                        yield ObjectName(f"{node}${fc}${block}", device.domain), inner

    def domain(self, ied: str, device: str) -> str:
        """The MMS domain of a logical device named with or without its IED.

        Raises LookupError that lists what there is.
        """
        for name in (ied + device, device):
            if name in self.devices:
                return name
        ends = [name for name in self.devices if name.endswith(device)]
        if len(ends) == 1 and not ied:
            return ends[0]
        raise LookupError(
            f"no logical device {ied + device!r}; there are: {', '.join(self.devices)}"
        )


def descend(kind: Type, path: Sequence[str]) -> Type | None:
    """Follow component names; array elements are not addressed."""
    found: Type | None = kind
    for part in path:
        found = found.fields.get(part) if found else None
    return found


def position(kind: Type, path: Sequence[str]) -> list[int]:
    """Indices that lead to a component in a decoded structure. Raises KeyError."""
    out = []
    for part in path:
        out.append(list(kind.fields).index(part) if part in kind.fields else -1)
        if out[-1] < 0:
            raise KeyError(part)
        kind = kind.fields[part]
    return out


def leaves(kind: Type, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Type]]:
    """All components that are no structures, with their paths."""
    if kind.kind != data.STRUCTURE:
        yield path, kind
    for name, part in kind.fields.items():
        yield from leaves(part, (*path, name))


async def discover(client: Client, known: Model | None = None) -> Model:
    """Ask the device for everything, as many questions at once as it allows.

    known: from an earlier association; its types hold where the device still has the same names.
    """
    model = Model()
    for domain in await client.domains():
        names = await client.variables(domain)
        before = known.devices.get(domain) if known else None
        if before is not None and before.names == names:
            nodes = before.nodes
        else:
            tops = [name for name in names if "$" not in name]
            asked = (_node_type(client, domain, node, names) for node in tops)
            nodes = dict(zip(tops, await gather(asked), strict=True))
            _add_blocks(nodes, names)
        sets = await client.data_sets(domain)
        lists = await gather(_members(client, ObjectName(name, domain)) for name in sets)
        model.devices[domain] = LogicalDevice(
            domain=domain,
            names=names,
            nodes=nodes,
            data_sets={n: found for n, found in zip(sets, lists, strict=True) if found is not None},
        )
    return model


def _add_blocks(nodes: dict[str, Type], names: Iterable[str]) -> None:
    """Report control blocks that a device names but leaves out of its types get the standard's."""
    for name in names:
        node, _, rest = name.partition("$")
        fc, _, block = rest.partition("$")
        if fc not in {"BR", "RP"} or not block or "$" in block or node not in nodes:
            continue
        fields = nodes[node].fields
        blocks = fields[fc].fields if fc in fields else {}
        if block not in blocks:
            more = {**blocks, block: BUFFERED if fc == "BR" else UNBUFFERED}
            grown = {**fields, fc: Type(data.STRUCTURE, fields=more)}
            nodes[node] = Type(data.STRUCTURE, fields=grown)


async def gather(questions: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Answers in order; the first failure cancels the rest."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(question) for question in questions]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


async def _members(client: Client, name: ObjectName) -> tuple[ObjectName, ...] | None:
    """None where the device refuses, as it does when they do not fit into an answer."""
    try:
        return tuple((await client.members(name))[0])
    except ServiceError:
        return None


async def _node_type(client: Client, domain: str, node: str, names: list[str]) -> Type:
    """The node's type as a whole, or put together where the device refuses or is too large."""
    try:
        return await client.type_of(ObjectName(node, domain))
    except ServiceError:
        prefix = f"{node}$"
        below = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
        parts = [name for name in below if "$" not in name]
        if not parts:
            raise
        fields = {}
        for part in parts:
            fields[part] = await _node_type(client, domain, prefix + part, names)
        return Type(data.STRUCTURE, fields=fields)


def from_scl(ied: Ied) -> Model:
    """The model that the device should have."""
    return Model({device.domain: _device(device) for device in ied.devices})


def _device(device: Device) -> LogicalDevice:
    return LogicalDevice(
        domain=device.domain,
        nodes={node.name: _node(node) for node in device.nodes},
        data_sets={
            f"{node.name}${name}": members
            for node in device.nodes
            for name, members in node.data_sets.items()
        },
    )


def _node(node: Node) -> Type:
    fields: dict[str, Type] = {}
    for fc in _FCS:
        objects = {item.name: kind for item in node.items if (kind := mms_type(item, fc))}
        if objects:
            fields[fc] = Type(data.STRUCTURE, fields=objects)
    for fc, buffered in (("RP", False), ("BR", True)):
        blocks = {
            name: BUFFERED if buffered else UNBUFFERED
            for report in node.reports
            if report.buffered == buffered
            for name in report.names
        }
        if blocks:
            fields[fc] = Type(data.STRUCTURE, fields=blocks)
    return Type(data.STRUCTURE, fields=fields)


_TEXT = Type(data.VISIBLE_STRING, -129)
_BOOL = Type(data.BOOLEAN)
_U32 = Type(data.UNSIGNED, 32)
_COMMON = {
    "DatSet": _TEXT,
    "ConfRev": _U32,
    "OptFlds": Type(data.BIT_STRING, -10),
    "BufTm": _U32,
    "SqNum": Type(data.UNSIGNED, 8),
    "TrgOps": Type(data.BIT_STRING, -6),
    "IntgPd": _U32,
    "GI": _BOOL,
}
UNBUFFERED = Type(
    data.STRUCTURE, fields={"RptID": _TEXT, "RptEna": _BOOL, "Resv": _BOOL, **_COMMON}
)
BUFFERED = Type(
    data.STRUCTURE,
    fields={
        "RptID": _TEXT,
        "RptEna": _BOOL,
        **_COMMON,
        "SqNum": Type(data.UNSIGNED, 16),
        "PurgeBuf": _BOOL,
        "EntryID": Type(data.OCTET_STRING, 8),
        "TimeofEntry": Type(data.BINARY_TIME, 6),
        "ResvTms": Type(data.INTEGER, 16),
    },
)


def differences(expected: Model, live: Model) -> list[str]:
    """What the device lacks of the expected model, or has of another type."""
    out = []
    for domain, device in expected.devices.items():
        other = live.devices.get(domain)
        if other is None:
            out.append(f"logical device {domain} is missing")
            continue
        for node, kind in device.nodes.items():
            if node not in other.nodes:
                out.append(f"logical node {domain}/{node} is missing")
                continue
            theirs = dict(leaves(other.nodes[node]))
            for path, wanted in leaves(kind):
                found = theirs.get(path)
                if path[0] in {"BR", "RP"}:
                    continue
                where = f"{domain}/{node}${'$'.join(path)}"
                if found is None:
                    out.append(f"{where} is missing")
                elif found.kind != wanted.kind:
                    out.append(f"{where} is {found.name}, {wanted.name} expected")
        gone = [name for name in device.data_sets if name not in other.data_sets]
        out += [f"data set {domain}/{name} is missing" for name in gone]
    return out


def value_at(value: object, path: Sequence[int]) -> object:
    """A component of a decoded value; AccessError and gaps pass through."""
    for index in path:
        if isinstance(value, AccessError):
            return value
        if not isinstance(value, list) or index >= len(value):
            raise ProtocolError("the device's value does not have the structure of its type")
        value = value[index]
    return value


def fields_of(kind: Type, value: object) -> Mapping[str, object]:
    """A decoded structure by component names."""
    if not isinstance(value, list) or len(value) != len(kind.fields):
        raise ProtocolError("the device's value does not have the structure of its type")
    return dict(zip(kind.fields, value, strict=True))
