"""Statements about readings. Each row is looked up by its key (LATERAL … LIMIT 1), whatever the
planner knows of a table that has just been filled.

A reading is judged by what was read, not by what was estimated: an estimate that was too high must
not make the next true reading look wrong (R30).
"""

SEEN = """
SELECT g.place, g.register, i.id AS installation_id, i.since, i.until, i.multiplier,
       m.id AS meter_id, r.name IS NOT NULL AS known, r.capacity, p.va,
       p.supply, p.supply_since, a.account_id,
       b.at AS before_at, b.value AS before_value, b.total AS before_total,
       n.at AS after_at, n.value AS after_value, n.total AS after_total,
       s.id AS same_id, s.at AS same_at, s.value AS same_value, s.total AS same_total,
       s.condition AS same_condition, s.version AS same_version, d.daily
  FROM json_to_recordset(%(given)s::json)
       AS g(place int, meter text, installation uuid, register text, at timestamptz)
  LEFT JOIN billing_meter m ON m.tenant = %(tenant)s AND m.number = g.meter
  LEFT JOIN LATERAL (
    SELECT * FROM billing_installation i
     WHERE i.tenant = %(tenant)s AND i.meter_id = m.id AND i.id = coalesce(g.installation, i.id)
     ORDER BY i.since <= g.at DESC, i.since DESC LIMIT 1) i ON true
  LEFT JOIN billing_register r
    ON r.tenant = %(tenant)s AND r.meter_id = m.id AND r.name = g.register
  LEFT JOIN billing_service_point p ON p.tenant = %(tenant)s AND p.id = i.service_point_id
  LEFT JOIN LATERAL (
    SELECT account_id FROM billing_agreement a
     WHERE a.tenant = %(tenant)s AND a.service_point_id = i.service_point_id
       AND a.since <= g.at::date AND (a.until IS NULL OR g.at::date < a.until)
     ORDER BY a.since DESC LIMIT 1) a ON true
  LEFT JOIN LATERAL (
    SELECT at, value, total FROM billing_reading b
     WHERE b.tenant = %(tenant)s AND b.installation_id = i.id AND b.register = g.register
       AND b.at < g.at AND b.status = 'valid' AND b.condition <> 'estimated'
     ORDER BY b.at DESC LIMIT 1) b ON true
  LEFT JOIN LATERAL (
    SELECT at, value, total FROM billing_reading n
     WHERE n.tenant = %(tenant)s AND n.installation_id = i.id AND n.register = g.register
       AND n.at > g.at AND n.status = 'valid' AND n.condition <> 'estimated'
     ORDER BY n.at LIMIT 1) n ON true
  LEFT JOIN LATERAL (
    SELECT id, at, value, total, condition, version FROM billing_reading s
     WHERE s.tenant = %(tenant)s AND s.installation_id = i.id AND s.register = g.register
       AND s.at = g.at AND s.status IN ('valid', 'suspect') LIMIT 1) s ON true
  LEFT JOIN LATERAL (
    SELECT ((max(q.total) - min(q.total)) * i.multiplier
            / nullif(extract(epoch FROM max(q.at) - min(q.at)) / 86400, 0))::float8 AS daily
      FROM (SELECT at, total FROM billing_reading q
             WHERE q.tenant = %(tenant)s AND q.installation_id = i.id AND q.register = g.register
               AND q.at < g.at AND q.status = 'valid' ORDER BY q.at DESC LIMIT 7) q) d ON true
 ORDER BY i.id, g.register, g.at, g.place
"""

STORE = (
    """
UPDATE billing_reading SET status = 'replaced', revision = revision + 1, updated_at = %(now)s
 WHERE tenant = %(tenant)s AND id = ANY(%(replaced)s::uuid[])
""",
    """
INSERT INTO billing_reading (
  tenant, id, installation_id, register, at, value, total, reason, condition, status, version,
  replaces_id, source, faults, rule, taken_by, note, revision, created_at, updated_at)
SELECT %(tenant)s, id, installation_id, register, at, value, total, reason, condition, status,
       version, replaces_id, %(source)s, faults, rule, %(actor)s, note, 1, %(now)s, %(now)s
  FROM json_to_recordset(%(rows)s::json) AS r(
    id uuid, installation_id uuid, register text, at timestamptz, value bigint, total bigint,
    reason text, condition text, status text, version int, replaces_id uuid, faults jsonb,
    rule text, note text)
""",
)

# Registers with a point that reports them, and the instant with which their next bill ends.
REPORTED = """
SELECT a.id AS agreement, m.number AS meter, m.external_id, i.id AS installation,
       r.name AS register, r.address, e.at
  FROM billing_agreement a
  JOIN billing_account c ON c.tenant = a.tenant AND c.id = a.account_id
  CROSS JOIN LATERAL (
    SELECT least(least(a.until, %(until)s)::timestamp AT TIME ZONE %(zone)s, %(now)s) AS at) e
  JOIN billing_installation i ON i.tenant = a.tenant AND i.service_point_id = a.service_point_id
   AND i.since < e.at AND (i.until IS NULL OR i.until > e.at)
  JOIN billing_meter m ON m.tenant = a.tenant AND m.id = i.meter_id
  JOIN billing_register r ON r.tenant = a.tenant AND r.meter_id = m.id
 WHERE a.tenant = %(tenant)s AND c.cycle = %(cycle)s AND a.since < %(until)s
   AND (a.until IS NULL OR a.until > %(until)s::date - 62)
   AND m.external_id IS NOT NULL AND r.address IS NOT NULL
   AND (a.id, r.name) > (%(agreement)s, %(register)s)
 ORDER BY a.id, r.name LIMIT %(many)s
"""
