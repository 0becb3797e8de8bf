"""Stations, devices, points and their readings."""

from pathlib import Path

from hub import DIRECTORY, METERS, Plugin, Resource, hookimpl

from .directory import Directory
from .meters import Meters
from .models import DataPoint, Device, Station
from .readings import aggregate, history, live, watch

__all__ = ["DataPoint", "Device", "Station"]

stations = Resource(
    name="stations",
    model=Station,
    filters=("code", "station_type", "region", "status", "is_active", "priority"),
    sort=("code", "name", "priority", "created_at"),
    search=("code", "name", "name_ar", "name_en"),
)
devices = Resource(
    name="devices",
    model=Device,
    filters=("code", "station_id", "gateway_id", "device_type", "status", "is_active"),
    sort=("code", "name", "created_at", "status_at"),
    search=("code", "name", "serial_no", "model"),
)
points = Resource(
    name="points",
    model=DataPoint,
    filters=("device_id", "name", "measurement", "point_type", "is_active", "series"),
    sort=("name", "series", "created_at"),
    search=("name", "description"),
)


@hookimpl
def hub_plugin() -> Plugin:
    return Plugin(
        name="scada",
        requires=("identity",),
        resources=(stations, devices, points),
        actions=(live, history, aggregate),
        rooms=(watch,),
        permissions={"scada.readings.read": "See measured values"},
        providers={DIRECTORY: Directory(), METERS: Meters()},
        migrations=Path(__file__).parent / "migrations",
    )
