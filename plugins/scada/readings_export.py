"""Buckets of readings as a table."""

from sqlalchemy import select

from hub import Ctx, Download, query

from .models import DataPoint, Device
from .readings import AggregateParams, aggregate
from .sheets import csv_of

NAMES = ("device", "point", "unit", "start", "value", "count", "coverage")


@query("readings/export", permission="scada.readings.read", media="text/csv")
async def export_readings(ctx: Ctx, params: AggregateParams) -> Download:
    """Return what `readings/aggregate` returns as CSV."""
    found = await aggregate.handler(ctx, params=params)
    wanted = {bucket.point_id for bucket in found.items}
    rows = await ctx.db.execute(
        select(DataPoint.id, Device.code, DataPoint.name, DataPoint.unit)
        .join(Device, Device.id == DataPoint.device_id)
        .where(DataPoint.id.in_(wanted))
    )
    named = {ident: (device, name, unit) for ident, device, name, unit in rows}
    table = ((*named[b.point_id], b.start, b.value, b.count, b.coverage) for b in found.items)
    return Download(name="readings.csv", media_type="text/csv", data=csv_of(NAMES, table))
