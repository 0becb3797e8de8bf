"""Balances: derived from the lines, with whole months of sealed history taken from a cache."""

import datetime as dt
from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text

from hub import Ctx

from .models import AccountType

DEBIT_TYPES = {AccountType.ASSET, AccountType.EXPENSE}

_SUMS = text("""
SELECT account_id, sum(debit)::bigint AS debit, sum(credit)::bigint AS credit FROM (
  SELECT account_id, debit, credit FROM finance_balance
   WHERE tenant = :tenant AND month < :edge
  UNION ALL
  SELECT account_id, greatest(amount, 0), greatest(-amount, 0) FROM finance_line
   WHERE tenant = :tenant AND entry_date >= :edge AND entry_date <= :at
  UNION ALL
  SELECT l.account_id, greatest(l.amount, 0), greatest(-l.amount, 0)
    FROM finance_series s
    LEFT JOIN finance_rolled r ON r.tenant = s.tenant AND r.fiscal_year = s.fiscal_year
    JOIN finance_entry e ON e.tenant = s.tenant AND e.fiscal_year = s.fiscal_year
                        AND e.number > coalesce(r.last, 0)
    JOIN finance_line l ON l.tenant = e.tenant AND l.entry_id = e.id AND l.entry_date < :edge
   WHERE s.tenant = :tenant AND s.last > coalesce(r.last, 0)
) moved GROUP BY account_id
""")

_WITHOUT_CLOSING = text("""
SELECT l.account_id, sum(greatest(l.amount, 0))::bigint AS debit,
       sum(greatest(-l.amount, 0))::bigint AS credit
  FROM finance_line l
  JOIN finance_entry e ON e.tenant = l.tenant AND e.id = l.entry_id
 WHERE l.tenant = :tenant AND l.entry_date BETWEEN :start AND :at
   AND e.kind <> 'finance.year_end' GROUP BY l.account_id
""")

_ROLL = text("""
WITH fresh AS (
  SELECT l.account_id, date_trunc('month', l.entry_date)::date AS month,
         sum(greatest(l.amount, 0))::bigint AS debit, sum(greatest(-l.amount, 0))::bigint AS credit
    FROM finance_entry e JOIN finance_line l ON l.tenant = e.tenant AND l.entry_id = e.id
   WHERE e.tenant = :tenant AND e.fiscal_year = :year AND e.number > :above AND e.number <= :upto
   GROUP BY 1, 2)
INSERT INTO finance_balance AS b (tenant, account_id, month, debit, credit)
SELECT :tenant, account_id, month, debit, credit FROM fresh
ON CONFLICT (tenant, account_id, month)
DO UPDATE SET debit = b.debit + excluded.debit, credit = b.credit + excluded.credit
""")


class Sums(NamedTuple):
    """Movements of an account in minor units of its currency."""

    debit: int = 0
    credit: int = 0

    @property
    def net(self) -> int:
        """Debit − credit."""
        return self.debit - self.credit

    def __add__(self, other: object) -> "Sums":
        if not isinstance(other, Sums):
            return NotImplemented
        return Sums(self.debit + other.debit, self.credit + other.credit)

    def less(self, other: "Sums") -> "Sums":
        return Sums(self.debit - other.debit, self.credit - other.credit)

    def signed(self, kind: AccountType) -> int:
        """As accountants read it: assets and expenses debit − credit, the others the reverse."""
        return self.net if kind in DEBIT_TYPES else -self.net


NOTHING = Sums()


async def sums(ctx: Ctx, at: dt.date) -> dict[UUID, Sums]:
    """Everything posted up to and including a value date, by account."""
    edge = (at + dt.timedelta(days=1)).replace(day=1)
    arguments = {"tenant": ctx.actor.tenant, "at": at, "edge": edge}
    return {r.account_id: Sums(r.debit, r.credit) for r in await ctx.db.execute(_SUMS, arguments)}


async def moved(ctx: Ctx, start: dt.date, end: dt.date) -> dict[UUID, Sums]:
    """What moved between two value dates, both included."""
    before = await sums(ctx, start - dt.timedelta(days=1))
    until = await sums(ctx, end)
    return {account: total.less(before.get(account, NOTHING)) for account, total in until.items()}


async def earned(ctx: Ctx, start: dt.date, end: dt.date) -> dict[UUID, Sums]:
    """As `moved`, without the entries that carry a year's result to equity."""
    arguments = {"tenant": ctx.actor.tenant, "start": start, "at": end}
    found = await ctx.db.execute(_WITHOUT_CLOSING, arguments)
    return {r.account_id: Sums(r.debit, r.credit) for r in found}


def total(parts: Iterable[Sums]) -> Sums:
    return sum(parts, NOTHING)


async def roll_up(ctx: Ctx) -> int:
    """Bring the cache up to the newest entry; how many entries were added.

    Numbers are given under a lock that is held until the commit, so whoever sees a number sees all
    that are smaller.
    """
    added = 0
    arguments = {"tenant": ctx.actor.tenant}
    years = await ctx.db.execute(_BEHIND, arguments)
    for year in years.all():
        state = {**arguments, "year": year.fiscal_year}
        above = await ctx.db.scalar(_CLAIM, state)
        if above is None or year.upto <= above:
            continue
        await ctx.db.execute(_ROLL, {**state, "above": above, "upto": year.upto})
        await ctx.db.execute(_ROLLED, {**state, "upto": year.upto})
        added += year.upto - above
    return added


_BEHIND = text("""
SELECT fiscal_year, max(number) AS upto FROM finance_entry
 WHERE tenant = :tenant AND number IS NOT NULL GROUP BY fiscal_year
""")
_CLAIM = text("""
INSERT INTO finance_rolled AS r (tenant, fiscal_year, last) VALUES (:tenant, :year, 0)
ON CONFLICT (tenant, fiscal_year) DO UPDATE SET last = r.last RETURNING last
""")
_ROLLED = text("""
UPDATE finance_rolled SET last = :upto WHERE tenant = :tenant AND fiscal_year = :year
""")
