"""Alarms at the centre, and their journal."""

import enum
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped

from hub import (
    AlarmStatus,
    AlarmStep,
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
from hub import Severity as Severities


class Source(enum.StrEnum):
    """Who raised it."""

    GATEWAY = "gateway"
    CENTRE = "centre"
    IOT = "iot"
    ACREL = "acrel"
    AI = "ai"


class AlarmRow(Entity):
    """One alarm. alarm_ref: its id at the gateway that raised it. state: all that is known of it,
    of which the other columns are what lists are made by."""

    __tablename__ = "scada_alarm"
    __table_args__ = (
        UniqueConstraint("tenant", "gateway_id", "alarm_ref"),
        Index(None, "tenant", "status", "raised_at"),
        Index(None, "tenant", "raised_at"),
        Index(None, "tenant", "updated_at"),
    )
    station_id: Mapped[Id | None] = ref("scada_station", read_only=True)
    device_id: Mapped[Id | None] = ref("scada_device", read_only=True)
    point_id: Mapped[Id | None] = ref("scada_point", read_only=True)
    meter_id: Mapped[UUID | None] = col(read_only=True)
    gateway_id: Mapped[UUID | None] = col(read_only=True)
    alarm_ref: Mapped[Label] = col(read_only=True)
    alarm_type: Mapped[Label] = col(read_only=True)
    severity: Mapped[Severities] = col(read_only=True)
    message: Mapped[Prose] = col(read_only=True)
    value: Mapped[Measured | None] = col(read_only=True)
    threshold: Mapped[Measured | None] = col(read_only=True)
    status: Mapped[AlarmStatus] = col(read_only=True)
    is_on: Mapped[bool] = col(read_only=True)
    raised_at: Mapped[Instant] = col(read_only=True)
    cleared_at: Mapped[Instant | None] = col(read_only=True)
    acknowledged_at: Mapped[Instant | None] = col(read_only=True)
    acknowledged_by: Mapped[Name | None] = col(read_only=True)
    closed_at: Mapped[Instant | None] = col(read_only=True)
    closed_by: Mapped[Name | None] = col(read_only=True)
    note: Mapped[Prose | None] = col(read_only=True)
    masked_until: Mapped[Instant | None] = col(read_only=True)
    masked_by: Mapped[Name | None] = col(read_only=True)
    is_suppressed: Mapped[bool] = col(read_only=True, default=False)
    is_quiet: Mapped[bool] = col(read_only=True, default=False)
    occurrence_count: Mapped[Small] = col(read_only=True, default=1)
    source: Mapped[Source] = col(read_only=True, default=Source.GATEWAY)
    external_ref: Mapped[Label | None] = col(read_only=True)
    work_order_id: Mapped[UUID | None] = col(read_only=True)
    state: Mapped[Json] = col(hidden=True, secret=True)


class AlarmEntry(Entity):
    """One step of an alarm's life. at: by the clock of whoever took it. actor: empty = itself."""

    __tablename__ = "scada_alarm_entry"
    __table_args__ = (
        UniqueConstraint("tenant", "alarm_id", "step", "at", "actor"),
        Index(None, "tenant", "at"),
    )
    __audited__ = False
    alarm_id: Mapped[Id] = ref("scada_alarm", cascade=True, read_only=True)
    at: Mapped[Instant] = col(read_only=True)
    step: Mapped[AlarmStep] = col(read_only=True)
    actor: Mapped[Name] = col(read_only=True, default="")
    note: Mapped[Prose | None] = col(read_only=True)
    value: Mapped[Measured | None] = col(read_only=True)
    is_loud: Mapped[bool] = col(read_only=True, default=True)
    source: Mapped[Source] = col(read_only=True)
