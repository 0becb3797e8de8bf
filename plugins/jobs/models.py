"""Jobs and schedules."""

import enum
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta
from sqlalchemy import BigInteger, Index, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from hub import Code, Entity, Instant, Json, Label, Prose, Queue, Small, Zone, col

Type = Annotated[str, mapped_column(String(64)), Meta(min_length=1, max_length=64)]
Priority = Annotated[int, mapped_column(), Meta(ge=0, le=9)]
Percent = Annotated[int, mapped_column(), Meta(ge=0, le=100)]
Anything = Annotated[Any, mapped_column(JSONB(none_as_null=True), nullable=True)]
Interval = Annotated[int, mapped_column(), Meta(ge=10, le=31 * 86_400)]


class State(enum.StrEnum):
    """failed: for good, by its own word. dead: no attempts are left."""

    PENDING = "pending"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DEAD = "dead"


WAITING = (State.PENDING, State.SCHEDULED)
OPEN = (*WAITING, State.RUNNING)


class Task(Entity):
    """One job. ticket: its number in the workers' queue, once its tenant's turn has come."""

    __tablename__ = "jobs_job"
    __audited__ = False
    __table_args__ = (
        Index(
            "uq_jobs_job_open_key",
            "tenant",
            "dedupe_key",
            unique=True,
            postgresql_where=text("status IN ('pending', 'scheduled', 'running')"),
        ),
        Index(
            "ix_jobs_job_turn",
            "tenant",
            "queue",
            "priority",
            "scheduled_at",
            postgresql_where=text("ticket IS NULL AND status IN ('pending', 'scheduled')"),
        ),
        Index("ix_jobs_job_ticket", "tenant", "queue", postgresql_where=text("ticket IS NOT NULL")),
        Index(None, "tenant", "created_at"),
    )
    job_type: Mapped[Type] = col(create_only=True)
    parameters: Mapped[Json] = col(create_only=True, default=dict)
    priority: Mapped[Priority] = col(create_only=True, default=5)
    scheduled_at: Mapped[Instant | None] = col(create_only=True)
    queue: Mapped[Queue] = col(read_only=True, default=Queue.DEFAULT)
    status: Mapped[State] = col(read_only=True, default=State.PENDING)
    progress: Mapped[Percent] = col(read_only=True, default=0)
    progress_message: Mapped[str | None] = col(read_only=True, type_=String(300))
    result: Mapped[Anything] = col(read_only=True)
    error: Mapped[Prose | None] = col(read_only=True)
    started_by: Mapped[str] = col(read_only=True, type_=String(120), default="system")
    started_at: Mapped[Instant | None] = col(read_only=True)
    finished_at: Mapped[Instant | None] = col(read_only=True)
    retry_count: Mapped[Small] = col(read_only=True, default=0)
    dedupe_key: Mapped[str | None] = col(read_only=True, type_=String(200))
    cancel_asked: Mapped[bool] = col(read_only=True, default=False)
    schedule_id: Mapped[UUID | None] = col(read_only=True)
    correlation_id: Mapped[str] = col(
        read_only=True, type_=String(100), default="", server_default=""
    )
    causation_id: Mapped[UUID | None] = col(read_only=True)
    chain_depth: Mapped[Small] = col(hidden=True, default=0, server_default="0")
    ticket: Mapped[int | None] = col(hidden=True, type_=BigInteger)


class Planned(Entity):
    """When a job is started by itself. Exactly one of cron and interval_seconds."""

    __tablename__ = "jobs_schedule"
    __table_args__ = (UniqueConstraint("tenant", "code"),)
    code: Mapped[Code] = col(create_only=True)
    job_type: Mapped[Type] = col(create_only=True)
    parameters: Mapped[Json] = col(default=dict)
    cron: Mapped[Label | None]
    interval_seconds: Mapped[Interval | None]
    timezone: Mapped[Zone] = col(default="UTC")
    is_active: Mapped[bool] = col(default=True)
    catch_up: Mapped[bool] = col(default=True)
    is_builtin: Mapped[bool] = col(read_only=True, default=False)
    last_run_at: Mapped[Instant | None] = col(read_only=True)
    next_run_at: Mapped[Instant | None] = col(read_only=True)
    last_job_id: Mapped[UUID | None] = col(read_only=True)
