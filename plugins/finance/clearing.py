"""Clearing accounts at a glance, and what was settled."""

import datetime as dt
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select, text

from hub import Ctx, query

from . import balances
from .models import Account
from .models_reconciliation import Session, SessionStatus
from .money import Scales

_CLEARING = text("""
SELECT l.account_id, count(*) AS many, min(l.entry_date) AS oldest
  FROM finance_line l JOIN finance_account a ON a.tenant = l.tenant AND a.id = l.account_id
 WHERE l.tenant = :tenant AND a.is_intermediate
   AND NOT EXISTS (SELECT FROM finance_item i WHERE i.tenant = l.tenant AND i.entry_id = l.entry_id
                      AND i.line_no = l.line_no AND i.state = 'matched')
 GROUP BY l.account_id
""")


@query("intermediate-accounts", permission="finance.accounts.read")
async def intermediate_accounts(ctx: Ctx) -> list[dict[str, Any]]:
    """Clearing accounts with their balance, open lines and the age of the oldest."""
    today = ctx.clock().date()
    held = await balances.sums(ctx, today)
    scales = await Scales.of(ctx)
    open_lines = {r.account_id: r for r in await ctx.db.execute(_CLEARING, _tenant(ctx))}
    rows = await ctx.db.scalars(select(Account).where(Account.is_intermediate))
    found = []
    for account in sorted(rows, key=lambda a: a.code):
        line = open_lines.get(account.id)
        net = held.get(account.id, balances.NOTHING).signed(account.account_type)
        found.append(
            {
                "id": str(account.id),
                "code": account.code,
                "name_en": account.name_en,
                "name_ar": account.name_ar,
                "currency": account.currency,
                "balance": scales.text(net, account.currency),
                "open_items": line.many if line else 0,
                "oldest_days": (today - line.oldest).days if line else None,
            }
        )
    return found


def _tenant(ctx: Ctx) -> dict[str, UUID]:
    return {"tenant": ctx.actor.tenant}


class Settlement(msgspec.Struct, kw_only=True):
    session_id: UUID
    account: str
    source_kind: str
    date_from: dt.date
    date_to: dt.date
    settled_at: dt.datetime | None
    closing_difference: str


@query("settlements", permission="finance.reconciliation.read")
async def settlements(ctx: Ctx) -> list[Settlement]:
    """The last 200 settled sessions."""
    stmt = (
        select(Session, Account)
        .join(Account, Account.id == Session.account_id)
        .where(Session.status == SessionStatus.SETTLED)
        .order_by(Session.settled_at.desc())
        .limit(200)
    )
    scales = await Scales.of(ctx)
    return [
        Settlement(
            session_id=row.id,
            account=account.code,
            source_kind=str(row.source_kind),
            date_from=row.date_from,
            date_to=row.date_to,
            settled_at=row.settled_at,
            closing_difference=scales.text(row.closing_difference or 0, account.currency),
        )
        for row, account in await ctx.db.execute(stmt)
    ]
