"""What arrives, each event once: webhooks and messages of the broker end in the same table."""

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import Table, text
from sqlalchemy.dialects.postgresql import insert

from drivers.mqtt.acrel_events import Received, event_key
from drivers.mqtt.webhooks import Call, Policy, Status, judge
from hub import (
    METERS,
    SIGNALS,
    UNIT,
    Actor,
    Ctx,
    Invalid,
    Key,
    NotFound,
    RawRequest,
    Reply,
    Scope,
    Signals,
    Unavailable,
    action,
    uuid7,
)

from .happenings import MeterUnknown
from .models import Receipt, ReceiptStatus

TOPIC = "acrel"
MOST_ID = 200  # characters of the platform's own id of an event


class Source(StrEnum):
    WEBHOOK = "webhook"
    MQTT = "mqtt"


class Answer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the platform is told. receipt_id: under which the event is kept."""

    status: str
    receipt_id: UUID | None = None


@dataclass
class Intake:
    """policy: whom to believe, None = no webhooks. company: see the settings.

    news: set when something was committed, here or elsewhere, that waits for the leader.
    """

    policy: Policy | None
    company: UUID | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def actor(self, ctx: Ctx) -> Actor:
        """For whom the platform speaks, or Unavailable. `ctx` is of all companies."""
        if self.company is None:
            found = await ctx.db.execute(text("SELECT id FROM identity_tenant LIMIT 2"))
            owners = found.scalars().all()
            if len(owners) != 1:
                raise Unavailable("say in [plugin.acrel] to which company the meters belong")
            self.company = owners[0]
        return Actor(id="acrel", name="Acrel", tenant=self.company, kind="system")

    async def keep(
        self, ctx: Ctx, received: Received, source: Source, remote: str = ""
    ) -> tuple[Status, UUID | None]:
        """Write an event down unless it is here already. `ctx` is of the company."""
        meter = received.event.meter_id
        known = await ctx.get(METERS).points(ctx, [meter])
        status = ReceiptStatus.ACCEPTED if meter in known else ReceiptStatus.FAILED
        ident = await _insert(ctx, received, source, remote, status)
        if ident is None:
            return Status.DUPLICATE, None
        if meter not in known:
            kind = str(received.body.get("event_type"))
            ctx.emit(MeterUnknown(meter_id=meter, event_kind=kind))
            return Status.UNKNOWN_METER, ident
        await ctx.get(SIGNALS).tell(ctx, TOPIC)
        return Status.ACCEPTED, ident

    async def listen(self, signals: Signals) -> None:
        """Pass on what any process of the centre says."""
        async with signals.listen(TOPIC) as heard:
            async for _ in heard:
                self.news.set()


INTAKE = Key[Intake]("acrel intake")


async def _insert(
    ctx: Ctx, received: Received, source: Source, remote: str, status: ReceiptStatus
) -> UUID | None:
    """The id of the new row, or None if either key is known."""
    table: Any = Receipt.__table__
    assert isinstance(table, Table)  # noqa: S101 - for the type checker
    now = ctx.clock()
    row = {
        "tenant": ctx.actor.tenant,
        "id": uuid7(),
        "revision": 1,
        "created_at": now,
        "updated_at": now,
        "source": source.value,
        "event_kind": str(received.body["event_type"]),
        "meter": received.event.meter_id,
        "dedupe_key": received.key,
        "content_key": event_key(received.body),
        "remote_ip": remote,
        "body": received.body,
        "status": status,
        "error": None if status is ReceiptStatus.ACCEPTED else "unknown_meter",
    }
    done = await ctx.db.execute(
        insert(table).values(row).on_conflict_do_nothing().returning(table.c.id)
    )
    ident: UUID | None = done.scalar_one_or_none()
    return ident


def _webhook(name: str, summary: str) -> Any:
    async def receive(ctx: Ctx, raw: RawRequest) -> Reply[Answer]:
        intake = ctx.get(INTAKE)
        if intake.policy is None:
            raise NotFound("no webhooks of the Acrel platform are set up here")
        call = Call(endpoint=name, remote=ctx.caller.ip, headers=raw.headers, body=raw.body)
        received = judge(intake.policy, call, ctx.clock())
        if len(received.key) > MOST_ID:
            raise Invalid(f"an event's id has at most {MOST_ID} characters")
        actor = await intake.actor(ctx)
        async with ctx.get(UNIT)(actor, ctx.caller) as own:
            status, ident = await intake.keep(own, received, Source.WEBHOOK, ctx.caller.ip)
        return Reply(body=Answer(status=status, receipt_id=ident), status=status.http)

    receive.__name__ = name.replace("-", "_")
    receive.__doc__ = summary
    made = action(f"webhooks/{name}", public=True, scope=Scope.SYSTEM, rate="webhook_in")
    return made(receive)


WEBHOOKS = (
    _webhook("meter-reading", "Take a reading that the Acrel platform sends."),
    _webhook("alert", "Take an alert of a meter."),
    _webhook("status-change", "Take a meter's change of state."),
    _webhook("disconnect-confirm", "Take a meter's word that it disconnected, or why not."),
    _webhook("reconnect-confirm", "Take a meter's word that it reconnected, or why not."),
)
