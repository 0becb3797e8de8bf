"""Forgets old events and deliveries, a few thousand at a time so that nobody waits."""

import msgspec

from hub import Days, Run, Schedule, forget, job

# What is still waiting or was given up stays, and so does the event it is about.
_ATTEMPTS = """
DELETE FROM events_attempt WHERE id IN
  (SELECT id FROM events_attempt WHERE created_at < :until LIMIT :part)
"""
_DELIVERIES = """
DELETE FROM events_delivery WHERE id IN
  (SELECT id FROM events_delivery WHERE created_at < :until AND status <> 'pending' LIMIT :part)
"""
_RUNS = """
DELETE FROM hub_attempt WHERE id IN
  (SELECT id FROM hub_attempt WHERE started_at < :until LIMIT :part)
"""
_EVENTS = """
DELETE FROM hub_event WHERE sequence IN
  (SELECT e.sequence FROM hub_event e
    WHERE e.at < :until AND e.dispatched
      AND NOT EXISTS (SELECT FROM hub_delivery d WHERE d.event = e.sequence)
    LIMIT :part)
"""
_OLD = (
    ("deliveries", _ATTEMPTS),
    ("deliveries", _DELIVERIES),
    ("events", _RUNS),
    ("events", _EVENTS),
)


class Ages(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Days that each is kept."""

    events: Days = 400
    deliveries: Days = 30


@job("clean_events", priority=9, retries=1, manual=True)
async def clean(run: Run, params: Ages) -> dict[str, int]:
    """Forget old events and deliveries of webhooks."""
    gone = {"events": 0, "deliveries": 0}
    for step, (what, statement) in enumerate(_OLD):
        gone[what] += await forget(run, statement, getattr(params, what))
        await run.progress(25 * step, f"{sum(gone.values())} rows")
    return gone


DAILY = Schedule(code="clean_events", job="clean_events", cron="30 3 * * *")
