"""Deliveries of events."""

import sqlalchemy as sa
from alembic import op

revision = "hub_0002"
down_revision = "hub_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hub_delivery",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("event", sa.BigInteger(), nullable=False),
        sa.Column("subscriber", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hub_delivery")),
        sa.UniqueConstraint("event", "subscriber", name=op.f("uq_hub_delivery_event_subscriber")),
    )
    op.create_index(
        op.f("ix_hub_delivery_due_at"),
        "hub_delivery",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("state = 'due'"),
    )
    op.add_column(
        "hub_event",
        sa.Column("dispatched", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.create_index(
        "ix_hub_event_undispatched",
        "hub_event",
        ["sequence"],
        unique=False,
        postgresql_where=sa.text("NOT dispatched"),
    )


def downgrade() -> None:
    op.drop_index(
        "ix_hub_event_undispatched",
        table_name="hub_event",
        postgresql_where=sa.text("NOT dispatched"),
    )
    op.drop_column("hub_event", "dispatched")
    op.drop_index(
        op.f("ix_hub_delivery_due_at"),
        table_name="hub_delivery",
        postgresql_where=sa.text("state = 'due'"),
    )
    op.drop_table("hub_delivery")
