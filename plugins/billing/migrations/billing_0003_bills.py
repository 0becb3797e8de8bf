"""Bill runs and invoices; what was issued never changes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "billing_0003"
down_revision = "billing_0002"
branch_labels = None
depends_on = None


# A bill keeps all that it said. Payments and cancelling leave marks, and a cancelled one stays so.
KEEP = """
CREATE FUNCTION billing_invoice_stays() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  marks text[] := '{status,paid,cancelled_at,cancel_reason,revision,updated_at}';
BEGIN
  IF TG_OP = 'UPDATE' AND OLD.status <> 'cancelled'
     AND to_jsonb(NEW) - marks IS NOT DISTINCT FROM to_jsonb(OLD) - marks THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'invoice % was issued: cancel it or write a note', OLD.invoice_no
    USING ERRCODE = 'restrict_violation', CONSTRAINT = 'billing_invoice_stays';
END $$;
CREATE TRIGGER billing_invoice_stays BEFORE UPDATE OR DELETE ON billing_invoice
  FOR EACH ROW EXECUTE FUNCTION billing_invoice_stays();

CREATE FUNCTION billing_numbers_rise() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.last >= OLD.last AND NEW.last_day >= OLD.last_day THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'the numbers of % only go up', OLD.series
    USING ERRCODE = 'restrict_violation', CONSTRAINT = 'billing_numbers_rise';
END $$;
CREATE TRIGGER billing_numbers_rise BEFORE UPDATE OR DELETE ON billing_numbers
  FOR EACH ROW EXECUTE FUNCTION billing_numbers_rise();
"""


def upgrade() -> None:
    op.create_table(
        "billing_invoice",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("invoice_no", sa.String(length=100), nullable=False),
        sa.Column("series", sa.String(length=20), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "consumption",
                "fee",
                "credit_note",
                "debit_note",
                name="invoicekind",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("agreement_id", sa.Uuid(), nullable=True),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("corrects_id", sa.Uuid(), nullable=True),
        sa.Column("tariff_id", sa.Uuid(), nullable=True),
        sa.Column("period_start", sa.Date(), nullable=True),
        sa.Column("period_end", sa.Date(), nullable=True),
        sa.Column("issue_date", sa.Date(), nullable=False),
        sa.Column("due_date", sa.Date(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("net", sa.BigInteger(), nullable=False),
        sa.Column("tax", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("paid", sa.BigInteger(), nullable=False),
        sa.Column("estimated", sa.Boolean(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "issued",
                "partially_paid",
                "paid",
                "cancelled",
                name="invoicestatus",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_reason", sa.Text(), nullable=True),
        sa.Column("readings", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("statement", postgresql.JSONB(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("net + tax = total", name=op.f("ck_billing_invoice_sum")),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_billing_invoice")),
        sa.UniqueConstraint(
            "series", "number", "tenant", name=op.f("uq_billing_invoice_series_number_tenant")
        ),
    )
    op.create_index(
        "ix_billing_invoice_account",
        "billing_invoice",
        ["account_id", "due_date", "tenant"],
        unique=False,
    )
    op.create_index(
        "ix_billing_invoice_open",
        "billing_invoice",
        ["due_date", "tenant"],
        unique=False,
        postgresql_where=sa.text("status IN ('issued', 'partially_paid')"),
    )
    op.create_index("ix_billing_invoice_run", "billing_invoice", ["run_id", "tenant"], unique=False)
    op.create_index(
        "uq_billing_invoice_period",
        "billing_invoice",
        ["agreement_id", "period_start", "tenant"],
        unique=True,
        postgresql_where=sa.text("kind = 'consumption' AND status <> 'cancelled'"),
    )
    op.create_table(
        "billing_numbers",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("series", sa.String(length=20), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "series", name=op.f("pk_billing_numbers")),
    )
    op.create_table(
        "billing_run",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("cycle", sa.String(length=50), nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.Column("issue_date", sa.Date(), nullable=False),
        sa.Column("window_days", sa.Integer(), nullable=False),
        sa.Column("high", sa.Integer(), nullable=False),
        sa.Column("low", sa.Integer(), nullable=False),
        sa.Column("estimate", sa.Boolean(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "selected",
                "calculated",
                "approved",
                "issued",
                "abandoned",
                name="runstatus",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("window_days BETWEEN 0 AND 62", name=op.f("ck_billing_run_window")),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_billing_run")),
    )
    op.create_table(
        "billing_run_item",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("code", sa.String(length=30), nullable=True),
        sa.Column("why", sa.String(length=500), nullable=True),
        sa.Column("total", sa.BigInteger(), nullable=True),
        sa.Column("bill", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "run_id", "place", name=op.f("pk_billing_run_item")),
    )
    op.create_index(
        "ix_billing_run_item_agreement",
        "billing_run_item",
        ["agreement_id", "tenant"],
        unique=False,
    )
    op.create_index(
        "ix_billing_run_item_state",
        "billing_run_item",
        ["run_id", "state", "place", "tenant"],
        unique=False,
    )
    op.execute(KEEP)


def downgrade() -> None:
    op.drop_index("ix_billing_run_item_state", table_name="billing_run_item")
    op.drop_index("ix_billing_run_item_agreement", table_name="billing_run_item")
    op.drop_table("billing_run_item")
    op.drop_table("billing_run")
    op.drop_table("billing_numbers")
    op.drop_index(
        "uq_billing_invoice_period",
        table_name="billing_invoice",
        postgresql_where=sa.text("kind = 'consumption' AND status <> 'cancelled'"),
    )
    op.drop_index("ix_billing_invoice_run", table_name="billing_invoice")
    op.drop_index(
        "ix_billing_invoice_open",
        table_name="billing_invoice",
        postgresql_where=sa.text("status IN ('issued', 'partially_paid')"),
    )
    op.drop_index("ix_billing_invoice_account", table_name="billing_invoice")
    op.drop_table("billing_invoice")
    op.execute("DROP FUNCTION billing_invoice_stays, billing_numbers_rise")
