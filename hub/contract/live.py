"""Live messages: what a plugin says to the people in a room, over their WebSockets."""

import datetime as dt
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

import msgspec

from .key import Key

if TYPE_CHECKING:
    from .context import Ctx


class LiveMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a room. id: a client that was away names the last one it has."""

    event_type: str
    data: Any
    room: str
    id: UUID
    at: dt.datetime


class Live(Protocol):
    """Rooms of a company, whichever process their members are connected to."""

    async def send(
        self, ctx: "Ctx", room: str, event_type: str, data: Any, *, tenant: UUID | None = None
    ) -> UUID:
        """Say it when the transaction commits, to whoever is in `room` (`user_<id>`); its id.

        tenant: whose room it is, the actor's when absent. A room that nobody is in costs nothing
        but the row from which whoever comes back is told what he missed.
        """


LIVE = Key[Live]("live messages")
