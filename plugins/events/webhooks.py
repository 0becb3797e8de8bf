"""Receivers of webhooks and their deliveries, as clients see them."""

import datetime as dt
import re
import time
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta
from sqlalchemy import update

from hub import SIGNALS, VAULT, Ctx, Happened, Invalid, Op, Resource, uuid7

from .expressions import compile_
from .fanout import TOPIC, delivery, envelope
from .models import Attempt, Delivery, DeliveryState, Endpoint
from .rules import Outcome
from .sender import attempt
from .signing import RESERVED, new_secret
from .store import Job, place, target

TYPE = re.compile(r"\*|[a-z0-9_]+(\.[a-z0-9_]+)*(\.\*)?|\*\.[a-z0-9_]+")
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
VALUE = re.compile(r"[\x20-\x7e]{0,2000}")
TEST_LIMIT = 10.0

endpoints = Resource(
    name="endpoints",
    module="webhooks",
    model=Endpoint,
    title="Webhook receivers",
    filters=("name", "is_active", "failures"),
    sort=("name", "created_at", "last_at"),
    search=("name", "url"),
)
deliveries = Resource(
    name="deliveries",
    module="webhooks",
    model=Delivery,
    title="Webhook deliveries",
    ops=Op.READ,
    filters=("endpoint_id", "event_id", "event_type", "status", "created_at", "attempts"),
    sort=("created_at", "completed_at", "next_at"),
)
attempts = Resource(
    name="attempts",
    module="webhooks",
    model=Attempt,
    title="Webhook attempts",
    ops=Op.READ,
    filters=("delivery_id", "endpoint_id", "response_status", "created_at"),
    sort=("created_at",),
)


def _check(ctx: Ctx, given: dict[str, Any]) -> None:
    if "url" in given:
        given["url"] = ctx.http.check(given["url"])
        if len(given["url"]) > 500:
            raise Invalid("url is longer than 500 characters", field="url")
    types = given.get("event_types")
    if types is not None and (
        not 1 <= len(types) <= 100 or not all(TYPE.fullmatch(t) for t in types)
    ):
        raise Invalid(
            "event_types: names as `invoice.paid`, `invoice.*` or `*`", field="event_types"
        )
    if given.get("filter") is not None:
        compile_(given["filter"])
    for name, value in given.get("headers", {}).items():
        if not HEADER.fullmatch(name) or name.lower() in RESERVED:
            raise Invalid(f"headers: {name!r} cannot be set", field="headers")
        if not isinstance(value, str) or not VALUE.fullmatch(value):
            raise Invalid(f"headers: {name} must be printable ASCII", field="headers")


def _given(body: Any) -> dict[str, Any]:
    return {f: v for f in body.__struct_fields__ if (v := getattr(body, f)) is not UNSET}


@endpoints.on(Op.CREATE)
async def create(ctx: Ctx, body: Any) -> Endpoint:
    """Add a receiver with a fresh secret, which `rotate-secret` replaces and shows."""
    given = _given(body)
    _check(ctx, given)
    ident = uuid7()
    secret = ctx.get(VAULT).seal(new_secret(), place(ident))
    made = Endpoint(id=ident, secret=secret, **given)
    ctx.db.add(made)
    return made


@endpoints.on(Op.UPDATE)
async def change(ctx: Ctx, row: Endpoint, body: Any) -> None:
    """Change a receiver; switching it on again forgets its failures."""
    given = _given(body)
    _check(ctx, given)
    if given.get("is_active") and not row.is_active:
        row.failures, row.failing_since, row.opened_until = 0, None, None
        row.disabled_reason = None
    for name, value in given.items():
        setattr(row, name, value)
    await ctx.get(SIGNALS).tell(ctx, TOPIC)


