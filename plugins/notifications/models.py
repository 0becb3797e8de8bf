"""Notifications, what people chose, texts of a company, and the outbox of messages."""

import enum
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta
from sqlalchemy import Index, String, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from hub import (
    Channel,
    Entity,
    Id,
    Instant,
    Json,
    Label,
    Locale,
    Name,
    Priority,
    Prose,
    Small,
    Strings,
    col,
    ref,
)

TypeCode = Annotated[str, mapped_column(String(80)), Meta(min_length=1, max_length=80)]
Title = Annotated[str, mapped_column(String(300)), Meta(min_length=1, max_length=300)]
Link = Annotated[str, mapped_column(String(500)), Meta(max_length=500)]
Clock = Annotated[str, mapped_column(String(5)), Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Channels = Annotated[list[Channel], mapped_column(JSONB)]
Filter = Annotated[dict[str, Any], mapped_column(JSONB(none_as_null=True))]
Tries = Annotated[list[dict[str, Any]], mapped_column(JSONB)]


class Notification(Entity):
    """What one user is told. event_id: nobody is told twice of one event by one type."""

    __tablename__ = "notifications_notification"
    __audited__ = False
    __own__ = "user_id"
    __table_args__ = (
        UniqueConstraint("tenant", "event_id", "type_code", "user_id"),
        Index(None, "tenant", "user_id", "is_read", "created_at"),
        Index(None, "tenant", "created_at"),
    )
    user_id: Mapped[Id] = ref("identity_user", cascade=True)
    type_code: Mapped[TypeCode]
    priority: Mapped[Priority] = col(default=Priority.NORMAL)
    title: Mapped[Title]
    message: Mapped[Prose]
    action_url: Mapped[Link | None]
    action_label: Mapped[Label | None]
    data: Mapped[Json] = col(default=dict)
    event_id: Mapped[UUID]
    is_read: Mapped[bool] = col(default=False)
    read_at: Mapped[Instant | None]
    expires_at: Mapped[Instant | None]


class Preference(Entity):
    """What one user chose for a type; `*` is for all others, and holds his quiet hours."""

    __tablename__ = "notifications_preference"
    __own__ = "user_id"
    __table_args__ = (UniqueConstraint("tenant", "user_id", "type_code"),)
    user_id: Mapped[Id] = ref("identity_user", cascade=True)
    type_code: Mapped[TypeCode]
    channels: Mapped[Channels | None] = col(type_=JSONB(none_as_null=True))
    quiet_from: Mapped[Clock | None]
    quiet_to: Mapped[Clock | None]


class TypeChange(Entity):
    """What a company changed of a type of notification."""

    __tablename__ = "notifications_type"
    __table_args__ = (UniqueConstraint("tenant", "code"),)
    code: Mapped[TypeCode]
    default_channels: Mapped[Channels | None] = col(type_=JSONB(none_as_null=True))
    priority: Mapped[Priority | None]
    is_active: Mapped[bool] = col(default=True)


class Template(Entity):
    """A company's own text, in place of the shipped one. Places are `{{name}}`."""

    __tablename__ = "notifications_template"
    __table_args__ = (UniqueConstraint("tenant", "type_code", "channel", "locale"),)
    type_code: Mapped[TypeCode] = col(create_only=True)
    channel: Mapped[Channel] = col(create_only=True)
    locale: Mapped[Locale] = col(create_only=True)
    subject: Mapped[Title]
    body: Mapped[Prose]
    is_active: Mapped[bool] = col(default=True)


class Rule(Entity):
    """Events of which a company wants people told. recipients: `role:…`, `may:…`, `user:…`, …"""

    __tablename__ = "notifications_rule"
    name: Mapped[Name]
    event_types: Mapped[Strings]
    filter: Mapped[Filter | None]
    recipients: Mapped[Strings]
    channels: Mapped[Channels] = col(default=lambda: [Channel.IN_APP])
    priority: Mapped[Priority] = col(default=Priority.NORMAL)
    title: Mapped[Title]
    message: Mapped[Prose]
    action_url: Mapped[Link | None]
    is_active: Mapped[bool] = col(default=True)


class State(enum.StrEnum):
    """skipped: there was no address or no provider. delivered: the provider said so."""

    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    SKIPPED = "skipped"


class Delivery(Entity):
    """One message to one address. recipient: masked. merged: notices that a digest stands for."""

    __tablename__ = "notifications_delivery"
    __audited__ = False
    __table_args__ = (
        UniqueConstraint("tenant", "notification_id", "channel"),
        Index(
            "ix_notifications_delivery_due",
            "next_at",
            postgresql_where=text("status = 'queued'"),
        ),
        Index(None, "tenant", "created_at"),
        Index(None, "tenant", "provider", "provider_ref"),
    )
    notification_id: Mapped[UUID]
    user_id: Mapped[UUID]
    type_code: Mapped[TypeCode]
    channel: Mapped[Channel]
    recipient: Mapped[str] = col(type_=String(300))
    status: Mapped[State] = col(default=State.QUEUED)
    provider: Mapped[Label | None]
    provider_ref: Mapped[str | None] = col(type_=String(200))
    tries: Mapped[Small] = col(default=0)
    attempts: Mapped[Tries] = col(default=list)
    merged: Mapped[Small] = col(default=0)
    next_at: Mapped[Instant | None]
    sent_at: Mapped[Instant | None]
    address: Mapped[str] = col(type_=String(300), hidden=True)
    locale: Mapped[Locale] = col(hidden=True)
    subject: Mapped[Title] = col(hidden=True)
    body: Mapped[str | None] = col(type_=Text, hidden=True)
    sealed: Mapped[bool] = col(hidden=True, default=False)
