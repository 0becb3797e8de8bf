"""Events of the Acrel platform, orders to its meters."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "acrel_0001"
down_revision = None
branch_labels = ("acrel",)
depends_on = "hub_0001"


def upgrade() -> None:
    op.create_table(
        "acrel_order",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.String(length=100), nullable=False),
        sa.Column("meter", sa.String(length=100), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "disconnect",
                "reconnect",
                "set_tariff",
                "set_power_limit",
                name="meterorderkind",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("argument", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "requested",
                "sent",
                "confirmed",
                "failed",
                "timeout",
                name="meterorderstate",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("way", sa.String(length=100), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_acrel_order")),
        sa.UniqueConstraint("tenant", "order_id", name=op.f("uq_acrel_order_tenant_order_id")),
    )
    op.create_index(
        "ix_acrel_order_open",
        "acrel_order",
        ["tenant", "meter"],
        unique=False,
        postgresql_where="state IN ('requested', 'sent')",
    )
    op.create_table(
        "acrel_receipt",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column("event_kind", sa.String(length=100), nullable=False),
        sa.Column("meter", sa.String(length=200), nullable=False),
        sa.Column("dedupe_key", sa.String(length=200), nullable=False),
        sa.Column("content_key", sa.String(length=100), nullable=False),
        sa.Column("remote_ip", sa.String(length=100), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "accepted",
                "processed",
                "failed",
                name="receiptstatus",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("processed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_acrel_receipt")),
        sa.UniqueConstraint(
            "tenant", "content_key", name=op.f("uq_acrel_receipt_tenant_content_key")
        ),
        sa.UniqueConstraint(
            "tenant", "dedupe_key", name=op.f("uq_acrel_receipt_tenant_dedupe_key")
        ),
    )
    op.create_index(
        "ix_acrel_receipt_waiting",
        "acrel_receipt",
        ["tenant", "sequence"],
        unique=False,
        postgresql_where="status = 'accepted'",
    )
    op.create_table(
        "acrel_order_step",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_row_id", sa.Uuid(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "requested",
                "sent",
                "confirmed",
                "failed",
                "timeout",
                name="meterorderstate",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("way", sa.String(length=100), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "order_row_id"],
            ["acrel_order.tenant", "acrel_order.id"],
            name=op.f("fk_acrel_order_step_tenant_order_row_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_acrel_order_step")),
    )
    op.create_index(
        op.f("ix_acrel_order_step_tenant_order_row_id"),
        "acrel_order_step",
        ["tenant", "order_row_id"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_acrel_order_step_tenant_order_row_id"), table_name="acrel_order_step")
    op.drop_table("acrel_order_step")
    op.drop_index(
        "ix_acrel_receipt_waiting",
        table_name="acrel_receipt",
        postgresql_where="status = 'accepted'",
    )
    op.drop_table("acrel_receipt")
    op.drop_index(
        "ix_acrel_order_open",
        table_name="acrel_order",
        postgresql_where="state IN ('requested', 'sent')",
    )
    op.drop_table("acrel_order")
