"""books."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "finance_0001"
down_revision = None
branch_labels = ("finance",)
depends_on = "hub_0001"


TRIGGERS = """
-- A posted entry is whole: its lines are all there, at least two, and each currency balances; and
-- its period takes entries. At the commit, because lines come after their entry; the row lock of
-- finance_series is held by then, and whoever closes a period takes it first.
CREATE FUNCTION finance_entry_sound() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  lines bigint;
  uneven text;
  state text;
BEGIN
  SELECT coalesce(sum(c.lines), 0), min(c.currency) FILTER (WHERE c.total <> 0)
    INTO lines, uneven
    FROM (SELECT currency, count(*) AS lines, sum(amount) AS total FROM finance_line
           WHERE tenant = NEW.tenant AND entry_id = NEW.id GROUP BY currency) c;
  IF uneven IS NOT NULL THEN
    RAISE EXCEPTION 'journal entry % does not balance in %', NEW.entry_no, uneven
      USING ERRCODE = 'check_violation', CONSTRAINT = 'finance_entry_balanced';
  END IF;
  IF lines < 2 OR lines <> NEW.line_count THEN
    RAISE EXCEPTION 'journal entry % has % lines of %', NEW.entry_no, lines, NEW.line_count
      USING ERRCODE = 'check_violation', CONSTRAINT = 'finance_entry_whole';
  END IF;
  SELECT status INTO state FROM finance_period
   WHERE tenant = NEW.tenant AND id = NEW.period_id
     AND NEW.entry_date BETWEEN start_date AND end_date;
  IF state IS NULL OR NOT (state = 'open' OR (state = 'closing' AND NEW.into_closing)) THEN
    RAISE EXCEPTION 'journal entry % is of a period that is %', NEW.entry_no, state
      USING ERRCODE = 'check_violation', CONSTRAINT = 'finance_entry_period_open';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER finance_entry_sound AFTER INSERT OR UPDATE ON finance_entry
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.status = 'posted')
  EXECUTE FUNCTION finance_entry_sound();

-- What was posted stays as it is, but for being marked as reversed, once.
CREATE FUNCTION finance_entry_stays() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  marks text[] := '{status,reversed_by_id,revision,updated_at}';
BEGIN
  IF TG_OP = 'UPDATE' AND OLD.status = 'posted' AND NEW.status = 'reversed'
     AND OLD.reversed_by_id IS NULL AND NEW.reversed_by_id IS NOT NULL
     AND to_jsonb(NEW) - marks IS NOT DISTINCT FROM to_jsonb(OLD) - marks THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'journal entry % is posted: reverse it', OLD.entry_no
    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'finance_entry_stays';
END $$;
CREATE TRIGGER finance_entry_stays BEFORE UPDATE OR DELETE ON finance_entry
  FOR EACH ROW WHEN (OLD.status <> 'draft') EXECUTE FUNCTION finance_entry_stays();

-- Lines come with their entry, to accounts that take them, and never afterwards.
CREATE FUNCTION finance_line_sound() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  wrong text;
BEGIN
  SELECT 'account ' || l.account_id INTO wrong
    FROM fresh l LEFT JOIN finance_account a ON a.tenant = l.tenant AND a.id = l.account_id
   WHERE a.id IS NULL OR NOT a.is_postable OR NOT a.is_active OR a.currency <> l.currency
      OR (a.is_control AND l.party_id IS NULL) LIMIT 1;
  IF wrong IS NULL THEN
    SELECT 'entry ' || f.entry_id INTO wrong
      FROM (SELECT tenant, entry_id, min(entry_date) AS first, max(entry_date) AS last
              FROM fresh GROUP BY tenant, entry_id) f
      LEFT JOIN finance_entry e ON e.tenant = f.tenant AND e.id = f.entry_id
     WHERE e.id IS NULL OR e.status <> 'posted' OR f.first <> e.entry_date OR f.last <> e.entry_date
        OR e.line_count < (SELECT count(*) FROM finance_line l
                            WHERE l.tenant = f.tenant AND l.entry_id = f.entry_id) LIMIT 1;
  END IF;
  IF wrong IS NOT NULL THEN
    RAISE EXCEPTION 'no line can be posted to %', wrong
      USING ERRCODE = 'check_violation', CONSTRAINT = 'finance_line_sound';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER finance_line_sound AFTER INSERT ON finance_line
  REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION finance_line_sound();

CREATE FUNCTION finance_never() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% of % is not possible: the ledger only grows', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'finance_ledger_grows';
END $$;
CREATE TRIGGER finance_line_stays BEFORE UPDATE OR DELETE ON finance_line
  FOR EACH ROW EXECUTE FUNCTION finance_never();
CREATE TRIGGER finance_line_kept BEFORE TRUNCATE ON finance_line
  FOR EACH STATEMENT EXECUTE FUNCTION finance_never();
CREATE TRIGGER finance_entry_kept BEFORE TRUNCATE ON finance_entry
  FOR EACH STATEMENT EXECUTE FUNCTION finance_never();
CREATE TRIGGER finance_seal_stays BEFORE UPDATE OR DELETE ON finance_seal
  FOR EACH ROW EXECUTE FUNCTION finance_never();

-- A number series only goes up, and an account that was posted to keeps what it is.
CREATE FUNCTION finance_series_rises() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.last >= OLD.last AND NEW.fiscal_year = OLD.fiscal_year THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'the numbers of % only go up', OLD.fiscal_year
    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'finance_series_rises';
END $$;
CREATE TRIGGER finance_series_rises BEFORE UPDATE OR DELETE ON finance_series
  FOR EACH ROW EXECUTE FUNCTION finance_series_rises();

CREATE FUNCTION finance_account_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND (NEW.code, NEW.account_type, NEW.currency)
       IS NOT DISTINCT FROM (OLD.code, OLD.account_type, OLD.currency)
     AND NEW.parent_id IS NOT DISTINCT FROM OLD.parent_id AND NEW.is_control = OLD.is_control
     AND NEW.is_postable = OLD.is_postable THEN
    RETURN NEW;
  END IF;
  IF EXISTS (SELECT FROM finance_line WHERE tenant = OLD.tenant AND account_id = OLD.id) THEN
    RAISE EXCEPTION 'account % has entries: it keeps code, type, parent, currency', OLD.code
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'finance_account_stays';
  END IF;
  RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER finance_account_stays BEFORE UPDATE OR DELETE ON finance_account
  FOR EACH ROW EXECUTE FUNCTION finance_account_stays();

REVOKE UPDATE, DELETE ON finance_line, finance_seal FROM busbar_app, busbar_system;
REVOKE DELETE ON finance_series, finance_account FROM busbar_app, busbar_system;
"""

NO_TRIGGERS = """
DROP FUNCTION finance_entry_sound, finance_entry_stays, finance_line_sound, finance_never,
  finance_series_rises, finance_account_stays CASCADE;
"""


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
    op.execute(TRIGGERS)


def downgrade() -> None:
    op.execute(NO_TRIGGERS)
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
