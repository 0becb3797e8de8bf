"""The live model as the hub's browser shows it, with units asked of the device."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from hub import Node, NotFound

from . import naming
from .ied import Ied
from .mms import data
from .mms.data import AccessError
from .mms.pdu import ObjectName
from .mms.types import Type
from .model import descend, leaves
from .naming import Unit

_HIDDEN = {"q", "t"}
_BLOCKS = {"RP", "BR", "LG", "GO", "MS", "US"}


async def level(ied: Ied, path: str) -> AsyncIterator[Node]:
    """One step below `path`. Raises NotFound for a path that the device does not have."""
    domain, _, rest = path.partition("/")
    if not domain:
        for name in ied.model.devices:
            yield Node(path=name, name=name, leaf=False)
        return
    device = ied.model.devices.get(domain)
    if device is None:
        raise NotFound(f"no logical device {domain!r}")
    if not rest:
        for node in device.nodes:
            yield Node(path=f"{domain}/{node}", name=node, leaf=False)
        return
    node, *parts = rest.split(".")
    if node not in device.nodes:
        raise NotFound(f"no logical node {path!r}")
    async for each in _below(ied, domain, node, tuple(parts)):
        yield each


async def _below(ied: Ied, domain: str, node: str, parts: tuple[str, ...]) -> AsyncIterator[Node]:
    whole = ied.model.devices[domain].nodes[node]
    inner: dict[str, None] = {}
    found: list[tuple[str, tuple[str, ...], Type]] = []
    for fc, kind in whole.fields.items():
        here = descend(kind, parts)
        if fc in _BLOCKS or here is None:
            continue
        for name, child in here.fields.items():
            if child.kind == data.STRUCTURE:
                inner[name] = None
            elif name not in _HIDDEN:
                found.append((fc, (*parts, name), child))
    if not inner and not found:
        raise NotFound(f"nothing below {domain}/{'.'.join((node, *parts))}")
    for name in inner:
        path = f"{domain}/{'.'.join((node, *parts, name))}"
        yield Node(path=path, name=name, leaf=False)
    units = await _unit(ied, domain, node, parts) if parts else Unit()
    for fc, path_, kind in found:
        writable = fc in {"ST", "MX"} and controllable(whole, path_)
        spec = naming.spec(domain, node, path_, fc, kind, units, writable)
        yield Node(path=spec.address, name=path_[-1], leaf=True, spec=spec)


def controllable(node: Type, path: tuple[str, ...]) -> bool:
    """Whether the object of an attribute has an Oper."""
    return any(
        kind is not None and "Oper" in kind.fields
        for depth in range(len(path), 0, -1)
        if (kind := descend(node, ("CO", *path[:depth])))
    )


async def _unit(ied: Ied, domain: str, node: str, parts: tuple[str, ...]) -> Unit:
    """`units` and `pulsQty` of the nearest object around a path."""
    for depth in range(len(parts), 0, -1):
        item = "$".join((node, "CF", *parts[:depth]))
        kind = ied.model.type_of(ObjectName(item, domain))
        if kind is None or not {"units", "pulsQty"} & set(kind.fields):
            continue
        names = [name for name in ("units", "pulsQty") if name in kind.fields]
        asked = [ObjectName(f"{item}${name}", domain) for name in names]
        values = dict(zip(names, await ied.client.read(asked), strict=True))
        return _read_unit(values, kind)
    return Unit()


def _read_unit(values: Mapping[str, Any], kind: Type) -> Unit:
    pulse = values.get("pulsQty")
    units = values.get("units")
    code, exponent = 0, 0
    if isinstance(units, list) and len(units) == len(kind.fields["units"].fields):
        found = dict(zip(kind.fields["units"].fields, units, strict=True))
        code, exponent = found.get("SIUnit", 0), found.get("multiplier", 0)
    if isinstance(code, AccessError) or isinstance(exponent, AccessError):
        code, exponent = 0, 0
    known = isinstance(pulse, float) and pulse > 0
    return Unit(int(code), int(exponent), float(pulse) if known and pulse else 1.0)


async def points(ied: Ied) -> AsyncIterator[Node]:
    """All leaves that are status or measured values, with the units that their objects have."""
    for domain, device in ied.model.devices.items():
        for node, kind in device.nodes.items():
            for fc in ("ST", "MX"):
                part = kind.fields.get(fc)
                for path, leaf in leaves(part) if part else ():
                    if path[-1] in _HIDDEN or leaf.kind == data.ARRAY:
                        continue
                    unit = await _unit(ied, domain, node, path[:-1])
                    writable = controllable(kind, path)
                    spec = naming.spec(domain, node, path, fc, leaf, unit, writable)
                    yield Node(path=spec.address, name=path[-1], leaf=True, spec=spec)
