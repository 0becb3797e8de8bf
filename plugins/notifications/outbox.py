"""Sends the messages that are due, in any number of processes.

A message is claimed for a while (`lease`), sent, and the result is written. A process that dies
lets its claims run out, and another sends them again under the same Message-ID.
"""

import asyncio
import contextlib
import datetime as dt
import logging
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import msgspec
from sqlalchemy import text

from hub import Channel, ConfigError, Ctx, Signals, UnitOfWork, Vault

from . import rules, texts
from .events import NotificationDelivered, NotificationFailed
from .messages import TOPIC, place
from .models import State
from .providers import Carried, Chains, Clock, Message, Try, carry

log = logging.getLogger(__name__)
AT_ONCE = 16
POLL = 2.0

_CLAIM = text("""
UPDATE notifications_delivery d
   SET next_at = :until, tries = d.tries + 1
  FROM (SELECT tenant, id FROM notifications_delivery
         WHERE status = 'queued' AND next_at <= :now
         ORDER BY next_at LIMIT :most FOR UPDATE SKIP LOCKED) t
 WHERE d.tenant = t.tenant AND d.id = t.id
RETURNING d.tenant, d.id, d.channel, d.address, d.subject, d.body, d.locale, d.type_code, d.sealed,
          d.merged, d.tries
""")
_RECORD = text("""
UPDATE notifications_delivery
   SET status = CAST(:status AS text), next_at = CAST(:next_at AS timestamptz),
       provider = CAST(:provider AS text), provider_ref = CAST(:reference AS text),
       attempts = attempts || CAST(:attempts AS jsonb), updated_at = CAST(:now AS timestamptz),
       sent_at = CASE WHEN CAST(:status AS text) = 'sent' THEN CAST(:now AS timestamptz) END,
       body = CASE WHEN sealed AND CAST(:status AS text) <> 'queued' THEN NULL ELSE body END
 WHERE tenant = :tenant AND id = :id AND status = 'queued' AND tries = :tries
""")


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is ours to send for a while. tries: with this one."""

    tenant: UUID
    channel: Channel
    message: Message
    tries: int
    sealed: bool


class Outbox:
    """Sends what is due for as long as it runs."""

    def __init__(
        self, unit: UnitOfWork, signals: Signals, vault: Vault, chains: Chains, *, lease: float
    ) -> None:
        self._unit, self._signals, self._vault, self._chains = unit, signals, vault, chains
        self._lease = dt.timedelta(seconds=lease)
        self._wake = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self, after: asyncio.Event) -> AsyncIterator[None]:
        """Send in the background from `after` on."""
        tasks = [asyncio.create_task(w) for w in (self._work(after), self._listen())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self) -> None:
        async with self._signals.listen(TOPIC) as news:
            async for _ in news:
                self._wake.set()

    async def _work(self, after: asyncio.Event) -> None:
        await after.wait()
        while True:
            self._wake.clear()
            try:
                while await self.send():
                    pass
            except Exception:
                log.exception("messages wait", extra={"action": "notifications.failed"})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL):
                    await self._wake.wait()

    async def send(self) -> int:
        """Send some of what is due; how many were tried."""
        async with self._unit.system() as ctx:
            claimed, clock = await self._claim(ctx), ctx.clock
        done = await asyncio.gather(*(self._carry(c, clock) for c in claimed))
        if claimed:
            async with self._unit.system() as ctx:
                await _record(ctx, list(zip(claimed, done, strict=True)))
        return len(claimed)

    async def _claim(self, ctx: Ctx) -> Sequence[Claimed]:
        now = ctx.clock()
        found = await ctx.db.execute(
            _CLAIM, {"now": now, "until": now + self._lease, "most": AT_ONCE}
        )
        claimed = []
        for row in found:
            body = texts.body(row.body, {"count": row.merged}) if row.merged else row.body
            message = Message(
                id=row.id,
                to=row.address,
                subject=row.subject,
                body=body,
                locale=row.locale,
                type_code=row.type_code,
            )
            claimed.append(
                Claimed(
                    tenant=row.tenant,
                    channel=Channel(row.channel),
                    message=message,
                    tries=row.tries,
                    sealed=row.sealed,
                )
            )
        return claimed

    async def _carry(self, claimed: Claimed, clock: Clock) -> Carried:
        message = claimed.message
        if claimed.sealed:
            try:
                body = self._vault.unseal(message.body, place(message.id))
            except ConfigError as error:
                lost = Try(provider="vault", at=clock(), ok=False, error=str(error))
                return Carried(tries=[lost], final=True)
            message = msgspec.structs.replace(message, body=body)
        return await carry(self._chains[claimed.channel], message, clock)


async def _record(ctx: Ctx, results: Sequence[tuple[Claimed, Carried]]) -> None:
    """Write what became of these messages."""
    now = ctx.clock()
    for claimed, carried in results:
        wait = None if carried.provider or carried.final else rules.pause(claimed.tries)
        status = State.SENT if carried.provider else State.FAILED
        if wait is not None:
            status = State.QUEUED
        elif not carried.tries[0].provider:
            status = State.SKIPPED
        done = await ctx.db.execute(
            _RECORD,
            {
                "tenant": claimed.tenant,
                "id": claimed.message.id,
                "tries": claimed.tries,
                "status": status,
                "next_at": None if wait is None else now + wait,
                "provider": carried.provider or None,
                "reference": carried.reference or None,
                "attempts": msgspec.json.encode(carried.tries).decode(),
                "now": now,
            },
        )
        if done.rowcount:  # type: ignore[attr-defined]
            _tell(ctx, claimed, status, carried.provider)


def _tell(ctx: Ctx, claimed: Claimed, status: State, provider: str) -> None:
    ident, channel = claimed.message.id, str(claimed.channel)
    if status is State.SENT:
        sent = NotificationDelivered(delivery_id=ident, channel=channel, provider=provider)
        ctx.emit(sent, tenant=claimed.tenant)
    elif status is State.FAILED:
        lost = NotificationFailed(delivery_id=ident, channel=channel, attempts=claimed.tries)
        ctx.emit(lost, tenant=claimed.tenant)
        about = {"action": "notifications.lost", "delivery": str(ident)}
        log.warning("a message by %s was given up", channel, extra=about)
