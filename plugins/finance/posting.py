"""Facts of business become entries by the company's posting rules."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import select

from hub import Booked, Conflict, Ctx, Fact, Invalid, NotFound, Op, Resource

from .entries import Entry, Line
from .models import JournalEntry
from .models_posting import PostingRule, RuleLine
from .posting_defaults import DEFAULTS
from .service import Posted, post_many, resolve, reverse

rules = Resource(
    name="posting-rules",
    model=PostingRule,
    ops=Op.READ | Op.UPDATE,
    subject="rules",
    filters=("event_type", "is_active"),
    sort=("event_type",),
    search=("event_type",),
)


@rules.on(Op.UPDATE)
async def update_rule(ctx: Ctx, row: PostingRule, body: Any) -> None:
    """The accounts have to exist, and take a party where the line names one."""
    if body.lines is not msgspec.UNSET:
        await check_accounts(ctx, body.lines)
        row.lines = body.lines
    if body.is_active is not msgspec.UNSET:
        row.is_active = body.is_active


async def check_accounts(ctx: Ctx, lines: Sequence[RuleLine]) -> None:
    accounts = await resolve(ctx, [x.account for x in lines])
    for number, line in enumerate(lines, 1):
        account = accounts[line.account]
        if not account.is_postable:
            raise Invalid(f"line {number}: {line.account} is a heading", field="lines")
        if account.is_control and not line.party:
            told = f"line {number}: {line.account} is the sum of a sub-ledger: name the party"
            raise Invalid(told, field="lines")


async def seed_rules(ctx: Ctx) -> None:
    """Add the rules that a company does not have yet."""
    known = set(await ctx.db.scalars(select(PostingRule.event_type)))
    for kind, lines in DEFAULTS.items():
        if kind not in known:
            ctx.db.add(PostingRule(event_type=kind, lines=lines))
    await ctx.db.flush()


async def _rules(ctx: Ctx, kinds: set[str]) -> dict[str, tuple[RuleLine, ...]]:
    stmt = select(PostingRule).where(PostingRule.event_type.in_(kinds))
    found = {row.event_type: row for row in await ctx.db.scalars(stmt)}
    if off := sorted(kind for kind, row in found.items() if not row.is_active):
        raise Conflict(f"the posting rule of {off[0]} is switched off", event_type=off[0])
    rules = {k: DEFAULTS[k] for k in kinds if k in DEFAULTS}
    rules |= {kind: row.lines for kind, row in found.items()}
    if missing := sorted(kinds - set(rules)):
        raise Invalid(f"no posting rule says how {missing[0]} is booked", field="kind")
    return rules


def entry_of(fact: Fact, lines: Sequence[RuleLine]) -> Entry:
    """The entry of a fact; a part that no line takes is refused, never dropped."""
    amounts = {part: amount for part, amount in fact.amounts.items() if amount}
    if strange := sorted(set(amounts) - {x.part for x in lines}):
        told = f"{fact.kind} {fact.key}: its posting rule has no line for {strange[0]}"
        raise Invalid(told, field="amounts")
    return Entry(
        kind=fact.kind,
        key=fact.key,
        day=fact.day,
        description=fact.description,
        lines=tuple(_line(x, amounts, fact) for x in lines if x.part in amounts),
        reference_type=fact.reference_type,
        reference_id=fact.reference_id,
        next_open=fact.next_open,
    )


def _line(line: RuleLine, amounts: Mapping[str, int], fact: Fact) -> Line:
    amount = amounts[line.part]
    return Line(
        line.account,
        amount if line.side == "debit" else -amount,
        fact.party_type if line.party else None,
        fact.party_id if line.party else None,
        fact.station_id,
    )


class Books:
    """`hub.Ledger`."""

    async def record(self, ctx: Ctx, facts: Sequence[Fact]) -> Sequence[Booked]:
        """Book facts, all or none."""
        if not facts:
            return []
        rules = await _rules(ctx, {f.kind for f in facts})
        posted = await post_many(ctx, [entry_of(f, rules[f.kind]) for f in facts])
        return [_booked(p) for p in posted]

    async def undo(self, ctx: Ctx, kind: str, key: str, *, reason: str, day: dt.date) -> Booked:
        """Reverse the entry of a fact."""
        stmt = select(JournalEntry.id).where(JournalEntry.kind == kind, JournalEntry.key == key)
        found = await ctx.db.scalar(stmt)
        if found is None:
            raise NotFound(f"nothing is booked for {kind} {key}")
        return _booked(await reverse(ctx, found, reason=reason, day=day, next_open=True))


def _booked(posted: Posted) -> Booked:
    return Booked(posted.id, posted.entry_no, posted.day, posted.replayed)
