"""What is known around readings that are missing, for the rules of estimation."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from hub import Ctx

from .estimation import Asked, Total
from .sql_bills import AROUND, PEERS
from .tariff.history import Series
from .tariff.intervals import MINUTE, SECOND

Place = tuple[UUID, str]
Kept = Mapping[UUID, Mapping[str, Series]]


async def peers(ctx: Ctx, until: Any) -> dict[UUID, float]:
    """Tariff → mean use of a day of those whom it bills, in the two months before."""
    connection = await ctx.db.connection()
    arguments = {"tenant": ctx.actor.tenant, "until": until}
    rows = await connection.exec_driver_sql(PEERS, arguments)
    return {row.tariff_id: row.daily for row in rows if row.daily is not None}


async def ask(
    ctx: Ctx, missing: Sequence[Any], intervals: Kept, usual: Mapping[UUID, float]
) -> dict[Place, Asked]:
    """By register: all that an estimate of its closing reading can be made from."""
    if not missing:
        return {}
    wanted = [
        {"installation": r.installation_id, "register": r.register, "at": r.ends_at}
        for r in missing
    ]
    connection = await ctx.db.connection()
    arguments = {"tenant": ctx.actor.tenant, "asked": msgspec.json.encode(wanted).decode()}
    found: dict[Place, list[Total]] = {}
    for r in await connection.exec_driver_sql(AROUND, arguments):
        total = Total(r.at, r.total, r.condition != "estimated")
        found.setdefault((r.installation, r.register), []).append(total)
    return {
        (r.installation_id, r.register): _asked(
            r, found.get((r.installation_id, r.register), []), intervals, usual
        )
        for r in missing
    }


def _asked(row: Any, known: Sequence[Total], intervals: Kept, usual: Mapping[UUID, float]) -> Asked:
    past = [t for t in known if t.at < row.ends_at]
    later = next((t for t in known if t.at > row.ends_at and t.actual), None)
    cut = row.supply == "disconnected" and past and row.supply_since <= past[-1].at
    daily = usual.get(row.tariff_id) if row.register == "import" else None
    series = intervals.get(row.installation_id, {}).get(row.register)
    return Asked(
        at=row.ends_at,
        past=past,
        later=later,
        used=_used(series, past[-1], row) if series is not None and past else None,
        peers=None if daily is None else daily / float(row.multiplier),
        cut=bool(cut),
    )


def _used(series: Series, last: Total, row: Any) -> int | None:
    """What intervals without a hole say of the time since the last reading."""
    start, end = (round(t.timestamp()) * SECOND for t in (last.at, row.ends_at))
    inside = (series.starts >= start) & (series.starts < end)
    if int(inside.sum()) * series.minutes * MINUTE != end - start:
        return None
    return round(int(series.energy[inside].sum()) / float(row.multiplier))
