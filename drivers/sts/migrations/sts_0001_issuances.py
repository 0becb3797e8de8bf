"""Which token identifiers were given to whom."""

import sqlalchemy as sa
from alembic import op

revision = "sts_0001"
down_revision = None
branch_labels = ("sts",)
depends_on = "hub_0001"


def upgrade() -> None:
    op.create_table(
        "sts_issuance",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("pan", sa.String(length=100), nullable=False),
        sa.Column("reference", sa.String(length=200), nullable=False),
        sa.Column("base", sa.Integer(), nullable=False),
        sa.Column("tid", sa.Integer(), nullable=True),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(length=100), nullable=False),
        sa.Column("is_void", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_sts_issuance")),
        sa.UniqueConstraint(
            "tenant", "pan", "reference", name=op.f("uq_sts_issuance_tenant_pan_reference")
        ),
    )
    op.create_index(
        "uq_sts_issuance_tid", "sts_issuance", ["tenant", "pan", "base", "tid"], unique=True
    )


def downgrade() -> None:
    op.drop_index("uq_sts_issuance_tid", table_name="sts_issuance")
    op.drop_table("sts_issuance")
