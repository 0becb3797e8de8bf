"""webhooks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "events_0001"
down_revision = None
branch_labels = ("events",)
depends_on = "hub_0004"

LOG = """
CREATE VIEW events_log WITH (security_invoker = true) AS
SELECT e.tenant, e.id, 1 AS revision, e.at AS created_at, e.at AS updated_at, e.type, e.actor,
       e.request_id, e.data,
       CASE WHEN NOT e.dispatched THEN 'pending'
            WHEN EXISTS (SELECT FROM hub_delivery d WHERE d.event = e.sequence AND d.state = 'dead')
              THEN 'failed'
            WHEN EXISTS (SELECT FROM hub_delivery d WHERE d.event = e.sequence) THEN 'processing'
            ELSE 'completed' END AS status
  FROM hub_event e
"""
PROCESSING = """
CREATE VIEW events_processing WITH (security_invoker = true) AS
SELECT a.tenant, a.id, 1 AS revision, a.started_at AS created_at, a.started_at AS updated_at,
       a.event AS event_id, a.subscriber, a.status, a.number, a.duration_ms, a.error
  FROM hub_attempt a
"""
DEAD = """
CREATE VIEW events_dead_letter WITH (security_invoker = true) AS
SELECT d.tenant, md5(e.id::text || d.subscriber)::uuid AS id, 1 AS revision, e.at AS created_at,
       d.due_at AS updated_at, e.id AS event_id, e.type AS event_type, d.subscriber, d.attempts,
       d.error
  FROM hub_delivery d JOIN hub_event e ON e.sequence = d.event
 WHERE d.state = 'dead'
"""


def upgrade() -> None:
    for view in (LOG, PROCESSING, DEAD):
        op.execute(view)
    op.create_table(
        "events_endpoint",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("url", sa.String(length=500), nullable=False),
        sa.Column("event_types", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "filter", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("timeout_s", sa.Integer(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("disabled_reason", sa.String(length=100), nullable=True),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("previous_secret", sa.Text(), nullable=True),
        sa.Column("previous_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_events_endpoint")),
    )
    op.create_table(
        "events_attempt",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("response_status", sa.Integer(), nullable=True),
        sa.Column("response_body", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "endpoint_id"],
            ["events_endpoint.tenant", "events_endpoint.id"],
            name=op.f("fk_events_attempt_tenant_endpoint_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_events_attempt")),
    )
    op.create_index(
        op.f("ix_events_attempt_tenant_created_at"),
        "events_attempt",
        ["tenant", "created_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_events_attempt_tenant_delivery_id"),
        "events_attempt",
        ["tenant", "delivery_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_events_attempt_tenant_endpoint_id"),
        "events_attempt",
        ["tenant", "endpoint_id"],
        unique=False,
    )
    op.create_table(
        "events_delivery",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("event_type", sa.String(length=120), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "pending", "success", "dead", name="deliverystate", native_enum=False, length=32
            ),
            nullable=False,
        ),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("response_status", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "endpoint_id"],
            ["events_endpoint.tenant", "events_endpoint.id"],
            name=op.f("fk_events_delivery_tenant_endpoint_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_events_delivery")),
    )
    op.create_index(
        "ix_events_delivery_due",
        "events_delivery",
        ["tenant", "endpoint_id", "next_at"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index(
        op.f("ix_events_delivery_tenant_endpoint_id"),
        "events_delivery",
        ["tenant", "endpoint_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_events_delivery_tenant_event_id"),
        "events_delivery",
        ["tenant", "event_id"],
        unique=False,
    )


def downgrade() -> None:
    for view in ("events_log", "events_processing", "events_dead_letter"):
        op.execute(f"DROP VIEW {view}")
    op.drop_index(op.f("ix_events_delivery_tenant_event_id"), table_name="events_delivery")
    op.drop_index(op.f("ix_events_delivery_tenant_endpoint_id"), table_name="events_delivery")
    op.drop_index(
        "ix_events_delivery_due",
        table_name="events_delivery",
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.drop_table("events_delivery")
    op.drop_index(op.f("ix_events_attempt_tenant_endpoint_id"), table_name="events_attempt")
    op.drop_index(op.f("ix_events_attempt_tenant_delivery_id"), table_name="events_attempt")
    op.drop_index(op.f("ix_events_attempt_tenant_created_at"), table_name="events_attempt")
    op.drop_table("events_attempt")
    op.drop_table("events_endpoint")
