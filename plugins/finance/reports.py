"""Financial statements, all derived from posted lines."""

import datetime as dt
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select, text

from hub import BadRequest, Ctx, NotFound, query

from . import balances, rules
from .models import Account, AccountType
from .money import Scales


class ReportParams(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """[from, to], value dates, both included; the year up to today when absent."""

    start: dt.date | None = msgspec.field(name="from", default=None)
    end: dt.date | None = msgspec.field(name="to", default=None)


class Report(msgspec.Struct, kw_only=True):
    """rows: as the report names them; totals: by currency, then by name. Amounts are text."""

    report: str
    start: dt.date = msgspec.field(name="from")
    end: dt.date = msgspec.field(name="to")
    rows: list[dict[str, Any]]
    totals: dict[str, dict[str, str]]


class _Span:
    """What a report is made of: the dates, the chart, the decimals."""

    def __init__(self, start: dt.date, end: dt.date, chart: list[Account], scales: Scales) -> None:
        self.start, self.end, self.chart, self.scales = start, end, chart, scales
        self.rows: list[dict[str, Any]] = []
        self._totals: dict[str, dict[str, int]] = {}

    def add(self, account: Account, **amounts: int) -> None:
        """A row, counted in the totals of its currency."""
        currency = account.currency
        shown = {k: self.scales.text(v, currency) for k, v in amounts.items()}
        name = {"name_en": account.name_en, "name_ar": account.name_ar}
        kind = {"account_type": str(account.account_type), "currency": currency}
        self.rows.append({"code": account.code, **name, **kind, **shown})
        for key, value in amounts.items():
            self.count(currency, key, value)

    def count(self, currency: str, key: str, value: int) -> None:
        totals = self._totals.setdefault(currency, {})
        totals[key] = totals.get(key, 0) + value

    def total(self, currency: str, key: str) -> int:
        return self._totals.get(currency, {}).get(key, 0)

    @property
    def currencies(self) -> list[str]:
        return sorted(self._totals)

    def report(self, name: str) -> Report:
        totals = {
            c: {k: self.scales.text(v, c) for k, v in t.items()} for c, t in self._totals.items()
        }
        return Report(report=name, start=self.start, end=self.end, rows=self.rows, totals=totals)


@query("reports/{report}", permission="finance.reports.read")
async def read_report(ctx: Ctx, report: str, params: ReportParams) -> Report:
    """Trial balance, income statement, balance sheet, general ledger, aged debt."""
    make = _REPORTS.get(report)
    if make is None:
        raise NotFound(f"there is no report {report!r}: {', '.join(_REPORTS)}", identifier=report)
    end = params.end or ctx.clock().date()
    start = params.start or end.replace(month=1, day=1)
    if start > end:
        raise BadRequest("from is after to", field="from")
    chart = (await ctx.db.scalars(select(Account).order_by(Account.code))).all()
    span = _Span(start, end, list(chart), await Scales.of(ctx))
    await make(ctx, span)
    return span.report(report)


async def _trial_balance(ctx: Ctx, span: _Span) -> None:
    """Opening, movements and closing of every account; net of each currency is zero."""
    before = await balances.sums(ctx, span.start - dt.timedelta(days=1))
    until = await balances.sums(ctx, span.end)
    for account in span.chart:
        opening = before.get(account.id, balances.NOTHING)
        closing = until.get(account.id)
        if closing is None:
            continue
        moved = closing.less(opening)
        span.add(
            account,
            opening=opening.net,
            debit=moved.debit,
            credit=moved.credit,
            closing_debit=max(closing.net, 0),
            closing_credit=max(-closing.net, 0),
        )


async def _income_statement(ctx: Ctx, span: _Span) -> None:
    """Revenue and expense, before they were carried to equity."""
    moved = await balances.earned(ctx, span.start, span.end)
    _section(span, moved, AccountType.REVENUE)
    _section(span, moved, AccountType.EXPENSE)
    for currency in span.currencies:
        result = span.total(currency, "revenue") - span.total(currency, "expense")
        span.count(currency, "result", result)


def _section(span: _Span, held: dict[UUID, balances.Sums], kind: AccountType) -> None:
    for account in span.chart:
        if account.account_type is kind and account.id in held:
            span.add(account, **{str(kind): held[account.id].signed(kind)})


async def _balance_sheet(ctx: Ctx, span: _Span) -> None:
    """Assets = liabilities + equity + result not yet carried, in each currency."""
    held = await balances.sums(ctx, span.end)
    for kind in (AccountType.ASSET, AccountType.LIABILITY, AccountType.EQUITY):
        _section(span, held, kind)
    for account in span.chart:
        if account.id in held and account.account_type in {
            AccountType.REVENUE,
            AccountType.EXPENSE,
        }:
            span.count(account.currency, "result", -held[account.id].net)
    for currency in span.currencies:
        sources = sum(span.total(currency, k) for k in ("liability", "equity", "result"))
        span.count(currency, "difference", span.total(currency, "asset") - sources)


_LEDGER = text("""
SELECT a.code, l.entry_date, e.entry_no, coalesce(l.description, e.description) AS told, l.amount,
       l.currency, l.party_id
  FROM finance_line l
  JOIN finance_entry e ON e.tenant = l.tenant AND e.id = l.entry_id
  JOIN finance_account a ON a.tenant = l.tenant AND a.id = l.account_id
 WHERE l.tenant = :tenant AND l.entry_date BETWEEN :start AND :end
 ORDER BY a.code, l.entry_date, e.fiscal_year, e.number, l.line_no LIMIT :most
""")
MOST_LINES = 50_000


async def _general_ledger(ctx: Ctx, span: _Span) -> None:
    """Every line; a span with more than 50,000 has to be asked for in parts."""
    arguments = {
        "tenant": ctx.actor.tenant,
        "start": span.start,
        "end": span.end,
        "most": MOST_LINES + 1,
    }
    lines = (await ctx.db.execute(_LEDGER, arguments)).all()
    if len(lines) > MOST_LINES:
        raise BadRequest(f"more than {MOST_LINES:,} lines: ask for a shorter span", field="from")
    for line in lines:
        debit, credit = max(line.amount, 0), max(-line.amount, 0)
        span.rows.append(
            {
                "code": line.code,
                "date": line.entry_date.isoformat(),
                "entry_no": line.entry_no,
                "description": line.told,
                "currency": line.currency,
                "debit": span.scales.text(debit, line.currency),
                "credit": span.scales.text(credit, line.currency),
                "party_id": str(line.party_id) if line.party_id else None,
            }
        )
        span.count(line.currency, "debit", debit)
        span.count(line.currency, "credit", credit)


_PARTIES = text("""
SELECT l.party_type, l.party_id, l.currency, l.entry_date, l.amount
  FROM finance_line l JOIN finance_account a ON a.tenant = l.tenant AND a.id = l.account_id
 WHERE l.tenant = :tenant AND a.is_control AND a.account_type = :kind AND l.entry_date <= :end
   AND l.party_id IS NOT NULL
 ORDER BY l.party_id, l.currency, l.entry_date
""")
AGES = ("current", "to_30", "to_60", "to_90", "over_90")


async def _aged(ctx: Ctx, span: _Span, kind: AccountType) -> None:
    """What each party owes (or is owed) by age since booking; payments settle the oldest first."""
    found = await ctx.db.execute(
        _PARTIES, {"tenant": ctx.actor.tenant, "kind": str(kind), "end": span.end}
    )
    sign = 1 if kind in balances.DEBIT_TYPES else -1
    parties: dict[tuple[Any, ...], list[tuple[dt.date, int]]] = {}
    for line in found:
        party = (line.party_type, line.party_id, line.currency)
        parties.setdefault(party, []).append((line.entry_date, sign * line.amount))
    for (party_type, party, currency), lines in parties.items():
        buckets, advance = _ages(lines, span.end)
        if not any(buckets) and not advance:
            continue
        shown = dict(zip(AGES, buckets, strict=True)) | {"advance": advance}
        span.rows.append(
            {
                "party_type": party_type,
                "party_id": str(party),
                "currency": currency,
                "total": span.scales.text(sum(buckets) - advance, currency),
                **{k: span.scales.text(v, currency) for k, v in shown.items()},
            }
        )
        for key, value in {**shown, "total": sum(buckets) - advance}.items():
            span.count(currency, key, value)


def _ages(lines: Iterable[tuple[dt.date, int]], at: dt.date) -> tuple[list[int], int]:
    lines = list(lines)
    debts = [(day.toordinal(), amount) for day, amount in lines if amount > 0]
    received = -sum(amount for _, amount in lines if amount < 0)
    still_open, advance = rules.settle_oldest_first(debts, received)
    return rules.aged([(at.toordinal() - day, amount) for day, amount in still_open]), advance


async def _aged_receivables(ctx: Ctx, span: _Span) -> None:
    await _aged(ctx, span, AccountType.ASSET)


async def _aged_payables(ctx: Ctx, span: _Span) -> None:
    await _aged(ctx, span, AccountType.LIABILITY)


_REPORTS: dict[str, Callable[[Ctx, _Span], Awaitable[None]]] = {
    "trial-balance": _trial_balance,
    "income-statement": _income_statement,
    "balance-sheet": _balance_sheet,
    "general-ledger": _general_ledger,
    "aged-receivables": _aged_receivables,
    "aged-payables": _aged_payables,
}
