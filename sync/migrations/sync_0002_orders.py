"""What waits for gateways."""

from alembic import op

revision = "sync_0002"
down_revision = "sync_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE sync_order (
            id uuid PRIMARY KEY,
            number bigint GENERATED ALWAYS AS IDENTITY,
            gateway uuid NOT NULL REFERENCES sync_gateway ON DELETE CASCADE,
            body bytea NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            expires_at timestamptz NOT NULL,
            sent_at timestamptz,
            taken_at timestamptz
        )
    """)
    op.execute(
        "CREATE INDEX sync_order_open ON sync_order (gateway, number) WHERE taken_at IS NULL"
    )


def downgrade() -> None:
    op.execute("DROP TABLE sync_order")
