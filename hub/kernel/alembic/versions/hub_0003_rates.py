"""Rates: what all processes counted together."""

import sqlalchemy as sa
from alembic import op

revision = "hub_0003"
down_revision = "hub_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hub_rate",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("span", sa.BigInteger(), nullable=False),
        sa.Column("ends", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", "span", name=op.f("pk_hub_rate")),
        prefixes=["UNLOGGED"],
    )
    op.create_index(op.f("ix_hub_rate_ends"), "hub_rate", ["ends"], unique=False)


def downgrade() -> None:
    op.drop_table("hub_rate")
