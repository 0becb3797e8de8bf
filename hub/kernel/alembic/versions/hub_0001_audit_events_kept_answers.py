"""Audit, events, kept answers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "hub_0001"
down_revision = None
branch_labels = ("hub",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hub_audit",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("actor_kind", sa.String(length=20), nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("table", sa.String(length=64), nullable=False),
        sa.Column("row", sa.Uuid(), nullable=False),
        sa.Column("change", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("request_id", sa.String(length=100), nullable=False),
        sa.Column("ip", sa.String(length=45), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hub_audit")),
    )
    op.create_index(op.f("ix_hub_audit_tenant_at"), "hub_audit", ["tenant", "at"], unique=False)
    op.create_index(
        op.f("ix_hub_audit_tenant_row_at"), "hub_audit", ["tenant", "row", "at"], unique=False
    )
    op.create_table(
        "hub_event",
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("type", sa.String(length=120), nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("request_id", sa.String(length=100), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_hub_event")),
        sa.UniqueConstraint("id", name=op.f("uq_hub_event_id")),
    )
    op.create_index(op.f("ix_hub_event_tenant_at"), "hub_event", ["tenant", "at"], unique=False)
    op.create_table(
        "hub_idempotency",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("principal", sa.String(length=120), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "principal", "key", name=op.f("pk_hub_idempotency")),
    )
    op.create_index(
        op.f("ix_hub_idempotency_expires_at"), "hub_idempotency", ["expires_at"], unique=False
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_hub_idempotency_expires_at"), table_name="hub_idempotency")
    op.drop_table("hub_idempotency")
    op.drop_index(op.f("ix_hub_event_tenant_at"), table_name="hub_event")
    op.drop_table("hub_event")
    op.drop_index(op.f("ix_hub_audit_tenant_row_at"), table_name="hub_audit")
    op.drop_index(op.f("ix_hub_audit_tenant_at"), table_name="hub_audit")
    op.drop_table("hub_audit")
