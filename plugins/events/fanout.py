"""From an event to one delivery per receiver that wants it."""

import datetime as dt
import logging
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import insert, select

from hub import REPLAYER, SIGNALS, Caller, Ctx, Happened, Invalid, subscribe, uuid7

from .expressions import compile_
from .models import Delivery, DeliveryState, Endpoint, Subscription
from .subscriptions import ToQueue, ToWebhook, config, job_of, parameters

log = logging.getLogger(__name__)
TOPIC = "events.webhooks"
LIVE = "events.live"
TOLD = 150  # ids in one signal


def matches(patterns: Sequence[str], type_: str) -> bool:
    return any(fnmatchcase(type_, pattern) for pattern in patterns)


def envelope(event: Happened) -> dict[str, Any]:
    """What a receiver gets, and what filters see."""
    return {
        "type": event.type,
        "timestamp": event.at.astimezone(dt.UTC).isoformat(),
        "id": str(event.id),
        "actor": event.actor,
        "correlation_id": event.correlation_id,
        "causation_id": str(event.causation_id) if event.causation_id else None,
        "data": event.data,
    }


def delivery(ctx: Ctx, endpoint: UUID, event: UUID, type_: str, body: bytes) -> dict[str, Any]:
    """A delivery as it begins."""
    now = ctx.clock()
    return {
        "tenant": ctx.actor.tenant,
        "id": uuid7(),
        "revision": 1,
        "created_at": now,
        "updated_at": now,
        "endpoint_id": endpoint,
        "event_id": event,
        "event_type": type_,
        "body": body,
        "status": DeliveryState.PENDING,
        "attempts": 0,
        "next_at": now,
    }


@subscribe("*", name="events.webhooks", batch=200)
async def spread(ctx: Ctx, events: Sequence[Happened]) -> None:
    """Write the deliveries of these events."""
    await _announce(ctx, events)
    found = await ctx.db.execute(
        select(Endpoint.id, Endpoint.event_types, Endpoint.filter).where(Endpoint.is_active)
    )
    endpoints = [(e.id, e.event_types, _test(e.id, e.filter)) for e in found]
    await _subscribed(ctx, events)
    rows = []
    for event in events:
        wanted = [
            (ident, test)
            for ident, types, test in endpoints
            if matches(types, event.type) and event.data.get("endpoint_id") != str(ident)
        ]
        if not wanted:
            continue
        told = envelope(event)
        body = msgspec.json.encode(told)
        rows += [delivery(ctx, i, event.id, event.type, body) for i, test in wanted if test(told)]
    if rows:
        await ctx.db.execute(insert(Delivery), rows)
        await ctx.get(SIGNALS).tell(ctx, TOPIC)


async def _subscribed(ctx: Ctx, events: Sequence[Happened]) -> None:
    """Send events where the company's own subscriptions say, the important ones first."""
    found = (
        await ctx.db.scalars(
            select(Subscription)
            .where(Subscription.is_active)
            .order_by(Subscription.priority.desc(), Subscription.id)
        )
    ).all()
    wanted = [(row, _test(row.id, row.filter_expression)) for row in found]
    for event in events if wanted else ():
        told = envelope(event)
        for row, test in wanted:
            if matches((row.event_type,), event.type) and test(told):
                await _send(ctx, row, event, told)


async def _send(ctx: Ctx, row: Subscription, event: Happened, told: dict[str, Any]) -> None:
    """One event to one target; each has retries of its own. What cannot work stops nobody else."""
    try:
        where = config(row.handler_type, row.handler_config)
        if isinstance(where, ToWebhook):
            await _to_webhook(ctx, where.webhook_id, event, told)
        elif isinstance(where, ToQueue):
            kind = job_of(ctx, where.job_type)
            given = parameters(kind, where.parameters_map, told)
            ctx.called_by(_caused_by(ctx.caller, event))
            await ctx.jobs.start(ctx, kind, given)
        else:
            await ctx.get(REPLAYER).replay(ctx, event.id, [where.name])
    except (Invalid, LookupError) as error:
        about = {"action": "events.subscription", "subscription": str(row.id)}
        log.warning("%s: %s is lost: %s", row.subscriber_name, event.type, error, extra=about)


async def _to_webhook(ctx: Ctx, webhook: UUID, event: Happened, told: dict[str, Any]) -> None:
    known = select(Endpoint.id).where(Endpoint.id == webhook, Endpoint.is_active)
    if await ctx.db.scalar(known) is None:
        raise Invalid(f"webhook {webhook} is gone, or switched off")
    made = delivery(ctx, webhook, event.id, event.type, msgspec.json.encode(told))
    await ctx.db.execute(insert(Delivery), [made])
    await ctx.get(SIGNALS).tell(ctx, TOPIC)


def _caused_by(caller: Caller, event: Happened) -> Caller:
    """The chain of one event of a batch."""
    chain = event.correlation_id or str(event.id)
    return msgspec.structs.replace(caller, correlation_id=chain, causation_id=event.id)


async def _announce(ctx: Ctx, events: Sequence[Happened]) -> None:
    """Tell those who watch in any process which events there are."""
    for start in range(0, len(events), TOLD):
        idents = ",".join(str(e.id) for e in events[start : start + TOLD])
        await ctx.get(SIGNALS).tell(ctx, LIVE, f"{ctx.actor.tenant} {idents}")


def _test(endpoint: UUID, expression: Any) -> Any:
    if expression is None:
        return lambda _: True
    try:
        return compile_(expression)
    except Invalid as error:
        log.warning("endpoint %s: %s", endpoint, error, extra={"action": "webhooks.filter"})
        return lambda _: False
