"""Customers, places, meters, agreements and readings; nothing overlaps that must not."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "billing_0002"
down_revision = "billing_0001"
branch_labels = None
depends_on = None


# Exclusion constraints would need an extension that not every server has. Whoever links a meter or
# point waits for its row, so that of two at once the second sees the first.
ALONE = """
CREATE FUNCTION billing_installation_alone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM billing_meter WHERE tenant = NEW.tenant AND id = NEW.meter_id FOR NO KEY UPDATE;
  PERFORM FROM billing_service_point
    WHERE tenant = NEW.tenant AND id = NEW.service_point_id FOR NO KEY UPDATE;
  IF EXISTS (SELECT FROM billing_installation i
              WHERE i.tenant = NEW.tenant AND i.id <> NEW.id AND i.meter_id = NEW.meter_id
                AND tstzrange(i.since, i.until) && tstzrange(NEW.since, NEW.until)) THEN
    RAISE EXCEPTION 'the meter is installed somewhere at that time'
      USING ERRCODE = 'exclusion_violation', CONSTRAINT = 'billing_installation_meter';
  END IF;
  IF EXISTS (SELECT FROM billing_installation i
              WHERE i.tenant = NEW.tenant AND i.id <> NEW.id
                AND i.service_point_id = NEW.service_point_id
                AND tstzrange(i.since, i.until) && tstzrange(NEW.since, NEW.until)) THEN
    RAISE EXCEPTION 'another meter is installed there at that time'
      USING ERRCODE = 'exclusion_violation', CONSTRAINT = 'billing_installation_point';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER billing_installation_alone BEFORE INSERT OR UPDATE ON billing_installation
  FOR EACH ROW EXECUTE FUNCTION billing_installation_alone();

CREATE FUNCTION billing_agreement_alone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM billing_service_point
    WHERE tenant = NEW.tenant AND id = NEW.service_point_id FOR NO KEY UPDATE;
  IF EXISTS (SELECT FROM billing_agreement a
              WHERE a.tenant = NEW.tenant AND a.id <> NEW.id
                AND a.service_point_id = NEW.service_point_id
                AND daterange(a.since, a.until) && daterange(NEW.since, NEW.until)) THEN
    RAISE EXCEPTION 'another agreement is about this point at that time'
      USING ERRCODE = 'exclusion_violation', CONSTRAINT = 'billing_agreement_point';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER billing_agreement_alone BEFORE INSERT OR UPDATE ON billing_agreement
  FOR EACH ROW EXECUTE FUNCTION billing_agreement_alone();

-- A version of a reading keeps what it said; only whether it counts may change.
CREATE FUNCTION billing_reading_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND (NEW.installation_id, NEW.register, NEW.at, NEW.value, NEW.total,
       NEW.condition, NEW.version, NEW.source)
     IS NOT DISTINCT FROM (OLD.installation_id, OLD.register, OLD.at, OLD.value, OLD.total,
       OLD.condition, OLD.version, OLD.source) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'a reading never changes: correct it'
    USING ERRCODE = 'restrict_violation', CONSTRAINT = 'billing_reading_stays';
END $$;
CREATE TRIGGER billing_reading_stays BEFORE UPDATE OR DELETE ON billing_reading
  FOR EACH ROW EXECUTE FUNCTION billing_reading_stays();
