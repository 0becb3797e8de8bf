"""Which rooms there are, and one client's seat in one of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any
from uuid import UUID

import msgspec
from aiohttp import web

from hub import Actor, BadRequest, ConfigError, Forbidden, Plugin, Room
from plugins.realtime import Mailbox

EVERYTHING = "all"


class ForbiddenRoom(Forbidden):
    """This room is not open to you."""

    code = "forbidden_room"


class Rooms:
    """All rooms of the plugins, by name."""

    def __init__(self, plugins: Iterable[Plugin]) -> None:
        self.known: dict[str, Room] = {}
        for plugin in plugins:
            for room in plugin.rooms:
                if room.name in self.known:
                    raise ConfigError(
                        f"plugin {plugin.name}: there is a room {room.name!r} already"
                    )
                self.known[room.name] = room

    def find(self, name: str, given: Mapping[str, Any]) -> tuple[Room, dict[str, Any]]:
        """The room of a name (`alarms`, `job_<id>`, `readings_all`) and its parameters."""
        if (found := self.known.get(name)) is not None:
            return found, dict(given)
        base, _, key = name.rpartition("_")
        found = self.known.get(base)
        if found is None or not (found.key or key == EVERYTHING):
            raise ForbiddenRoom(f"there is no room {name!r} for you")
        return found, dict(given) if key == EVERYTHING else {**given, found.key: key}

    def of(self, actor: Actor) -> list[str]:
        """The rooms that someone joins who asks for everything that concerns him."""
        return [r.name for r in self.known.values() if r.default and _may(r, actor)]


ROOMS = web.AppKey("rooms", Rooms)


def _may(room: Room, actor: Actor) -> bool:
    return room.permission is None or actor.may(room.permission)


def admit(room: Room, actor: Actor) -> None:
    """Refuse whoever lacks the room's permission."""
    if not _may(room, actor):
        raise ForbiddenRoom(
            f"this needs the permission {room.permission}", required_action=room.permission
        )


def parameters(room: Room, given: Mapping[str, Any]) -> Any:
    """What the client sent, as the room's parameters; texts of a query string are read too."""
    try:
        return msgspec.convert(given, room.params, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequest(str(error), field="data") from None


class Seat:
    """One client in one room: hears what is said to it, and follows its stream if it has one."""

    def __init__(self, name: str, room: Room, tenant: UUID, box: Mailbox | None) -> None:
        self.name, self.room, self.tenant, self._box = name, room, tenant, box
        self.hears = name
        self._pump: asyncio.Task[None] | None = None

    def sit(self, opened: AsyncIterator[Any] | str | None, pause: float, follow: Any) -> None:
        """opened: what the room's handler gave. pause: seconds between two items of a stream."""
        if isinstance(opened, str):
            self.hears = opened
        if self._box is not None:
            self._box.join(self.tenant, self.hears)
        if opened is not None and not isinstance(opened, str):
            self._pump = asyncio.create_task(follow(self, opened, pause))

    async def leave(self) -> None:
        if self._box is not None:
            self._box.leave(self.tenant, self.hears)
        pump, self._pump = self._pump, None
        if pump is not None:
            pump.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await pump
