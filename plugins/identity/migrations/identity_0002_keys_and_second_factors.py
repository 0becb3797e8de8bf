"""Keys, one-time tokens, second factors, grants."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "identity_0002"
down_revision = "identity_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "identity_api_key",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("key_prefix", sa.String(length=100), nullable=False),
        sa.Column("key_hash", sa.String(length=100), nullable=False),
        sa.Column("previous_hash", sa.String(length=100), nullable=True),
        sa.Column("previous_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("scopes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("allowed_ips", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("allowed_origins", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("rate_limit_per_minute", sa.Integer(), nullable=False),
        sa.Column("rate_limit_per_hour", sa.Integer(), nullable=True),
        sa.Column("rate_limit_per_day", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("usage_count", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=100), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_by", sa.String(length=100), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_identity_api_key")),
    )
    op.create_index(
        op.f("ix_identity_api_key_key_hash"), "identity_api_key", ["key_hash"], unique=False
    )
    op.create_index(
        op.f("ix_identity_api_key_previous_hash"),
        "identity_api_key",
        ["previous_hash"],
        unique=False,
    )
    op.create_table(
        "identity_grant",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("pattern", sa.String(length=200), nullable=False),
        sa.Column("granted_by", sa.String(length=100), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "user_id"],
            ["identity_user.tenant", "identity_user.id"],
            name=op.f("fk_identity_grant_tenant_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_identity_grant")),
    )
    op.create_index(
        op.f("ix_identity_grant_tenant_user_id"),
        "identity_grant",
        ["tenant", "user_id"],
        unique=False,
    )
    op.create_table(
        "identity_key_use",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "key_id"],
            ["identity_api_key.tenant", "identity_api_key.id"],
            name=op.f("fk_identity_key_use_tenant_key_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_identity_key_use")),
        sa.UniqueConstraint(
            "tenant", "key_id", "hour", name=op.f("uq_identity_key_use_tenant_key_id_hour")
        ),
    )
    op.create_index(
        op.f("ix_identity_key_use_tenant_key_id"),
        "identity_key_use",
        ["tenant", "key_id"],
        unique=False,
    )
    op.create_table(
        "identity_oauth",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(length=100), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("email", sa.String(length=255), nullable=True),
        sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "user_id"],
            ["identity_user.tenant", "identity_user.id"],
            name=op.f("fk_identity_oauth_tenant_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_identity_oauth")),
        sa.UniqueConstraint("provider", "subject", name=op.f("uq_identity_oauth_provider_subject")),
    )
    op.create_index(
        op.f("ix_identity_oauth_tenant_user_id"),
        "identity_oauth",
        ["tenant", "user_id"],
        unique=False,
    )
    op.create_table(
        "identity_old_password",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "user_id"],
            ["identity_user.tenant", "identity_user.id"],
            name=op.f("fk_identity_old_password_tenant_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_identity_old_password")),
    )
    op.create_index(
        op.f("ix_identity_old_password_tenant_user_id"),
        "identity_old_password",
        ["tenant", "user_id"],
        unique=False,
    )
    op.create_table(
        "identity_one_time",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column(
            "purpose",
            sa.Enum("reset", "invite", "email", name="purpose", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("token_hash", sa.String(length=100), nullable=False),
        sa.Column("email", sa.String(length=255), nullable=True),
        sa.Column("ip_address", sa.String(length=100), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "user_id"],
            ["identity_user.tenant", "identity_user.id"],
            name=op.f("fk_identity_one_time_tenant_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_identity_one_time")),
    )
    op.create_index(
        op.f("ix_identity_one_time_tenant_user_id"),
        "identity_one_time",
        ["tenant", "user_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_identity_one_time_token_hash"), "identity_one_time", ["token_hash"], unique=False
    )
    op.create_table(
        "identity_totp",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("recovery_hashes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "user_id"],
            ["identity_user.tenant", "identity_user.id"],
            name=op.f("fk_identity_totp_tenant_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_identity_totp")),
        sa.UniqueConstraint("tenant", "user_id", name=op.f("uq_identity_totp_tenant_user_id")),
    )
    op.create_index(
        op.f("ix_identity_totp_tenant_user_id"),
        "identity_totp",
        ["tenant", "user_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_identity_attempt_ip_address_created_at"),
        "identity_attempt",
        ["ip_address", "created_at"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_identity_attempt_ip_address_created_at"), table_name="identity_attempt")
    op.drop_index(op.f("ix_identity_totp_tenant_user_id"), table_name="identity_totp")
    op.drop_table("identity_totp")
    op.drop_index(op.f("ix_identity_one_time_token_hash"), table_name="identity_one_time")
    op.drop_index(op.f("ix_identity_one_time_tenant_user_id"), table_name="identity_one_time")
    op.drop_table("identity_one_time")
    op.drop_index(
        op.f("ix_identity_old_password_tenant_user_id"), table_name="identity_old_password"
    )
    op.drop_table("identity_old_password")
    op.drop_index(op.f("ix_identity_oauth_tenant_user_id"), table_name="identity_oauth")
    op.drop_table("identity_oauth")
    op.drop_index(op.f("ix_identity_key_use_tenant_key_id"), table_name="identity_key_use")
    op.drop_table("identity_key_use")
    op.drop_index(op.f("ix_identity_grant_tenant_user_id"), table_name="identity_grant")
    op.drop_table("identity_grant")
    op.drop_index(op.f("ix_identity_api_key_previous_hash"), table_name="identity_api_key")
    op.drop_index(op.f("ix_identity_api_key_key_hash"), table_name="identity_api_key")
    op.drop_table("identity_api_key")
