"""Payments, what they cover, and refunds; the database keeps sums and history."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "billing_0004"
down_revision = "billing_0003"
branch_labels = None
depends_on = None


KEEP = """
CREATE FUNCTION billing_payment_stays() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  marks text[] :=
    '{status,settled,refunded,credit,bounced_at,bounce_reason,revision,updated_at}';
BEGIN
  IF TG_OP = 'UPDATE' AND OLD.status = 'received' AND NEW.refunded >= OLD.refunded
     AND to_jsonb(NEW) - marks IS NOT DISTINCT FROM to_jsonb(OLD) - marks THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'payment % stays as it was received: bounce or refund it', OLD.payment_no
    USING ERRCODE = 'restrict_violation', CONSTRAINT = 'billing_payment_stays';
END $$;
CREATE TRIGGER billing_payment_stays BEFORE UPDATE OR DELETE ON billing_payment
  FOR EACH ROW EXECUTE FUNCTION billing_payment_stays();

CREATE FUNCTION billing_money_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'what was done with money stays: do the opposite'
    USING ERRCODE = 'restrict_violation', CONSTRAINT = 'billing_money_stays';
END $$;
CREATE TRIGGER billing_allocation_stays BEFORE UPDATE OR DELETE ON billing_allocation
  FOR EACH ROW EXECUTE FUNCTION billing_money_stays();
CREATE TRIGGER billing_refund_stays BEFORE UPDATE OR DELETE ON billing_refund
  FOR EACH ROW EXECUTE FUNCTION billing_money_stays();
"""


def _entity(*columns: sa.Column[object]) -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        *columns,
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    )


def _word(*values: str, name: str) -> "sa.Enum":
    return sa.Enum(*values, name=name, native_enum=False, length=32)


def _reference(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant", column],
        [f"{target}.tenant", f"{target}.id"],
        name=op.f(f"fk_{table}_tenant_{column}"),
    )


def upgrade() -> None:
    op.create_check_constraint(
        op.f("ck_billing_invoice_paid"),
        "billing_invoice",
        "paid BETWEEN least(total, 0) AND greatest(total, 0)",
    )
    table = "billing_payment"
    op.create_table(
        table,
        *_entity(
            sa.Column("payment_no", sa.String(length=100), nullable=False),
            sa.Column("series", sa.String(length=20), nullable=False),
            sa.Column("number", sa.BigInteger(), nullable=False),
            sa.Column("account_id", sa.Uuid(), nullable=False),
            sa.Column("source", sa.String(length=50), nullable=False),
            sa.Column("reference", sa.String(length=100), nullable=False),
            sa.Column(
                "channel", _word("counter", "file", "callback", name="channel"), nullable=False
            ),
            sa.Column("day", sa.Date(), nullable=False),
            sa.Column("currency", sa.String(length=3), nullable=False),
            sa.Column("amount", sa.BigInteger(), nullable=False),
            sa.Column("tenders", postgresql.JSONB(), nullable=False),
            sa.Column("settled", sa.BigInteger(), nullable=False),
            sa.Column("refunded", sa.BigInteger(), nullable=False),
            sa.Column("credit", sa.BigInteger(), nullable=False),
            sa.Column("status", _word("received", "bounced", name="paymentstatus"), nullable=False),
            sa.Column("bounced_at", sa.DateTime(timezone=True), nullable=True),
            sa.Column("bounce_reason", sa.Text(), nullable=True),
        ),
        sa.CheckConstraint(
            "amount > 0 AND settled >= 0 AND refunded >= 0", name=op.f("ck_billing_payment_signs")
        ),
        sa.CheckConstraint(
            "credit = CASE status WHEN 'received' THEN amount ELSE 0 END - settled - refunded"
            " AND (credit >= 0 OR status = 'bounced')",
            name=op.f("ck_billing_payment_credit"),
        ),
        _reference(table, "account_id", "billing_account"),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_billing_payment")),
        sa.UniqueConstraint(
            "source", "reference", "tenant", name=op.f("uq_billing_payment_source_reference_tenant")
        ),
        sa.UniqueConstraint(
            "series", "number", "tenant", name=op.f("uq_billing_payment_series_number_tenant")
        ),
    )
    op.create_index(op.f(f"ix_{table}_tenant_account_id"), table, ["tenant", "account_id"])
    op.create_index(
        "ix_billing_payment_credit",
        table,
        ["account_id", "tenant"],
        postgresql_where=sa.text("credit <> 0"),
    )
    _allocations()
    _refunds()
    op.execute(KEEP)


def _allocations() -> None:
    table = "billing_allocation"
    op.create_table(
        table,
        *_entity(
            sa.Column("payment_id", sa.Uuid(), nullable=True),
            sa.Column("note_id", sa.Uuid(), nullable=True),
            sa.Column("invoice_id", sa.Uuid(), nullable=False),
            sa.Column("amount", sa.BigInteger(), nullable=False),
        ),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_billing_allocation_amount")),
        sa.CheckConstraint(
            "num_nonnulls(payment_id, note_id) = 1", name=op.f("ck_billing_allocation_source")
        ),
        _reference(table, "payment_id", "billing_payment"),
        _reference(table, "note_id", "billing_invoice"),
        _reference(table, "invoice_id", "billing_invoice"),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_billing_allocation")),
    )
    for column in ("payment_id", "note_id", "invoice_id"):
        op.create_index(op.f(f"ix_{table}_tenant_{column}"), table, ["tenant", column])


def _refunds() -> None:
    table = "billing_refund"
    op.create_table(
        table,
        *_entity(
            sa.Column("payment_id", sa.Uuid(), nullable=False),
            sa.Column("reference", sa.String(length=100), nullable=False),
            sa.Column("day", sa.Date(), nullable=False),
            sa.Column(
                "means",
                _word("cash", "cash_desk", "bank", "clearing", name="means"),
                nullable=False,
            ),
            sa.Column("amount", sa.BigInteger(), nullable=False),
            sa.Column("reason", sa.Text(), nullable=False),
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_billing_refund_amount")),
        _reference(table, "payment_id", "billing_payment"),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_billing_refund")),
        sa.UniqueConstraint(
            "payment_id",
            "reference",
            "tenant",
            name=op.f("uq_billing_refund_payment_id_reference_tenant"),
        ),
    )
    op.create_index(op.f(f"ix_{table}_tenant_payment_id"), table, ["tenant", "payment_id"])


def downgrade() -> None:
    for table in ("billing_refund", "billing_allocation", "billing_payment"):
        op.drop_table(table)
    op.drop_constraint(op.f("ck_billing_invoice_paid"), "billing_invoice", type_="check")
    op.execute("DROP FUNCTION billing_payment_stays, billing_money_stays")
