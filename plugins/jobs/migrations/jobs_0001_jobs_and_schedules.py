"""jobs and schedules."""

import sqlalchemy as sa
from alembic import op
from procrastinate.schema import SchemaManager
from sqlalchemy.dialects import postgresql

revision = "jobs_0001"
down_revision = None
branch_labels = ("jobs",)
depends_on = "hub_0004"


def _queue() -> None:
    """The workers' queue: procrastinate brings its own tables and functions as one script."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None  # noqa: S101  -- a migration runs on an open connection
    connection.execute(SchemaManager.get_schema())


def upgrade() -> None:
    _queue()
    op.create_table(
        "jobs_job",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("job_type", sa.String(length=64), nullable=False),
        sa.Column("parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("scheduled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "queue",
            sa.Enum(
                "critical", "default", "io", "heavy", name="queue", native_enum=False, length=32
            ),
            nullable=False,
        ),
        sa.Column(
            "status",
            sa.Enum(
                "pending",
                "scheduled",
                "running",
                "success",
                "failed",
                "cancelled",
                "dead",
                name="state",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("progress", sa.Integer(), nullable=False),
        sa.Column("progress_message", sa.String(length=300), nullable=True),
        sa.Column(
            "result", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("started_by", sa.String(length=120), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retry_count", sa.Integer(), nullable=False),
        sa.Column("dedupe_key", sa.String(length=200), nullable=True),
        sa.Column("cancel_asked", sa.Boolean(), nullable=False),
        sa.Column("schedule_id", sa.Uuid(), nullable=True),
        sa.Column("ticket", sa.BigInteger(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_jobs_job")),
    )
    op.create_index(
        op.f("ix_jobs_job_tenant_created_at"), "jobs_job", ["tenant", "created_at"], unique=False
    )
    op.create_index(
        "ix_jobs_job_ticket",
        "jobs_job",
        ["tenant", "queue"],
        unique=False,
        postgresql_where=sa.text("ticket IS NOT NULL"),
    )
    op.create_index(
        "ix_jobs_job_turn",
        "jobs_job",
        ["tenant", "queue", "priority", "scheduled_at"],
        unique=False,
        postgresql_where=sa.text("ticket IS NULL AND status IN ('pending', 'scheduled')"),
    )
    op.create_index(
        "uq_jobs_job_open_key",
        "jobs_job",
        ["tenant", "dedupe_key"],
        unique=True,
        postgresql_where=sa.text("status IN ('pending', 'scheduled', 'running')"),
    )
    op.create_table(
        "jobs_schedule",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=50), nullable=False),
        sa.Column("job_type", sa.String(length=64), nullable=False),
        sa.Column("parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("cron", sa.String(length=100), nullable=True),
        sa.Column("interval_seconds", sa.Integer(), nullable=True),
        sa.Column("timezone", sa.String(length=50), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("catch_up", sa.Boolean(), nullable=False),
        sa.Column("is_builtin", sa.Boolean(), nullable=False),
        sa.Column("last_run_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_run_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_job_id", sa.Uuid(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_jobs_schedule")),
        sa.UniqueConstraint("tenant", "code", name=op.f("uq_jobs_schedule_tenant_code")),
    )


def downgrade() -> None:
    op.drop_table("jobs_schedule")
    op.drop_index(
        "uq_jobs_job_open_key",
        table_name="jobs_job",
        postgresql_where=sa.text("status IN ('pending', 'scheduled', 'running')"),
    )
    op.drop_index(
        "ix_jobs_job_turn",
        table_name="jobs_job",
        postgresql_where=sa.text("ticket IS NULL AND status IN ('pending', 'scheduled')"),
    )
    op.drop_index(
        "ix_jobs_job_ticket", table_name="jobs_job", postgresql_where=sa.text("ticket IS NOT NULL")
    )
    op.drop_index(op.f("ix_jobs_job_tenant_created_at"), table_name="jobs_job")
    op.drop_table("jobs_job")
    op.execute("""
        DO $$ DECLARE made record; BEGIN
          DROP TABLE procrastinate_events, procrastinate_periodic_defers, procrastinate_jobs,
                     procrastinate_workers CASCADE;
          FOR made IN SELECT oid::regprocedure AS name FROM pg_proc
                       WHERE proname LIKE 'procrastinate%' LOOP
            EXECUTE format('DROP FUNCTION %s CASCADE', made.name);
          END LOOP;
          DROP TYPE procrastinate_job_to_defer_v1, procrastinate_job_event_type,
                    procrastinate_job_status CASCADE;
        END $$
    """)
