"""Statements of a bill run. Each looks its rows up by key, so a full database costs what an empty
one does."""

# A table that has just been filled looks small to the planner, which would then read all of a run
# again for each chunk of it. Rows that are changed are named by `ctid`: the run is locked, so
# nobody moves them meanwhile.
BY_KEY = "SELECT set_config('enable_seqscan', %(on)s, true)"

SELECT_ITEMS = """
INSERT INTO billing_run_item (tenant, run_id, place, agreement_id, state)
SELECT a.tenant, %(run)s, row_number() OVER (ORDER BY c.number, a.since, a.id), a.id, 'selected'
  FROM billing_agreement a
  JOIN billing_account c ON c.tenant = a.tenant AND c.id = a.account_id
 WHERE a.tenant = %(tenant)s AND c.cycle = %(cycle)s AND a.since < %(until)s
   AND NOT EXISTS (SELECT FROM billing_invoice i
                    WHERE i.tenant = a.tenant AND i.agreement_id = a.id
                      AND i.kind = 'consumption' AND i.status <> 'cancelled'
                      AND i.period_end >= least(a.until, %(until)s))
"""

MATERIAL = """
WITH item AS MATERIALIZED (
  SELECT place, agreement_id FROM billing_run_item
   WHERE tenant = %(tenant)s AND run_id = %(run)s AND state = 'selected'
   ORDER BY place LIMIT %(many)s
), bill AS MATERIALIZED (
  SELECT t.place, a.id AS agreement_id, a.account_id, a.tariff_id, a.service_point_id, a.parked,
         least(a.until, %(until)s) AS ends, coalesce(l.period_end, a.since) AS starts,
         l.period_start AS last_start, l.period_end AS last_end, l.total AS last_total,
         l.statement AS last, l.estimated AS last_estimated
    FROM item t
    JOIN LATERAL (SELECT * FROM billing_agreement a
                   WHERE a.tenant = %(tenant)s AND a.id = t.agreement_id LIMIT 1) a ON true
    LEFT JOIN LATERAL (
      SELECT period_start, period_end, total, statement, estimated FROM billing_invoice l
       WHERE l.tenant = %(tenant)s AND l.agreement_id = t.agreement_id
         AND l.kind = 'consumption' AND l.status <> 'cancelled'
       ORDER BY l.period_start DESC LIMIT 1) l ON true
), timed AS MATERIALIZED (
  SELECT b.*, b.starts::timestamp AT TIME ZONE %(zone)s AS starts_at,
         b.ends::timestamp AT TIME ZONE %(zone)s AS ends_at FROM bill b
)
SELECT b.place, b.agreement_id, b.account_id, b.tariff_id, b.parked, b.starts, b.ends, b.starts_at,
       b.ends_at, b.last_start, b.last_end, b.last_total, b.last_estimated,
       b.last -> 'bank' AS bank, b.last -> 'demands' AS demands,
       c.number, c.currency, c.due_days, u.code, u.name_ar, u.name_en, u.address, u.tax_no,
       u.language, p.amperes, p.va, p.supply, p.supply_since, h.address AS place_address,
       i.id AS installation_id, i.since, i.until, i.multiplier, m.number AS meter, m.payment_mode,
       r.name AS register, r.capacity, k.last AS opened, k.last_at AS opened_at,
       o.id AS first_id, o.at AS first_at, o.total AS first_total,
       e.id AS end_id, e.at AS end_at, e.total AS end_total, e.condition AS end_condition
  FROM timed b
  JOIN LATERAL (SELECT * FROM billing_account c
                 WHERE c.tenant = %(tenant)s AND c.id = b.account_id LIMIT 1) c ON true
  JOIN LATERAL (SELECT * FROM billing_customer u
                 WHERE u.tenant = %(tenant)s AND u.id = c.customer_id LIMIT 1) u ON true
  JOIN LATERAL (SELECT * FROM billing_service_point p
                 WHERE p.tenant = %(tenant)s AND p.id = b.service_point_id LIMIT 1) p ON true
  JOIN LATERAL (SELECT address FROM billing_premise h
                 WHERE h.tenant = %(tenant)s AND h.id = p.premise_id LIMIT 1) h ON true
  LEFT JOIN LATERAL (
    SELECT * FROM billing_installation i
     WHERE i.tenant = %(tenant)s AND i.service_point_id = b.service_point_id
       AND i.since < b.ends_at AND (i.until IS NULL OR i.until > b.starts_at)
     ORDER BY i.since OFFSET 0) i ON true
  LEFT JOIN LATERAL (SELECT number, payment_mode FROM billing_meter m
                      WHERE m.tenant = %(tenant)s AND m.id = i.meter_id LIMIT 1) m ON true
  LEFT JOIN LATERAL (SELECT name, capacity FROM billing_register r
                      WHERE r.tenant = %(tenant)s AND r.meter_id = i.meter_id
                      ORDER BY name OFFSET 0) r ON true
  LEFT JOIN LATERAL (
    SELECT k.last, k.last_at
      FROM jsonb_to_recordset(b.last -> 'measures')
           AS k(installation uuid, register text, last bigint, last_at timestamptz)
     WHERE k.installation = i.id AND k.register = r.name LIMIT 1) k ON true
  LEFT JOIN LATERAL (
    SELECT id, at, total FROM billing_reading o
     WHERE o.tenant = %(tenant)s AND o.installation_id = i.id AND o.register = r.name
       AND o.status = 'valid' AND o.at < greatest(i.since, b.starts_at) + interval '1 day'
     ORDER BY o.at DESC LIMIT 1) o ON k.last IS NULL
  LEFT JOIN LATERAL (
    SELECT id, at, total, condition FROM billing_reading e
     WHERE e.tenant = %(tenant)s AND e.installation_id = i.id AND e.register = r.name
       AND e.status = 'valid'
       AND e.at >= CASE WHEN i.until <= b.ends_at THEN i.until
                        ELSE b.ends_at - make_interval(days => %(window)s) END
       AND e.at < b.ends_at + interval '1 day'
     ORDER BY e.at DESC LIMIT 1) e ON true
 ORDER BY b.place, i.since, r.name
"""

