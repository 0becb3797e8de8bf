"""Connections to field devices."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "scada_0006"
down_revision = "scada_0005"
branch_labels = None
depends_on = None


def _words(*words: str, name: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, length=32)


def upgrade() -> None:
    kinds = ("modbus", "dnp3", "iec61850", "mqtt", "sts", "http", "acrel_http")
    op.create_table(
        "scada_protocol",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("protocol_type", _words(*kinds, name="protocoltype"), nullable=False),
        sa.Column("host", sa.String(length=100), nullable=True),
        sa.Column("port", sa.Integer(), nullable=True),
        sa.Column("settings", JSONB(), nullable=False),
        sa.Column(
            "auth_type",
            _words("none", "basic", "certificate", "token", name="authtype"),
            nullable=False,
        ),
        sa.Column("credentials", sa.Text(), nullable=True),
        sa.Column("gateway_id", sa.Uuid(), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("last_connected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "connection_status",
            _words("unknown", "connected", "failed", name="connectionstatus"),
            nullable=False,
        ),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_scada_protocol")),
    )
    op.add_column("scada_device", sa.Column("protocol_id", sa.Uuid(), nullable=True))
    op.create_index(
        op.f("ix_scada_device_tenant_protocol_id"), "scada_device", ["tenant", "protocol_id"]
    )
    op.create_foreign_key(
        op.f("fk_scada_device_tenant_scada_protocol"),
        "scada_device",
        "scada_protocol",
        ["tenant", "protocol_id"],
        ["tenant", "id"],
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_scada_device_tenant_protocol_id"), "scada_device")
    op.drop_constraint(op.f("fk_scada_device_tenant_scada_protocol"), "scada_device")
    op.drop_column("scada_device", "protocol_id")
    op.drop_table("scada_protocol")
