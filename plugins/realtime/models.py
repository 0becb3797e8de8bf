"""Open sockets, tickets that open one, and what was said lately."""

from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import Index, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from hub import Entity, Instant, Small, Strings, col

Who = Annotated[str, mapped_column(String(120))]
Anything = Annotated[Any, mapped_column(JSONB(none_as_null=True), nullable=True)]


class Connection(Entity):
    """One socket. room: the first that it is in. seen_at: the last news of its process."""

    __tablename__ = "realtime_connection"
    __audited__ = False
    __table_args__ = (
        Index(None, "tenant", "user_id", postgresql_where=text("disconnected_at IS NULL")),
        Index(None, "tenant", "connected_at"),
    )
    user_id: Mapped[Who]
    room: Mapped[str | None] = col(type_=String(100))
    rooms: Mapped[Strings] = col(default=list)
    client_ip: Mapped[str] = col(type_=String(45))
    user_agent: Mapped[str] = col(type_=String(500))
    connected_at: Mapped[Instant]
    disconnected_at: Mapped[Instant | None]
    last_activity_at: Mapped[Instant]
    messages_sent: Mapped[Small] = col(default=0)
    messages_received: Mapped[Small] = col(default=0)
    close_code: Mapped[Small | None]
    seen_at: Mapped[Instant] = col(hidden=True)


class Ticket(Entity):
    """Opens one socket for a session. digest: SHA-256 of what its holder was told."""

    __tablename__ = "realtime_ticket"
    __audited__ = False
    digest: Mapped[str] = col(type_=String(64), unique=True)
    session_id: Mapped[UUID]
    user_id: Mapped[UUID]
    expires_at: Mapped[Instant]


class Said(Entity):
    """One message to a room, kept for those who were away for a moment."""

    __tablename__ = "realtime_message"
    __audited__ = False
    __table_args__ = (
        Index(None, "tenant", "room", "created_at"),
        Index(None, "created_at"),
    )
    room: Mapped[str] = col(type_=String(100))
    event_type: Mapped[str] = col(type_=String(64))
    data: Mapped[Anything]
