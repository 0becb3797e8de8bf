"""subscriptions of companies."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "events_0002"
down_revision = "events_0001"
branch_labels = None
depends_on = "hub_0006"

_LOG = """
CREATE {replace} VIEW events_log WITH (security_invoker = true) AS
SELECT e.tenant, e.id, 1 AS revision, e.at AS created_at, e.at AS updated_at, e.type, e.actor,
       e.request_id, e.data,
       CASE WHEN NOT e.dispatched THEN 'pending'
            WHEN EXISTS (SELECT FROM hub_delivery d WHERE d.event = e.sequence AND d.state = 'dead')
              THEN 'failed'
            WHEN EXISTS (SELECT FROM hub_delivery d WHERE d.event = e.sequence) THEN 'processing'
            ELSE 'completed' END AS status{more}
  FROM hub_event e
"""


def upgrade() -> None:
    more = ", e.correlation_id, e.causation_id"
    op.execute(_LOG.format(replace="OR REPLACE", more=more))
    op.create_table(
        "events_subscription",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subscriber_name", sa.String(length=50), nullable=False),
        sa.Column("event_type", sa.String(length=100), nullable=False),
        sa.Column(
            "handler_type",
            sa.Enum("webhook", "queue", "function", name="target", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("handler_config", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "filter_expression",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            nullable=True,
        ),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.String(length=100), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_events_subscription")),
        sa.UniqueConstraint(
            "tenant",
            "subscriber_name",
            "event_type",
            name=op.f("uq_events_subscription_tenant_subscriber_name_event_type"),
        ),
    )


def downgrade() -> None:
    op.execute("DROP VIEW events_log")
    op.execute(_LOG.format(replace="", more=""))
    op.drop_table("events_subscription")
