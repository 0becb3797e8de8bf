"""The statement that posts. It writes all that is given, or nothing and takes no number.

`purposes` lets a line name an account by code or by purpose. `sound` decides before the series is
touched; the deferred trigger on finance_entry decides again at the commit. The key of each entry is
looked up on its own (LATERAL … LIMIT 1): as a join it would read all entries of a company
whenever the planner takes them for few.
"""

POST = """
WITH head AS MATERIALIZED (
  SELECT * FROM json_to_recordset(%(heads)s::json) AS h(
    id uuid, place int, kind text, key text, day date, next_open bool, adjustment bool,
    description text, reference_type text, reference_id uuid, total bigint, line_count smallint,
    digest text, drafted_by text, reversed_entry_id uuid, reversal_reason text)
), seated AS MATERIALIZED (
  SELECT h.*, p.id AS period_id, p.fiscal_year, p.status = 'closing' AS into_closing,
         greatest(h.day, p.start_date) AS entry_date
    FROM head h CROSS JOIN LATERAL (
      SELECT id, fiscal_year, start_date, status FROM finance_period
       WHERE tenant = %(tenant)s AND (period_no = 13) = h.adjustment AND end_date >= h.day
         AND (start_date <= h.day OR h.next_open)
         AND (status = 'open' OR (status = 'closing' AND %(may_close)s AND start_date <= h.day))
       ORDER BY start_date LIMIT 1) p
), purposes AS (
  SELECT code AS name, id, currency, is_control FROM finance_account
   WHERE tenant = %(tenant)s AND is_postable AND is_active
  UNION ALL
  SELECT '@' || purpose, id, currency, is_control FROM finance_account
   WHERE tenant = %(tenant)s AND is_postable AND is_active AND purpose IS NOT NULL
), line AS MATERIALIZED (
  SELECT g.entry, g.no, g.amount, a.id AS account_id, a.currency, g.fx_rate, g.description,
         g.party_type, g.party_id, g.station_id, g.project_id
    FROM (
      SELECT o.entry, o.no, l.* FROM json_to_recordset(%(lines)s::json)
             AS o(entry uuid, no smallint, line json),
             json_to_record(o.line) AS l(
               account text, amount bigint, party_type text, party_id uuid, station_id uuid,
               project_id uuid, description text, fx_rate numeric)) g
    JOIN purposes a ON a.name = g.account AND (g.party_id IS NOT NULL OR NOT a.is_control)
), sound AS MATERIALIZED (
  SELECT (SELECT count(*) FROM seated) = %(head_count)s
     AND (SELECT count(*) FROM line) = %(line_count)s
     AND NOT EXISTS (SELECT FROM line GROUP BY entry, currency HAVING sum(amount) <> 0)
     AND NOT EXISTS (SELECT FROM head h CROSS JOIN LATERAL (
                       SELECT 1 FROM finance_entry e WHERE e.tenant = %(tenant)s
                          AND e.kind = h.kind AND e.key = h.key LIMIT 1) known) AS yes
), taken AS (
  UPDATE finance_series s SET last = s.last + n.many
    FROM (SELECT fiscal_year, count(*) AS many FROM seated GROUP BY fiscal_year) n, sound
   WHERE sound.yes AND s.tenant = %(tenant)s AND s.fiscal_year = n.fiscal_year
  RETURNING s.fiscal_year, s.last - n.many AS before
), numbered AS MATERIALIZED (
  SELECT h.*, t.before + row_number() OVER (PARTITION BY h.fiscal_year ORDER BY h.place) AS number
    FROM seated h JOIN taken t USING (fiscal_year)
), entered AS (
  INSERT INTO finance_entry (
    tenant, id, entry_no, fiscal_year, number, entry_date, event_date, period_id, description,
    kind, key, reference_type, reference_id, status, total, line_count, drafted_by, posted_at,
    posted_by, reversed_entry_id, reversal_reason, into_closing, adjustment, digest, revision,
    created_at, updated_at)
  SELECT %(tenant)s, id,
         'JV-' || fiscal_year || '-' || lpad(number::text, greatest(6, length(number::text)), '0'),
         fiscal_year, number, entry_date, day, period_id, description,
         kind, key, reference_type, reference_id, 'posted', total, line_count, drafted_by, %(now)s,
         %(actor)s, reversed_entry_id, reversal_reason, into_closing, adjustment,
         decode(digest, 'hex'), 1, %(now)s, %(now)s
    FROM numbered
  RETURNING id, entry_no, entry_date
), written AS (
  INSERT INTO finance_line (
    tenant, entry_id, line_no, account_id, amount, currency, entry_date, fx_rate, description,
    party_type, party_id, station_id, project_id)
  SELECT %(tenant)s, l.entry, l.no, l.account_id, l.amount, l.currency, n.entry_date, l.fx_rate,
         l.description, l.party_type, l.party_id, l.station_id, l.project_id
    FROM line l JOIN numbered n ON n.id = l.entry
)
SELECT id, entry_no, entry_date FROM entered
"""
