"""What the centre tells a gateway: kept until the gateway has it, or until it is too late."""

import datetime as dt
from typing import Any, Protocol
from uuid import UUID

from msgspec import Struct

from .alarms import Mark, Mask
from .context import Ctx


class Order(Struct, frozen=True, kw_only=True, tag_field="order"):
    """Base of orders; the tag names the kind."""


class MarkAlarm(Order, frozen=True, tag="mark"):
    """What people at the centre said of an alarm."""

    alarm: str
    acknowledged: Mark | None = None
    closed: Mark | None = None


class MaskAlarms(Order, frozen=True, tag="mask"):
    """Shelve or suppress; `until` in the past ends it."""

    mask: Mask


class Condition(Struct, frozen=True, kw_only=True):
    """An interlock: this must hold, by a value not older than `within` seconds.

    op: `==`, `!=`, `<`, `<=`, `>`, `>=`.
    """

    key: str
    op: str
    value: float
    within: float


class Operate(Order, frozen=True, tag="operate"):
    """Execute one command, once. key, feedback: `device.point`. expires: µs since 1970 UTC.

    left: seconds that it may still be executed for, counted from its arrival, for gateways whose
    clock is wrong. wait: seconds in which `feedback` must show `expected`; without a feedback the
    device's own answer counts. select: make the device's two steps of it.
    """

    command: str
    key: str
    value: float
    actor: str
    expires: int
    left: float
    wait: float
    select: bool = False
    test: bool = False
    feedback: str = ""
    expected: float | None = None
    interlocks: tuple[Condition, ...] = ()


class Probe(Order, frozen=True, tag="probe"):
    """Try a channel and tell how far it got; nothing of it stays. channel: as in a gateway's file.

    point: which one to read, `device.point`; the first that can be asked for when empty.
    """

    channel: dict[str, Any]
    point: str = ""
    within: float = 15.0


class ProbeStep(Struct, frozen=True, kw_only=True):
    """state: `ok`, `failed` or `skipped`."""

    step: str
    state: str
    detail: str = ""
    ms: float = 0.0


class ProbeReport(Struct, frozen=True, kw_only=True):
    ok: bool
    steps: tuple[ProbeStep, ...]


AnyOrder = MarkAlarm | MaskAlarms | Operate | Probe


class Orders(Protocol):
    """The way down. `sync` brings it."""

    async def give(
        self, ctx: Ctx, gateway: UUID, order: AnyOrder, *, expires: dt.datetime | None = None
    ) -> UUID:
        """Send when the transaction of `ctx` commits, at once or when the gateway comes back."""

    async def ask(self, ctx: Ctx, gateway: UUID, order: AnyOrder, *, within: float) -> bytes:
        """Give an order at once, in a transaction of its own, and wait for its answer.

        Unavailable when the gateway does not answer within so many seconds.
        """

    async def withdraw(self, ctx: Ctx, order: UUID) -> bool:
        """Take an order back that nobody has sent so far; False when it is too late."""
