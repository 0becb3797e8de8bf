"""What the platform told us, and what was asked of its meters."""

import enum

from sqlalchemy import BigInteger, Identity, Index, UniqueConstraint
from sqlalchemy.orm import Mapped

from hub import (
    Entity,
    Id,
    Instant,
    Json,
    Label,
    MeterOrderKind,
    MeterOrderState,
    Name,
    Prose,
    Small,
    col,
    ref,
)


class ReceiptStatus(enum.StrEnum):
    ACCEPTED = "accepted"
    PROCESSED = "processed"
    FAILED = "failed"


class Receipt(Entity):
    """One event of the platform. sequence: order of arrival.

    dedupe_key: the platform's own id where it sends one. content_key: the same for the same event
    however it came. source: webhook, mqtt.
    """

    __tablename__ = "acrel_receipt"
    __audited__ = False
    __table_args__ = (
        UniqueConstraint("tenant", "dedupe_key"),
        UniqueConstraint("tenant", "content_key"),
        Index(
            "ix_acrel_receipt_waiting",
            "tenant",
            "sequence",
            postgresql_where="status = 'accepted'",
        ),
    )
    sequence: Mapped[int] = col(type_=BigInteger, server_default=Identity(always=True))
    source: Mapped[Label]
    event_kind: Mapped[Label]
    meter: Mapped[Name]
    dedupe_key: Mapped[Name]
    content_key: Mapped[Label]
    remote_ip: Mapped[Label] = col(default="")
    body: Mapped[Json]
    status: Mapped[ReceiptStatus] = col(default=ReceiptStatus.ACCEPTED)
    error: Mapped[Prose | None]
    processed_at: Mapped[Instant | None]


class OrderRow(Entity):
    """An order to a meter as it stands. order_id: the asker's own."""

    __tablename__ = "acrel_order"
    __table_args__ = (
        UniqueConstraint("tenant", "order_id"),
        Index(
            "ix_acrel_order_open",
            "tenant",
            "meter",
            postgresql_where="state IN ('requested', 'sent')",
        ),
    )
    order_id: Mapped[Label] = col(create_only=True)
    meter: Mapped[Label]
    kind: Mapped[MeterOrderKind]
    argument: Mapped[Json] = col(default=dict)
    actor: Mapped[Name]
    expires_at: Mapped[Instant]
    state: Mapped[MeterOrderState] = col(default=MeterOrderState.REQUESTED)
    attempts: Mapped[Small] = col(default=0)
    way: Mapped[Label] = col(default="")
    sent_at: Mapped[Instant | None]
    changed_at: Mapped[Instant]
    late: Mapped[bool] = col(default=False)
    detail: Mapped[Prose] = col(default="")


class OrderStep(Entity):
    """The journal of orders: each state that one reached, and when."""

    __tablename__ = "acrel_order_step"
    __audited__ = False
    order_row_id: Mapped[Id] = ref("acrel_order", cascade=True)
    state: Mapped[MeterOrderState]
    at: Mapped[Instant]
    attempts: Mapped[Small]
    way: Mapped[Label]
    late: Mapped[bool]
    detail: Mapped[Prose]
