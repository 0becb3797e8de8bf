"""How readings come in: many at once, each validated with what is known around it, none lost."""

import datetime as dt
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from hub import Ctx, uuid7

from .events import ReadingTaken
from .models_readings import Condition, ReadingStatus, Reason, Source
from .sql_readings import SEEN, STORE
from .vee import Fault, Known, Seen, Verdict, Weight, validate


class Given(Struct, frozen=True, kw_only=True):
    """A reading as it comes. meter: its number. value: thousandths, as the dials show it.

    installation: where the instant of an exchange leaves two to choose from. good: its source
    vouches for it.
    """

    meter: str
    at: dt.datetime
    value: int
    register: str = "import"
    installation: UUID | None = None
    reason: Reason = Reason.PERIODIC
    condition: Condition = Condition.ACTUAL
    good: bool = True
    note: str | None = None


class Taken(Struct, frozen=True, kw_only=True):
    """What became of it. id: None when it was refused; then `faults` say why."""

    id: UUID | None
    status: ReadingStatus
    faults: tuple[Fault, ...]


NOBODY = Fault("unknown", Weight.REJECT, "no such meter is installed, or it has no such register")


async def take(ctx: Ctx, given: Sequence[Given], source: Source) -> list[Taken]:
    """Validate and store readings; answers in the order given. Nothing refused stops the others."""
    rows = await _seen(ctx, given)
    taken: list[Taken | None] = [None] * len(given)
    stored: list[dict[str, Any]] = []
    for _, group in groupby(rows, lambda r: (r.installation_id, r.register)):
        last: Known | None = None
        for row in group:
            reading = given[row.place]
            if row.installation_id is None or not row.known:
                taken[row.place] = Taken(id=None, status=ReadingStatus.REJECTED, faults=(NOBODY,))
                continue
            verdict, replaces = _judge(ctx, row, reading, last)
            answer = _answer(verdict)
            taken[row.place] = answer
            if answer.id is None:
                continue
            stored.append(_row(answer, row, reading, verdict, replaces))
            if answer.status is ReadingStatus.VALID:
                last = Known(reading.at, reading.value, verdict.total)
    await store(ctx, stored, source)
    return [t for t in taken if t is not None]


async def _seen(ctx: Ctx, given: Sequence[Given]) -> Sequence[Any]:
    """What is known around each reading, by register and time."""
    asked = [
        {
            "place": place,
            "meter": g.meter,
            "installation": g.installation,
            "register": g.register,
            "at": g.at,
        }
        for place, g in enumerate(given)
    ]
    connection = await ctx.db.connection()
    arguments = {"tenant": ctx.actor.tenant, "given": msgspec.json.encode(asked).decode()}
    return (await connection.exec_driver_sql(SEEN, arguments)).all()


def _judge(ctx: Ctx, row: Any, reading: Given, last: Known | None) -> tuple[Verdict, UUID | None]:
    """The verdict, and the version that this one replaces. last: of the same register before."""
    before = _known(row.before_at, row.before_value, row.before_total)
    same, better = _known(row.same_at, row.same_value, row.same_total), False
    if last is not None and last.at == reading.at:
        same = last
    elif same is not None:
        better = Condition(row.same_condition).rank < reading.condition.rank
    if last is not None and last.at < reading.at and (before is None or before.at < last.at):
        before = last
    cut_off = row.supply_since if row.supply == "disconnected" else None
    seen = Seen(
        at=reading.at,
        value=reading.value,
        now=ctx.clock(),
        since=row.since,
        until=row.until,
        capacity=row.capacity,
        multiplier=float(row.multiplier),
        before=before,
        after=_known(row.after_at, row.after_value, row.after_total),
        same=None if better else same,
        daily=row.daily,
        va=row.va,
        supplied=before is None or cut_off is None or cut_off > before.at,
        good=reading.good,
    )
    return validate(seen), row.same_id if better else None


def _known(at: dt.datetime | None, value: int | None, total: int | None) -> Known | None:
    return None if at is None or value is None or total is None else Known(at, value, total)


def _answer(verdict: Verdict) -> Taken:
    if verdict.weight is Weight.REJECT:
        faults = tuple(f for f in verdict.faults if f.weight is Weight.REJECT)
        return Taken(id=None, status=ReadingStatus.REJECTED, faults=faults)
    suspect = verdict.weight is Weight.SUSPECT
    status = ReadingStatus.SUSPECT if suspect else ReadingStatus.VALID
    return Taken(id=uuid7(), status=status, faults=verdict.faults)


def _row(
    answer: Taken, seen: Any, reading: Given, verdict: Verdict, replaces: UUID | None
) -> dict[str, Any]:
    return {
        "id": answer.id,
        "meter_id": seen.meter_id,
        "account_id": seen.account_id,
        "installation_id": seen.installation_id,
        "register": reading.register,
        "at": reading.at,
        "value": reading.value,
        "total": verdict.total,
        "reason": reading.reason,
        "condition": reading.condition,
        "status": answer.status,
        "version": (seen.same_version or 0) + 1 if replaces else 1,
        "replaces_id": replaces,
        "faults": [f.code for f in verdict.faults],
        "rule": None,
        "note": reading.note,
    }


async def store(ctx: Ctx, rows: Sequence[dict[str, Any]], source: Source) -> None:
    """Write readings, and mark those that they replace."""
    if not rows:
        return
    connection = await ctx.db.connection()
    arguments = {
        "tenant": ctx.actor.tenant,
        "now": ctx.clock(),
        "source": str(source),
        "actor": ctx.actor.name or ctx.actor.id,
        "rows": msgspec.json.encode(rows).decode(),
        "replaced": [r["replaces_id"] for r in rows if r["replaces_id"] is not None],
    }
    for statement in STORE:
        await connection.exec_driver_sql(statement, arguments)
    for event in _told(rows):
        ctx.emit(event)


def _told(rows: Sequence[dict[str, Any]]) -> Iterator[ReadingTaken]:
    for row in rows:
        yield ReadingTaken(
            reading_id=row["id"],
            meter_id=row["meter_id"],
            account_id=row["account_id"],
            register=row["register"],
            at=row["at"],
            value=row["value"],
            status=str(row["status"]),
        )
