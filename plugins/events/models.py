"""Receivers of webhooks, what is delivered to them, and the views on the hub's own event tables."""

import enum
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta
from sqlalchemy import Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from hub import Code, Entity, Id, Instant, Json, Label, Name, Prose, Small, Strings, col, ref

Url = Annotated[str, mapped_column(String(500)), Meta(min_length=8, max_length=500)]
Seconds = Annotated[int, mapped_column(), Meta(ge=1, le=30)]
Pattern = Annotated[
    str,
    mapped_column(String(100)),
    Meta(pattern=r"^(\*|[a-z0-9_]+)(\.(\*|[a-z0-9_]+))*$", max_length=100),
]
Filter = Annotated[dict[str, Any], mapped_column(JSONB(none_as_null=True))]


class Endpoint(Entity):
    """A receiver of webhooks. Its secrets are sealed; `rotate-secret` shows a new one once."""

    __tablename__ = "events_endpoint"
    name: Mapped[Name]
    description: Mapped[Prose | None]
    url: Mapped[Url]
    event_types: Mapped[Strings] = col(default=lambda: ["*"])
    filter: Mapped[Filter | None]
    headers: Mapped[Json] = col(default=dict, write_only=True)
    timeout_s: Mapped[Seconds] = col(default=15)
    is_active: Mapped[bool] = col(default=True)
    disabled_reason: Mapped[Label | None] = col(read_only=True)
    last_status: Mapped[Small | None] = col(read_only=True)
    last_at: Mapped[Instant | None] = col(read_only=True)
    failures: Mapped[Small] = col(read_only=True, default=0)
    failing_since: Mapped[Instant | None] = col(read_only=True)
    opened_until: Mapped[Instant | None] = col(read_only=True)
    secret: Mapped[Prose] = col(hidden=True, secret=True)
    previous_secret: Mapped[Prose | None] = col(hidden=True, secret=True)
    previous_until: Mapped[Instant | None] = col(read_only=True)


class DeliveryState(enum.StrEnum):
    PENDING = "pending"
    SUCCESS = "success"
    DEAD = "dead"


class Delivery(Entity):
    """One event for one receiver. body: the bytes that are signed, the same at every attempt."""

    __tablename__ = "events_delivery"
    __audited__ = False
    __table_args__ = (
        Index(
            "ix_events_delivery_due",
            "tenant",
            "endpoint_id",
            "next_at",
            postgresql_where=text("status = 'pending'"),
        ),
        Index(None, "tenant", "event_id"),
    )
    endpoint_id: Mapped[Id] = ref("events_endpoint", cascade=True)
    event_id: Mapped[UUID]
    event_type: Mapped[str] = col(type_=String(120))
    body: Mapped[bytes] = col(type_=LargeBinary, hidden=True)
    status: Mapped[DeliveryState] = col(default=DeliveryState.PENDING)
    attempts: Mapped[Small] = col(default=0)
    next_at: Mapped[Instant | None]
    completed_at: Mapped[Instant | None]
    response_status: Mapped[Small | None]
    error: Mapped[Prose | None]


class Attempt(Entity):
    """One request of a delivery, and what came back: the first 4 KiB."""

    __tablename__ = "events_attempt"
    __audited__ = False
    __table_args__ = (Index(None, "tenant", "delivery_id"), Index(None, "tenant", "created_at"))
    delivery_id: Mapped[UUID]
    endpoint_id: Mapped[Id] = ref("events_endpoint", cascade=True)
    number: Mapped[Small]
    duration_ms: Mapped[Small]
    response_status: Mapped[Small | None]
    response_body: Mapped[str | None] = col(type_=Text)
    error: Mapped[Prose | None]


class Target(enum.StrEnum):
    WEBHOOK = "webhook"
    QUEUE = "queue"
    FUNCTION = "function"


class Subscription(Entity):
    """Which events of the company go where, beside what plugins subscribe to themselves."""

    __tablename__ = "events_subscription"
    __table_args__ = (UniqueConstraint("tenant", "subscriber_name", "event_type"),)
    subscriber_name: Mapped[Code]
    event_type: Mapped[Pattern]
    handler_type: Mapped[Target] = col(create_only=True)
    handler_config: Mapped[Json]
    filter_expression: Mapped[Filter | None]
    is_active: Mapped[bool] = col(default=True)
    priority: Mapped[Small] = col(default=0)
    created_by: Mapped[Label | None] = col(read_only=True)


VIEW = {"info": {"view": True}}


class LoggedEvent(Entity):
    """An event of the hub. status: pending, processing, completed, failed (somebody gave up)."""

    __tablename__ = "events_log"
    __table_args__ = VIEW
    type: Mapped[str] = col(type_=String(120))
    actor: Mapped[str] = col(type_=String(120))
    request_id: Mapped[str] = col(type_=String(100))
    data: Mapped[Json]
    status: Mapped[str] = col(type_=String(20))
    correlation_id: Mapped[str] = col(type_=String(100))
    causation_id: Mapped[UUID | None]


class Processing(Entity):
    """One run of a subscriber on one event. status: success, failed, dead."""

    __tablename__ = "events_processing"
    __table_args__ = VIEW
    event_id: Mapped[Id]
    subscriber: Mapped[str] = col(type_=String(200))
    status: Mapped[str] = col(type_=String(10))
    number: Mapped[Small]
    duration_ms: Mapped[Small]
    error: Mapped[Prose | None]


class DeadLetter(Entity):
    """An event that a subscriber gave up."""

    __tablename__ = "events_dead_letter"
    __table_args__ = VIEW
    event_id: Mapped[Id]
    event_type: Mapped[str] = col(type_=String(120))
    subscriber: Mapped[str] = col(type_=String(200))
    attempts: Mapped[Small]
    error: Mapped[Prose | None]
