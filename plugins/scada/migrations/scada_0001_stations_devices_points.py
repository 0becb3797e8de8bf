"""Stations, devices, points."""

import sqlalchemy as sa
from alembic import op

revision = "scada_0001"
down_revision = None
branch_labels = ("scada",)
depends_on = "hub_0001"


def upgrade() -> None:
    op.create_table(
        "scada_station",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=50), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("name_ar", sa.String(length=200), nullable=True),
        sa.Column("name_en", sa.String(length=200), nullable=True),
        sa.Column(
            "station_type",
            sa.Enum(
                "generation",
                "substation",
                "solar",
                "distribution",
                "mixed",
                name="stationtype",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("capacity_kw", sa.Float(precision=53), nullable=True),
        sa.Column("latitude", sa.Float(precision=53), nullable=True),
        sa.Column("longitude", sa.Float(precision=53), nullable=True),
        sa.Column("region", sa.String(length=100), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "online",
                "degraded",
                "offline",
                "maintenance",
                "unknown",
                name="state",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_scada_station")),
        sa.UniqueConstraint("tenant", "code", name=op.f("uq_scada_station_tenant_code")),
    )
    op.create_table(
        "scada_device",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=50), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column(
            "device_type",
            sa.Enum(
                "rtu",
                "plc",
                "ied",
                "meter",
                "inverter",
                "breaker",
                "sensor",
                "gateway",
                "other",
                name="devicetype",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("station_id", sa.Uuid(), nullable=True),
        sa.Column("gateway_id", sa.Uuid(), nullable=True),
        sa.Column("source_name", sa.String(length=200), nullable=True),
        sa.Column("driver", sa.String(length=100), nullable=True),
        sa.Column("profile_code", sa.String(length=100), nullable=True),
        sa.Column("manufacturer", sa.String(length=100), nullable=True),
        sa.Column("model", sa.String(length=100), nullable=True),
        sa.Column("serial_no", sa.String(length=100), nullable=True),
        sa.Column("firmware_version", sa.String(length=100), nullable=True),
        sa.Column("external_id", sa.String(length=100), nullable=True),
        sa.Column(
            "status",
            sa.Enum(
                "online",
                "degraded",
                "offline",
                "maintenance",
                "unknown",
                name="state",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("status_reason", sa.Text(), nullable=True),
        sa.Column("status_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "station_id"],
            ["scada_station.tenant", "scada_station.id"],
            name=op.f("fk_scada_device_tenant_station_id"),
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_scada_device")),
        sa.UniqueConstraint("tenant", "code", name=op.f("uq_scada_device_tenant_code")),
        sa.UniqueConstraint(
            "tenant",
            "gateway_id",
            "source_name",
            name=op.f("uq_scada_device_tenant_gateway_id_source_name"),
        ),
    )
    op.create_index(
        op.f("ix_scada_device_tenant_station_id"),
        "scada_device",
        ["tenant", "station_id"],
        unique=False,
    )
    op.create_table(
        "scada_point",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column(
            "point_type",
            sa.Enum(
                "analog_input",
                "analog_output",
                "binary_input",
                "binary_output",
                "counter",
                "string",
                name="pointtype",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("address", sa.String(length=100), nullable=False),
        sa.Column("data_type", sa.String(length=100), nullable=False),
        sa.Column("byte_order", sa.String(length=100), nullable=False),
        sa.Column("word_order", sa.String(length=100), nullable=False),
        sa.Column("measurement", sa.String(length=100), nullable=True),
        sa.Column("unit", sa.String(length=100), nullable=True),
        sa.Column("scale_factor", sa.Float(precision=53), nullable=False),
        sa.Column("value_offset", sa.Float(precision=53), nullable=False),
        sa.Column("low_limit", sa.Float(precision=53), nullable=True),
        sa.Column("high_limit", sa.Float(precision=53), nullable=True),
        sa.Column("alarm_low", sa.Float(precision=53), nullable=True),
        sa.Column("alarm_high", sa.Float(precision=53), nullable=True),
        sa.Column("deadband", sa.Float(precision=53), nullable=False),
        sa.Column("normal_state", sa.Integer(), nullable=True),
        sa.Column("scan_rate_ms", sa.Integer(), nullable=True),
        sa.Column("is_switch", sa.Boolean(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("series", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "device_id"],
            ["scada_device.tenant", "scada_device.id"],
            name=op.f("fk_scada_point_tenant_device_id"),
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_scada_point")),
        sa.UniqueConstraint("series", name=op.f("uq_scada_point_series")),
        sa.UniqueConstraint(
            "tenant", "device_id", "name", name=op.f("uq_scada_point_tenant_device_id_name")
        ),
    )
    op.create_index(
        op.f("ix_scada_point_tenant_device_id"),
        "scada_point",
        ["tenant", "device_id"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_scada_point_tenant_device_id"), table_name="scada_point")
    op.drop_table("scada_point")
    op.drop_index(op.f("ix_scada_device_tenant_station_id"), table_name="scada_device")
    op.drop_table("scada_device")
    op.drop_table("scada_station")
