"""Stations, devices, points and their readings."""

import contextlib
from pathlib import Path
from typing import Any

from hub import DIRECTORY, METERS, OUTSIDE_ALARMS, Plugin, Resource, hookimpl

from .alarm_models import AlarmEntry, AlarmRow
from .alarm_views import follow_alarms
from .alarms import alarms
from .control_models import CommandRow, ControlPoint
from .controls import commands, controls, device_command, follow_commands
from .device_views import device_readings, device_status
from .directory import Directory
from .events import EVENTS
from .gateways import gateway_moved
from .iot import push_alert, push_readings, push_status
from .maintenance import device_maintenance, station_maintenance
from .meters import Meters
from .models import DataPoint, Device, Station, StationLink
from .outside import Outside
from .protocols import protocols
from .readings import aggregate, history, live, prove, watch
from .readings_export import export_readings
from .station_views import energy_report, stations
from .upkeep import upkeep

__all__ = [
    "AlarmEntry",
    "AlarmRow",
    "CommandRow",
    "ControlPoint",
    "DataPoint",
    "Device",
    "Station",
]

devices = Resource(
    name="devices",
    model=Device,
    filters=(
        "code",
        "station_id",
        "station_role",
        "gateway_id",
        "device_type",
        "status",
        "is_active",
    ),
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
links = Resource(
    name="links",
    model=StationLink,
    subject="stations",
    filters=("from_station_id", "to_station_id", "status"),
    sort=("created_at",),
)
devices.action("status", method="GET", verb="read")(device_status)
devices.action("readings", method="GET", verb="read")(device_readings)
devices.action("maintenance", verb="write")(device_maintenance)
stations.action("maintenance", verb="write")(station_maintenance)


@hookimpl
def hub_plugin() -> Plugin:
    return Plugin(
        name="scada",
        requires=("identity",),
        urls=("iot",),
        resources=(stations, links, protocols, devices, points, alarms, controls, commands),
        actions=(
            live,
            history,
            aggregate,
            prove,
            export_readings,
            energy_report,
            device_command,
            push_readings,
            push_status,
            push_alert,
        ),
        rooms=(watch, follow_alarms, follow_commands),
        events=EVENTS,
        subscribers=(gateway_moved,),
        permissions={
            "iot.readings.write": "Push readings, states and alerts of devices",
            "scada.readings.read": "See measured values",
            "scada.alarms.force_close": "Close alarms whose condition is still there",
        },
        providers={DIRECTORY: Directory(), METERS: Meters(), OUTSIDE_ALARMS: Outside()},
        migrations=Path(__file__).parent / "migrations",
        locale=Path(__file__).parent / "locale",
    )


@hookimpl
def hub_services(hub: Any) -> list[contextlib.AbstractAsyncContextManager[Any]]:
    return [upkeep(hub)]
