"""Customers' meters at the centre: orders to them, whose points they have, values from outside.

    requested ──▶ sent ──▶ confirmed
        │           ├────▶ failed
        └▶ failed   └────▶ timeout ──▶ confirmed (late)

An order is confirmed by what the meter says, never by the fact that it was sent.
"""

import enum
from collections.abc import Mapping, Sequence
from typing import Annotated, Protocol
from uuid import UUID

from msgspec import Meta, Struct

from .context import Ctx
from .points import Kind
from .readings import ReadingBatch


class MeterOrderKind(enum.StrEnum):
    DISCONNECT = "disconnect"
    RECONNECT = "reconnect"
    SET_TARIFF = "set_tariff"
    SET_POWER_LIMIT = "set_power_limit"


class MeterOrderState(enum.StrEnum):
    REQUESTED = "requested"
    SENT = "sent"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    TIMEOUT = "timeout"

    @property
    def open(self) -> bool:
        return self in {MeterOrderState.REQUESTED, MeterOrderState.SENT}


class MeterOrder(Struct, frozen=True, kw_only=True):
    """id: the caller's; asking again with it changes nothing. value: tariff id, or W.

    expires: µs since 1970 UTC.
    """

    id: Annotated[str, Meta(min_length=1, max_length=100)]
    meter: Annotated[str, Meta(min_length=1, max_length=100)]
    kind: MeterOrderKind
    expires: int
    value: str | float | None = None
    actor: str = ""


class MeterProgress(Struct, frozen=True, kw_only=True):
    """Where an order stands. late: confirmed after time-out.

    asked, sent (first time), changed: µs since 1970 UTC.
    """

    order: MeterOrder
    asked: int = 0
    state: MeterOrderState = MeterOrderState.REQUESTED
    attempts: int = 0
    way: str = ""
    sent: int | None = None
    changed: int = 0
    late: bool = False
    detail: str = ""


class MeterOrders(Protocol):
    """Orders to the meters of the actor's company."""

    async def request(self, ctx: Ctx, order: MeterOrder) -> MeterProgress:
        """Take an order in the caller's transaction; the same id gives what is known of it.

        Raises Conflict while one like it runs, NotFound for a meter that nobody knows, Invalid.
        """

    async def state(self, ctx: Ctx, identifier: str) -> MeterProgress:
        """Where an order stands, or NotFound."""


class MeterPoint(Struct, frozen=True, kw_only=True):
    """One value of a meter: raw * scale + offset. address: in the notation of its driver.

    collected: by a gateway, so that nobody else stores it. unit: of its stored values (`kWh`).
    """

    series: int
    address: str
    kind: Kind
    scale: float
    offset: float
    collected: bool
    unit: str = ""


class MeterDirectory(Protocol):
    """Whose meter is it? The scada plugin implements it."""

    async def points(self, ctx: Ctx, external: Sequence[str]) -> Mapping[str, Sequence[MeterPoint]]:
        """Points by the names that the meters' platform has for them; unknown ones are left out."""


class Inflow(Protocol):
    """Readings that reach the centre by themselves, not through a gateway. `sync` implements it."""

    async def store(self, ctx: Ctx, source: UUID, batch: ReadingBatch) -> int:
        """Store readings (`batch.point`: series) in the caller's transaction; how many were new.

        What the store has of the same series and time stays. source: one sender, always the same.
        """
