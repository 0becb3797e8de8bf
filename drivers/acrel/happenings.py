"""Events that the platform's meters cause."""

import datetime as dt

from hub import Event


class MeterRead(Event, frozen=True, kw_only=True, tag="meter.reading"):
    """A meter sent its values. reading: kWh. source: webhook, mqtt."""

    meter_id: str
    reading_at: dt.datetime
    reading: float | None = None
    voltage: float | None = None
    current: float | None = None
    power_factor: float | None = None
    source: str = ""


class MeterStatusChanged(Event, frozen=True, kw_only=True, tag="meter.status_changed"):
    meter_id: str
    previous_status: str = ""
    new_status: str
    reason: str = ""


class MeterAlert(Event, frozen=True, kw_only=True, tag="meter.alert"):
    """The meter itself found something wrong."""

    meter_id: str
    alert_type: str
    severity: str
    value: float | None = None
    threshold: float | None = None
    message: str = ""


class MeterUnknown(Event, frozen=True, kw_only=True, tag="meter.unknown"):
    """The platform speaks of a meter that nobody entered here."""

    meter_id: str
    event_kind: str


class MeterOrderChanged(Event, frozen=True, kw_only=True, tag="meter.order_changed"):
    """An order reached a state. late: confirmed after its time-out."""

    order_id: str
    meter_id: str
    kind: str
    state: str
    late: bool = False
    detail: str = ""


EVENTS = (MeterRead, MeterStatusChanged, MeterAlert, MeterUnknown, MeterOrderChanged)
