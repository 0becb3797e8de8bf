"""books."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "finance_0001"
down_revision = None
branch_labels = ("finance",)
depends_on = "hub_0001"


def upgrade() -> None:
    op.create_table(
        "finance_account",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=50), nullable=False),
        sa.Column("name_ar", sa.String(length=200), nullable=False),
        sa.Column("name_en", sa.String(length=200), nullable=True),
        sa.Column(
            "account_type",
            sa.Enum(
                "asset",
                "liability",
                "equity",
                "revenue",
                "expense",
                name="accounttype",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("is_postable", sa.Boolean(), nullable=False),
        sa.Column("is_intermediate", sa.Boolean(), nullable=False),
        sa.Column("is_control", sa.Boolean(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("purpose", sa.String(length=100), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "parent_id"],
            ["finance_account.tenant", "finance_account.id"],
            name=op.f("fk_finance_account_tenant_parent_id"),
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_finance_account")),
        sa.UniqueConstraint("tenant", "code", name=op.f("uq_finance_account_tenant_code")),
        sa.UniqueConstraint("tenant", "purpose", name=op.f("uq_finance_account_tenant_purpose")),
    )
    op.create_index(
        op.f("ix_finance_account_tenant_parent_id"),
        "finance_account",
        ["tenant", "parent_id"],
        unique=False,
    )
    op.create_table(
        "finance_balance",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("debit", sa.BigInteger(), nullable=False),
        sa.Column("credit", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "account_id", "month", name=op.f("pk_finance_balance")),
    )
    op.create_table(
        "finance_currency",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=3), nullable=False),
        sa.Column("digits", sa.Integer(), nullable=False),
        sa.Column("is_base", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("digits BETWEEN 0 AND 6", name=op.f("ck_finance_currency_digits")),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_finance_currency")),
        sa.UniqueConstraint("tenant", "code", name=op.f("uq_finance_currency_tenant_code")),
    )
    op.create_table(
        "finance_entry",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("entry_no", sa.String(length=100), nullable=True),
        sa.Column("fiscal_year", sa.SmallInteger(), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("entry_date", sa.Date(), nullable=False),
        sa.Column("event_date", sa.Date(), nullable=False),
        sa.Column("period_id", sa.Uuid(), nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=100), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=True),
        sa.Column("reference_type", sa.String(length=100), nullable=True),
        sa.Column("reference_id", sa.Uuid(), nullable=True),
        sa.Column(
            "status",
            sa.Enum(
                "draft", "posted", "reversed", name="entrystatus", native_enum=False, length=32
            ),
            nullable=False,
        ),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("line_count", sa.SmallInteger(), nullable=False),
        sa.Column("drafted_by", sa.String(length=100), nullable=True),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("posted_by", sa.String(length=100), nullable=True),
        sa.Column("reversed_entry_id", sa.Uuid(), nullable=True),
        sa.Column("reversed_by_id", sa.Uuid(), nullable=True),
        sa.Column("reversal_reason", sa.Text(), nullable=True),
        sa.Column("into_closing", sa.Boolean(), nullable=False),
        sa.Column("adjustment", sa.Boolean(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("draft", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_finance_entry")),
        sa.UniqueConstraint(
            "tenant",
            "fiscal_year",
            "number",
            name=op.f("uq_finance_entry_tenant_fiscal_year_number"),
        ),
        sa.UniqueConstraint("tenant", "kind", "key", name=op.f("uq_finance_entry_tenant_kind_key")),
        sa.UniqueConstraint(
            "tenant", "reversed_entry_id", name=op.f("uq_finance_entry_tenant_reversed_entry_id")
        ),
    )
    op.create_index(
        op.f("ix_finance_entry_tenant_entry_date"),
        "finance_entry",
        ["tenant", "entry_date"],
        unique=False,
    )
    op.create_index(
        op.f("ix_finance_entry_tenant_reference_id"),
        "finance_entry",
        ["tenant", "reference_id"],
        unique=False,
    )
    op.create_table(
        "finance_line",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("line_no", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("entry_date", sa.Date(), nullable=False),
        sa.Column("fx_rate", sa.Numeric(precision=18, scale=9), nullable=False),
        sa.Column("description", sa.String(length=500), nullable=True),
        sa.Column("party_type", sa.String(length=30), nullable=True),
        sa.Column("party_id", sa.Uuid(), nullable=True),
        sa.Column("station_id", sa.Uuid(), nullable=True),
        sa.Column("project_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_finance_line_moves")),
        sa.PrimaryKeyConstraint("tenant", "entry_id", "line_no", name=op.f("pk_finance_line")),
    )
    op.create_index(
        "ix_finance_line_party",
        "finance_line",
        ["tenant", "party_id", "account_id"],
        unique=False,
        postgresql_where="party_id IS NOT NULL",
    )
    op.create_index(
        op.f("ix_finance_line_tenant_account_id_entry_date"),
        "finance_line",
        ["tenant", "account_id", "entry_date"],
        unique=False,
        postgresql_include=("amount", "entry_id"),
    )
    op.create_table(
        "finance_period",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("fiscal_year", sa.Integer(), nullable=False),
        sa.Column("period_no", sa.Integer(), nullable=False),
        sa.Column("start_date", sa.Date(), nullable=False),
        sa.Column("end_date", sa.Date(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "future",
                "open",
                "closing",
                "closed",
                name="periodstatus",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.String(length=100), nullable=True),
        sa.Column("reopened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reopened_by", sa.String(length=100), nullable=True),
        sa.Column("reopen_reason", sa.Text(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("period_no BETWEEN 1 AND 13", name=op.f("ck_finance_period_number")),
        sa.CheckConstraint("start_date <= end_date", name=op.f("ck_finance_period_dates")),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_finance_period")),
        sa.UniqueConstraint(
            "tenant",
            "fiscal_year",
            "period_no",
            name=op.f("uq_finance_period_tenant_fiscal_year_period_no"),
        ),
    )
    op.create_index(
        op.f("ix_finance_period_tenant_start_date"),
        "finance_period",
        ["tenant", "start_date"],
        unique=False,
    )
    op.create_table(
        "finance_proof",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("proved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("sound", sa.Boolean(), nullable=False),
        sa.Column("faults", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_finance_proof")),
    )
    op.create_table(
        "finance_rate",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("rate", sa.Numeric(precision=18, scale=9), nullable=False),
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("rate > 0", name=op.f("ck_finance_rate_positive")),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_finance_rate")),
        sa.UniqueConstraint(
            "tenant", "currency", "day", name=op.f("uq_finance_rate_tenant_currency_day")
        ),
    )
    op.create_table(
        "finance_rolled",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("fiscal_year", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "fiscal_year", name=op.f("pk_finance_rolled")),
    )
    op.create_table(
        "finance_seal",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("fiscal_year", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("first", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("leaves", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "fiscal_year", "first", name=op.f("pk_finance_seal")),
    )
    op.create_table(
        "finance_series",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("fiscal_year", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "fiscal_year", name=op.f("pk_finance_series")),
    )


def downgrade() -> None:
    op.drop_table("finance_series")
    op.drop_table("finance_seal")
    op.drop_table("finance_rolled")
    op.drop_table("finance_rate")
    op.drop_table("finance_proof")
    op.drop_index(op.f("ix_finance_period_tenant_start_date"), table_name="finance_period")
    op.drop_table("finance_period")
    op.drop_index(
        op.f("ix_finance_line_tenant_account_id_entry_date"),
        table_name="finance_line",
        postgresql_include=("amount", "entry_id"),
    )
    op.drop_index(
        "ix_finance_line_party", table_name="finance_line", postgresql_where="party_id IS NOT NULL"
    )
    op.drop_table("finance_line")
    op.drop_index(op.f("ix_finance_entry_tenant_reference_id"), table_name="finance_entry")
    op.drop_index(op.f("ix_finance_entry_tenant_entry_date"), table_name="finance_entry")
    op.drop_table("finance_entry")
    op.drop_table("finance_currency")
    op.drop_table("finance_balance")
    op.drop_index(op.f("ix_finance_account_tenant_parent_id"), table_name="finance_account")
    op.drop_table("finance_account")
