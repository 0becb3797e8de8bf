"""Settings, feature flags and daily figures; and what is seen of other plugins' tables."""

from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta
from sqlalchemy import String, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from hub import (
    Big,
    Code,
    Day,
    Email,
    Entity,
    Id,
    Instant,
    Json,
    Label,
    Name,
    Prose,
    Small,
    Strings,
    col,
)

Key = Annotated[str, mapped_column(String(150)), Meta(min_length=1, max_length=150)]
Value = Annotated[dict[str, Any], mapped_column(JSONB)]
Percent = Annotated[int, mapped_column(), Meta(ge=0, le=100)]


class Setting(Entity):
    """What a company changed. value: `{"value": …}`, so that null is a value too."""

    __tablename__ = "admin_setting"
    __table_args__ = (UniqueConstraint("tenant", "plugin", "key"),)
    plugin: Mapped[Label]
    key: Mapped[Key]
    value: Mapped[Value]
    updated_by: Mapped[Label]


class Flag(Entity):
    """A feature that is on for some. percent: of the users, always the same ones. users: by id."""

    __tablename__ = "admin_flag"
    __table_args__ = (UniqueConstraint("tenant", "code"),)
    code: Mapped[Code] = col(create_only=True)
    description: Mapped[Prose | None]
    is_on: Mapped[bool] = col(default=False)
    percent: Mapped[Percent] = col(default=100)
    users: Mapped[Strings] = col(default=list)
    roles: Mapped[Strings] = col(default=list)


class DailyStatistic(Entity):
    """One figure of one day."""

    __tablename__ = "admin_daily_statistic"
    __audited__ = False
    __table_args__ = (UniqueConstraint("tenant", "stat_date", "metric"),)
    stat_date: Mapped[Day]
    metric: Mapped[Label]
    value: Mapped[Big]


VIEW = {"info": {"view": True}}


class Account(Entity):
    """A user with his roles, and on how many devices he is signed in."""

    __tablename__ = "admin_user"
    __table_args__ = VIEW
    email: Mapped[Email]
    username: Mapped[Label | None] = col(read_only=True)
    full_name: Mapped[Name | None]
    user_type: Mapped[Label] = col(read_only=True)
    is_active: Mapped[bool] = col(read_only=True)
    is_verified: Mapped[bool] = col(read_only=True)
    locked_until: Mapped[Instant | None] = col(read_only=True)
    must_change_password: Mapped[bool] = col(read_only=True)
    last_login_at: Mapped[Instant | None] = col(read_only=True)
    roles: Mapped[Strings] = col(read_only=True)
    active_sessions: Mapped[Small] = col(read_only=True)


class LoginSession(Entity):
    """A device that is signed in; no hash of a token is seen here."""

    __tablename__ = "admin_session"
    __table_args__ = VIEW
    user_id: Mapped[Id]
    email: Mapped[Email]
    ip_address: Mapped[Label | None]
    user_agent: Mapped[Prose | None]
    remember: Mapped[bool]
    last_used_at: Mapped[Instant]
    expires_at: Mapped[Instant]


class ResetRequest(Entity):
    """Somebody asked for a new password, or was invited."""

    __tablename__ = "admin_reset_request"
    __table_args__ = VIEW
    user_id: Mapped[Id]
    email: Mapped[Email]
    purpose: Mapped[Label]
    ip_address: Mapped[Label | None]
    expires_at: Mapped[Instant]
    used_at: Mapped[Instant | None]


class AuditEntry(Entity):
    """One change of one row. change: field → [old, new]."""

    __tablename__ = "admin_audit"
    __table_args__ = VIEW
    actor: Mapped[str] = col(type_=String(120))
    actor_kind: Mapped[Label]
    action: Mapped[Label]
    resource_type: Mapped[Label]
    resource_id: Mapped[UUID]
    change: Mapped[Json]
    request_id: Mapped[Label]
    ip_address: Mapped[Label]


class OperationsEntry(Entity):
    """What the system did in the background. kind: job, event (handled), webhook (sent)."""

    __tablename__ = "admin_operation"
    __table_args__ = VIEW
    kind: Mapped[Label]
    name: Mapped[str] = col(type_=String(200))
    status: Mapped[Label]
    message: Mapped[Prose | None]
    started_by: Mapped[str | None] = col(type_=String(120))
    duration_ms: Mapped[Big | None]
