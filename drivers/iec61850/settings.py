"""Setting groups (IEC 61850-7-2 §19): the active one, and editing another."""

import contextlib
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from .client import Client
from .mms import types
from .mms.pdu import ObjectName, ServiceError
from .mms.types import Type
from .model import Model, fields_of

_ITEM = "LLN0$SP$SGCB"


class Groups(Struct, frozen=True):
    """count: how many there are, numbered from 1. edited: 0 when none is."""

    count: int
    active: int
    edited: int


class SettingGroups:
    def __init__(self, client: Client, domain: str, kind: Type, model: Model) -> None:
        self._client, self._domain, self._type, self._model = client, domain, kind, model

    async def read(self) -> Groups:
        values = await self._client.read_one(ObjectName(_ITEM, self._domain))
        found = fields_of(self._type, values)
        return Groups(*(int(str(found[key])) for key in ("NumOfSG", "ActSG", "EditSG")))

    async def activate(self, group: int) -> None:
        """Make a group the one that works."""
        await self._put("ActSG", group)

    async def edit(self, group: int, values: dict[str, Any]) -> None:
        """Change settings (`PTOC1.StrVal.setMag.f`) of a group and confirm them.

        Raises LookupError for a setting that is not there, before anything is sent; ServiceError at
        the first that is refused. Nothing is confirmed then, and the device is left free to edit.
        """
        octets = {(name := self._name(path)): self._encode(name, v) for path, v in values.items()}
        await self._put("EditSG", group)
        try:
            for name, value in octets.items():
                await self._client.write_one(name, value)
            await self._put("CnfEdit", True)
        except ServiceError:
            with contextlib.suppress(ServiceError):
                await self._put("EditSG", 0)
            raise

    async def values(self, group: int, paths: Sequence[str]) -> list[Any]:
        """Settings of any group, AccessError in the place of one that is not there."""
        await self._put("EditSG", group)
        try:
            return await self._client.read([self._name(path) for path in paths])
        finally:
            await self._put("EditSG", 0)

    def _name(self, path: str) -> ObjectName:
        node, *rest = path.split(".")
        return ObjectName("$".join((node, "SE", *rest)), self._domain)

    def _encode(self, name: ObjectName, value: Any) -> bytes:
        kind = self._model.type_of(name)
        if kind is None:
            raise LookupError(f"no setting {name}")
        return types.encode(kind, value)

    async def _put(self, attribute: str, value: Any) -> None:
        name = ObjectName(f"{_ITEM}${attribute}", self._domain)
        await self._client.write_one(name, types.encode(self._type.fields[attribute], value))


def of(client: Client, model: Model, domain: str) -> SettingGroups:
    """Raises LookupError when the logical device has no setting groups."""
    kind = model.type_of(ObjectName(_ITEM, domain))
    if kind is None:
        raise LookupError(f"{domain} has no setting groups")
    return SettingGroups(client, domain, kind, model)
