"""Opening the books of a company: currencies, chart, fiscal years."""

import calendar
import datetime as dt
from uuid import UUID

from sqlalchemy import select, text

from hub import Conflict, Ctx, uuid7
from hub.contract.units import digits as iso_digits

from .chart import CHART, parent
from .models import Account, CompanyCurrency, Period, PeriodStatus, Series
from .posting import seed_rules


async def open_books(ctx: Ctx, *, currency: str, year: int, digits: int | None = None) -> None:
    """Make what is missing of base currency, chart and fiscal year; calling it again is harmless.

    digits: decimals of the base currency where the company's differ from the usual ones.
    """
    await _alone(ctx)
    if await base_currency(ctx) is None:
        ctx.db.add(
            CompanyCurrency(
                code=currency,
                digits=iso_digits(currency) if digits is None else digits,
                is_base=True,
            )
        )
    if await ctx.db.scalar(select(Account.id).limit(1)) is None:
        await _seed_chart(ctx, currency)
    await seed_rules(ctx)
    if await ctx.db.scalar(select(Period.id).where(Period.fiscal_year == year).limit(1)) is None:
        await open_year(ctx, dt.date(year, 1, 1))


async def base_currency(ctx: Ctx) -> CompanyCurrency | None:
    found: CompanyCurrency | None = await ctx.db.scalar(
        select(CompanyCurrency).where(CompanyCurrency.is_base)
    )
    return found


async def _alone(ctx: Ctx) -> None:
    """Two that open the same books wait for each other."""
    lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
    await ctx.db.execute(lock, {"name": f"finance.books {ctx.actor.tenant}"})


async def _seed_chart(ctx: Ctx, currency: str) -> None:
    ids: dict[str, UUID] = {}
    levels: dict[str, int] = {}
    for seed in CHART:
        above = parent(seed)
        ids[seed.code] = uuid7()
        levels[seed.code] = levels[above] + 1 if above else 1
        ctx.db.add(
            Account(
                id=ids[seed.code],
                code=seed.code,
                name_ar=seed.name_ar,
                name_en=seed.name_en,
                account_type=seed.type,
                parent_id=ids[above] if above else None,
                level=levels[seed.code],
                is_postable="h" not in seed.marks,
                is_intermediate="i" in seed.marks,
                is_control="c" in seed.marks,
                currency=currency,
                purpose=seed.purpose or None,
            )
        )
        if "h" in seed.marks:
            await ctx.db.flush()
    await ctx.db.flush()


async def open_year(ctx: Ctx, start: dt.date, name: int | None = None) -> list[Period]:
    """Twelve months from `start`, the first of a month, and period 13 on the last day.

    name: the fiscal year, that of the last month when absent.
    """
    if start.day != 1:
        raise Conflict("a fiscal year starts on the first of a month", field="start_date")
    months = [_month(start, i) for i in range(12)]
    year = name or months[-1].year
    await _alone(ctx)
    taken = await ctx.db.scalar(
        select(Period.id).where(
            (Period.fiscal_year == year)
            | ((Period.start_date <= _last(months[-1])) & (Period.end_date >= start))
        )
    )
    if taken is not None:
        raise Conflict(f"fiscal year {year}, or one that overlaps it, is already open")
    spans = [(i, m, _last(m)) for i, m in enumerate(months, 1)]
    spans.append((13, _last(months[-1]), _last(months[-1])))
    periods = [
        Period(
            fiscal_year=year,
            period_no=number,
            start_date=first,
            end_date=last,
            status=PeriodStatus.OPEN,
        )
        for number, first, last in spans
    ]
    ctx.db.add_all(periods)
    ctx.db.add(Series(tenant=ctx.actor.tenant, fiscal_year=year, last=0))
    await ctx.db.flush()
    return periods


def _month(start: dt.date, months: int) -> dt.date:
    month = start.month - 1 + months
    return dt.date(start.year + month // 12, month % 12 + 1, 1)


def _last(first: dt.date) -> dt.date:
    return first.replace(day=calendar.monthrange(first.year, first.month)[1])
