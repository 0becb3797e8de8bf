"""Tariffs and their versions; a published version is immutable."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "billing_0001"
down_revision = None
branch_labels = ("billing",)
depends_on = "identity_0001"

# A restrict_violation reaches the caller as a refusal, like every other constraint.
KEEP = """
CREATE FUNCTION billing_keep_published() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a published version of a tariff never changes'
    USING ERRCODE = 'restrict_violation', TABLE = 'billing_tariff_version';
END $$;
CREATE TRIGGER keep_published BEFORE UPDATE OR DELETE ON billing_tariff_version
  FOR EACH ROW WHEN (OLD.status IS NOT DISTINCT FROM 'published')
  EXECUTE FUNCTION billing_keep_published();
CREATE TRIGGER keep_published_all BEFORE TRUNCATE ON billing_tariff_version
  EXECUTE FUNCTION billing_keep_published();
CREATE FUNCTION billing_keep_currency() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM billing_tariff_version v
              WHERE v.tenant = OLD.tenant AND v.tariff_id = OLD.id AND v.status = 'published') THEN
    RAISE EXCEPTION 'the currency of published prices never changes'
      USING ERRCODE = 'restrict_violation', TABLE = 'billing_tariff';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER keep_currency BEFORE UPDATE OF currency ON billing_tariff
  FOR EACH ROW WHEN (OLD.currency IS DISTINCT FROM NEW.currency)
  EXECUTE FUNCTION billing_keep_currency();
"""


def upgrade() -> None:
    op.create_table(
        "billing_tariff",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=50), nullable=False),
        sa.Column("name_ar", sa.String(length=200), nullable=False),
        sa.Column("name_en", sa.String(length=200), nullable=True),
        sa.Column("customer_category", sa.String(length=100), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("reconnect_fee", sa.BigInteger(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_billing_tariff")),
        sa.UniqueConstraint("tenant", "code", name=op.f("uq_billing_tariff_tenant_code")),
    )
    op.create_table(
        "billing_tariff_version",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tariff_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("terms", postgresql.JSONB(), nullable=False),
        sa.Column(
            "status",
            sa.Enum("draft", "published", name="versionstatus", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("published_by", sa.String(length=100), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "tariff_id"],
            ["billing_tariff.tenant", "billing_tariff.id"],
            name=op.f("fk_billing_tariff_version_tenant_tariff_id"),
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_billing_tariff_version")),
        sa.UniqueConstraint(
            "tenant",
            "tariff_id",
            "number",
            name=op.f("uq_billing_tariff_version_tenant_tariff_id_number"),
        ),
    )
    op.create_index(
        op.f("ix_billing_tariff_version_tenant_tariff_id"),
        "billing_tariff_version",
        ["tenant", "tariff_id"],
        unique=False,
    )
    op.execute(KEEP)


def downgrade() -> None:
    op.drop_index(
        op.f("ix_billing_tariff_version_tenant_tariff_id"), table_name="billing_tariff_version"
    )
    op.drop_table("billing_tariff_version")
    op.drop_table("billing_tariff")
    op.execute("DROP FUNCTION billing_keep_published; DROP FUNCTION billing_keep_currency")
