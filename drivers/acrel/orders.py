"""Orders to meters in the database: taken in the asker's transaction, every step written down."""

import datetime as dt
from collections.abc import Iterable

from msgspec import structs
from sqlalchemy import select

from drivers.mqtt.control import check_order, clash
from hub import (
    METERS,
    SIGNALS,
    Conflict,
    Ctx,
    Invalid,
    MeterOrder,
    MeterOrderState,
    MeterProgress,
    NotFound,
)

from .happenings import MeterOrderChanged
from .intake import TOPIC
from .models import OrderRow, OrderStep

MICRO = 1_000_000
OPEN = (MeterOrderState.REQUESTED, MeterOrderState.SENT)


class Orders:
    """`hub.MeterOrders`: what is written here, whichever process leads carries out."""

    async def request(self, ctx: Ctx, order: MeterOrder) -> MeterProgress:
        """Take an order; see the contract."""
        known = await _row(ctx, order.id)
        if known is not None:
            same = progress_of(known).order
            if same != structs.replace(order, actor=same.actor):
                raise Conflict(f"order {order.id!r} was another one")
            return progress_of(known)
        check_order(order)
        now = ctx.clock()
        if order.expires <= now.timestamp() * MICRO:
            raise Invalid("the order has expired already", field="expires")
        if order.meter not in await ctx.get(METERS).points(ctx, [order.meter]):
            raise NotFound(f"there is no meter {order.meter!r}", identifier=order.meter)
        running = select(OrderRow).where(OrderRow.meter == order.meter, OrderRow.state.in_(OPEN))
        for other in await ctx.db.scalars(running):
            if clash(other.kind, order.kind):
                raise Conflict(f"meter {order.meter} is busy with order {other.order_id!r}")
        row = OrderRow(
            order_id=order.id,
            meter=order.meter,
            kind=order.kind,
            argument={} if order.value is None else {"value": order.value},
            actor=order.actor or ctx.actor.name or ctx.actor.id,
            expires_at=instant(order.expires),
            changed_at=now,
        )
        ctx.db.add(row)
        await ctx.db.flush()
        _journal(ctx, row)
        await ctx.get(SIGNALS).tell(ctx, TOPIC)
        return progress_of(row)

    async def state(self, ctx: Ctx, identifier: str) -> MeterProgress:
        """Where an order stands."""
        row = await _row(ctx, identifier)
        if row is None:
            raise NotFound(f"there is no order {identifier!r}", identifier=identifier)
        return progress_of(row)


async def keep(ctx: Ctx, changed: Iterable[MeterProgress]) -> None:
    """Write down where orders stand now."""
    for progress in changed:
        row = await _row(ctx, progress.order.id)
        if row is None:
            continue
        before = row.state, row.attempts, row.way
        row.state, row.attempts, row.way = progress.state, progress.attempts, progress.way
        row.sent_at = None if progress.sent is None else instant(progress.sent)
        row.late, row.detail = progress.late, progress.detail
        if before == (row.state, row.attempts, row.way):
            continue
        row.changed_at = instant(progress.changed)
        await ctx.db.flush()
        _journal(ctx, row)


async def new_orders(ctx: Ctx, known: Iterable[str]) -> list[MeterOrder]:
    """Orders that nobody carries out so far."""
    waiting = (
        select(OrderRow)
        .where(OrderRow.state == MeterOrderState.REQUESTED, OrderRow.order_id.not_in(list(known)))
        .order_by(OrderRow.created_at)
        .limit(1_000)
    )
    return [progress_of(row).order for row in await ctx.db.scalars(waiting)]


async def unfinished(ctx: Ctx, since: dt.datetime) -> list[MeterProgress]:
    """What a process goes on with: open orders, and those that a late word may still confirm."""
    rows = await ctx.db.scalars(
        select(OrderRow)
        .where(
            OrderRow.state.in_(OPEN)
            | ((OrderRow.state == MeterOrderState.TIMEOUT) & (OrderRow.changed_at > since))
        )
        .order_by(OrderRow.changed_at)
    )
    return [progress_of(row) for row in rows]


def progress_of(row: OrderRow) -> MeterProgress:
    order = MeterOrder(
        id=row.order_id,
        meter=row.meter,
        kind=row.kind,
        expires=micros(row.expires_at),
        value=row.argument.get("value"),
        actor=row.actor,
    )
    return MeterProgress(
        order=order,
        asked=micros(row.created_at),
        state=row.state,
        attempts=row.attempts,
        way=row.way,
        sent=None if row.sent_at is None else micros(row.sent_at),
        changed=micros(row.changed_at),
        late=row.late,
        detail=row.detail,
    )


def instant(time: int) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=time)


def micros(moment: dt.datetime) -> int:
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


async def _row(ctx: Ctx, identifier: str) -> OrderRow | None:
    row: OrderRow | None = await ctx.db.scalar(
        select(OrderRow).where(OrderRow.order_id == identifier)
    )
    return row


def _journal(ctx: Ctx, row: OrderRow) -> None:
    step = OrderStep(
        order_row_id=row.id,
        state=row.state,
        at=row.changed_at,
        attempts=row.attempts,
        way=row.way,
        late=row.late,
        detail=row.detail,
    )
    ctx.db.add(step)
    ctx.emit(
        MeterOrderChanged(
            order_id=row.order_id,
            meter_id=row.meter,
            kind=row.kind,
            state=row.state,
            late=row.late,
            detail=row.detail,
        )
    )
