"""Imports: which rows each one made."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "hub_0005"
down_revision = "hub_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hub_import",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("resource", sa.String(length=120), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("made", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("revisions", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_hub_import")),
    )
    op.create_index(
        op.f("ix_hub_import_tenant_resource_at"),
        "hub_import",
        ["tenant", "resource", "at"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_hub_import_tenant_resource_at"), table_name="hub_import")
    op.drop_table("hub_import")
