"""Stations, the devices in them, and every measured or controlled value."""

import enum
from uuid import UUID

from sqlalchemy import Identity, Integer, UniqueConstraint
from sqlalchemy.orm import Mapped

from hub import Code, Entity, Id, Instant, Json, Label, Measured, Name, Prose, Small, col, ref


class StationType(enum.StrEnum):
    GENERATION = "generation"
    SUBSTATION = "substation"
    SOLAR = "solar"
    DISTRIBUTION = "distribution"
    MIXED = "mixed"


class State(enum.StrEnum):
    ONLINE = "online"
    DEGRADED = "degraded"
    OFFLINE = "offline"
    MAINTENANCE = "maintenance"
    UNKNOWN = "unknown"


class Station(Entity):
    """A generating station, substation or site."""

    __tablename__ = "scada_station"
    __table_args__ = (UniqueConstraint("tenant", "code"),)
    code: Mapped[Code]
    name: Mapped[Name]
    name_ar: Mapped[Name | None]
    name_en: Mapped[Name | None]
    station_type: Mapped[StationType]
    capacity_kw: Mapped[Measured | None]
    latitude: Mapped[Measured | None]
    longitude: Mapped[Measured | None]
    region: Mapped[Label | None]
    priority: Mapped[Small] = col(default=5)
    manager_user_id: Mapped[UUID | None]
    status: Mapped[State] = col(read_only=True, default=State.UNKNOWN)
    status_changed_at: Mapped[Instant | None] = col(read_only=True)
    load_kw: Mapped[Measured | None] = col(read_only=True)
    overload_since: Mapped[Instant | None] = col(read_only=True)
    is_overloaded: Mapped[bool] = col(read_only=True, default=False)
    outage_since: Mapped[Instant | None] = col(read_only=True)
    is_out: Mapped[bool] = col(read_only=True, default=False)
    is_active: Mapped[bool] = col(default=True)


class LinkStatus(enum.StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    FAULT = "fault"


class StationLink(Entity):
    """A cable or line between two stations. loss_percent: of what it carries."""

    __tablename__ = "scada_station_link"
    from_station_id: Mapped[Id] = ref("scada_station")
    to_station_id: Mapped[Id] = ref("scada_station")
    asset_id: Mapped[UUID | None]
    max_transfer_kw: Mapped[Measured | None]
    loss_percent: Mapped[Measured | None]
    status: Mapped[LinkStatus] = col(default=LinkStatus.CLOSED)


class DeviceType(enum.StrEnum):
    RTU = "rtu"
    PLC = "plc"
    IED = "ied"
    METER = "meter"
    INVERTER = "inverter"
    BREAKER = "breaker"
    SENSOR = "sensor"
    GATEWAY = "gateway"
    OTHER = "other"


class StationRole(enum.StrEnum):
    """What a meter counts in its station."""

    INCOMER = "incomer"
    FEEDER = "feeder"
    GENERATION = "generation"
    CUSTOMER = "customer"


class Device(Entity):
    """What speaks a protocol: a meter, a relay, an RTU. source_name: its name on its gateway.

    gateway_lost_at: since when the centre cannot hear of it, whatever its status says.
    """

    __tablename__ = "scada_device"
    __table_args__ = (
        UniqueConstraint("tenant", "code"),
        UniqueConstraint("tenant", "gateway_id", "source_name"),
    )
    code: Mapped[Code]
    name: Mapped[Name]
    device_type: Mapped[DeviceType] = col(default=DeviceType.OTHER)
    station_id: Mapped[Id | None] = ref("scada_station")
    station_role: Mapped[StationRole | None]
    gateway_id: Mapped[UUID | None] = col(read_only=True)
    source_name: Mapped[Name | None] = col(read_only=True)
    protocol_id: Mapped[Id | None] = ref("scada_protocol")
    driver: Mapped[Label | None] = col(read_only=True)
    profile_code: Mapped[Label | None]
    manufacturer: Mapped[Label | None]
    model: Mapped[Label | None]
    serial_no: Mapped[Label | None]
    firmware_version: Mapped[Label | None]
    external_id: Mapped[Label | None]
    status: Mapped[State] = col(read_only=True, default=State.UNKNOWN)
    status_reason: Mapped[Prose | None] = col(read_only=True)
    status_at: Mapped[Instant | None] = col(read_only=True)
    last_seen_at: Mapped[Instant | None] = col(read_only=True)
    maintenance_until: Mapped[Instant | None] = col(read_only=True)
    gateway_lost_at: Mapped[Instant | None] = col(read_only=True)
    is_active: Mapped[bool] = col(default=True)


class PointType(enum.StrEnum):
    ANALOG_INPUT = "analog_input"
    ANALOG_OUTPUT = "analog_output"
    BINARY_INPUT = "binary_input"
    BINARY_OUTPUT = "binary_output"
    COUNTER = "counter"
    STRING = "string"


class DataPoint(Entity):
    """One value. series: its small number in the store of readings, never reused."""

    __tablename__ = "scada_point"
    __table_args__ = (
        UniqueConstraint("tenant", "device_id", "name"),
        UniqueConstraint("series"),
    )
    device_id: Mapped[Id] = ref("scada_device", create_only=True)
    name: Mapped[Label] = col(create_only=True)
    description: Mapped[Prose | None]
    point_type: Mapped[PointType] = col(default=PointType.ANALOG_INPUT)
    address: Mapped[Label]
    data_type: Mapped[Label] = col(default="")
    byte_order: Mapped[Label] = col(default="big")
    word_order: Mapped[Label] = col(default="big")
    measurement: Mapped[Label | None]
    unit: Mapped[Label | None]
    scale_factor: Mapped[Measured] = col(default=1.0)
    value_offset: Mapped[Measured] = col(default=0.0)
    low_limit: Mapped[Measured | None]
    high_limit: Mapped[Measured | None]
    alarm_low: Mapped[Measured | None]
    alarm_high: Mapped[Measured | None]
    deadband: Mapped[Measured] = col(default=0.0)
    normal_state: Mapped[Small | None]
    rate_limit: Mapped[Measured | None]
    alarm_delay_s: Mapped[Measured] = col(default=0.0)
    clear_delay_s: Mapped[Measured] = col(default=0.0)
    scan_rate_ms: Mapped[Small | None]
    is_switch: Mapped[bool] = col(default=False)
    states: Mapped[Json] = col(default=dict)
    is_active: Mapped[bool] = col(default=True)
    series: Mapped[int] = col(read_only=True, type_=Integer, server_default=Identity(always=True))