class Rotate(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """keep_hours: how long the secret of today stays valid beside the new one."""

    keep_hours: Annotated[int, Meta(ge=0, le=168)] = 24


class Secret(msgspec.Struct, kw_only=True):
    """secret: shown this once."""

    secret: str
    previous_until: dt.datetime | None


@endpoints.action("rotate-secret", verb="write")
async def rotate(ctx: Ctx, row: Endpoint, body: Rotate) -> Secret:
    """Make a new signing secret and show it; requests carry both signatures for a while."""
    secret = new_secret()
    row.previous_secret, row.previous_until = None, None
    if body.keep_hours:
        row.previous_secret = row.secret
        row.previous_until = ctx.clock() + dt.timedelta(hours=body.keep_hours)
    row.secret = ctx.get(VAULT).seal(secret, place(row.id))
    return Secret(secret=secret, previous_until=row.previous_until)


class Tried(msgspec.Struct, kw_only=True):
    """What a test came to. status: of the answer, None when there was none."""

    delivery_id: UUID
    ok: bool
    status: int | None
    duration_ms: int
    body: str | None
    error: str | None


@endpoints.action("test", verb="write")
async def test(ctx: Ctx, row: Endpoint) -> Tried:
    """Send a `system.test` event now and tell what came back."""
    event = Happened(
        id=uuid7(),
        type="system.test",
        tenant=ctx.actor.tenant,
        at=ctx.clock(),
        actor=ctx.actor.id,
        data={"endpoint_id": str(row.id)},
    )
    body = msgspec.json.encode(envelope(event))
    known = target(row, ctx.get(VAULT), ctx.clock())
    known = msgspec.structs.replace(known, timeout=min(known.timeout, TEST_LIMIT))
    made = Delivery(**delivery(ctx, row.id, event.id, event.type, body))
    job = Job(
        tenant=row.tenant,
        id=made.id,
        endpoint=row.id,
        event=event.id,
        type=event.type,
        body=body,
        attempts=0,
    )
    outcome = await attempt(ctx.http, known, job, int(time.time()))
    _keep(ctx, made, outcome)
    return Tried(
        delivery_id=made.id,
        ok=outcome.ok,
        status=outcome.status,
        duration_ms=outcome.duration_ms,
        body=outcome.body,
        error=outcome.error,
    )


def _keep(ctx: Ctx, made: Delivery, outcome: Outcome) -> None:
    """Note a test in the log; it says nothing about the receiver's health."""
    made.status = DeliveryState.SUCCESS if outcome.ok else DeliveryState.DEAD
    made.attempts, made.next_at, made.completed_at = 1, None, ctx.clock()
    made.response_status, made.error = outcome.status, outcome.error
    ctx.db.add(made)
    ctx.db.add(
        Attempt(
            delivery_id=made.id,
            endpoint_id=made.endpoint_id,
            number=1,
            duration_ms=outcome.duration_ms,
            response_status=outcome.status,
            response_body=outcome.body,
            error=outcome.error,
        )
    )


class Recover(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """since: deliveries of events from then on."""

    since: Annotated[dt.datetime, Meta(tz=True)]


class Recovered(msgspec.Struct, kw_only=True):
    deliveries: int


@endpoints.action("recover", verb="write")
async def recover(ctx: Ctx, row: Endpoint, body: Recover) -> Recovered:
    """Send again all that was given up since a time."""
    done: Any = await ctx.db.execute(
        update(Delivery)
        .where(
            Delivery.tenant == row.tenant,
            Delivery.endpoint_id == row.id,
            Delivery.status == DeliveryState.DEAD,
            Delivery.created_at >= body.since,
        )
        .values(status=DeliveryState.PENDING, attempts=0, next_at=ctx.clock(), completed_at=None),
        execution_options={"unaudited": True},
    )
    await ctx.get(SIGNALS).tell(ctx, TOPIC)
    return Recovered(deliveries=done.rowcount)


@deliveries.action("resend", verb="write")
async def resend(ctx: Ctx, row: Delivery) -> Delivery:
    """Send it again now, under the same `webhook-id`."""
    row.status, row.attempts, row.completed_at = DeliveryState.PENDING, 0, None
    row.next_at = ctx.clock()
    await ctx.get(SIGNALS).tell(ctx, TOPIC)
    return row
