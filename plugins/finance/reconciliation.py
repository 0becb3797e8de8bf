"""Reconciliation of clearing and bank accounts with what the bank or the gateway says."""

import datetime as dt
import enum
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta
from sqlalchemy import func, select, text

from hub import Conflict, Ctx, Invalid, NotFound, Op, Resource, action, uuid7

from . import matching
from .entries import Entry, Line
from .events import ReconciliationMismatch, SettlementCompleted
from .models import Account
from .models_reconciliation import (
    Basket,
    BasketStatus,
    Item,
    ItemState,
    Session,
    SessionStatus,
    Side,
)
from .money import Amount, Scales
from .service import post
from .statements import StatementLine, read_csv

WRITE = "finance.reconciliation.write"
WORKING = {SessionStatus.OPEN, SessionStatus.IN_PROGRESS}

sessions = Resource(
    name="reconciliation/sessions",
    model=Session,
    ops=Op.READ | Op.CREATE,
    subject="reconciliation",
    filters=("account_id", "source_kind", "status", "date_from", "date_to", "settled_at"),
    sort=("-created_at", "date_from", "settled_at"),
)
baskets = Resource(
    name="reconciliation/baskets",
    model=Basket,
    ops=Op.READ,
    subject="reconciliation",
    filters=("session_id", "status", "rule"),
    sort=("basket_no", "score"),
)
items = Resource(
    name="reconciliation/items",
    model=Item,
    ops=Op.READ,
    subject="reconciliation",
    filters=("session_id", "side", "state", "basket_id", "item_date", "amount", "external_ref"),
    sort=("item_date", "amount", "created_at"),
    search=("external_ref", "description"),
)


