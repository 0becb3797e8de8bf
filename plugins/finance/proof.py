"""The nightly proof: what is cached or counted elsewhere must agree with the lines."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sqlalchemy import text

from hub import Ctx, Key

from .models import Proof

SubLedger = Callable[[Ctx], Awaitable[Mapping[str, int]]]


class SubLedgers:
    """Who else counts what control accounts say: account code → total, debit positive."""

    def __init__(self) -> None:
        self._known: dict[str, SubLedger] = {}

    def add(self, name: str, totals: SubLedger) -> None:
        """Let the nightly proof compare, e.g. billing's sum of open items with receivables."""
        self._known[name] = totals

    async def totals(self, ctx: Ctx) -> dict[str, Mapping[str, int]]:
        return {name: await totals(ctx) for name, totals in self._known.items()}


SUBLEDGERS = Key[SubLedgers]("finance sub-ledgers")

_CHECKS = {
    "trial_balance": """
        SELECT currency AS place, sum(amount)::bigint AS difference FROM finance_line
         WHERE tenant = :tenant GROUP BY currency HAVING sum(amount) <> 0""",
    "entries": """
        SELECT e.entry_no AS place, coalesce(sum(l.amount), 0)::bigint AS difference
          FROM finance_entry e
          LEFT JOIN finance_line l ON l.tenant = e.tenant AND l.entry_id = e.id
         WHERE e.tenant = :tenant AND e.status <> 'draft'
         GROUP BY e.id, e.tenant, e.entry_no, e.line_count, e.total
        HAVING sum(l.amount) <> 0 OR count(l.*) <> e.line_count
            OR sum(greatest(l.amount, 0)) <> e.total""",
    "numbers": """
        SELECT s.fiscal_year::text AS place,
               (s.last - count(e.number))::bigint AS difference
          FROM finance_series s
          LEFT JOIN finance_entry e ON e.tenant = s.tenant AND e.fiscal_year = s.fiscal_year
         WHERE s.tenant = :tenant GROUP BY s.fiscal_year, s.last
        HAVING s.last <> count(e.number) OR s.last <> coalesce(max(e.number), 0)""",
    "cache": """
        SELECT a.code || ' ' || to_char(m.month, 'YYYY-MM') AS place,
               sum(m.net)::bigint AS difference
          FROM (SELECT account_id, month, debit - credit AS net FROM finance_balance
                 WHERE tenant = :tenant
                UNION ALL
                SELECT l.account_id, date_trunc('month', l.entry_date)::date, -l.amount
                  FROM finance_line l
                  JOIN finance_entry e ON e.tenant = l.tenant AND e.id = l.entry_id
                  JOIN finance_rolled r ON r.tenant = e.tenant AND r.fiscal_year = e.fiscal_year
                                       AND e.number <= r.last
                 WHERE l.tenant = :tenant) m
          JOIN finance_account a ON a.tenant = :tenant AND a.id = m.account_id
         GROUP BY a.code, m.month HAVING sum(m.net) <> 0""",
    "parties": """
        SELECT a.code AS place, sum(l.amount)::bigint AS difference
          FROM finance_account a JOIN finance_line l
            ON l.tenant = a.tenant AND l.account_id = a.id AND l.party_id IS NULL
         WHERE a.tenant = :tenant AND a.is_control GROUP BY a.code""",
}

_CONTROL = text("""
SELECT a.code, coalesce(sum(l.amount), 0)::bigint AS total FROM finance_account a
  LEFT JOIN finance_line l ON l.tenant = a.tenant AND l.account_id = a.id
 WHERE a.tenant = :tenant AND a.code = ANY(:codes) GROUP BY a.code
""")


async def prove(ctx: Ctx, subledgers: SubLedgers | None = None) -> Proof:
    """Check everything and keep the result; `faults` names each check that failed and where."""
    faults: dict[str, Any] = {}
    for name, statement in _CHECKS.items():
        found = await ctx.db.execute(text(statement), {"tenant": ctx.actor.tenant})
        if wrong := {row.place: row.difference for row in found}:
            faults[name] = wrong
    if subledgers is not None:
        for name, totals in (await subledgers.totals(ctx)).items():
            if wrong := await _compare(ctx, totals):
                faults[f"sub-ledger {name}"] = wrong
    count = text("SELECT coalesce(sum(last), 0)::bigint FROM finance_series WHERE tenant = :tenant")
    entries = await ctx.db.scalar(count, {"tenant": ctx.actor.tenant})
    proof = Proof(proved_at=ctx.clock(), entries=entries or 0, sound=not faults, faults=faults)
    ctx.db.add(proof)
    await ctx.db.flush()
    return proof


async def _compare(ctx: Ctx, totals: Mapping[str, int]) -> dict[str, int]:
    """Accounts whose balance is not what a sub-ledger says, with ledger − sub-ledger."""
    arguments = {"tenant": ctx.actor.tenant, "codes": list(totals)}
    ours = {row.code: row.total for row in await ctx.db.execute(_CONTROL, arguments)}
    return {
        code: difference
        for code, said in totals.items()
        if (difference := ours.get(code, 0) - said)
    }
