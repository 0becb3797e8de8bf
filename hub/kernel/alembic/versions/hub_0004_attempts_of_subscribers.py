"""Attempts of subscribers."""

import sqlalchemy as sa
from alembic import op

revision = "hub_0004"
down_revision = "hub_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hub_attempt",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("event", sa.Uuid(), nullable=False),
        sa.Column("subscriber", sa.String(length=200), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hub_attempt")),
    )
    op.create_index(op.f("ix_hub_attempt_tenant_event"), "hub_attempt", ["tenant", "event"])
    op.create_index(
        op.f("ix_hub_attempt_tenant_started_at"), "hub_attempt", ["tenant", "started_at"]
    )


def downgrade() -> None:
    op.drop_table("hub_attempt")
