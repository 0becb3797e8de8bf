"""Controls, commands, links between stations."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "scada_0003"
down_revision = "scada_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "scada_station_link",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("from_station_id", sa.Uuid(), nullable=False),
        sa.Column("to_station_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=True),
        sa.Column("max_transfer_kw", sa.Float(precision=53), nullable=True),
        sa.Column("loss_percent", sa.Float(precision=53), nullable=True),
        sa.Column(
            "status",
            sa.Enum("closed", "open", "fault", name="linkstatus", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "from_station_id"],
            ["scada_station.tenant", "scada_station.id"],
            name=op.f("fk_scada_station_link_tenant_from_station_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "to_station_id"],
            ["scada_station.tenant", "scada_station.id"],
            name=op.f("fk_scada_station_link_tenant_to_station_id"),
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_scada_station_link")),
    )
    op.create_index(
        op.f("ix_scada_station_link_tenant_from_station_id"),
        "scada_station_link",
        ["tenant", "from_station_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_scada_station_link_tenant_to_station_id"),
        "scada_station_link",
        ["tenant", "to_station_id"],
        unique=False,
    )
    op.create_table(
        "scada_control_point",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=50), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("station_id", sa.Uuid(), nullable=True),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("point_id", sa.Uuid(), nullable=False),
        sa.Column("feedback_point_id", sa.Uuid(), nullable=True),
        sa.Column(
            "control_type",
            sa.Enum("switch", "setpoint", name="controltype", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("allowed_values", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("requires_second_person", sa.Boolean(), nullable=False),
        sa.Column("select_before_operate", sa.Boolean(), nullable=False),
        sa.Column("timeout_seconds", sa.Integer(), nullable=False),
        sa.Column(
            "interlocks",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
        ),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "device_id"],
            ["scada_device.tenant", "scada_device.id"],
            name=op.f("fk_scada_control_point_tenant_device_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "feedback_point_id"],
            ["scada_point.tenant", "scada_point.id"],
            name=op.f("fk_scada_control_point_tenant_feedback_point_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "point_id"],
            ["scada_point.tenant", "scada_point.id"],
            name=op.f("fk_scada_control_point_tenant_point_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "station_id"],
            ["scada_station.tenant", "scada_station.id"],
            name=op.f("fk_scada_control_point_tenant_station_id"),
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_scada_control_point")),
        sa.UniqueConstraint("tenant", "code", name=op.f("uq_scada_control_point_tenant_code")),
        sa.UniqueConstraint(
            "tenant", "point_id", name=op.f("uq_scada_control_point_tenant_point_id")
        ),
    )
    op.create_index(
        op.f("ix_scada_control_point_tenant_device_id"),
        "scada_control_point",
        ["tenant", "device_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_scada_control_point_tenant_feedback_point_id"),
        "scada_control_point",
        ["tenant", "feedback_point_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_scada_control_point_tenant_point_id"),
        "scada_control_point",
        ["tenant", "point_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_scada_control_point_tenant_station_id"),
        "scada_control_point",
        ["tenant", "station_id"],
        unique=False,
    )
    op.create_table(
        "scada_command",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("control_point_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("meter_id", sa.Uuid(), nullable=True),
        sa.Column("command", sa.String(length=100), nullable=False),
        sa.Column("value", sa.Float(precision=53), nullable=False),
        sa.Column("parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "source",
            sa.Enum(
                "operator",
                "billing_system",
                "automation",
                "agent",
                "api",
                name="commandsource",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("is_test", sa.Boolean(), nullable=False),
        sa.Column("requested_by", sa.String(length=100), nullable=False),
        sa.Column("requested_by_name", sa.String(length=200), nullable=False),
        sa.Column("approved_by", sa.String(length=100), nullable=True),
        sa.Column("approved_by_name", sa.String(length=200), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "requested",
                "awaiting_approval",
                "queued",
                "sent",
                "confirmed",
                "failed",
                "timeout",
                "unknown",
                "expired",
                "rejected",
                "cancelled",
                name="commandstate",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("result", sa.String(length=100), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("idempotency_key", sa.String(length=200), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "control_point_id"],
            ["scada_control_point.tenant", "scada_control_point.id"],
            name=op.f("fk_scada_command_tenant_control_point_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "device_id"],
            ["scada_device.tenant", "scada_device.id"],
            name=op.f("fk_scada_command_tenant_device_id"),
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_scada_command")),
    )
    op.create_index(
        op.f("ix_scada_command_state_expires_at"),
        "scada_command",
        ["state", "expires_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_scada_command_tenant_control_point_id"),
        "scada_command",
        ["tenant", "control_point_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_scada_command_tenant_device_id"),
        "scada_command",
        ["tenant", "device_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_scada_command_tenant_requested_at"),
        "scada_command",
        ["tenant", "requested_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_scada_command_tenant_updated_at"),
        "scada_command",
        ["tenant", "updated_at"],
        unique=False,
    )
    op.create_index(
        "uq_scada_command_open",
        "scada_command",
        ["tenant", "control_point_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('requested', 'awaiting_approval', 'queued', 'sent')"),
    )
    op.create_table(
        "scada_command_entry",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("command_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "requested",
                "awaiting_approval",
                "queued",
                "sent",
                "confirmed",
                "failed",
                "timeout",
                "unknown",
                "expired",
                "rejected",
                "cancelled",
                name="commandstate",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "command_id"],
            ["scada_command.tenant", "scada_command.id"],
            name=op.f("fk_scada_command_entry_tenant_command_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_scada_command_entry")),
        sa.UniqueConstraint(
            "tenant",
            "command_id",
            "state",
            "at",
            name=op.f("uq_scada_command_entry_tenant_command_id_state_at"),
        ),
    )
    op.create_index(
        op.f("ix_scada_command_entry_tenant_command_id"),
        "scada_command_entry",
        ["tenant", "command_id"],
        unique=False,
    )
    op.add_column(
        "scada_point",
        sa.Column(
            "states", postgresql.JSONB(astext_type=sa.Text()), nullable=False, server_default="{}"
        ),
    )
    op.add_column("scada_station", sa.Column("manager_user_id", sa.Uuid(), nullable=True))
    op.add_column(
        "scada_station", sa.Column("status_changed_at", sa.DateTime(timezone=True), nullable=True)
    )


def downgrade() -> None:
    op.drop_column("scada_station", "status_changed_at")
    op.drop_column("scada_station", "manager_user_id")
    op.drop_column("scada_point", "states")
    op.drop_index(
        op.f("ix_scada_command_entry_tenant_command_id"), table_name="scada_command_entry"
    )
    op.drop_table("scada_command_entry")
    op.drop_index(
        "uq_scada_command_open",
        table_name="scada_command",
        postgresql_where=sa.text("state IN ('requested', 'awaiting_approval', 'queued', 'sent')"),
    )
    op.drop_index(op.f("ix_scada_command_tenant_updated_at"), table_name="scada_command")
    op.drop_index(op.f("ix_scada_command_tenant_requested_at"), table_name="scada_command")
    op.drop_index(op.f("ix_scada_command_tenant_device_id"), table_name="scada_command")
    op.drop_index(op.f("ix_scada_command_tenant_control_point_id"), table_name="scada_command")
    op.drop_index(op.f("ix_scada_command_state_expires_at"), table_name="scada_command")
    op.drop_table("scada_command")
    op.drop_index(
        op.f("ix_scada_control_point_tenant_station_id"), table_name="scada_control_point"
    )
    op.drop_index(op.f("ix_scada_control_point_tenant_point_id"), table_name="scada_control_point")
    op.drop_index(
        op.f("ix_scada_control_point_tenant_feedback_point_id"), table_name="scada_control_point"
    )
    op.drop_index(op.f("ix_scada_control_point_tenant_device_id"), table_name="scada_control_point")
    op.drop_table("scada_control_point")
    op.drop_index(
        op.f("ix_scada_station_link_tenant_to_station_id"), table_name="scada_station_link"
    )
    op.drop_index(
        op.f("ix_scada_station_link_tenant_from_station_id"), table_name="scada_station_link"
    )
    op.drop_table("scada_station_link")
