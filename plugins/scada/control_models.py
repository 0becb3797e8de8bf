"""What can be operated, and every command that was asked for."""

import enum
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta
from sqlalchemy import Dialect, Index, Integer, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from hub import (
    Code,
    CommandState,
    Entity,
    Id,
    Instant,
    Json,
    Label,
    Measured,
    Name,
    Prose,
    Small,
    col,
    ref,
)

OPEN = (
    CommandState.REQUESTED, CommandState.AWAITING_APPROVAL, CommandState.QUEUED, CommandState.SENT,
)  # fmt: skip


class Interlock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """This must hold for a command to be executed.

    within_s: how old the value may be; three scan periods, at least 5 s, when absent.
    """

    point_id: UUID
    op: Literal["==", "!=", "<", "<=", ">", ">="]
    value: float
    within_s: Annotated[float, Meta(gt=0, le=3_600)] | None = None


class InterlockList(TypeDecorator[list[Interlock]]):
    """Interlocks as `jsonb`."""

    impl = JSONB
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return msgspec.to_builtins(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> list[Interlock]:
        return msgspec.convert(value, list[Interlock])


class ControlType(enum.StrEnum):
    SWITCH = "switch"
    SETPOINT = "setpoint"


Interlocks = Annotated[list[Interlock], mapped_column(InterlockList), Meta(max_length=50)]
Values = Annotated[list[float], mapped_column(JSONB), Meta(max_length=1_000)]
Seconds = Annotated[int, mapped_column(Integer), Meta(ge=1, le=600)]


class ControlPoint(Entity):
    """A point that people operate. allowed_values: empty = any within the point's limits."""

    __tablename__ = "scada_control_point"
    __table_args__ = (
        UniqueConstraint("tenant", "code"),
        UniqueConstraint("tenant", "point_id"),
    )
    code: Mapped[Code]
    name: Mapped[Name]
    station_id: Mapped[Id | None] = ref("scada_station")
    device_id: Mapped[Id] = ref("scada_device", create_only=True)
    point_id: Mapped[Id] = ref("scada_point", create_only=True)
    feedback_point_id: Mapped[Id | None] = ref("scada_point")
    control_type: Mapped[ControlType] = col(default=ControlType.SWITCH)
    allowed_values: Mapped[Values] = col(default=list)
    requires_second_person: Mapped[bool] = col(default=False)
    select_before_operate: Mapped[bool] = col(default=False)
    timeout_seconds: Mapped[Seconds] = col(default=30)
    interlocks: Mapped[Interlocks] = col(default=list)
    is_active: Mapped[bool] = col(default=True)


class CommandSource(enum.StrEnum):
    OPERATOR = "operator"
    BILLING = "billing_system"
    AUTOMATION = "automation"
    AGENT = "agent"
    API = "api"


class CommandRow(Entity):
    """One command from its request to its end; at most one open command a control point."""

    __tablename__ = "scada_command"
    __table_args__ = (
        Index(
            "uq_scada_command_open",
            "tenant",
            "control_point_id",
            unique=True,
            postgresql_where=text("state IN ('requested', 'awaiting_approval', 'queued', 'sent')"),
        ),
        Index(None, "tenant", "requested_at"),
        Index(None, "tenant", "updated_at"),
        Index(None, "state", "expires_at"),
    )
    control_point_id: Mapped[Id] = ref("scada_control_point", read_only=True)
    device_id: Mapped[Id] = ref("scada_device", read_only=True)
    meter_id: Mapped[UUID | None] = col(read_only=True)
    command: Mapped[Label] = col(read_only=True)
    value: Mapped[Measured] = col(read_only=True)
    parameters: Mapped[Json] = col(read_only=True, default=dict)
    source: Mapped[CommandSource] = col(read_only=True)
    reason: Mapped[Prose] = col(read_only=True)
    is_test: Mapped[bool] = col(read_only=True, default=False)
    requested_by: Mapped[Label] = col(read_only=True)
    requested_by_name: Mapped[Name] = col(read_only=True)
    approved_by: Mapped[Label | None] = col(read_only=True)
    approved_by_name: Mapped[Name | None] = col(read_only=True)
    state: Mapped[CommandState] = col(read_only=True)
    requested_at: Mapped[Instant] = col(read_only=True)
    sent_at: Mapped[Instant | None] = col(read_only=True)
    confirmed_at: Mapped[Instant | None] = col(read_only=True)
    finished_at: Mapped[Instant | None] = col(read_only=True)
    expires_at: Mapped[Instant] = col(read_only=True)
    attempt: Mapped[Small] = col(read_only=True, default=1)
    result: Mapped[Label | None] = col(read_only=True)
    error_message: Mapped[Prose | None] = col(read_only=True)
    idempotency_key: Mapped[Name] = col(read_only=True)
    order_id: Mapped[UUID | None] = col(hidden=True)


class CommandEntry(Entity):
    """One step of a command. actor: empty = the gateway, or the centre by itself."""

    __tablename__ = "scada_command_entry"
    __table_args__ = (UniqueConstraint("tenant", "command_id", "state", "at"),)
    __audited__ = False
    command_id: Mapped[Id] = ref("scada_command", cascade=True, read_only=True)
    at: Mapped[Instant] = col(read_only=True)
    state: Mapped[CommandState] = col(read_only=True)
    actor: Mapped[Name] = col(read_only=True, default="")
    detail: Mapped[Prose | None] = col(read_only=True)
