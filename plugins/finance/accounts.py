"""The chart of accounts, its balances and statements."""

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta
from sqlalchemy import select, text

from hub import Conflict, Ctx, Invalid, Op, Resource, uuid7

from . import balances
from .events import AccountCreated, AccountUpdated
from .models import Account, AccountType, CompanyCurrency, ExchangeRate, JournalLine
from .money import Scales

accounts = Resource(
    name="accounts",
    model=Account,
    ops=Op.READ | Op.CREATE | Op.UPDATE,
    filters=(
        "code",
        "account_type",
        "is_intermediate",
        "is_control",
        "is_postable",
        "is_active",
        "parent_id",
        "currency",
        "purpose",
    ),
    sort=("code", "name_ar", "name_en", "level"),
    search=("code", "name_ar", "name_en"),
)
currencies = Resource(
    name="currencies",
    model=CompanyCurrency,
    ops=Op.READ | Op.CREATE | Op.UPDATE,
    subject="accounts",
    filters=("code", "is_base"),
    sort=("code",),
)
rates = Resource(
    name="rates",
    model=ExchangeRate,
    ops=Op.READ | Op.CREATE,
    subject="accounts",
    filters=("currency", "day"),
    sort=("-day", "currency"),
)


@accounts.on(Op.CREATE)
async def create_account(ctx: Ctx, body: msgspec.Struct) -> Account:
    given = _given(body)
    row = Account(id=uuid7(), **given)
    row.level = await _level(ctx, row)
    ctx.db.add(row)
    ctx.emit(AccountCreated(account_id=row.id, code=row.code))
    return row


@accounts.on(Op.UPDATE)
async def update_account(ctx: Ctx, row: Account, body: msgspec.Struct) -> None:
    """Type, parent and currency are fixed once something was posted to the account."""
    given = {k: v for k, v in _given(body).items() if getattr(row, k) != v}
    fixed = {"account_type", "parent_id", "currency", "is_postable", "is_control"} & set(given)
    if fixed and await _posted_to(ctx, row.id):
        names = ", ".join(sorted(fixed))
        raise Conflict(f"account {row.code} has entries: {names} stays", fields=sorted(fixed))
    for name, value in given.items():
        setattr(row, name, value)
    if "parent_id" in given:
        row.level = await _level(ctx, row)
    if given:
        ctx.emit(AccountUpdated(account_id=row.id, changed=sorted(given)))


def _given(body: msgspec.Struct) -> dict[str, Any]:
    return {k: v for k, v in msgspec.structs.asdict(body).items() if v is not msgspec.UNSET}


async def _posted_to(ctx: Ctx, account: UUID) -> bool:
    stmt = select(JournalLine.entry_id).where(
        JournalLine.tenant == ctx.actor.tenant, JournalLine.account_id == account
    )
    return await ctx.db.scalar(stmt.limit(1)) is not None


async def _level(ctx: Ctx, row: Account) -> int:
    """One below its parent; a parent is a heading of the same type, and no circle arises."""
    level, above = 1, row.parent_id
    while above is not None:
        if above == row.id:
            raise Invalid("an account is not above itself", field="parent_id")
        with ctx.db.no_autoflush:
            parent = await ctx.db.scalar(select(Account).where(Account.id == above))
        if parent is None:
            raise Invalid("parent_id: there is no such account", field="parent_id")
        if level == 1 and (parent.is_postable or parent.account_type != row.account_type):
            kind = row.account_type
            raise Invalid(f"the account above is a heading of {kind}", field="parent_id")
        level, above = level + 1, parent.parent_id
    return level


@currencies.on(Op.UPDATE)
async def update_currency(ctx: Ctx, row: CompanyCurrency, body: msgspec.Struct) -> None:
    """The decimals are fixed once an amount was posted in the currency."""
    digits = _given(body).get("digits", row.digits)
    if digits == row.digits:
        return
    used = text("SELECT 1 FROM finance_line WHERE tenant = :tenant AND currency = :code LIMIT 1")
    if await ctx.db.scalar(used, {"tenant": ctx.actor.tenant, "code": row.code}):
        raise Conflict(f"there are amounts in {row.code}: its decimals stay", field="digits")
    row.digits = digits


