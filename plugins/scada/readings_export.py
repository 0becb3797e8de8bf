"""Buckets of readings as a table."""

from collections.abc import Iterator
from typing import Any, Literal

from sqlalchemy import select

from hub import Ctx, Download, query

from .models import DataPoint, Device
from .readings import AggregateParams, Buckets, aggregate
from .sheets import XLSX, csv_of, workbook

NAMES = ("device", "point", "unit", "start", "value", "count", "coverage")


class ExportParams(AggregateParams, kw_only=True, forbid_unknown_fields=True):
    format: Literal["csv", "xlsx"] = "csv"


@query("readings/export", permission="scada.readings.read")
async def export_readings(ctx: Ctx, params: ExportParams) -> Download:
    """Return what `readings/aggregate` returns as CSV or XLSX."""
    found: Buckets = await aggregate.handler(ctx, params=params)
    wanted = {bucket.point_id for bucket in found.items}
    rows = await ctx.db.execute(
        select(DataPoint.id, Device.code, DataPoint.name, DataPoint.unit)
        .join(Device, Device.id == DataPoint.device_id)
        .where(DataPoint.id.in_(wanted))
    )
    named = {ident: (device, name, unit) for ident, device, name, unit in rows}
    table = _table(found, named)
    if params.format == "xlsx":
        made = await workbook("readings", NAMES, table)
        return Download(name="readings.xlsx", media_type=XLSX, pieces=made)
    return Download(name="readings.csv", media_type="text/csv", data=csv_of(NAMES, table))


def _table(found: Buckets, named: dict[Any, tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    for b in found.items:
        yield (*named[b.point_id], b.start, b.value, b.count, b.coverage)
