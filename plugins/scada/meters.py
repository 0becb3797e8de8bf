"""Meters by the names that their platforms have for them."""

from collections.abc import Mapping, Sequence

from sqlalchemy import select

from hub import Ctx, Kind, MeterPoint

from .models import DataPoint, Device, PointType

_KINDS = {
    PointType.COUNTER: Kind.COUNTER,
    PointType.STRING: Kind.TEXT,
    PointType.BINARY_INPUT: Kind.BINARY,
    PointType.BINARY_OUTPUT: Kind.BINARY,
}


class Meters:
    """`hub.MeterDirectory`: a meter is a device with an `external_id`."""

    async def points(self, ctx: Ctx, external: Sequence[str]) -> Mapping[str, Sequence[MeterPoint]]:
        """Points of active devices; a device without points is known and has none."""
        found = await ctx.db.execute(
            select(Device, DataPoint)
            .outerjoin(DataPoint, (DataPoint.device_id == Device.id) & DataPoint.is_active)
            .where(Device.external_id.in_(list(external)), Device.is_active)
        )
        meters: dict[str, list[MeterPoint]] = {}
        for device, point in found:
            assert device.external_id is not None  # noqa: S101 - it was asked for
            meter = meters.setdefault(device.external_id, [])
            if point is not None:
                meter.append(_point(device, point))
        return meters


def _point(device: Device, point: DataPoint) -> MeterPoint:
    return MeterPoint(
        series=point.series,
        address=point.address,
        kind=_KINDS.get(point.point_type, Kind.ANALOG),
        scale=point.scale_factor,
        offset=point.value_offset,
        collected=device.gateway_id is not None,
        unit=point.unit or "",
    )
