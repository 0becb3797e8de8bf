"""Tables of the hub itself: what was done, what happened, what was answered."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from hub.contract.ids import uuid7
from hub.contract.model import Base
from hub.contract.types import Id, Instant


class Audit(Base):
    """One changed row: who, when, from where, and each field's old and new value."""

    __tablename__ = "hub_audit"
    __table_args__ = (
        Index(None, "tenant", "row", "at"),
        Index(None, "tenant", "at"),
    )
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    tenant: Mapped[Id]
    at: Mapped[Instant]
    actor: Mapped[str] = mapped_column(String(120))
    actor_kind: Mapped[str] = mapped_column(String(20))
    action: Mapped[str] = mapped_column(String(20))
    table: Mapped[str] = mapped_column(String(64))
    row: Mapped[UUID]
    change: Mapped[dict[str, Any]] = mapped_column(JSONB)
    request_id: Mapped[str] = mapped_column(String(100))
    correlation_id: Mapped[str] = mapped_column(String(100), server_default="")
    ip: Mapped[str] = mapped_column(String(45))


class Outbox(Base):
    """One event, written with what it tells of. sequence: in order of writing.

    causation_id: the event whose handling emitted it. depth: how many lead to it.
    """

    __tablename__ = "hub_event"
    __table_args__ = (
        Index(None, "tenant", "at"),
        Index(None, "tenant", "correlation_id"),
        Index("ix_hub_event_undispatched", "sequence", postgresql_where=text("NOT dispatched")),
    )
    sequence: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    id: Mapped[UUID] = mapped_column(default=uuid7, unique=True)
    tenant: Mapped[Id]
    at: Mapped[Instant]
    type: Mapped[str] = mapped_column(String(120))
    actor: Mapped[str] = mapped_column(String(120))
    request_id: Mapped[str] = mapped_column(String(100))
    correlation_id: Mapped[str] = mapped_column(String(100), server_default="")
    causation_id: Mapped[UUID | None]
    depth: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)
    dispatched: Mapped[bool] = mapped_column(server_default=false())


class Delivery(Base):
    """One event for one subscriber, until it was handled. state: due, dead."""

    __tablename__ = "hub_delivery"
    __table_args__ = (
        UniqueConstraint("event", "subscriber"),
        Index(None, "due_at", postgresql_where=text("state = 'due'")),
    )
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    tenant: Mapped[Id]
    event: Mapped[int] = mapped_column(BigInteger)
    subscriber: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(10), default="due")
    attempts: Mapped[int] = mapped_column(SmallInteger, default=0)
    due_at: Mapped[dt.datetime]
    error: Mapped[str | None] = mapped_column(Text)


class Attempt(Base):
    """One run of a subscriber on one event. status: success, failed, dead (the last one)."""

    __tablename__ = "hub_attempt"
    __table_args__ = (Index(None, "tenant", "event"), Index(None, "tenant", "started_at"))
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant: Mapped[Id]
    event: Mapped[UUID]
    subscriber: Mapped[str] = mapped_column(String(200))
    status: Mapped[str] = mapped_column(String(10))
    number: Mapped[int] = mapped_column(SmallInteger)
    started_at: Mapped[Instant]
    duration_ms: Mapped[int]
    error: Mapped[str | None] = mapped_column(Text)


class Idempotency(Base):
    """The answer to a request that carried an `Idempotency-Key`."""

    __tablename__ = "hub_idempotency"
    tenant: Mapped[Id] = mapped_column(primary_key=True)
    principal: Mapped[str] = mapped_column(String(120), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    request_hash: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int] = mapped_column(SmallInteger)
    headers: Mapped[dict[str, Any]] = mapped_column(JSONB)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[dt.datetime] = mapped_column(index=True)
