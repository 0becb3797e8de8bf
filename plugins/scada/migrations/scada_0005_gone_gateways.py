"""Gateways that are gone."""

import sqlalchemy as sa
from alembic import op

revision = "scada_0005"
down_revision = "scada_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "scada_device", sa.Column("gateway_lost_at", sa.DateTime(timezone=True), nullable=True)
    )


def downgrade() -> None:
    op.drop_column("scada_device", "gateway_lost_at")
