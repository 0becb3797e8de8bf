"""Events of the Acrel IoT-EMS platform: the same by webhook and by MQTT.

An event has a key made of what it says, so that one which arrives both ways is known again.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from hub import ProtocolError

MeterId = Annotated[str, Meta(min_length=1, max_length=120)]
Time = str | int | float
LIMIT = 256 * 1024  # bytes of one message; the platform's are below 1 kB


class _Event(Struct, frozen=True, kw_only=True, tag_field="event_type"):
    timestamp: Time
    meter_id: MeterId


class MeterReading(_Event, frozen=True, kw_only=True, tag="meter_reading"):
    """data: `reading` and `consumption` kWh, `voltage` V, `current` A, `power_factor`, and more."""

    data: dict[str, Any]
    meter_type: str = ""


class Infrastructure(_Event, frozen=True, kw_only=True, tag="infrastructure"):
    """Values of a transformer, feeder or room, which `meter_id` names. By MQTT only."""

    data: dict[str, Any]


class Alert(_Event, frozen=True, kw_only=True, tag="alert"):
    alert_type: str
    severity: Literal["info", "warning", "error", "critical"]
    value: float | None = None
    threshold: float | None = None
    message: str = ""


class StatusChange(_Event, frozen=True, kw_only=True, tag="status_change"):
    """tariff_id, limit_w: what a meter confirms that took a tariff or a power limit."""

    new_status: str
    previous_status: str = ""
    reason: str = ""
    tariff_id: str | None = None
    limit_w: float | None = None


class DisconnectConfirm(_Event, frozen=True, kw_only=True, tag="disconnect_confirm"):
    result: Literal["success", "failed"]
    command_id: str | None = None
    relay_status: str = ""
    message: str = ""


class ReconnectConfirm(_Event, frozen=True, kw_only=True, tag="reconnect_confirm"):
    result: Literal["success", "failed"]
    command_id: str | None = None
    relay_status: str = ""
    message: str = ""


Confirm = DisconnectConfirm | ReconnectConfirm
Event = MeterReading | Infrastructure | Alert | StatusChange | DisconnectConfirm | ReconnectConfirm


class Received(Struct, frozen=True, kw_only=True):
    """key: equal for the same event however it came. body: as received, with what the way adds."""

    event: Event
    key: str
    body: dict[str, Any]


def read_event(raw: bytes, known: Mapping[str, str] = {}) -> Received:
    """Parse a payload; ProtocolError says what is wrong with it.

    known: fields that the way of arrival settles (event type, meter id); they win over the payload.
    """
    if len(raw) > LIMIT:
        raise ProtocolError(f"{len(raw)} bytes are more than any message has")
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ProtocolError(f"not JSON: {error}") from None
    if not isinstance(body, dict):
        raise ProtocolError("not a JSON object")
    body |= known
    if body.get("event_type") in {"meter_reading", "infrastructure"} and "data" not in body:
        body = _nested(body)
    try:
        event = msgspec.convert(body, Event)
    except msgspec.ValidationError as error:
        raise ProtocolError(str(error)) from None
    return Received(event=event, key=event_key(body), body=body)


def event_key(body: Mapping[str, Any]) -> str:
    """SHA-256 of event type, meter, time and the canonical body."""
    head = f"{body.get('event_type')}\n{body.get('meter_id')}\n{body.get('timestamp')}\n".encode()
    return hashlib.sha256(head + msgspec.json.encode(body, order="sorted")).hexdigest()


class Seen:
    """Keys of the last events, to notice what comes again."""

    def __init__(self, size: int = 20_000) -> None:
        self._keys: OrderedDict[Hashable, None] = OrderedDict()
        self._size = size

    def again(self, key: Hashable) -> bool:
        """Whether the key was here before; remembers it."""
        if key in self._keys:
            self._keys.move_to_end(key)
            return True
        self._keys[key] = None
        if len(self._keys) > self._size:
            self._keys.popitem(last=False)
        return False


_HEAD = frozenset({"event_type", "timestamp", "meter_id", "meter_type", "data"})


def _nested(body: dict[str, Any]) -> dict[str, Any]:
    """Values that stand beside the head, as some firmware sends them, moved under `data`."""
    head = {key: value for key, value in body.items() if key in _HEAD}
    return head | {"data": {key: value for key, value in body.items() if key not in _HEAD}}
