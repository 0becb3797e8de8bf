"""Intervals of meters, kept as days of whole numbers."""

import asyncio
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal
from uuid import UUID

import msgspec
import numpy as np
from sqlalchemy import select

from hub import Conflict, Ctx, Invalid

from .files import read
from .models_network import Installation, Meter
from .tariff.history import Series
from .tariff.intervals import DAY, MINUTE, SECOND

FORGET = """
DELETE FROM billing_intervals
 WHERE tenant = %(tenant)s AND installation_id = %(place)s AND register = %(register)s
   AND start >= %(start)s AND start < %(end)s
"""
KEEP = """
INSERT INTO billing_intervals (tenant, installation_id, register, start, minutes, energy)
SELECT %(tenant)s, %(place)s, %(register)s, start, minutes, energy
  FROM json_to_recordset(%(rows)s::json)
       AS r(start timestamptz, minutes smallint, energy bigint[])
"""
FIND = """
SELECT installation_id, register, start, minutes, energy FROM billing_intervals
 WHERE tenant = %(tenant)s AND installation_id = ANY(%(installations)s::uuid[])
   AND start >= %(start)s::timestamptz - interval '1 day' AND start < %(end)s
 ORDER BY installation_id, register, start
"""


async def keep(
    ctx: Ctx, content: str, form: Literal["nem12", "green_button"], meter: str, named: str
) -> int:
    """Store the intervals of a meter from a file, the newer over the older; how many.

    named: what the file calls the meter, where it holds several.
    """
    found = await asyncio.to_thread(read, content, form, meter=named, zone="UTC")
    for register, series in found.items():
        if not len(series.starts):
            raise Invalid(f"the file has no interval of {register}", field="content")
        await _keep(ctx, await _place(ctx, meter, series), register, series)
    return sum(len(s.starts) for s in found.values())


async def _place(ctx: Ctx, meter: str, series: Series) -> UUID:
    """The installation under which the meter measured all of this."""
    first, last = (_instant(int(series.starts[n])) for n in (0, -1))
    stmt = (
        select(Installation)
        .join(Meter, Meter.id == Installation.meter_id)
        .where(Meter.number == meter, Installation.since <= first)
        .order_by(Installation.since.desc())
    )
    place = (await ctx.db.scalars(stmt)).first()
    if place is None or (place.until is not None and place.until <= last):
        raise Conflict(f"meter {meter} was not installed from {first:%Y-%m-%d} to {last:%Y-%m-%d}")
    return place.id


async def _keep(ctx: Ctx, place: UUID, register: str, series: Series) -> None:
    """Merge with what is known of these days, and write the days anew."""
    start, end = (int(series.starts[n]) // DAY * DAY + n * -DAY for n in (0, -1))
    known = (await find(ctx, [place], _instant(start), _instant(end))).get(place, {}).get(register)
    if known is not None and len(known.starts):
        if known.minutes != series.minutes:
            told = f"{register} has intervals of {known.minutes} min on these days"
            raise Conflict(told, field="content")
        old = ~np.isin(known.starts, series.starts)
        starts = np.concatenate((known.starts[old], series.starts))
        energy = np.concatenate((known.energy[old], series.energy))
        order = np.argsort(starts)
        series = Series(starts=starts[order], energy=energy[order], minutes=series.minutes)
    arguments = {
        "tenant": ctx.actor.tenant,
        "place": place,
        "register": register,
        "start": _instant(start),
        "end": _instant(end),
        "rows": msgspec.json.encode(list(_days(series))).decode(),
    }
    connection = await ctx.db.connection()
    await connection.exec_driver_sql(FORGET, arguments)
    await connection.exec_driver_sql(KEEP, arguments)


def _instant(at: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(at / SECOND, dt.UTC)


def _days(series: Series) -> Iterator[dict[str, Any]]:
    """Runs without a hole inside a UTC day."""
    starts, step = series.starts, series.minutes * MINUTE
    edges = np.flatnonzero((np.diff(starts) != step) | (np.diff(starts // DAY) != 0)) + 1
    for part in np.split(np.arange(len(starts)), edges):
        yield {
            "start": _instant(int(starts[part[0]])),
            "minutes": series.minutes,
            "energy": series.energy[part].tolist(),
        }


async def find(
    ctx: Ctx, installations: Sequence[UUID], start: dt.datetime, end: dt.datetime
) -> Mapping[UUID, dict[str, Series]]:
    """Installation → register → its intervals that begin in [start, end)."""
    connection = await ctx.db.connection()
    arguments = {
        "tenant": ctx.actor.tenant,
        "installations": list(installations),
        "start": start,
        "end": end,
    }
    rows = (await connection.exec_driver_sql(FIND, arguments)).all()
    low, high = (round(x.timestamp()) * SECOND for x in (start, end))
    found: dict[UUID, dict[str, list[Any]]] = {}
    for row in rows:
        found.setdefault(row.installation_id, {}).setdefault(row.register, []).append(row)
    return {
        place: {name: _series(parts, low, high) for name, parts in registers.items()}
        for place, registers in found.items()
    }


def _series(rows: Sequence[Any], low: int, high: int) -> Series:
    minutes = rows[0].minutes
    starts = np.concatenate(
        [
            int(r.start.timestamp()) * SECOND + np.arange(len(r.energy)) * r.minutes * MINUTE
            for r in rows
        ]
    ).astype(np.int64)
    energy = np.concatenate([np.array(r.energy, np.int64) for r in rows])
    inside = (starts >= low) & (starts < high)
    return Series(starts=starts[inside], energy=energy[inside], minutes=minutes)
