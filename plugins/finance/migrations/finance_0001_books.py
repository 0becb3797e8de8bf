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
            "fiscal_year",
            "number",
            "tenant",
            name=op.f("uq_finance_entry_fiscal_year_number_tenant"),
        ),
        sa.UniqueConstraint("kind", "key", "tenant", name=op.f("uq_finance_entry_kind_key_tenant")),
        sa.UniqueConstraint(
            "reversed_entry_id", "tenant", name=op.f("uq_finance_entry_reversed_entry_id_tenant")
        ),
    )
    op.create_index(
        op.f("ix_finance_entry_entry_date_tenant"),
        "finance_entry",
        ["entry_date", "tenant"],
        unique=False,
    )
    op.create_index(
        op.f("ix_finance_entry_reference_id_tenant"),
        "finance_entry",
        ["reference_id", "tenant"],
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
        op.f("ix_finance_line_account_id_entry_date_tenant"),
        "finance_line",
        ["account_id", "entry_date", "tenant"],
        unique=False,
        postgresql_include=("amount", "entry_id"),
    )
    op.create_index(
        "ix_finance_line_party",
        "finance_line",
        ["party_id", "account_id", "tenant"],
        unique=False,
        postgresql_where="party_id IS NOT NULL",
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
    op.create_table(
        "finance_session",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column(
            "source_kind",
            sa.Enum(
                "bank_statement",
                "gateway_settlement",
                "sms_wallet",
                "cash_box",
                "manual",
                name="sourcekind",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("date_from", sa.Date(), nullable=False),
        sa.Column("date_to", sa.Date(), nullable=False),
        sa.Column("tolerance", sa.BigInteger(), nullable=False),
        sa.Column("window_days", sa.Integer(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "open",
                "in_progress",
                "settled",
                "cancelled",
                name="sessionstatus",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("opening_difference", sa.BigInteger(), nullable=False),
        sa.Column("closing_difference", sa.BigInteger(), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "account_id"],
            ["finance_account.tenant", "finance_account.id"],
            name=op.f("fk_finance_session_tenant_account_id"),
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_finance_session")),
    )
    op.create_index(
        op.f("ix_finance_session_tenant_account_id"),
        "finance_session",
        ["tenant", "account_id"],
        unique=False,
    )
    op.create_table(
        "finance_basket",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("basket_no", sa.Integer(), nullable=False),
        sa.Column("rule", sa.String(length=100), nullable=False),
        sa.Column("score", sa.Numeric(precision=5, scale=4), nullable=False),
        sa.Column("difference", sa.BigInteger(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "proposed", "matched", "rejected", name="basketstatus", native_enum=False, length=32
            ),
            nullable=False,
        ),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "session_id"],
            ["finance_session.tenant", "finance_session.id"],
            name=op.f("fk_finance_basket_tenant_session_id"),
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_finance_basket")),
        sa.UniqueConstraint(
            "tenant",
            "session_id",
            "basket_no",
            name=op.f("uq_finance_basket_tenant_session_id_basket_no"),
        ),
    )
    op.create_index(
        op.f("ix_finance_basket_tenant_session_id"),
        "finance_basket",
        ["tenant", "session_id"],
        unique=False,
    )
    op.create_table(
        "finance_item",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column(
            "side",
            sa.Enum("book", "external", name="side", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("entry_id", sa.Uuid(), nullable=True),
        sa.Column("line_no", sa.Integer(), nullable=True),
        sa.Column("external_ref", sa.String(length=200), nullable=True),
        sa.Column("item_date", sa.Date(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("description", sa.String(length=200), nullable=True),
        sa.Column("party_id", sa.Uuid(), nullable=True),
        sa.Column("basket_id", sa.Uuid(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "unmatched", "proposed", "matched", name="itemstate", native_enum=False, length=32
            ),
            nullable=False,
        ),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "basket_id"],
            ["finance_basket.tenant", "finance_basket.id"],
            name=op.f("fk_finance_item_tenant_basket_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "session_id"],
            ["finance_session.tenant", "finance_session.id"],
            name=op.f("fk_finance_item_tenant_session_id"),
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_finance_item")),
        sa.UniqueConstraint(
            "tenant",
            "session_id",
            "entry_id",
            "line_no",
            name=op.f("uq_finance_item_tenant_session_id_entry_id_line_no"),
        ),
    )
    op.create_index(
        op.f("ix_finance_item_tenant_basket_id"),
        "finance_item",
        ["tenant", "basket_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_finance_item_tenant_session_id"),
        "finance_item",
        ["tenant", "session_id"],
        unique=False,
    )
    op.create_index(
        "uq_finance_item_matched",
        "finance_item",
        ["tenant", "entry_id", "line_no"],
        unique=True,
        postgresql_where="state = 'matched'",
    )


def downgrade() -> None:
    op.drop_index(
        "uq_finance_item_matched", table_name="finance_item", postgresql_where="state = 'matched'"
    )
    op.drop_index(op.f("ix_finance_item_tenant_session_id"), table_name="finance_item")
    op.drop_index(op.f("ix_finance_item_tenant_basket_id"), table_name="finance_item")
    op.drop_table("finance_item")
    op.drop_index(op.f("ix_finance_basket_tenant_session_id"), table_name="finance_basket")
    op.drop_table("finance_basket")
    op.drop_index(op.f("ix_finance_session_tenant_account_id"), table_name="finance_session")
    op.drop_table("finance_session")
    op.drop_table("finance_series")
    op.drop_table("finance_seal")
    op.drop_table("finance_rolled")
    op.drop_table("finance_rate")
    op.drop_table("finance_proof")
    op.drop_index(op.f("ix_finance_period_tenant_start_date"), table_name="finance_period")
    op.drop_table("finance_period")
    op.drop_index(
        "ix_finance_line_party", table_name="finance_line", postgresql_where="party_id IS NOT NULL"
    )
    op.drop_index(
        op.f("ix_finance_line_account_id_entry_date_tenant"),
        table_name="finance_line",
        postgresql_include=("amount", "entry_id"),
    )
    op.drop_table("finance_line")
    op.drop_index(op.f("ix_finance_entry_reference_id_tenant"), table_name="finance_entry")
    op.drop_index(op.f("ix_finance_entry_entry_date_tenant"), table_name="finance_entry")
    op.drop_table("finance_entry")
    op.drop_table("finance_currency")
    op.drop_table("finance_balance")
    op.drop_index(op.f("ix_finance_account_tenant_parent_id"), table_name="finance_account")
    op.drop_table("finance_account")
