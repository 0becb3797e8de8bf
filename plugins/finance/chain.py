"""A hash chain over posted entries, made in batches behind the posting, and its proof.

A leaf is the SHA-256 of an entry as it is read back from the tables, a link that of the link before
and of its leaves. A row that was changed, even by the owner of the database, no longer fits its
leaf, and a leaf that was changed breaks the chain from there on.
"""

import hashlib
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import msgspec
from sqlalchemy import insert, select, text

from hub import Ctx

from .entries import Line, digest
from .models import Seal, Series

LINK = 1000
LEAF = 16

_READ = text("""
SELECT e.number, e.id, e.entry_date, e.event_date, e.kind, e.key, e.description, e.reference_type,
       e.reference_id, e.posted_at, e.posted_by, e.reversed_entry_id, a.code,
       l.amount, l.fx_rate, l.party_type, l.party_id, l.station_id, l.project_id,
       l.description AS line_text
  FROM finance_entry e
  JOIN finance_line l ON l.tenant = e.tenant AND l.entry_id = e.id
  JOIN finance_account a ON a.tenant = l.tenant AND a.id = l.account_id
 WHERE e.tenant = :tenant AND e.fiscal_year = :year AND e.number BETWEEN :first AND :last
 ORDER BY e.number, l.line_no
""")


class Broken(msgspec.Struct, frozen=True):
    """Where a chain no longer fits what was posted."""

    fiscal_year: int
    number: int
    why: str


class Verdict(msgspec.Struct, frozen=True):
    """entries: sealed ones that were read again. waiting: posted, not yet sealed."""

    entries: int
    waiting: int
    broken: list[Broken]


async def seal(ctx: Ctx) -> int:
    """Add links up to the newest entry; how many entries were sealed."""
    sealed = 0
    for year, last in await _years(ctx):
        done, before = await _head(ctx, year)
        while done < last:
            upto = min(done + LINK, last)
            leaves = await _leaves(ctx, year, done + 1, upto)
            before = _hash(before, b"".join(leaves))
            row = {
                "tenant": ctx.actor.tenant,
                "fiscal_year": year,
                "first": done + 1,
                "last": upto,
                "leaves": b"".join(leaves),
                "hash": before,
                "sealed_at": ctx.clock(),
            }
            await ctx.db.execute(insert(Seal), [row])
            sealed += upto - done
            done = upto
    return sealed


async def verify(ctx: Ctx) -> Verdict:
    """Read everything that is sealed again and tell each place that differs."""
    broken: list[Broken] = []
    entries = waiting = 0
    for year, last in await _years(ctx):
        before, done = b"", 0
        for link in await _links(ctx, year):
            if link.first != done + 1 or _hash(before, link.leaves) != link.hash:
                broken.append(Broken(year, done + 1, "the chain itself was changed from here on"))
            found = await _leaves(ctx, year, link.first, link.last)
            for place, leaf in enumerate(found):
                if leaf != link.leaves[place * LEAF : (place + 1) * LEAF]:
                    told = "not what was sealed" if leaf else "missing"
                    broken.append(Broken(year, link.first + place, f"the entry is {told}"))
            entries += link.last - link.first + 1
            before, done = link.hash, link.last
        waiting += max(0, last - done)
    return Verdict(entries, waiting, broken)


def _hash(before: bytes, leaves: bytes) -> bytes:
    return hashlib.sha256(before + leaves).digest()


async def _years(ctx: Ctx) -> list[tuple[int, int]]:
    stmt = select(Series.fiscal_year, Series.last).where(Series.tenant == ctx.actor.tenant)
    return [
        (r.fiscal_year, r.last) for r in await ctx.db.execute(stmt.order_by(Series.fiscal_year))
    ]


async def _head(ctx: Ctx, year: int) -> tuple[int, bytes]:
    """The last link, locked against others who would add to it."""
    lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
    await ctx.db.execute(lock, {"name": f"finance.seal {ctx.actor.tenant} {year}"})
    stmt = select(Seal.last, Seal.hash).where(
        Seal.tenant == ctx.actor.tenant, Seal.fiscal_year == year
    )
    row = (await ctx.db.execute(stmt.order_by(Seal.first.desc()).limit(1))).one_or_none()
    return (row.last, row.hash) if row else (0, b"")


async def _links(ctx: Ctx, year: int) -> Sequence[Any]:
    stmt = select(Seal.first, Seal.last, Seal.leaves, Seal.hash).where(
        Seal.tenant == ctx.actor.tenant, Seal.fiscal_year == year
    )
    return (await ctx.db.execute(stmt.order_by(Seal.first))).all()


async def _leaves(ctx: Ctx, year: int, first: int, last: int) -> list[bytes]:
    """What entries first..last say now; empty for one that is not there."""
    arguments = {"tenant": ctx.actor.tenant, "year": year, "first": first, "last": last}
    rows = (await ctx.db.execute(_READ, arguments)).all()
    found = [b""] * (last - first + 1)
    for number, group in groupby(rows, key=lambda r: r.number):
        found[number - first] = _leaf(list(group))
    return found


def _leaf(rows: list[Any]) -> bytes:
    head = rows[0]
    lines = (
        Line(r.code, r.amount, r.party_type, r.party_id, r.station_id, r.project_id, r.line_text,
             r.fx_rate)
        for r in rows
    )  # fmt: skip
    reference = (head.reference_type, head.reference_id)
    said = digest(head.event_date, head.kind, head.key, head.description, reference, lines)
    when = head.posted_at.isoformat()
    place = (head.number, head.id, head.entry_date, when, head.posted_by, head.reversed_entry_id)
    return hashlib.sha256(msgspec.json.encode(place) + said).digest()[:LEAF]
