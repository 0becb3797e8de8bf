"""What happens in the network, as other plugins hear of it."""

import datetime as dt
from uuid import UUID

from hub import Event


class AlertRaised(Event, frozen=True, tag="alert.raised"):
    alarm_id: UUID
    severity: str
    message: str
    alarm_type: str
    station_id: UUID | None
    device_id: UUID | None
    raised_at: dt.datetime


class AlertAcknowledged(Event, frozen=True, tag="alert.acknowledged"):
    alarm_id: UUID
    by: str


class AlertClosed(Event, frozen=True, tag="alert.closed"):
    alarm_id: UUID
    by: str
    note: str


class DeviceOnline(Event, frozen=True, tag="device.online"):
    device_id: UUID


class DeviceOffline(Event, frozen=True, tag="device.offline"):
    device_id: UUID
    last_seen_at: dt.datetime


class CommandRequested(Event, frozen=True, tag="command.requested"):
    command_id: UUID
    command: str
    device_id: UUID
    by: str


class CommandConfirmed(Event, frozen=True, tag="command.confirmed"):
    command_id: UUID
    command: str
    device_id: UUID
    result: str


class CommandFailed(Event, frozen=True, tag="command.failed"):
    command_id: UUID
    command: str
    device_id: UUID
    state: str
    error: str


class NetworkOverload(Event, frozen=True, tag="network.overload"):
    station_id: UUID
    load_percent: float


class NetworkOutage(Event, frozen=True, tag="network.outage"):
    station_id: UUID
    since: dt.datetime


class NetworkRestored(Event, frozen=True, tag="network.restored"):
    station_id: UUID
    duration_s: float


class NetworkSwitchChanged(Event, frozen=True, tag="network.switch_changed"):
    point_id: UUID
    old: float
    new: float
    at: dt.datetime


EVENTS: tuple[type, ...] = (
    AlertRaised,
    AlertAcknowledged,
    AlertClosed,
    DeviceOnline,
    DeviceOffline,
    CommandRequested,
    CommandConfirmed,
    CommandFailed,
    NetworkOverload,
    NetworkOutage,
    NetworkRestored,
    NetworkSwitchChanged,
)