AROUND = """
SELECT g.installation, g.register, q.at, q.total, q.condition
  FROM json_to_recordset(%(asked)s::json) AS g(installation uuid, register text, at timestamptz)
  CROSS JOIN LATERAL (
    (SELECT at, total, condition FROM billing_reading q
      WHERE q.tenant = %(tenant)s AND q.installation_id = g.installation
        AND q.register = g.register AND q.at < g.at AND q.status = 'valid'
      ORDER BY q.at DESC LIMIT 15)
    UNION ALL
    (SELECT at, total, condition FROM billing_reading q
      WHERE q.tenant = %(tenant)s AND q.installation_id = g.installation
        AND q.register = g.register AND q.at > g.at AND q.status = 'valid'
      ORDER BY q.at LIMIT 1)) q
 ORDER BY g.installation, g.register, q.at
"""
PEERS = """
SELECT tariff_id, sum(quantity)::float8 / nullif(sum(period_end - period_start), 0) AS daily
  FROM billing_invoice
 WHERE tenant = %(tenant)s AND kind = 'consumption' AND status <> 'cancelled'
   AND period_end > %(until)s::date - 62
 GROUP BY tariff_id
"""

CALCULATED = """
WITH made AS MATERIALIZED (
  SELECT k.row, r.* FROM json_to_recordset(%(rows)s::json)
      AS r(place bigint, state text, code text, why text, total bigint, bill jsonb)
    CROSS JOIN LATERAL (
      SELECT k.ctid AS row FROM billing_run_item k
       WHERE k.tenant = %(tenant)s AND k.run_id = %(run)s AND k.place = r.place
         AND k.state = 'selected' LIMIT 1) k
)
UPDATE billing_run_item t
   SET state = m.state, code = m.code, why = m.why, total = m.total, bill = m.bill
  FROM made m WHERE t.ctid = m.row
"""

