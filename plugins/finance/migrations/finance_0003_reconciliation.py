"""reconciliation."""

import sqlalchemy as sa
from alembic import op

revision = "finance_0003"
down_revision = "finance_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
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
