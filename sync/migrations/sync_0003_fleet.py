"""What gateways say of themselves over the live link."""

from alembic import op

revision = "sync_0003"
down_revision = "sync_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE sync_gateway ADD COLUMN linked_at timestamptz")
    op.execute("ALTER TABLE sync_gateway ADD COLUMN status jsonb NOT NULL DEFAULT '{}'")
    op.execute("ALTER TABLE sync_order ADD COLUMN answer bytea")


def downgrade() -> None:
    op.execute("ALTER TABLE sync_order DROP COLUMN answer")
    op.execute("ALTER TABLE sync_gateway DROP COLUMN status")
    op.execute("ALTER TABLE sync_gateway DROP COLUMN linked_at")
