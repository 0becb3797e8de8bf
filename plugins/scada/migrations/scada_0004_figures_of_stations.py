"""Figures of stations, and what devices count in them."""

import sqlalchemy as sa
from alembic import op

revision = "scada_0004"
down_revision = "scada_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "scada_device",
        sa.Column(
            "station_role",
            sa.Enum(
                "incomer",
                "feeder",
                "generation",
                "customer",
                name="stationrole",
                native_enum=False,
                length=32,
            ),
            nullable=True,
        ),
    )
    op.add_column("scada_station", sa.Column("load_kw", sa.Float(precision=53), nullable=True))
    op.add_column(
        "scada_station", sa.Column("overload_since", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column(
        "scada_station",
        sa.Column("is_overloaded", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column(
        "scada_station", sa.Column("outage_since", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column(
        "scada_station",
        sa.Column("is_out", sa.Boolean(), nullable=False, server_default=sa.false()),
    )


def downgrade() -> None:
    op.drop_column("scada_station", "is_out")
    op.drop_column("scada_station", "outage_since")
    op.drop_column("scada_station", "is_overloaded")
    op.drop_column("scada_station", "overload_since")
    op.drop_column("scada_station", "load_kw")
    op.drop_column("scada_device", "station_role")
