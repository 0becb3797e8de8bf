"""Settings of companies; grants for one row."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "identity_0003"
down_revision = "identity_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("identity_grant", sa.Column("resource_id", sa.Uuid(), nullable=True))
    op.create_table(
        "identity_tenant_setting",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("value", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_identity_tenant_setting")),
        sa.UniqueConstraint("tenant", "key", name=op.f("uq_identity_tenant_setting_tenant_key")),
    )


def downgrade() -> None:
    op.drop_table("identity_tenant_setting")
    op.drop_column("identity_grant", "resource_id")
