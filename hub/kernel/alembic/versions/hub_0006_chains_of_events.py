"""What belongs together: correlation of audit and events, the cause of an event."""

import sqlalchemy as sa
from alembic import op

revision = "hub_0006"
down_revision = "hub_0005"
branch_labels = None
depends_on = None


def _correlation() -> sa.Column[str]:
    return sa.Column("correlation_id", sa.String(length=100), server_default="", nullable=False)


def upgrade() -> None:
    op.add_column("hub_audit", _correlation())
    op.add_column("hub_event", _correlation())
    op.add_column("hub_event", sa.Column("causation_id", sa.Uuid(), nullable=True))
    op.add_column(
        "hub_event", sa.Column("depth", sa.SmallInteger(), server_default="0", nullable=False)
    )
    op.create_index(
        op.f("ix_hub_event_tenant_correlation_id"), "hub_event", ["tenant", "correlation_id"]
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_hub_event_tenant_correlation_id"), table_name="hub_event")
    op.drop_column("hub_event", "depth")
    op.drop_column("hub_event", "causation_id")
    op.drop_column("hub_event", "correlation_id")
    op.drop_column("hub_audit", "correlation_id")
