"""Load and supply of stations by their newest values."""

import math
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import or_, select

from hub import STORE, Ctx, Validity

from .alarm_state import micros
from .command_rules import TRANSPORT, fresh_for
from .models import DataPoint, Device, StationRole
from .station_rules import POWER, VOLTAGE, Flow, load_kw

VALIDITY = 0x0003


class Figures(Struct):
    """load: kW. volts: of each supply voltage, None where nobody can say."""

    load: float | None
    volts: list[float | None]


async def figures(ctx: Ctx, stations: Sequence[UUID]) -> dict[UUID, Figures]:
    """Of each of these stations; a value that is not fresh counts as none."""
    rows: Sequence[Any] = (
        await ctx.db.execute(
            select(
                DataPoint.series, DataPoint.scan_rate_ms, DataPoint.measurement,
                Device.station_id, Device.station_role,
            )
            .join(Device, (Device.id == DataPoint.device_id) & (Device.tenant == DataPoint.tenant))
            .where(
                Device.station_id.in_(stations), DataPoint.is_active, Device.is_active,
                or_(
                    DataPoint.measurement == POWER,
                    DataPoint.measurement.startswith(VOLTAGE, autoescape=True),
                ),
            )
        )
    ).all()  # fmt: skip
    values = await _fresh(ctx, rows)
    flows: dict[UUID, list[Flow]] = {s: [] for s in stations}
    volts: dict[UUID, list[tuple[StationRole | None, float | None]]] = {s: [] for s in stations}
    for series, _, measurement, station, role in rows:
        if measurement == POWER:
            flows[station].append(Flow(role, values.get(series)))
        else:
            volts[station].append((role, values.get(series)))
    return {s: Figures(load_kw(flows[s]), _supply(volts[s])) for s in stations}


def _supply(volts: list[tuple[StationRole | None, float | None]]) -> list[float | None]:
    """The voltages of the incomers where there are any, else all."""
    incoming = [v for role, v in volts if role is StationRole.INCOMER]
    return incoming or [v for _, v in volts]


async def _fresh(ctx: Ctx, rows: Sequence[Any]) -> dict[int, float]:
    if not rows:
        return {}
    limit = {series: fresh_for(rate, None) + TRANSPORT for series, rate, *_ in rows}
    batch = await ctx.get(STORE).latest(list(limit))
    now = micros(ctx.clock())
    return {
        int(s): float(v)
        for s, t, v, q in zip(batch.point, batch.time, batch.value, batch.quality, strict=True)
        if int(q) & VALIDITY != Validity.INVALID
        and math.isfinite(v)
        and (now - int(t)) / 1e6 <= limit[int(s)]
    }
