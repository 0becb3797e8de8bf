"""Accounts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "identity_0001"
down_revision = None
branch_labels = ("identity",)
depends_on = "hub_0001"


def upgrade() -> None:
    op.create_table(
        "identity_attempt",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject_hash", sa.String(length=100), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("ip_address", sa.String(length=100), nullable=False),
        sa.Column("success", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=100), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_identity_attempt")),
    )
    op.create_index(
        op.f("ix_identity_attempt_subject_hash_created_at"),
        "identity_attempt",
        ["subject_hash", "created_at"],
        unique=False,
    )
    op.create_table(
        "identity_role",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=50), nullable=False),
        sa.Column("name_ar", sa.String(length=200), nullable=False),
        sa.Column("name_en", sa.String(length=200), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("is_system", sa.Boolean(), nullable=False),
        sa.Column("permissions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_identity_role")),
        sa.UniqueConstraint("tenant", "code", name=op.f("uq_identity_role_tenant_code")),
    )
    op.create_table(
        "identity_tenant",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=50), nullable=False),
        sa.Column("name_ar", sa.String(length=200), nullable=False),
        sa.Column("name_en", sa.String(length=200), nullable=True),
        sa.Column(
            "status",
            sa.Enum(
                "active", "suspended", "closed", name="tenantstatus", native_enum=False, length=32
            ),
            nullable=False,
        ),
        sa.Column("default_locale", sa.String(length=10), nullable=False),
        sa.Column("timezone", sa.String(length=50), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_identity_tenant")),
        sa.UniqueConstraint("code", name=op.f("uq_identity_tenant_code")),
    )
    op.create_table(
        "identity_user",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=255), nullable=False),
        sa.Column("username", sa.String(length=100), nullable=True),
        sa.Column("phone", sa.String(length=50), nullable=True),
        sa.Column("full_name", sa.String(length=200), nullable=True),
        sa.Column("locale", sa.String(length=10), nullable=False),
        sa.Column("timezone", sa.String(length=50), nullable=True),
        sa.Column(
            "user_type",
            sa.Enum("staff", "customer", "service", name="usertype", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("is_verified", sa.Boolean(), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("must_change_password", sa.Boolean(), nullable=False),
        sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("perm_version", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_identity_user")),
    )
    op.create_index(
        "uq_identity_user_email",
        "identity_user",
        ["tenant", sa.literal_column("lower(email)")],
        unique=True,
    )
    op.create_index(
        "uq_identity_user_username",
        "identity_user",
        ["tenant", sa.literal_column("lower(username)")],
        unique=True,
    )
    op.create_table(
        "identity_preferences",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("preferences", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "user_id"],
            ["identity_user.tenant", "identity_user.id"],
            name=op.f("fk_identity_preferences_tenant_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_identity_preferences")),
        sa.UniqueConstraint(
            "tenant", "user_id", name=op.f("uq_identity_preferences_tenant_user_id")
        ),
    )
    op.create_index(
        op.f("ix_identity_preferences_tenant_user_id"),
        "identity_preferences",
        ["tenant", "user_id"],
        unique=False,
    )
    op.create_table(
        "identity_session",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("refresh_hash", sa.String(length=100), nullable=False),
        sa.Column("previous_hash", sa.String(length=100), nullable=True),
        sa.Column("rotated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("remember", sa.Boolean(), nullable=False),
        sa.Column("ip_address", sa.String(length=100), nullable=True),
        sa.Column("user_agent", sa.Text(), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoke_reason", sa.String(length=100), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "user_id"],
            ["identity_user.tenant", "identity_user.id"],
            name=op.f("fk_identity_session_tenant_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_identity_session")),
    )
    op.create_index(
        op.f("ix_identity_session_tenant_user_id"),
        "identity_session",
        ["tenant", "user_id"],
        unique=False,
    )
    op.create_table(
        "identity_user_role",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role_id", sa.Uuid(), nullable=False),
        sa.Column("granted_by", sa.String(length=100), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "role_id"],
            ["identity_role.tenant", "identity_role.id"],
            name=op.f("fk_identity_user_role_tenant_role_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "user_id"],
            ["identity_user.tenant", "identity_user.id"],
            name=op.f("fk_identity_user_role_tenant_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_identity_user_role")),
        sa.UniqueConstraint(
            "tenant",
            "user_id",
            "role_id",
            name=op.f("uq_identity_user_role_tenant_user_id_role_id"),
        ),
    )
    op.create_index(
        op.f("ix_identity_user_role_tenant_role_id"),
        "identity_user_role",
        ["tenant", "role_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_identity_user_role_tenant_user_id"),
        "identity_user_role",
        ["tenant", "user_id"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_identity_user_role_tenant_user_id"), table_name="identity_user_role")
    op.drop_index(op.f("ix_identity_user_role_tenant_role_id"), table_name="identity_user_role")
    op.drop_table("identity_user_role")
    op.drop_index(op.f("ix_identity_session_tenant_user_id"), table_name="identity_session")
    op.drop_table("identity_session")
    op.drop_index(op.f("ix_identity_preferences_tenant_user_id"), table_name="identity_preferences")
    op.drop_table("identity_preferences")
    op.drop_index("uq_identity_user_username", table_name="identity_user")
    op.drop_index("uq_identity_user_email", table_name="identity_user")
    op.drop_table("identity_user")
    op.drop_table("identity_tenant")
    op.drop_table("identity_role")
    op.drop_index(
        op.f("ix_identity_attempt_subject_hash_created_at"), table_name="identity_attempt"
    )
    op.drop_table("identity_attempt")
