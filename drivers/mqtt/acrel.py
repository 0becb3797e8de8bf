"""The Acrel dialect: meters and infrastructure of a platform on one broker.

    acrel/{station}/meter/{id}/data | alert | status          in
    acrel/{station}/infrastructure/{id}/data                  in
    acrel/{station}/meter/{id}/command                        out

With `gateway_topics` also those of Acrel's own gateways, whose meters speak without the platform:

    /gw/acrelHW/{product}/{login|data|hstdata}/{sn}           in
    /server/acrelHW/{product}/login/{sn}                      out

A point's address is a path inside the event (`$.data.voltage`), of an alert `alert:$.alert_type`,
of a change of state `status:$.new_status`, of a gateway's message `gw:$.Ua`; a control is
`command:relay`, `command:tariff` or `command:power_limit`.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from hub import Command, ConfigError, Flag, Outcome, Point, ProtocolError, Result

from .acrel_events import Event, Received, Seen, StatusChange, read_event
from .config import AcrelConfig, AcrelDevice
from .dialect import Publication
from .paths import MISSING, Path, find, parse
from .rows import Rows, read_time

_EVENTS = {"data": "meter_reading", "alert": "alert", "status": "status_change"}
_ORDERS = ("relay", "tariff", "power_limit")
OFFLINE = frozenset({"offline", "lost", "unreachable"})
SECOND = 1_000_000


class AcrelAddress(msgspec.Struct, frozen=True):
    """word: `data`, `alert`, `status` or `command`; a command has its name in place of a path."""

    word: str
    path: Path = ()
    command: str = ""


def acrel_address(text: str) -> AcrelAddress:
    word, colon, rest = text.partition(":")
    if not colon or word.startswith("$"):
        return AcrelAddress("data", parse(text))
    if word == "command":
        if rest not in _ORDERS:
            raise ConfigError(f"command {rest!r} is none of {', '.join(_ORDERS)}")
        return AcrelAddress("command", command=rest)
    if word not in _EVENTS and word != "gw":
        raise ConfigError(f"{word!r} is none of {', '.join(_EVENTS)}, gw, command")
    return AcrelAddress(word, parse(rest))


class _Meter:
    """Points of one device by the kind of event that brings them."""

    def __init__(self, config: AcrelDevice, points: Sequence[Point]) -> None:
        self.config = config
        self.points = [p for p in points if p.address.word != "command"]
        self.by_word: dict[str, list[tuple[Point, Path]]] = {word: [] for word in (*_EVENTS, "gw")}
        for point in self.points:
            self.by_word[point.address.word].append((point, point.address.path))


class AcrelDialect:
    def __init__(self, config: AcrelConfig, points: Sequence[Point]) -> None:
        self._config, self._seen = config, Seen()
        self._meters = {
            (device.infrastructure, device.id): _Meter(
                device, [p for p in points if p.device == device.name]
            )
            for device in config.devices
        }
        self._devices = {device.name: device for device in config.devices}

    def topics(self) -> tuple[str, ...]:
        gateways = ("/gw/acrelHW/+/+/+",) if self._config.gateway_topics else ()
        meters = (f"acrel/+/meter/+/{word}" for word in _EVENTS)
        return (*meters, "acrel/+/infrastructure/+/data", *gateways)

    def will(self, now: int) -> Publication | None:
        return None

    def greeting(self, now: int) -> Iterable[Publication]:
        return ()

    def device(self, topic: str) -> str:
        parts = topic.split("/")
        meter = (
            self._meters.get((parts[2] == "infrastructure", parts[3])) if len(parts) > 3 else None
        )
        return meter.config.name if meter else ""

    def read(self, topic: str, payload: bytes, now: int, rows: Rows) -> Iterable[Publication]:
        parts = topic.split("/")
        if parts[:3] == ["", "gw", "acrelHW"] and len(parts) == 6:
            return self._gateway(parts[3], parts[4], parts[5], payload, now, rows)
        if len(parts) != 5 or parts[0] != "acrel" or parts[4] not in _EVENTS:
            return ()
        place, number, word = parts[2], parts[3], parts[4]
        meter = self._meters.get((place == "infrastructure", number))
        if meter is None:
            raise ProtocolError(f"unknown {place} {number!r}")
        kind = "infrastructure" if place == "infrastructure" else _EVENTS[word]
        known = {"event_type": kind, "meter_id": number}
        received = read_event(payload, known)
        if not self._seen.again(received.key):
            self._store(meter, word, received, now, rows)
        return ()

    def accept(self, received: Received, word: str, now: int, rows: Rows) -> bool:
        """Add a meter's event that came by another way; False if it was here before."""
        meter = self._meters.get((False, received.event.meter_id))
        if meter is None:
            raise ProtocolError(f"unknown meter {received.event.meter_id!r}")
        if self._seen.again(received.key):
            return False
        self._store(meter, word, received, now, rows)
        return True

    def _gateway(
        self, product: str, word: str, number: str, payload: bytes, now: int, rows: Rows
    ) -> Iterable[Publication]:
        """A message of Acrel's own gateway; the meter is named by `meterSN`, or is the gateway."""
        try:
            body = msgspec.json.decode(payload, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError) as error:
            raise ProtocolError(f"not a JSON object: {error}") from None
        if word == "login":
            answer = msgspec.json.encode({"type": "login", "res": 1})
            return (Publication(topic=f"/server/acrelHW/{product}/login/{number}", payload=answer),)
        if word not in {"data", "hstdata"}:
            return ()
        meter = self._meters.get((False, str(body.get("meterSN", number))))
        if meter is None:
            raise ProtocolError(f"unknown meter {body.get('meterSN', number)!r}")
        if not self._seen.again((number, word, payload)):
            time, quality = read_time(body.get("time"), now)
            flags = Flag.OLD if word == "hstdata" else Flag.NONE
            for point, path in meter.by_word["gw"]:
                raw = find(body, path)
                if raw is not MISSING:
                    rows.add(point, raw, time, quality | flags)
        return ()

    def _store(self, meter: _Meter, word: str, received: Received, now: int, rows: Rows) -> None:
        if _offline(received.event):
            rows.lose(meter.points, now)
            return
        time, quality = read_time(received.event.timestamp, now)
        for point, path in meter.by_word[word]:
            raw = find(received.body, path)
            if raw is not MISSING:
                rows.add(point, raw, time, quality)

    def order(self, command: Command, now: int) -> Publication | Result:
        address: AcrelAddress = command.point.address
        if address.word != "command":
            return Result(outcome=Outcome.NOT_SUPPORTED, detail=f"{command.point.key} is read only")
        device = self._devices[command.point.device]
        body = order_body(address.command, command.value, now)
        if body is None:
            return Result(outcome=Outcome.REJECTED, detail=f"no value {command.value!r}")
        if self._config.send_command_id:
            body |= {"command_id": command.id, "expires_at": stamp(command.expires)}
        return Publication(
            topic=command_topic(device.station, device.id),
            payload=msgspec.json.encode(body),
            qos=self._config.qos,
            expires=max(1, (command.expires - now) // SECOND),
        )


def command_topic(station: str, meter: str) -> str:
    return f"acrel/{station}/meter/{meter}/command"


def order_body(name: str, value: float | str, now: int) -> dict[str, object] | None:
    """The JSON of an order, or None if it has no such value."""
    body: dict[str, object]
    if name == "relay":
        if value not in {0, 1}:
            return None
        body = {"command": "relay_on" if value else "relay_off"}
    elif name == "tariff":
        body = {"command": "set_tariff", "tariff_id": str(value)}
    elif isinstance(value, str) or value < 0:
        return None
    else:
        body = {"command": "set_power_limit", "limit_w": value}
    return body | {"timestamp": stamp(now), "source": "billing_system"}


def stamp(time: int) -> str:
    moment = datetime.fromtimestamp(time / SECOND, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _offline(event: Event) -> bool:
    return isinstance(event, StatusChange) and event.new_status in OFFLINE
