"""What a job follows from."""

import sqlalchemy as sa
from alembic import op

revision = "jobs_0002"
down_revision = "jobs_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "jobs_job",
        sa.Column("correlation_id", sa.String(length=100), server_default="", nullable=False),
    )
    op.add_column("jobs_job", sa.Column("causation_id", sa.Uuid(), nullable=True))
    op.add_column(
        "jobs_job", sa.Column("chain_depth", sa.Integer(), server_default="0", nullable=False)
    )


def downgrade() -> None:
    op.drop_column("jobs_job", "chain_depth")
    op.drop_column("jobs_job", "causation_id")
    op.drop_column("jobs_job", "correlation_id")
