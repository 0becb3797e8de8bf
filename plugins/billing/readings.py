"""Readings over the API: one by one, in files, and what a person says of doubtful ones."""

import asyncio
import datetime as dt
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct
from sqlalchemy import select

from hub import Conflict, Ctx, Op, Resource, action, uuid7

from .intake import Given, Taken, store, take
from .interval_store import keep
from .models_network import Meter, Register
from .models_readings import Condition, Reading, ReadingStatus, Reason, Source
from .network import Dial, installation, meters, refuse, thousandths
from .reading_files import read_csv
from .vee import Fault

readings = Resource(
    name="readings",
    model=Reading,
    ops=Op.READ,
    filters=("installation_id", "register", "at", "status", "condition", "source", "reason"),
    sort=("-at", "created_at"),
)


class Take(Struct, kw_only=True, forbid_unknown_fields=True):
    """value: kWh (kvarh) as the dials show it."""

    at: dt.datetime
    value: Dial
    register: str = "import"
    reason: Literal["periodic", "move_in", "move_out", "control"] = "periodic"
    note: Annotated[str, Meta(max_length=200)] | None = None


class Answer(Struct, kw_only=True):
    """status `suspect`: it waits for a person. faults: what validation found."""

    id: UUID | None
    status: ReadingStatus
    faults: tuple[Fault, ...]


@meters.action("readings", verb="read_meter", idempotent=True)
async def take_reading(ctx: Ctx, row: Meter, body: Take) -> Answer:
    """Write down what a meter shows; what cannot be true is refused with the reason."""
    given = Given(
        meter=row.number,
        at=body.at,
        value=thousandths(body.value),
        register=body.register,
        reason=Reason(body.reason),
        note=body.note,
    )
    taken = await take(ctx, [given], Source.PERSON)
    refuse(taken)
    return answer(taken[0])


def answer(taken: Taken) -> Answer:
    return Answer(id=taken.id, status=taken.status, faults=taken.faults)


class Correct(Struct, kw_only=True, forbid_unknown_fields=True):
    value: Dial
    note: Annotated[str, Meta(min_length=3, max_length=200)]


class Because(Struct, kw_only=True, forbid_unknown_fields=True):
    note: Annotated[str, Meta(min_length=3, max_length=200)]


@readings.action("accept", verb="correct")
async def accept(ctx: Ctx, row: Reading, body: Because) -> Reading:
    """Let a doubtful reading count after all."""
    _must_be(row, ReadingStatus.SUSPECT)
    row.status, row.note = ReadingStatus.VALID, body.note
    return row


@readings.action("reject", verb="correct")
async def reject(ctx: Ctx, row: Reading, body: Because) -> Reading:
    """Let a reading no longer count; bills that used it become candidates to be made again."""
    _must_be(row, ReadingStatus.SUSPECT, ReadingStatus.VALID)
    row.status, row.note = ReadingStatus.REJECTED, body.note
    return row


@readings.action("correct")
async def correct(ctx: Ctx, row: Reading, body: Correct) -> Reading:
    """Put an edited version in the place of a reading; the old one stays to be seen."""
    _must_be(row, ReadingStatus.SUSPECT, ReadingStatus.VALID)
    place = await installation(ctx, row.installation_id)
    value = thousandths(body.value)
    fresh: dict[str, Any] = {
        "id": uuid7(),
        "meter_id": place.meter_id,
        "account_id": None,
        "installation_id": row.installation_id,
        "register": row.register,
        "at": row.at,
        "value": value,
        "total": await _total(ctx, row, value),
        "reason": row.reason,
        "condition": Condition.EDITED,
        "status": ReadingStatus.VALID,
        "version": row.version + 1,
        "replaces_id": row.id,
        "faults": [],
        "rule": None,
        "note": body.note,
    }
    await store(ctx, [fresh], Source.PERSON)
    found = await ctx.db.scalar(select(Reading).where(Reading.id == fresh["id"]))
    assert found is not None  # noqa: S101  -- just stored
    return found


async def _total(ctx: Ctx, row: Reading, value: int) -> int:
    """The corrected value with as many turns as its neighbour before has, or one more."""
    stmt = (
        select(Reading.value, Reading.total)
        .where(
            Reading.installation_id == row.installation_id,
            Reading.register == row.register,
            Reading.at < row.at,
            Reading.status == ReadingStatus.VALID,
        )
        .order_by(Reading.at.desc())
        .limit(1)
    )
    before = (await ctx.db.execute(stmt)).first()
    if before is None:
        return value
    turns: int = before.total - before.value
    if value >= before.value:
        return turns + value
    place = await installation(ctx, row.installation_id)
    capacity = await ctx.db.scalar(
        select(Register.capacity).where(
            Register.meter_id == place.meter_id, Register.name == row.register
        )
    )
    if capacity is None:
        raise Conflict("less than the reading before, and these dials do not turn", field="value")
    return turns + capacity + value


def _must_be(row: Reading, *states: ReadingStatus) -> None:
    if row.status not in states:
        raise Conflict(f"this version is {row.status}", allowed=sorted(map(str, states)))


class Upload(Struct, kw_only=True, forbid_unknown_fields=True):
    """CSV: `meter,register,at,value`, at with its offset, value in kWh. NEM12 and Green Button hold
    intervals; meter: whose they are; named: what the file calls it, where it holds several."""

    content: Annotated[str, Meta(min_length=1, max_length=8_000_000)]
    format: Literal["csv", "nem12", "green_button"] = "csv"
    meter: str = ""
    named: str = ""


class Refused(Struct, kw_only=True):
    row: int
    why: str


class Loaded(Struct, kw_only=True):
    """intervals: how many were stored. refused: rows of the file, the header is row 1."""

    valid: int = 0
    suspect: int = 0
    intervals: int = 0
    refused: list[Refused] = msgspec.field(default_factory=list)


@action("readings/load", permission="billing.readings.load", idempotent=True)
async def load(ctx: Ctx, body: Upload) -> Loaded:
    """Take the readings of a file; rows that are refused do not stop the others."""
    if body.format != "csv":
        stored = await keep(ctx, body.content, body.format, body.meter, body.named)
        return Loaded(intervals=stored)
    rows, wrong = await asyncio.to_thread(read_csv, body.content)
    loaded = Loaded(refused=[Refused(row=n, why=why) for n, why in wrong])
    taken = await take(ctx, [given for _, given in rows], Source.FILE)
    for (number, _), done in zip(rows, taken, strict=True):
        if done.id is None:
            loaded.refused.append(Refused(row=number, why=done.faults[0].told))
        elif done.status is ReadingStatus.SUSPECT:
            loaded.suspect += 1
        else:
            loaded.valid += 1
    loaded.refused.sort(key=lambda r: r.row)
    return loaded
