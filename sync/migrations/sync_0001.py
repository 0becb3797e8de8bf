"""Gateways, how far each of them is, and the readings with their roll-ups."""

from alembic import op

revision = "sync_0001"
down_revision = None
branch_labels = ("sync",)
depends_on = None

LEVELS = ("1m", "15m", "1h", "1d")

TABLES = """
CREATE TABLE sync_gateway (
    id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE,
    owner uuid,
    key_hash bytea NOT NULL UNIQUE,
    enabled boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz
);
CREATE TABLE sync_cursor (
    gateway uuid NOT NULL REFERENCES sync_gateway ON DELETE CASCADE,
    epoch uuid NOT NULL,
    stream text NOT NULL,
    watermark bigint NOT NULL DEFAULT 0,
    hash bytea NOT NULL,
    catalogue bigint NOT NULL DEFAULT 0,
    readings bigint NOT NULL DEFAULT 0,
    duplicates bigint NOT NULL DEFAULT 0,
    newest timestamptz,
    began_at timestamptz NOT NULL DEFAULT now(),
    moved_at timestamptz,
    PRIMARY KEY (gateway, epoch, stream)
);
CREATE TABLE sync_point (
    gateway uuid NOT NULL REFERENCES sync_gateway ON DELETE CASCADE,
    epoch uuid NOT NULL,
    local_id integer NOT NULL,
    series integer NOT NULL,
    device text NOT NULL,
    name text NOT NULL,
    every double precision,
    PRIMARY KEY (gateway, epoch, local_id)
);
CREATE INDEX sync_point_series ON sync_point (series);
CREATE TABLE sync_gap (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gateway uuid NOT NULL REFERENCES sync_gateway ON DELETE CASCADE,
    epoch uuid NOT NULL,
    device text NOT NULL,
    cause text NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz,
    lost bigint NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX sync_gap_range ON sync_gap (gateway, since);
CREATE TABLE sync_note (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gateway uuid NOT NULL REFERENCES sync_gateway ON DELETE CASCADE,
    at timestamptz NOT NULL,
    level text NOT NULL,
    code text NOT NULL,
    message text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX sync_note_at ON sync_note (gateway, at);
CREATE TABLE sync_command_result (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gateway uuid NOT NULL REFERENCES sync_gateway ON DELETE CASCADE,
    command text NOT NULL,
    point text NOT NULL,
    actor text NOT NULL,
    outcome text NOT NULL,
    detail text NOT NULL,
    at timestamptz NOT NULL
);
CREATE TABLE point_latest (
    point_id integer PRIMARY KEY,
    time timestamptz NOT NULL,
    value double precision NOT NULL,
    quality smallint NOT NULL,
    text text
) WITH (fillfactor = 50);
CREATE TABLE reading_text (
    point_id integer NOT NULL,
    time timestamptz NOT NULL,
    value text NOT NULL
);
CREATE INDEX reading_text_point_time ON reading_text (point_id, time);
CREATE TABLE rollup_mark (
    gateway uuid NOT NULL,
    minute timestamptz NOT NULL,
    PRIMARY KEY (gateway, minute)
);
"""

READING = """
CREATE TABLE reading (
    point_id integer NOT NULL,
    time timestamptz NOT NULL,
    value double precision NOT NULL,
    quality smallint NOT NULL
)
"""

ROLLUP = """
CREATE TABLE reading_{level} (
    point_id integer NOT NULL,
    t timestamptz NOT NULL,
    n integer NOT NULL,
    s double precision NOT NULL,
    lo double precision NOT NULL,
    hi double precision NOT NULL,
    fst double precision NOT NULL,
    lst double precision NOT NULL,
    rise double precision NOT NULL,
    PRIMARY KEY (point_id, t)
)
"""

TIMESCALE_LOADED = """
SELECT count(*) FROM pg_available_extensions
 WHERE name = 'timescaledb'
   AND position('timescaledb' IN current_setting('shared_preload_libraries')) > 0
"""


def upgrade() -> None:
    for statement in filter(str.strip, TABLES.split(";")):
        op.execute(statement)
    for level in LEVELS:
        op.execute(ROLLUP.format(level=level))
    if op.get_bind().exec_driver_sql(TIMESCALE_LOADED).scalar():
        op.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
        op.execute(READING)
        op.execute(
            "SELECT create_hypertable('reading', 'time',"
            " chunk_time_interval => interval '1 day', create_default_indexes => false)"
        )
    else:
        op.execute(READING + "PARTITION BY RANGE (time)")
        op.execute("CREATE TABLE reading_other PARTITION OF reading DEFAULT")
        op.execute("CREATE INDEX reading_time ON reading USING brin (time)")
    op.execute("CREATE INDEX reading_point_time ON reading (point_id, time)")


def downgrade() -> None:
    for level in LEVELS:
        op.execute(f"DROP TABLE reading_{level}")
    for table in (
        "reading", "rollup_mark", "reading_text", "point_latest", "sync_command_result",
        "sync_note", "sync_gap", "sync_point", "sync_cursor", "sync_gateway",
    ):  # fmt: skip
        op.execute(f"DROP TABLE {table}")