"""


def upgrade() -> None:
    op.create_table(
        "billing_customer",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=50), nullable=False),
        sa.Column("name_ar", sa.String(length=200), nullable=False),
        sa.Column("name_en", sa.String(length=200), nullable=True),
        sa.Column("category", sa.String(length=100), nullable=False),
        sa.Column("phone", sa.String(length=50), nullable=True),
        sa.Column("email", sa.String(length=255), nullable=True),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("tax_no", sa.String(length=100), nullable=True),
        sa.Column("is_protected", sa.Boolean(), nullable=False),
        sa.Column(
            "status",
            sa.Enum("active", "closed", name="customerstatus", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_billing_customer")),
        sa.UniqueConstraint("code", "tenant", name=op.f("uq_billing_customer_code_tenant")),
    )
    op.create_table(
        "billing_intervals",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("installation_id", sa.Uuid(), nullable=False),
        sa.Column("register", sa.String(), nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("minutes", sa.SmallInteger(), nullable=False),
        sa.Column("energy", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant", "installation_id", "register", "start", name=op.f("pk_billing_intervals")
        ),
    )
    op.create_table(
        "billing_meter",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(length=50), nullable=False),
        sa.Column("external_id", sa.String(length=100), nullable=True),
        sa.Column("manufacturer", sa.String(length=100), nullable=False),
        sa.Column("model", sa.String(length=100), nullable=True),
        sa.Column(
            "payment_mode",
            sa.Enum("postpaid", "prepaid", name="paymentmode", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column(
            "status",
            sa.Enum(
                "in_stock", "installed", "retired", name="meterstatus", native_enum=False, length=32
            ),
            nullable=False,
        ),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_billing_meter")),
        sa.UniqueConstraint(
            "manufacturer",
            "external_id",
            "tenant",
            name=op.f("uq_billing_meter_manufacturer_external_id_tenant"),
        ),
        sa.UniqueConstraint("number", "tenant", name=op.f("uq_billing_meter_number_tenant")),
    )
    op.create_table(
        "billing_premise",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=50), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("region", sa.String(length=100), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_billing_premise")),
        sa.UniqueConstraint("code", "tenant", name=op.f("uq_billing_premise_code_tenant")),
    )
    op.create_table(
        "billing_account",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(length=50), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("cycle", sa.String(length=50), nullable=False),
        sa.Column("due_days", sa.Integer(), nullable=False),
        sa.Column(
            "status",
            sa.Enum("active", "closed", name="customerstatus", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "customer_id"],
            ["billing_customer.tenant", "billing_customer.id"],
            name=op.f("fk_billing_account_tenant_customer_id"),
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_billing_account")),
        sa.UniqueConstraint("number", "tenant", name=op.f("uq_billing_account_number_tenant")),
    )
    op.create_index(
        op.f("ix_billing_account_tenant_customer_id"),
        "billing_account",
        ["tenant", "customer_id"],
        unique=False,
    )
    op.create_table(
        "billing_register",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("meter_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.Column("capacity", sa.BigInteger(), nullable=True),
        sa.Column("address", sa.String(length=100), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("capacity > 0", name=op.f("ck_billing_register_capacity")),
        sa.ForeignKeyConstraint(
            ["tenant", "meter_id"],
            ["billing_meter.tenant", "billing_meter.id"],
            name=op.f("fk_billing_register_tenant_meter_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_billing_register")),
        sa.UniqueConstraint(
            "meter_id", "name", "tenant", name=op.f("uq_billing_register_meter_id_name_tenant")
        ),
    )
    op.create_index(
        op.f("ix_billing_register_tenant_meter_id"),
        "billing_register",
        ["tenant", "meter_id"],
        unique=False,
    )
    op.create_table(
        "billing_service_point",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=50), nullable=False),
        sa.Column("premise_id", sa.Uuid(), nullable=False),
        sa.Column("station_id", sa.Uuid(), nullable=True),
        sa.Column("amperes", sa.Integer(), nullable=False),
        sa.Column("va", sa.BigInteger(), nullable=False),
        sa.Column(
            "supply",
            sa.Enum("connected", "disconnected", name="supply", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("supply_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amperes >= 0 AND va >= 0", name=op.f("ck_billing_service_point_size")),
        sa.ForeignKeyConstraint(
            ["tenant", "premise_id"],
            ["billing_premise.tenant", "billing_premise.id"],
            name=op.f("fk_billing_service_point_tenant_premise_id"),
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_billing_service_point")),
        sa.UniqueConstraint("code", "tenant", name=op.f("uq_billing_service_point_code_tenant")),
    )
    op.create_index(
        op.f("ix_billing_service_point_tenant_premise_id"),
        "billing_service_point",
        ["tenant", "premise_id"],
        unique=False,
    )
    op.create_table(
        "billing_agreement",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("service_point_id", sa.Uuid(), nullable=False),
        sa.Column("tariff_id", sa.Uuid(), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("parked", sa.Text(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "until IS NULL OR until > since", name=op.f("ck_billing_agreement_span")
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "account_id"],
            ["billing_account.tenant", "billing_account.id"],
            name=op.f("fk_billing_agreement_tenant_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "service_point_id"],
            ["billing_service_point.tenant", "billing_service_point.id"],
            name=op.f("fk_billing_agreement_tenant_service_point_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "tariff_id"],
            ["billing_tariff.tenant", "billing_tariff.id"],
            name=op.f("fk_billing_agreement_tenant_tariff_id"),
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_billing_agreement")),
    )
    op.create_index(
        op.f("ix_billing_agreement_service_point_id_since_tenant"),
        "billing_agreement",
        ["service_point_id", "since", "tenant"],
        unique=False,
    )
    op.create_index(
        op.f("ix_billing_agreement_tenant_account_id"),
        "billing_agreement",
        ["tenant", "account_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_billing_agreement_tenant_service_point_id"),
        "billing_agreement",
        ["tenant", "service_point_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_billing_agreement_tenant_tariff_id"),
        "billing_agreement",
        ["tenant", "tariff_id"],
        unique=False,
    )
    op.create_table(
        "billing_installation",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("meter_id", sa.Uuid(), nullable=False),
        sa.Column("service_point_id", sa.Uuid(), nullable=False),
        sa.Column("multiplier", sa.Numeric(precision=18, scale=9), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(length=100), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("multiplier > 0", name=op.f("ck_billing_installation_multiplier")),
        sa.CheckConstraint(
            "until IS NULL OR until > since", name=op.f("ck_billing_installation_span")
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "meter_id"],
            ["billing_meter.tenant", "billing_meter.id"],
            name=op.f("fk_billing_installation_tenant_meter_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "service_point_id"],
            ["billing_service_point.tenant", "billing_service_point.id"],
            name=op.f("fk_billing_installation_tenant_service_point_id"),
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_billing_installation")),
    )
    op.create_index(
        op.f("ix_billing_installation_service_point_id_since_tenant"),
        "billing_installation",
        ["service_point_id", "since", "tenant"],
        unique=False,
    )
    op.create_index(
        op.f("ix_billing_installation_tenant_meter_id"),
        "billing_installation",
        ["tenant", "meter_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_billing_installation_tenant_service_point_id"),
        "billing_installation",
        ["tenant", "service_point_id"],
        unique=False,
    )
    op.create_table(
        "billing_reading",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("installation_id", sa.Uuid(), nullable=False),
        sa.Column("register", sa.String(length=50), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column(
            "reason",
            sa.Enum(
                "periodic",
                "install",
                "remove",
                "move_in",
                "move_out",
                "control",
                name="reason",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "condition",
            sa.Enum(
                "estimated",
                "substituted",
                "actual",
                "edited",
                name="condition",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "status",
            sa.Enum(
                "valid",
                "suspect",
                "rejected",
                "replaced",
                name="readingstatus",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("replaces_id", sa.Uuid(), nullable=True),
        sa.Column(
            "source",
            sa.Enum(
                "telemetry",
                "file",
                "person",
                "portal",
                "estimate",
                name="source",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("faults", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("rule", sa.String(length=100), nullable=True),
        sa.Column("taken_by", sa.String(length=100), nullable=True),
        sa.Column("note", sa.String(length=200), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "installation_id"],
            ["billing_installation.tenant", "billing_installation.id"],
            name=op.f("fk_billing_reading_tenant_installation_id"),
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_billing_reading")),
    )
    op.create_index(
        op.f("ix_billing_reading_tenant_installation_id"),
        "billing_reading",
        ["tenant", "installation_id"],
        unique=False,
    )
    op.create_index(
        "uq_billing_reading_live",
        "billing_reading",
        ["installation_id", "register", "at", "tenant"],
        unique=True,
        postgresql_where=sa.text("status IN ('valid', 'suspect')"),
    )
    op.execute(ALONE)


def downgrade() -> None:
    op.drop_index(
        "uq_billing_reading_live",
        table_name="billing_reading",
        postgresql_where=sa.text("status IN ('valid', 'suspect')"),
    )
    op.drop_index(op.f("ix_billing_reading_tenant_installation_id"), table_name="billing_reading")
    op.drop_table("billing_reading")
    op.drop_index(
        op.f("ix_billing_installation_tenant_service_point_id"), table_name="billing_installation"
    )
    op.drop_index(
        op.f("ix_billing_installation_tenant_meter_id"), table_name="billing_installation"
    )
    op.drop_index(
        op.f("ix_billing_installation_service_point_id_since_tenant"),
        table_name="billing_installation",
    )
    op.drop_table("billing_installation")
    op.drop_index(op.f("ix_billing_agreement_tenant_tariff_id"), table_name="billing_agreement")
    op.drop_index(
        op.f("ix_billing_agreement_tenant_service_point_id"), table_name="billing_agreement"
    )
    op.drop_index(op.f("ix_billing_agreement_tenant_account_id"), table_name="billing_agreement")
    op.drop_index(
        op.f("ix_billing_agreement_service_point_id_since_tenant"), table_name="billing_agreement"
    )
    op.drop_table("billing_agreement")
    op.drop_index(
        op.f("ix_billing_service_point_tenant_premise_id"), table_name="billing_service_point"
    )
    op.drop_table("billing_service_point")
    op.drop_index(op.f("ix_billing_register_tenant_meter_id"), table_name="billing_register")
    op.drop_table("billing_register")
    op.drop_index(op.f("ix_billing_account_tenant_customer_id"), table_name="billing_account")
    op.drop_table("billing_account")
    op.drop_table("billing_premise")
    op.drop_table("billing_meter")
    op.drop_table("billing_intervals")
    op.drop_table("billing_customer")
    op.execute(
        "DROP FUNCTION billing_installation_alone, billing_agreement_alone, billing_reading_stays"
    )
