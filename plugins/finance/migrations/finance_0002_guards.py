"""What the database itself refuses, whoever writes."""

from alembic import op

revision = "finance_0002"
down_revision = "finance_0001"
branch_labels = None
depends_on = None

TRIGGERS = """
-- A posted entry is whole: its lines are all there, at least two, and each currency balances; and
-- its period takes entries. At the commit, because lines come after their entry; the row lock of
-- finance_series is held by then, and whoever closes a period takes it first.
CREATE FUNCTION finance_entry_sound() RETURNS trigger LANGUAGE plpgsql
  SET enable_seqscan = off AS $$
DECLARE
  lines bigint;
  uneven text;
  state text;
BEGIN
  SELECT coalesce(sum(c.lines), 0), min(c.currency) FILTER (WHERE c.total <> 0),
         (SELECT status FROM finance_period
           WHERE tenant = NEW.tenant AND id = NEW.period_id
             AND NEW.entry_date BETWEEN start_date AND end_date)
    INTO lines, uneven, state
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
CREATE FUNCTION finance_line_sound() RETURNS trigger LANGUAGE plpgsql
  SET enable_seqscan = off AS $$
DECLARE
  wrong text;
BEGIN
  -- LATERAL … LIMIT 1 looks each row up by its key; a join would read a whole company's rows
  -- whenever the planner takes its share of the table for small.
  SELECT 'account ' || l.account_id INTO wrong
    FROM (SELECT tenant, account_id, currency, bool_or(party_id IS NULL) AS nobody
            FROM fresh GROUP BY tenant, account_id, currency) l
    LEFT JOIN LATERAL (SELECT currency, is_control FROM finance_account a
                        WHERE a.tenant = l.tenant AND a.id = l.account_id
                          AND a.is_postable AND a.is_active LIMIT 1) a ON true
   WHERE a.currency IS NULL OR a.currency <> l.currency OR (a.is_control AND l.nobody) LIMIT 1;
  IF wrong IS NULL THEN
    SELECT 'entry ' || f.entry_id INTO wrong
      FROM (SELECT tenant, entry_id, min(entry_date) AS first, max(entry_date) AS last,
                   min(line_no) AS low, max(line_no) AS high
              FROM fresh GROUP BY tenant, entry_id) f
      LEFT JOIN LATERAL (SELECT entry_date, line_count FROM finance_entry e
                          WHERE e.tenant = f.tenant AND e.id = f.entry_id
                            AND e.status = 'posted' LIMIT 1) e ON true
     WHERE e.line_count IS NULL OR f.first <> e.entry_date OR f.last <> e.entry_date
        OR f.low < 1 OR f.high > e.line_count LIMIT 1;
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
    op.execute(TRIGGERS)


def downgrade() -> None:
    op.execute(NO_TRIGGERS)
