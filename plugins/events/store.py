"""What the sender reads and writes: claims, targets, results. Set-based: one statement for many."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select, text

from hub import VAULT, Ctx, Vault, uuid7

from .happenings import WebhookDisabled, WebhookExhausted
from .models import Endpoint
from .rules import GONE, Outcome, disabled, pause

KEEP = 4096  # bytes of an answer's body

_CLAIM = text("""
WITH taken AS (
  SELECT d.tenant, d.id, w.revision, w.timeout_s
    FROM events_endpoint w
   CROSS JOIN LATERAL (
      SELECT q.tenant, q.id FROM events_delivery q
       WHERE q.tenant = w.tenant AND q.endpoint_id = w.id
         AND q.status = 'pending' AND q.next_at <= :now
       ORDER BY q.next_at
       LIMIT coalesce((CAST(:room AS jsonb) ->> w.id::text)::int, :first)
         FOR UPDATE SKIP LOCKED
   ) d
   WHERE w.is_active AND (w.opened_until IS NULL OR w.opened_until <= :now)
)
UPDATE events_delivery d SET next_at = :lease + t.timeout_s * interval '1 second'
  FROM taken t WHERE d.tenant = t.tenant AND d.id = t.id
RETURNING d.tenant, d.id, d.endpoint_id, d.event_id, d.event_type, d.body, d.attempts, t.revision
""")

_RESULTS = text("""
UPDATE events_delivery d
   SET status = r.status, attempts = r.attempts, next_at = r.next_at, updated_at = :now,
       completed_at = CASE WHEN r.status = 'pending' THEN NULL ELSE :now END,
       response_status = r.code, error = r.error
  FROM unnest(CAST(:tenant AS uuid[]), CAST(:id AS uuid[]), CAST(:status AS text[]),
              CAST(:attempts AS int[]), CAST(:next_at AS timestamptz[]), CAST(:code AS int[]),
              CAST(:error AS text[]))
       AS r(tenant, id, status, attempts, next_at, code, error)
 WHERE d.tenant = r.tenant AND d.id = r.id AND d.status = 'pending'
""")

_ATTEMPTS = text("""
INSERT INTO events_attempt (tenant, id, revision, created_at, updated_at, delivery_id, endpoint_id,
                            number, duration_ms, response_status, response_body, error)
SELECT r.tenant, r.id, 1, :now, :now, r.delivery, r.endpoint, r.number, r.took, r.code, r.body,
       r.error
  FROM unnest(CAST(:tenant AS uuid[]), CAST(:attempt AS uuid[]), CAST(:id AS uuid[]),
              CAST(:endpoint AS uuid[]), CAST(:attempts AS int[]), CAST(:took AS int[]),
              CAST(:code AS int[]), CAST(:body AS text[]), CAST(:error AS text[]))
       AS r(tenant, id, delivery, endpoint, number, took, code, body, error)
  JOIN events_endpoint w ON w.tenant = r.tenant AND w.id = r.endpoint
""")

_HEALTH = text("""
UPDATE events_endpoint
   SET failures = :failures, failing_since = CAST(:since AS timestamptz), last_at = :now,
       last_status = :status, is_active = is_active AND CAST(:reason AS text) IS NULL,
       disabled_reason = coalesce(CAST(:reason AS text), disabled_reason),
       opened_until = coalesce(CAST(:opened AS timestamptz), opened_until)
 WHERE id = :id
""")

_RELEASE = text("""
UPDATE events_delivery SET next_at = :now
 WHERE id = ANY(CAST(:ids AS uuid[])) AND status = 'pending'
