"""Samples, alert rules and alerts."""

import enum
from typing import Annotated
from uuid import UUID

from msgspec import Meta
from sqlalchemy import Index, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from hub import Code, Entity, Instant, Json, Label, Measured, Name, Prose, Small, Strings, col

Metric = Annotated[
    str,
    mapped_column(String(200)),
    Meta(min_length=1, max_length=200, pattern=r"^[a-z][a-z0-9_.]*$"),
]
Labels = Annotated[dict[str, str], mapped_column(JSONB)]
Minutes = Annotated[int, mapped_column(), Meta(ge=1, le=10_080)]
Line = Annotated[str, mapped_column(String(500)), Meta(min_length=1, max_length=500)]


class Severity(enum.StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class AlertType(enum.StrEnum):
    """security: such an alert never resolves by itself."""

    PERFORMANCE = "performance"
    SECURITY = "security"
    SYSTEM = "system"
    BUSINESS = "business"


class Sample(Entity):
    """One value of one measurement."""

    __tablename__ = "monitoring_sample"
    __audited__ = False
    __table_args__ = (Index(None, "tenant", "metric", "created_at"),)
    metric: Mapped[Metric]
    value: Mapped[Measured]
    labels: Mapped[Labels] = col(default=dict)


class ConditionType(enum.StrEnum):
    THRESHOLD = "threshold"
    RATE = "rate"
    ABSENCE = "absence"


class Rule(Entity):
    """When an alert is made, and who is told. recipients: `role:…`, `may:…`, `id:…`."""

    __tablename__ = "monitoring_rule"
    __table_args__ = (UniqueConstraint("tenant", "code"),)
    code: Mapped[Code] = col(create_only=True)
    name: Mapped[Name]
    description: Mapped[Prose | None]
    condition_type: Mapped[ConditionType]
    condition_config: Mapped[Json]
    alert_type: Mapped[AlertType] = col(default=AlertType.SYSTEM)
    severity: Mapped[Severity] = col(default=Severity.WARNING)
    title_template: Mapped[Line]
    description_template: Mapped[Prose] = col(default="")
    recipients: Mapped[Strings] = col(default=list)
    cooldown_minutes: Mapped[Minutes] = col(default=15)
    is_active: Mapped[bool] = col(default=True)
    is_builtin: Mapped[bool] = col(read_only=True, default=False)
    last_value: Mapped[Measured | None] = col(read_only=True)
    last_fired_at: Mapped[Instant | None] = col(read_only=True)
    evaluated_at: Mapped[Instant | None] = col(read_only=True)
    fault: Mapped[Prose | None] = col(read_only=True)
    since: Mapped[Instant | None] = col(hidden=True)
    clear_since: Mapped[Instant | None] = col(hidden=True)


class AlertStatus(enum.StrEnum):
    ACTIVE = "active"
    ACKNOWLEDGED = "acknowledged"
    SUPPRESSED = "suppressed"
    RESOLVED = "resolved"


OPEN = (AlertStatus.ACTIVE, AlertStatus.ACKNOWLEDGED, AlertStatus.SUPPRESSED)


class Alert(Entity):
    """Something that a rule has seen; at most one that is not resolved for each rule."""

    __tablename__ = "monitoring_alert"
    __table_args__ = (
        Index(
            "uq_monitoring_alert_open",
            "tenant",
            "source_rule_id",
            unique=True,
            postgresql_where=text("status <> 'resolved'"),
        ),
        Index(None, "tenant", "created_at"),
    )
    code: Mapped[Code] = col(read_only=True)
    alert_type: Mapped[AlertType] = col(read_only=True)
    severity: Mapped[Severity] = col(read_only=True)
    title: Mapped[Line] = col(read_only=True)
    description: Mapped[Prose] = col(read_only=True)
    source_rule_id: Mapped[UUID] = col(read_only=True)
    alert_data: Mapped[Json] = col(read_only=True, default=dict)
    occurrence_count: Mapped[Small] = col(read_only=True, default=1)
    last_seen_at: Mapped[Instant] = col(read_only=True)
    status: Mapped[AlertStatus] = col(read_only=True, default=AlertStatus.ACTIVE)
    acknowledged_at: Mapped[Instant | None] = col(read_only=True)
    acknowledged_by: Mapped[Label | None] = col(read_only=True)
    resolved_at: Mapped[Instant | None] = col(read_only=True)
    resolved_by: Mapped[Label | None] = col(read_only=True)
    resolution_notes: Mapped[Prose | None] = col(read_only=True)
    suppressed_until: Mapped[Instant | None] = col(read_only=True)