class At(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """date: value date, included; today when absent."""

    date: dt.date | None = None


class Balance(msgspec.Struct, kw_only=True):
    """Amounts in `currency`, signed as the account's type reads. opening: at the year's start."""

    date: dt.date
    currency: str
    opening: str
    debit: str
    credit: str
    closing: str


class Node(msgspec.Struct, kw_only=True):
    """balance: of the account and all below it, by currency."""

    id: UUID
    code: str
    name_ar: str
    name_en: str | None
    account_type: AccountType
    is_postable: bool
    balance: dict[str, str]
    children: list["Node"]


class Statement(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    start: dt.date | None = msgspec.field(name="from", default=None)
    end: dt.date | None = msgspec.field(name="to", default=None)
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    offset: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


class Movement(msgspec.Struct, kw_only=True):
    """balance: of the account after this line."""

    entry_id: UUID
    entry_no: str
    date: dt.date
    description: str
    debit: str
    credit: str
    balance: str
    party_id: UUID | None


@accounts.action("tree", item=False, method="GET", verb="read")
async def tree(ctx: Ctx, params: At) -> list[Node]:
    """The nested chart with subtotals."""
    held = await balances.sums(ctx, params.date or ctx.clock().date())
    scales = await Scales.of(ctx)
    rows = (await ctx.db.scalars(select(Account).order_by(Account.code))).all()
    below: dict[UUID | None, list[Account]] = {}
    for row in rows:
        below.setdefault(row.parent_id, []).append(row)

    def node(row: Account) -> tuple[Node, dict[str, int]]:
        totals = {row.currency: held.get(row.id, balances.NOTHING).signed(row.account_type)}
        children = []
        for child in below.get(row.id, ()):
            made, parts = node(child)
            children.append(made)
            for currency, amount in parts.items():
                totals[currency] = totals.get(currency, 0) + amount
        return Node(
            id=row.id,
            code=row.code,
            name_ar=row.name_ar,
            name_en=row.name_en,
            account_type=row.account_type,
            is_postable=row.is_postable,
            balance={c: scales.text(a, c) for c, a in totals.items()},
            children=children,
        ), totals

    return [node(row)[0] for row in below.get(None, ())]


@accounts.action("balance", method="GET", verb="read")
async def balance(ctx: Ctx, row: Account, params: At) -> Balance:
    """Balance at a date, with what moved since the year began; of a heading, all below it."""
    at = params.date or ctx.clock().date()
    start = at.replace(month=1, day=1)
    ids = await _family(ctx, row)
    before = await balances.sums(ctx, start - dt.timedelta(days=1))
    until = await balances.sums(ctx, at)
    opening = balances.total(before.get(i, balances.NOTHING) for i in ids)
    closing = balances.total(until.get(i, balances.NOTHING) for i in ids)
    within = closing.less(opening)
    scales = await Scales.of(ctx)
    return Balance(
        date=at,
        currency=row.currency,
        opening=scales.text(opening.signed(row.account_type), row.currency),
        debit=scales.text(within.debit, row.currency),
        credit=scales.text(within.credit, row.currency),
        closing=scales.text(closing.signed(row.account_type), row.currency),
    )


async def _family(ctx: Ctx, row: Account) -> list[UUID]:
    """The account and all below it that count in its currency."""
    rows = (await ctx.db.execute(select(Account.id, Account.parent_id, Account.currency))).all()
    found, grown = {row.id}, True
    while grown:
        more = {r.id for r in rows if r.parent_id in found and r.currency == row.currency}
        grown = not more <= found
        found |= more
    return list(found)


_STATEMENT = text("""
SELECT l.entry_id, e.entry_no, l.entry_date, coalesce(l.description, e.description) AS told,
       l.amount, l.party_id,
       sum(l.amount) OVER (ORDER BY l.entry_date, e.fiscal_year, e.number, l.line_no)::bigint
         AS running
  FROM finance_line l JOIN finance_entry e ON e.tenant = l.tenant AND e.id = l.entry_id
 WHERE l.tenant = :tenant AND l.account_id = :account AND l.entry_date BETWEEN :start AND :end
 ORDER BY l.entry_date, e.fiscal_year, e.number, l.line_no LIMIT :limit OFFSET :offset
""")


@accounts.action("transactions", method="GET", verb="read")
async def transactions(ctx: Ctx, row: Account, params: Statement) -> list[Movement]:
    """The lines of an account with its balance after each."""
    end = params.end or ctx.clock().date()
    start = params.start or end.replace(month=1, day=1)
    before = (await balances.sums(ctx, start - dt.timedelta(days=1))).get(row.id, balances.NOTHING)
    scales = await Scales.of(ctx)
    sign = 1 if row.account_type in balances.DEBIT_TYPES else -1
    arguments = {
        "tenant": ctx.actor.tenant,
        "account": row.id,
        "start": start,
        "end": end,
        "limit": params.limit,
        "offset": params.offset,
    }
    return [
        Movement(
            entry_id=line.entry_id,
            entry_no=line.entry_no,
            date=line.entry_date,
            description=line.told,
            debit=scales.text(max(line.amount, 0), row.currency),
            credit=scales.text(max(-line.amount, 0), row.currency),
            balance=scales.text(sign * (before.net + line.running), row.currency),
            party_id=line.party_id,
        )
        for line in await ctx.db.execute(_STATEMENT, arguments)
    ]