""")


class Job(msgspec.Struct, kw_only=True):
    """A claimed delivery. until: loop time after which another process may have claimed it."""

    tenant: UUID
    id: UUID
    endpoint: UUID
    event: UUID
    type: str
    body: bytes
    attempts: int
    until: float = 0.0


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach a receiver, as of one revision of it. secrets: the newest first.

    until: when one of them ends.
    """

    id: UUID
    revision: int
    url: str
    headers: Mapping[str, str]
    timeout: float
    secrets: tuple[str, ...]
    until: dt.datetime | None = None


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt that was made. opened: it has opened the breaker for so many seconds."""

    job: Job
    outcome: Outcome
    draw: float = 0.5
    opened: float | None = None


def place(endpoint: UUID) -> str:
    """What the secrets of a receiver are sealed to."""
    return f"events_endpoint/{endpoint}"


def target(row: Endpoint, vault: Vault, now: dt.datetime) -> Target:
    sealed = [row.secret]
    if row.previous_secret and row.previous_until and row.previous_until > now:
        sealed.append(row.previous_secret)
    return Target(
        id=row.id,
        revision=row.revision,
        url=row.url,
        headers=row.headers,
        timeout=float(row.timeout_s),
        secrets=tuple(vault.unseal(s, place(row.id)) for s in sealed),
        until=row.previous_until if len(sealed) > 1 else None,
    )


async def claim(
    ctx: Ctx, room: Mapping[UUID, int], first: int, lease: float
) -> list[tuple[Job, int]]:
    """Deliveries that are due, and the revision of their receiver.

    room: how many of each receiver; `first` of one that is not named. lease: seconds.
    """
    now = ctx.clock()
    found = await ctx.db.execute(
        _CLAIM,
        {
            "now": now,
            "lease": now + dt.timedelta(seconds=lease),
            "room": msgspec.json.encode({str(k): v for k, v in room.items()}).decode(),
            "first": first,
        },
    )
    return [
        (
            Job(
                tenant=r[0], id=r[1], endpoint=r[2], event=r[3], type=r[4], body=r[5], attempts=r[6]
            ),
            r[7],
        )
        for r in found
    ]


async def targets(ctx: Ctx, idents: Collection[UUID]) -> list[Target]:
    rows = await ctx.db.scalars(select(Endpoint).where(Endpoint.id.in_(idents)))
    return [target(row, ctx.get(VAULT), ctx.clock()) for row in rows]


async def release(ctx: Ctx, idents: Collection[UUID]) -> None:
    """Give back what was claimed and not tried."""
    await ctx.db.execute(_RELEASE, {"now": ctx.clock(), "ids": list(idents)})


async def record(ctx: Ctx, results: Sequence[Result]) -> None:
    """Write what became of these attempts. Receivers first: all processes lock in one order."""
    now = ctx.clock()
    for ident in sorted({r.job.endpoint for r in results}):
        await _health(ctx, ident, [r for r in results if r.job.endpoint == ident], now)
    rows = [_row(ctx, result, now) for result in results]
    columns: dict[str, Any] = {key: [row[key] for row in rows] for key in rows[0]}
    await ctx.db.execute(_RESULTS, {"now": now, **columns})
    await ctx.db.execute(_ATTEMPTS, {"now": now, **columns})


def _row(ctx: Ctx, result: Result, now: dt.datetime) -> dict[str, Any]:
    job, outcome = result.job, result.outcome
    number = job.attempts + 1
    wait = None if outcome.ok or outcome.status == GONE else pause(number, outcome, result.draw)
    dead = not outcome.ok and wait is None
    if dead:
        told = WebhookExhausted(endpoint_id=job.endpoint, delivery_id=job.id, event_type=job.type)
        ctx.emit(told, tenant=job.tenant)
    return {
        "tenant": job.tenant,
        "id": job.id,
        "attempt": uuid7(),
        "endpoint": job.endpoint,
        "status": "success" if outcome.ok else "dead" if dead else "pending",
        "attempts": number,
        "next_at": None if wait is None else now + wait,
        "code": outcome.status,
        "error": outcome.error,
        "took": outcome.duration_ms,
        "body": outcome.body,
    }


async def _health(ctx: Ctx, ident: UUID, results: Sequence[Result], now: dt.datetime) -> None:
    """Note how a receiver does; its revision stays, for no person has changed it."""
    row = (
        await ctx.db.execute(
            text(
                "SELECT tenant, is_active, failures, failing_since FROM events_endpoint"
                " WHERE id = :id FOR NO KEY UPDATE"
            ),
            {"id": ident},
        )
    ).one_or_none()
    if row is None:
        return
    failures, since, reason = row.failures, row.failing_since, None
    for result in results:
        if result.outcome.ok:
            failures, since = 0, None
            continue
        failures, since = failures + 1, since or now
        reason = reason or disabled(result.outcome, failures, since, now)
    opened = max((r.opened for r in results if r.opened is not None), default=None)
    await ctx.db.execute(
        _HEALTH,
        {
            "id": ident,
            "failures": failures,
            "since": since,
            "now": now,
            "status": results[-1].outcome.status,
            "reason": reason,
            "opened": None if opened is None else now + dt.timedelta(seconds=opened),
        },
    )
    if reason and row.is_active:
        ctx.emit(WebhookDisabled(endpoint_id=ident, reason=reason), tenant=row.tenant)
