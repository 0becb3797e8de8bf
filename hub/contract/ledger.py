"""What other domains tell the books: facts of business, never accounts.

Which accounts a fact moves is said by the company's posting rules, so that no plugin knows its
chart. The finance plugin implements it.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from .context import Ctx


class Fact(Struct, frozen=True, kw_only=True):
    """Something that moves money, once.

    kind: names the posting rule (`invoice.issued`). key: of the source document; telling the same
    again changes nothing, telling something else under it is refused. amounts: part → minor units;
    a part of 0 is left out, a negative one goes to the other side. day: the value date. party:
    whose balance it is where a part belongs to a sub-ledger. next_open: when the period of `day` is
    closed, book in the first open one.
    """

    kind: str
    key: str
    day: dt.date
    description: str
    amounts: Mapping[str, int]
    party_type: str | None = None
    party_id: UUID | None = None
    station_id: UUID | None = None
    reference_type: str | None = None
    reference_id: UUID | None = None
    next_open: bool = True


class Booked(Struct, frozen=True):
    """The journal entry of a fact. replayed: it had been told before."""

    entry_id: UUID
    entry_no: str
    day: dt.date
    replayed: bool = False


class Ledger(Protocol):
    """Books facts in the caller's transaction; call it last, it holds the number series."""

    async def record(self, ctx: Ctx, facts: Sequence[Fact]) -> Sequence[Booked]:
        """Book up to 5,000 facts, all or none, in the order given.

        Raises Conflict (closed period, another fact under this key) and Invalid (no rule, a part
        that the rule does not know, parts that do not balance).
        """

    async def undo(self, ctx: Ctx, kind: str, key: str, *, reason: str, day: dt.date) -> Booked:
        """Reverse what was booked for a fact, once; NotFound, or Conflict when it was undone."""