class StatementItem(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """amount: signed as the account sees it."""

    date: dt.date
    amount: Amount
    reference: Annotated[str, Meta(max_length=200)] | None = None
    description: Annotated[str, Meta(max_length=200)] | None = None


class LoadBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Lines of a statement, or a CSV file with date, amount, reference, description."""

    items: list[StatementItem] = []
    csv: str = ""


class Act(enum.StrEnum):
    AUTO = "auto"
    CONFIRM = "confirm"
    REJECT = "reject"


class MatchBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    session_id: UUID
    action: Act = Act.AUTO
    basket_ids: list[UUID] = []


class BasketBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    session_id: UUID
    item_ids: Annotated[list[UUID], Meta(max_length=100)]


class Totals(msgspec.Struct, kw_only=True):
    """Both sides of a session, in minor units; unmatched: count and amount of each side."""

    book: int
    external: int
    difference: int
    unmatched_book: int
    unmatched_external: int
    proposed: int


_BOOK_ITEMS = text("""
SELECT l.entry_id, l.line_no, l.entry_date, l.amount, l.currency, l.party_id,
       left(coalesce(l.description, e.key), 200) AS reference,
       left(e.description, 200) AS description
  FROM finance_line l JOIN finance_entry e ON e.tenant = l.tenant AND e.id = l.entry_id
 WHERE l.tenant = :tenant AND l.account_id = :account AND l.entry_date BETWEEN :start AND :end
   AND e.kind <> 'finance.reconciliation'
   AND NOT EXISTS (SELECT FROM finance_item i WHERE i.tenant = l.tenant AND i.entry_id = l.entry_id
                      AND i.line_no = l.line_no AND i.state = 'matched')
""")


@sessions.on(Op.CREATE)
async def open_session(ctx: Ctx, body: msgspec.Struct) -> Session:
    """Open a session over the lines of an account that nobody has reconciled yet."""
    given = {k: v for k, v in msgspec.structs.asdict(body).items() if v is not msgspec.UNSET}
    row = Session(id=uuid7(), **given)
    if row.date_from > row.date_to or (row.tolerance or 0) < 0 or (row.window_days or 0) < 0:
        raise Invalid("dates are in order, tolerance and window are not negative")
    ctx.db.add(row)
    await ctx.db.flush()
    await _take_book_items(ctx, row)
    row.opening_difference = (await _totals(ctx, row)).difference
    return row


async def _take_book_items(ctx: Ctx, row: Session) -> None:
    arguments = {
        "tenant": ctx.actor.tenant,
        "account": row.account_id,
        "start": row.date_from,
        "end": row.date_to,
    }
    known = await ctx.db.execute(
        select(Item.entry_id, Item.line_no).where(Item.session_id == row.id, Item.side == Side.BOOK)
    )
    there = {(r.entry_id, r.line_no) for r in known}
    for line in (await ctx.db.execute(_BOOK_ITEMS, arguments)).all():
        if (line.entry_id, line.line_no) not in there:
            ctx.db.add(
                Item(
                    session_id=row.id,
                    side=Side.BOOK,
                    entry_id=line.entry_id,
                    line_no=line.line_no,
                    external_ref=line.reference,
                    item_date=line.entry_date,
                    amount=line.amount,
                    currency=line.currency,
                    description=line.description,
                    party_id=line.party_id,
                )
            )
    await ctx.db.flush()


@sessions.action("totals", method="GET", verb="read")
async def totals(ctx: Ctx, row: Session) -> Totals:
    """What both sides add up to, and what is still open."""
    return await _totals(ctx, row)


async def _totals(ctx: Ctx, row: Session) -> Totals:
    stmt = (
        select(
            Item.side, Item.state, func.count().label("many"), func.sum(Item.amount).label("sum")
        )
        .where(Item.session_id == row.id)
        .group_by(Item.side, Item.state)
    )
    found = (await ctx.db.execute(stmt)).all()

    def of(side: Side) -> int:
        return int(sum(r.sum for r in found if r.side is side))

    def left(side: Side) -> int:
        return sum(r.many for r in found if r.side is side and r.state is ItemState.UNMATCHED)

    return Totals(
        book=of(Side.BOOK),
        external=of(Side.EXTERNAL),
        difference=of(Side.EXTERNAL) - of(Side.BOOK),
        unmatched_book=left(Side.BOOK),
        unmatched_external=left(Side.EXTERNAL),
        proposed=sum(r.many for r in found if r.state is ItemState.PROPOSED),
    )


@sessions.action("items", verb="write", idempotent=True)
async def load_items(ctx: Ctx, row: Session, body: LoadBody) -> Totals:
    """Load lines of a statement."""
    await _working(ctx, row)
    account = await _account(ctx, row)
    scales = await Scales.of(ctx)
    lines = [StatementLine(x.date, x.amount, x.reference, x.description) for x in body.items]
    for line in (*lines, *read_csv(body.csv)) if body.csv else lines:
        amount = scales.minor(line.amount, account.currency)
        if amount == 0:
            continue
        ctx.db.add(
            Item(
                session_id=row.id,
                side=Side.EXTERNAL,
                external_ref=line.reference,
                item_date=line.date,
                amount=amount,
                currency=account.currency,
                description=line.description,
            )
        )
    await ctx.db.flush()
    return await _totals(ctx, row)


@action("reconciliation/match", permission=WRITE)
async def run_match(ctx: Ctx, body: MatchBody) -> list[UUID]:
    """Run the rules on a session, or confirm or reject proposals; the baskets that it touched."""
    row = await _session(ctx, body.session_id)
    if body.action is Act.AUTO:
        return await _propose(ctx, row)
    stmt = select(Basket).where(Basket.session_id == row.id, Basket.id.in_(body.basket_ids))
    chosen = (await ctx.db.scalars(stmt)).all()
    if missing := set(body.basket_ids) - {b.id for b in chosen}:
        raise NotFound(f"there is no basket {missing.pop()} in this session")
    for basket in chosen:
        if basket.status is not BasketStatus.PROPOSED:
            raise Conflict(f"basket {basket.basket_no} is {basket.status}")
        confirmed = body.action is Act.CONFIRM
        basket.status = BasketStatus.MATCHED if confirmed else BasketStatus.REJECTED
        held = await ctx.db.scalars(select(Item).where(Item.basket_id == basket.id))
        for item in held:
            item.state = ItemState.MATCHED if confirmed else ItemState.UNMATCHED
            item.basket_id = basket.id if confirmed else None
    return [b.id for b in chosen]


async def _propose(ctx: Ctx, row: Session) -> list[UUID]:
    """Certain matches are confirmed, the others wait for a person."""
    await _take_book_items(ctx, row)
    row.status = SessionStatus.IN_PROGRESS
    stmt = select(Item).where(Item.session_id == row.id, Item.state == ItemState.UNMATCHED)
    open_items = {i.id: i for i in await ctx.db.scalars(stmt)}
    sides = {side: [_plain(i) for i in open_items.values() if i.side is side] for side in Side}
    found = matching.match(
        sides[Side.BOOK],
        sides[Side.EXTERNAL],
        tolerance=row.tolerance,
        window=row.window_days,
    )
    number = await _last_basket(ctx, row)
    made = []
    for n, match in enumerate(found, number + 1):
        chosen = [open_items[i] for i in (*match.book, *match.external)]
        made.append(await _basket(ctx, row, n, match, chosen))
    return made


def _plain(item: Item) -> matching.Item:
    group = str(item.party_id) if item.party_id else ""
    reference = item.external_ref or ""
    return matching.Item(item.id, item.amount, item.item_date.toordinal(), reference, group)


async def _last_basket(ctx: Ctx, row: Session) -> int:
    stmt = select(func.max(Basket.basket_no)).where(Basket.session_id == row.id)
    return await ctx.db.scalar(stmt) or 0


async def _basket(
    ctx: Ctx, row: Session, number: int, match: matching.Match, chosen: Iterable[Item]
) -> UUID:
    basket = Basket(
        id=uuid7(),
        session_id=row.id,
        basket_no=number,
        rule=match.rule,
        score=match.score,
        difference=match.difference,
        status=BasketStatus.MATCHED if match.certain else BasketStatus.PROPOSED,
    )
    ctx.db.add(basket)
    await ctx.db.flush()
    for item in chosen:
        item.basket_id = basket.id
        item.state = ItemState.MATCHED if match.certain else ItemState.PROPOSED
    return basket.id


@action("reconciliation/baskets", permission=WRITE, status=201)
async def make_basket(ctx: Ctx, body: BasketBody) -> UUID:
    """Put items together by hand; what they differ by has to be within the tolerance."""
    row = await _session(ctx, body.session_id)
    stmt = select(Item).where(Item.session_id == row.id, Item.id.in_(body.item_ids))
    chosen = (await ctx.db.scalars(stmt)).all()
    if missing := set(body.item_ids) - {i.id for i in chosen}:
        raise NotFound(f"there is no item {missing.pop()} in this session")
    if len(chosen) < 2:
        raise Invalid("a basket holds at least two items", field="item_ids")
    if taken := [i for i in chosen if i.state is not ItemState.UNMATCHED]:
        raise Conflict(f"item {taken[0].id} is {taken[0].state}")
    difference = _difference(chosen)
    if abs(difference) > row.tolerance:
        raise Invalid(f"they differ by {difference}, more than {row.tolerance}", field="item_ids")
    match = matching.Match("manual", Decimal(1), (), (), difference)
    return await _basket(ctx, row, await _last_basket(ctx, row) + 1, match, chosen)


def _difference(chosen: Sequence[Item]) -> int:
    return sum(i.amount if i.side is Side.EXTERNAL else -i.amount for i in chosen)


@sessions.action("settle", verb="write", idempotent=True)
async def settle(ctx: Ctx, row: Session) -> Session:
    """End a session: post what matched items differ by to the rounding account."""
    await _working(ctx, row)
    state = await _totals(ctx, row)
    if state.proposed:
        raise Conflict("proposals wait for an answer: confirm or reject them")
    stmt = select(func.sum(Basket.difference)).where(
        Basket.session_id == row.id, Basket.status == BasketStatus.MATCHED
    )
    rounding = int(await ctx.db.scalar(stmt) or 0)
    account = await _account(ctx, row)
    row.status, row.settled_at = SessionStatus.SETTLED, ctx.clock()
    row.closing_difference = state.difference - rounding
    unmatched = state.unmatched_book + state.unmatched_external
    if unmatched:
        ctx.emit(
            ReconciliationMismatch(
                session_id=row.id, items=unmatched, difference=row.closing_difference
            )
        )
    else:
        ctx.emit(
            SettlementCompleted(session_id=row.id, account=account.code, amount=state.external)
        )
    if rounding:
        lines = (Line(account.code, rounding), Line("@rounding", -rounding))
        entry = Entry(
            kind="finance.reconciliation",
            key=str(row.id),
            day=row.date_to,
            description=f"Differences of reconciliation of {account.code}",
            lines=lines,
            next_open=True,
        )
        await post(ctx, entry)
    return row


@sessions.transition("cancel", verb="write", start=WORKING, end=SessionStatus.CANCELLED)
async def cancel(ctx: Ctx, row: Session) -> None:
    """Give a session up; its items are free for another."""
    for item in await ctx.db.scalars(select(Item).where(Item.session_id == row.id)):
        item.state, item.basket_id = ItemState.UNMATCHED, None


async def _working(ctx: Ctx, row: Session) -> None:
    await ctx.db.refresh(row, with_for_update=True)
    if row.status not in WORKING:
        raise Conflict(f"the session is {row.status}")


async def _session(ctx: Ctx, ident: UUID) -> Session:
    row = await ctx.db.scalar(select(Session).where(Session.id == ident))
    if row is None:
        raise NotFound(f"there is no session {ident}", identifier=str(ident))
    await _working(ctx, row)
    return row


async def _account(ctx: Ctx, row: Session) -> Account:
    return (await ctx.db.scalars(select(Account).where(Account.id == row.account_id))).one()
