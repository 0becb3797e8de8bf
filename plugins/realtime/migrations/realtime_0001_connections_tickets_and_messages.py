"""connections tickets and messages."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "realtime_0001"
down_revision = None
branch_labels = ("realtime",)
depends_on = "hub_0005"


def upgrade() -> None:
    op.create_table(
        "realtime_connection",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.String(length=120), nullable=False),
        sa.Column("room", sa.String(length=100), nullable=True),
        sa.Column("rooms", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("client_ip", sa.String(length=45), nullable=False),
        sa.Column("user_agent", sa.String(length=500), nullable=False),
        sa.Column("connected_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disconnected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_activity_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("messages_sent", sa.Integer(), nullable=False),
        sa.Column("messages_received", sa.Integer(), nullable=False),
        sa.Column("close_code", sa.Integer(), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_realtime_connection")),
    )
    op.create_index(
        op.f("ix_realtime_connection_tenant_connected_at"),
        "realtime_connection",
        ["tenant", "connected_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_realtime_connection_tenant_user_id"),
        "realtime_connection",
        ["tenant", "user_id"],
        unique=False,
        postgresql_where=sa.text("disconnected_at IS NULL"),
    )
    op.create_table(
        "realtime_message",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("room", sa.String(length=100), nullable=False),
        sa.Column("event_type", sa.String(length=64), nullable=False),
        sa.Column(
            "data", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_realtime_message")),
    )
    op.create_index(
        op.f("ix_realtime_message_created_at"), "realtime_message", ["created_at"], unique=False
    )
    op.create_index(
        op.f("ix_realtime_message_tenant_room_created_at"),
        "realtime_message",
        ["tenant", "room", "created_at"],
        unique=False,
    )
    op.create_table(
        "realtime_ticket",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_realtime_ticket")),
        sa.UniqueConstraint("digest", name=op.f("uq_realtime_ticket_digest")),
    )


def downgrade() -> None:
    op.drop_table("realtime_ticket")
    op.drop_index(op.f("ix_realtime_message_tenant_room_created_at"), table_name="realtime_message")
    op.drop_index(op.f("ix_realtime_message_created_at"), table_name="realtime_message")
    op.drop_table("realtime_message")
    op.drop_index(
        op.f("ix_realtime_connection_tenant_user_id"),
        table_name="realtime_connection",
        postgresql_where=sa.text("disconnected_at IS NULL"),
    )
    op.drop_index(
        op.f("ix_realtime_connection_tenant_connected_at"), table_name="realtime_connection"
    )
    op.drop_table("realtime_connection")
