"""Readings of registers from the points that report them, at the instant that a bill ends with.

The newest good value not after that instant is the reading, under its own time: asked again it is
the same one. Without any, what is doubtful waits for a person; without that, the bill estimates.
"""

import datetime as dt
from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from msgspec import Struct

from hub import METERS, STORE, Flag, Kind, MeterPoint, ReadingBatch, ReadingStore, Stamp, Validity
from hub.contract.readings import FLAG_MASK, STAMP_MASK, VALIDITY_MASK

from .calculating import Open, zone_of
from .intake import Given, Taken, take
from .models_readings import ReadingStatus, Source
from .sql_readings import REPORTED

MANY, PAGE = 500, 20_000
# A fast poll answers from the last minutes, a slow one or a value that stands still from farther.
BACK = (dt.timedelta(minutes=5), dt.timedelta(hours=1), dt.timedelta(hours=6))
THOUSANDTHS = {"Wh": 1, "kWh": 1000, "MWh": 10**6, "varh": 1, "kvarh": 1000, "Mvarh": 10**6}
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Reported(NamedTuple):
    """time: µs since 1970 UTC. good: neither its value nor its time is in doubt."""

    time: int
    value: float
    good: bool


class Collected(Struct, kw_only=True):
    """Registers by what became of them. known: read before. silent: nothing was reported in time.
    unreadable: no point has their address, or it counts no energy. refused: cannot be true."""

    taken: int = 0
    suspect: int = 0
    known: int = 0
    refused: int = 0
    silent: int = 0
    unreadable: int = 0

    def count(self, taken: Taken) -> None:
        if taken.id is not None:
            self.suspect += taken.status is ReadingStatus.SUSPECT
            self.taken += taken.status is ReadingStatus.VALID
        elif any(f.code == "duplicate" for f in taken.faults):
            self.known += 1
        else:
            self.refused += 1


async def collect(open_: Open, cycle: str, until: dt.date) -> Collected:
    """Read all registers of a cycle that report by telemetry, many at a time."""
    done, last = Collected(), (UUID(int=0), "")
    while True:
        async with open_() as ctx:
            if METERS not in ctx.services or STORE not in ctx.services:
                return done
            arguments = {
                "tenant": ctx.actor.tenant,
                "cycle": cycle,
                "until": until,
                "zone": await zone_of(ctx),
                "now": ctx.clock(),
                "agreement": last[0],
                "register": last[1],
                "many": MANY,
            }
            connection = await ctx.db.connection()
            rows = (await connection.exec_driver_sql(REPORTED, arguments)).all()
            if not rows:
                return done
            external = list({r.external_id for r in rows})
            points = await ctx.get(METERS).points(ctx, external)
            store = ctx.get(STORE)
        found = [(r, _point(points.get(r.external_id, ()), r.address)) for r in rows]
        readable = [(r, p) for r, p in found if p is not None]
        done.unreadable += len(rows) - len(readable)
        given = await _given(store, readable)
        done.silent += len(readable) - len(given)
        async with open_() as ctx:
            for taken in await take(ctx, given, Source.TELEMETRY):
                done.count(taken)
        last = (rows[-1].agreement, rows[-1].register)


def _point(points: Sequence[MeterPoint], address: str) -> MeterPoint | None:
    fitting = (p for p in points if p.address == address and p.kind is Kind.COUNTER)
    return next((p for p in fitting if p.unit in THOUSANDTHS), None)


async def _given(store: ReadingStore, wanted: Sequence[tuple[Any, MeterPoint]]) -> list[Given]:
    made: list[Given] = []
    for at, group in groupby(sorted(wanted, key=lambda w: w[0].at), lambda w: w[0].at):
        rows = list(group)
        reported = await last_before(store, [p.series for _, p in rows], at)
        made += [_reading(r, p, reported[p.series]) for r, p in rows if p.series in reported]
    return made


def _reading(row: Any, point: MeterPoint, reported: Reported) -> Given:
    return Given(
        meter=row.meter,
        installation=row.installation,
        register=row.register,
        at=EPOCH + dt.timedelta(microseconds=reported.time),
        value=round(reported.value * THOUSANDTHS[point.unit]),
        good=reported.good,
    )


async def last_before(
    store: ReadingStore, series: Sequence[int], at: dt.datetime
) -> dict[int, Reported]:
    """The newest usable value of each series not after `at`; a good one goes before a doubtful."""
    found: dict[int, Reported] = {}
    end = at + dt.timedelta(microseconds=1)
    for back in BACK:
        missing = [s for s in series if s not in found or not found[s].good]
        if not missing:
            break
        start = at - back
        for number, value in (await _between(store, missing, start, end)).items():
            if value.good or number not in found:
                found[number] = value
        end = start
    return found


async def _between(
    store: ReadingStore, series: Sequence[int], start: dt.datetime, end: dt.datetime
) -> dict[int, Reported]:
    found: dict[int, Reported] = {}
    after = None
    while True:
        batch = await store.history(series, start, end, limit=PAGE, after=after)
        for number, value in newest(batch).items():
            if value.good or number not in found or not found[number].good:
                found[number] = value
        if len(batch) < PAGE:
            return found
        last = EPOCH + dt.timedelta(microseconds=int(batch.time[-1]))
        after = (last, int(batch.point[-1]))


def newest(batch: ReadingBatch) -> dict[int, Reported]:
    """The last good value of each series of a batch in order of time; else the last doubtful."""
    quality = batch.quality
    usable = np.isfinite(batch.value) & ((quality & VALIDITY_MASK) != Validity.INVALID)
    usable &= (quality & Flag.TEST) == 0
    good = (quality & (VALIDITY_MASK | FLAG_MASK)) == 0
    good &= (quality & STAMP_MASK) != Stamp.UNSYNCED
    found: dict[int, Reported] = {}
    for trusted in (False, True):
        rows = np.flatnonzero(usable & (good == trusted))[::-1]
        numbers, first = np.unique(batch.point[rows], return_index=True)
        for number, row in zip(numbers.tolist(), rows[first].tolist(), strict=True):
            found[number] = Reported(int(batch.time[row]), float(batch.value[row]), trusted)
    return found