OPEN_SERIES = """
INSERT INTO billing_numbers (tenant, series, last, last_day)
VALUES (%(tenant)s, %(series)s, 0, %(day)s) ON CONFLICT DO NOTHING
"""
LOCK_SERIES = """
SELECT last, last_day FROM billing_numbers
 WHERE tenant = %(tenant)s AND series = %(series)s FOR UPDATE
"""
TAKE_NUMBERS = """
UPDATE billing_numbers SET last = %(last)s, last_day = %(day)s
 WHERE tenant = %(tenant)s AND series = %(series)s
"""

# Whoever issues holds the series, so what is billed already can be seen, and stays out.
LEAVE_BILLED = """
UPDATE billing_run_item t SET state = 'left', code = 'billed', why = 'another run has billed it'
 WHERE t.tenant = %(tenant)s AND t.run_id = %(run)s AND t.place = ANY(%(places)s)
   AND EXISTS (SELECT FROM billing_invoice i
                WHERE i.tenant = t.tenant AND i.agreement_id = t.agreement_id
                  AND i.kind = 'consumption' AND i.status <> 'cancelled'
                  AND i.period_end > (t.bill ->> 'period_start')::date)
"""
NEXT_PLACES = """
SELECT place FROM billing_run_item
 WHERE tenant = %(tenant)s AND run_id = %(run)s AND state = 'ready'
 ORDER BY place LIMIT %(many)s FOR UPDATE
"""
ISSUE = """
WITH item AS MATERIALIZED (
  SELECT t.ctid AS row, t.place, t.agreement_id, t.bill,
         %(before)s + row_number() OVER (ORDER BY t.place) AS number
    FROM billing_run_item t
   WHERE t.tenant = %(tenant)s AND t.run_id = %(run)s AND t.place = ANY(%(places)s)
     AND t.state = 'ready'
), issued AS (
  INSERT INTO billing_invoice (
    tenant, id, invoice_no, series, number, kind, account_id, agreement_id, run_id, tariff_id,
    period_start, period_end, issue_date, due_date, currency, quantity, net, tax, total, paid,
    estimated, status, readings, statement, revision, created_at, updated_at)
  SELECT %(tenant)s, b.id,
         %(series)s || '-' || lpad(number::text, greatest(6, length(number::text)), '0'),
         %(series)s, number, 'consumption', b.account_id, agreement_id, %(run)s, b.tariff_id,
         b.period_start, b.period_end, %(day)s, %(day)s::date + b.due_days, b.currency, b.quantity,
         b.net, b.tax, b.total, 0, b.estimated,
         CASE WHEN b.total = 0 THEN 'paid' ELSE 'issued' END, b.readings, b.statement, 1, %(now)s,
         %(now)s
    FROM item CROSS JOIN LATERAL jsonb_to_record(bill) AS b(
      id uuid, account_id uuid, tariff_id uuid, period_start date, period_end date, due_days int,
      currency text, quantity bigint, net bigint, tax bigint, total bigint, estimated bool,
      readings uuid[], statement jsonb)
  RETURNING id, invoice_no, account_id, total, number
), marked AS (
  UPDATE billing_run_item t SET state = 'issued', bill = NULL FROM item WHERE t.ctid = item.row
), estimated AS (
  INSERT INTO billing_reading (
    tenant, id, installation_id, register, at, value, total, reason, condition, status, version,
    source, faults, rule, revision, created_at, updated_at)
  SELECT %(tenant)s, e.id, e.installation_id, e.register, e.at, e.value, e.total, 'periodic',
         'estimated', 'valid', 1, 'estimate', '[]', e.rule, 1, %(now)s, %(now)s
    FROM item CROSS JOIN LATERAL jsonb_to_recordset(bill -> 'estimates') AS e(
      id uuid, installation_id uuid, register text, at timestamptz, value bigint, total bigint,
      rule text)
)
SELECT d.id, d.invoice_no, d.account_id, d.total, i.bill -> 'parts' AS parts
  FROM issued d JOIN item i USING (number) ORDER BY number
"""

COUNTS = """
SELECT state, coalesce(code, '') AS code, count(*) AS many, coalesce(sum(total), 0)::bigint AS total
  FROM billing_run_item WHERE tenant = %(tenant)s AND run_id = %(run)s GROUP BY 1, 2
"""
