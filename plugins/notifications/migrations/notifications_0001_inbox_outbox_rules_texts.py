"""inbox outbox rules texts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "notifications_0001"
down_revision = None
branch_labels = ("notifications",)
depends_on = "identity_0001"


def upgrade() -> None:
    op.create_table(
        "notifications_delivery",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("notification_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("type_code", sa.String(length=80), nullable=False),
        sa.Column(
            "channel",
            sa.Enum(
                "in_app", "email", "sms", "whatsapp", name="channel", native_enum=False, length=32
            ),
            nullable=False,
        ),
        sa.Column("recipient", sa.String(length=300), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "queued",
                "sent",
                "delivered",
                "failed",
                "skipped",
                name="state",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("provider", sa.String(length=100), nullable=True),
        sa.Column("provider_ref", sa.String(length=200), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("attempts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("merged", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("address", sa.String(length=300), nullable=False),
        sa.Column("locale", sa.String(length=10), nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("sealed", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_notifications_delivery")),
        sa.UniqueConstraint(
            "tenant",
            "notification_id",
            "channel",
            name=op.f("uq_notifications_delivery_tenant_notification_id_channel"),
        ),
    )
    op.create_index(
        "ix_notifications_delivery_due",
        "notifications_delivery",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("status = 'queued'"),
    )
    op.create_index(
        op.f("ix_notifications_delivery_tenant_created_at"),
        "notifications_delivery",
        ["tenant", "created_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_notifications_delivery_tenant_provider_provider_ref"),
        "notifications_delivery",
        ["tenant", "provider", "provider_ref"],
        unique=False,
    )
    op.create_table(
        "notifications_rule",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("event_types", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "filter", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column("recipients", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("channels", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "priority",
            sa.Enum(
                "low", "normal", "high", "critical", name="priority", native_enum=False, length=32
            ),
            nullable=False,
        ),
        sa.Column("title", sa.String(length=300), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("action_url", sa.String(length=500), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_notifications_rule")),
    )
    op.create_table(
        "notifications_template",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("type_code", sa.String(length=80), nullable=False),
        sa.Column(
            "channel",
            sa.Enum(
                "in_app", "email", "sms", "whatsapp", name="channel", native_enum=False, length=32
            ),
            nullable=False,
        ),
        sa.Column("locale", sa.String(length=10), nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_notifications_template")),
        sa.UniqueConstraint(
            "tenant",
            "type_code",
            "channel",
            "locale",
            name=op.f("uq_notifications_template_tenant_type_code_channel_locale"),
        ),
    )
    op.create_table(
        "notifications_type",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=80), nullable=False),
        sa.Column(
            "default_channels",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            nullable=True,
        ),
        sa.Column(
            "priority",
            sa.Enum(
                "low", "normal", "high", "critical", name="priority", native_enum=False, length=32
            ),
            nullable=True,
        ),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_notifications_type")),
        sa.UniqueConstraint("tenant", "code", name=op.f("uq_notifications_type_tenant_code")),
    )
    op.create_table(
        "notifications_notification",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("type_code", sa.String(length=80), nullable=False),
        sa.Column(
            "priority",
            sa.Enum(
                "low", "normal", "high", "critical", name="priority", native_enum=False, length=32
            ),
            nullable=False,
        ),
        sa.Column("title", sa.String(length=300), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("action_url", sa.String(length=500), nullable=True),
        sa.Column("action_label", sa.String(length=100), nullable=True),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("is_read", sa.Boolean(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "user_id"],
            ["identity_user.tenant", "identity_user.id"],
            name=op.f("fk_notifications_notification_tenant_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_notifications_notification")),
        sa.UniqueConstraint(
            "tenant",
            "event_id",
            "type_code",
            "user_id",
            name=op.f("uq_notifications_notification_tenant_event_id_type_code_user_id"),
        ),
    )
    op.create_index(
        op.f("ix_notifications_notification_tenant_created_at"),
        "notifications_notification",
        ["tenant", "created_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_notifications_notification_tenant_user_id"),
        "notifications_notification",
        ["tenant", "user_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_notifications_notification_tenant_user_id_is_read_created_at"),
        "notifications_notification",
        ["tenant", "user_id", "is_read", "created_at"],
        unique=False,
    )
    op.create_table(
        "notifications_preference",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("type_code", sa.String(length=80), nullable=False),
        sa.Column(
            "channels", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column("quiet_from", sa.String(length=5), nullable=True),
        sa.Column("quiet_to", sa.String(length=5), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "user_id"],
            ["identity_user.tenant", "identity_user.id"],
            name=op.f("fk_notifications_preference_tenant_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_notifications_preference")),
        sa.UniqueConstraint(
            "tenant",
            "user_id",
            "type_code",
            name=op.f("uq_notifications_preference_tenant_user_id_type_code"),
        ),
    )
    op.create_index(
        op.f("ix_notifications_preference_tenant_user_id"),
        "notifications_preference",
        ["tenant", "user_id"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_index(
        op.f("ix_notifications_preference_tenant_user_id"), table_name="notifications_preference"
    )
    op.drop_table("notifications_preference")
    op.drop_index(
        op.f("ix_notifications_notification_tenant_user_id_is_read_created_at"),
        table_name="notifications_notification",
    )
    op.drop_index(
        op.f("ix_notifications_notification_tenant_user_id"),
        table_name="notifications_notification",
    )
    op.drop_index(
        op.f("ix_notifications_notification_tenant_created_at"),
        table_name="notifications_notification",
    )
    op.drop_table("notifications_notification")
    op.drop_table("notifications_type")
    op.drop_table("notifications_template")
    op.drop_table("notifications_rule")
    op.drop_index(
        op.f("ix_notifications_delivery_tenant_provider_provider_ref"),
        table_name="notifications_delivery",
    )
    op.drop_index(
        op.f("ix_notifications_delivery_tenant_created_at"), table_name="notifications_delivery"
    )
    op.drop_index(
        "ix_notifications_delivery_due",
        table_name="notifications_delivery",
        postgresql_where=sa.text("status = 'queued'"),
    )
    op.drop_table("notifications_delivery")
