"""Live messages to people: rooms, who is connected, tickets that open a socket."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from hub import LIVE, SIGNALS, UNIT, Key, Plugin, hookimpl

from .board import Board, Mailbox
from .cleaning import HOURLY, clean
from .register import Figures, Register
from .resources import broadcast, connections, ticket
from .rooms import check, notifications, user

__all__ = ["BOARD", "REGISTER", "Board", "Figures", "Mailbox", "Register"]

BOARD = Key[Board]("rooms")
REGISTER = Key[Register]("register of sockets")


@hookimpl
def hub_plugin() -> Plugin:
    return Plugin(
        name="realtime",
        title="Live connections",
        requires=("identity",),
        resources=(connections,),
        actions=(ticket, broadcast),
        rooms=(user, notifications),
        subscribers=(check,),
        jobs=(clean,),
        schedules=(HOURLY,),
        migrations=Path(__file__).parent / "migrations",
        locale=Path(__file__).parent / "locale",
    )


@hookimpl
def hub_services(hub: Any) -> list[contextlib.AbstractAsyncContextManager[Any]]:
    return [_serving(hub)]


@contextlib.asynccontextmanager
async def _serving(hub: Any) -> AsyncIterator[None]:
    unit, signals = hub.get(UNIT), hub.get(SIGNALS)
    hub.provide(REGISTER, Register(unit, signals))
    async with Board(unit, signals).running() as board:
        hub.provide(BOARD, board)
        hub.provide(LIVE, board)
        yield
