"""settings flags figures."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "admin_0001"
down_revision = None
branch_labels = ("admin",)
depends_on = ("identity_0002", "jobs_0001", "events_0001")

USERS = """
CREATE VIEW admin_user WITH (security_invoker = true) AS
SELECT u.tenant, u.id, u.revision, u.created_at, u.updated_at, u.email, u.username, u.full_name,
       u.user_type, u.is_active, u.is_verified, u.locked_until, u.must_change_password,
       u.last_login_at,
       coalesce((SELECT jsonb_agg(r.code ORDER BY r.code) FROM identity_user_role l
                   JOIN identity_role r ON r.tenant = l.tenant AND r.id = l.role_id
                  WHERE l.tenant = u.tenant AND l.user_id = u.id), '[]') AS roles,
       (SELECT count(*) FROM identity_session s WHERE s.tenant = u.tenant AND s.user_id = u.id
           AND s.revoked_at IS NULL AND s.expires_at > now())::int AS active_sessions
  FROM identity_user u WHERE u.deleted_at IS NULL
"""
SESSIONS = """
CREATE VIEW admin_session WITH (security_invoker = true) AS
SELECT s.tenant, s.id, s.revision, s.created_at, s.updated_at, s.user_id, u.email, s.ip_address,
       s.user_agent, s.remember, s.last_used_at, s.expires_at
  FROM identity_session s
  JOIN identity_user u ON u.tenant = s.tenant AND u.id = s.user_id
 WHERE s.revoked_at IS NULL AND s.expires_at > now()
"""
RESETS = """
CREATE VIEW admin_reset_request WITH (security_invoker = true) AS
SELECT o.tenant, o.id, o.revision, o.created_at, o.updated_at, o.user_id, u.email, o.purpose,
       o.ip_address, o.expires_at, o.used_at
  FROM identity_one_time o
  JOIN identity_user u ON u.tenant = o.tenant AND u.id = o.user_id
 WHERE o.purpose IN ('reset', 'invite')
"""
# A row of the audit has a number: its id here is that number, written as a UUID.
AUDIT = """
CREATE VIEW admin_audit WITH (security_invoker = true) AS
SELECT a.tenant, lpad(to_hex(a.id), 32, '0')::uuid AS id, 1 AS revision, a.at AS created_at,
       a.at AS updated_at, a.actor, a.actor_kind, a.action, a."table" AS resource_type,
       a.row AS resource_id, a.change, a.request_id, a.ip AS ip_address
  FROM hub_audit a
"""
OPERATIONS = """
CREATE VIEW admin_operation WITH (security_invoker = true) AS
SELECT j.tenant, j.id, 1 AS revision, j.created_at, j.updated_at, 'job' AS kind,
       j.job_type::varchar AS name, j.status::varchar AS status,
       coalesce(j.error, j.progress_message) AS message, j.started_by,
       (extract(epoch FROM j.finished_at - j.started_at) * 1000)::bigint AS duration_ms
  FROM jobs_job j
UNION ALL
SELECT a.tenant, a.id, 1, a.started_at, a.started_at, 'event', a.subscriber, a.status, a.error,
       NULL, a.duration_ms::bigint
  FROM hub_attempt a
UNION ALL
SELECT w.tenant, w.id, 1, w.created_at, w.updated_at, 'webhook', e.name,
       CASE WHEN w.response_status BETWEEN 200 AND 299 THEN 'success' ELSE 'failed' END, w.error,
       NULL, w.duration_ms::bigint
  FROM events_attempt w
  JOIN events_endpoint e ON e.tenant = w.tenant AND e.id = w.endpoint_id
"""
VIEWS = {
    "admin_user": USERS,
    "admin_session": SESSIONS,
    "admin_reset_request": RESETS,
    "admin_audit": AUDIT,
    "admin_operation": OPERATIONS,
}


def upgrade() -> None:
    for view in VIEWS.values():
        op.execute(view)
    op.create_table(
        "admin_daily_statistic",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("stat_date", sa.Date(), nullable=False),
        sa.Column("metric", sa.String(length=100), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_admin_daily_statistic")),
        sa.UniqueConstraint(
            "tenant",
            "stat_date",
            "metric",
            name=op.f("uq_admin_daily_statistic_tenant_stat_date_metric"),
        ),
    )
    op.create_table(
        "admin_flag",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=50), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("users", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("roles", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_admin_flag")),
        sa.UniqueConstraint("tenant", "code", name=op.f("uq_admin_flag_tenant_code")),
    )
    op.create_table(
        "admin_setting",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("plugin", sa.String(length=100), nullable=False),
        sa.Column("key", sa.String(length=150), nullable=False),
        sa.Column("value", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("updated_by", sa.String(length=100), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_admin_setting")),
        sa.UniqueConstraint(
            "tenant", "plugin", "key", name=op.f("uq_admin_setting_tenant_plugin_key")
        ),
    )


def downgrade() -> None:
    for name in VIEWS:
        op.execute(f"DROP VIEW {name}")
    op.drop_table("admin_setting")
    op.drop_table("admin_flag")
    op.drop_table("admin_daily_statistic")
