"""Sparkplug B as a host application (specification 3.0).

    spBv1.0/{group}/{NBIRTH|NDEATH|NDATA}/{node}          in
    spBv1.0/{group}/{DBIRTH|DDEATH|DDATA}/{node}/{device} in
    spBv1.0/{group}/{NCMD|DCMD}/{node}[/{device}]         out
    spBv1.0/STATE/{host}                                  out, retained, with a will; in

Nothing is believed of a node before its birth. A gap in its sequence, an alias that no birth named,
or data before a birth makes us ask for a rebirth, once a while. Will and birth of the host have one
time, and who says that we are offline is answered that we are not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from hub import (
    Command,
    ConfigError,
    Flag,
    Outcome,
    Point,
    PointSpec,
    ProtocolError,
    Result,
    Stamp,
    Validity,
    quality,
)

from .config import SparkplugConfig
from .dialect import Publication
from .rows import Rows
from .sparkplug_payload import DataType, Metric, Payload, decode, encode, signed

REBIRTH = "Node Control/Rebirth"
REBIRTH_EVERY = 5_000_000  # µs between two requests to one node
_GOOD = quality(stamp=Stamp.DEVICE)
_OLD = quality(Validity.GOOD, Flag.OLD, Stamp.DEVICE)
_TYPES = {kind.name.lower(): kind for kind in DataType} | {"bool": DataType.BOOLEAN}


class SparkplugAddress(msgspec.Struct, frozen=True):
    """metric: its name in the birth. datatype: of a command before any birth stated it."""

    metric: str
    datatype: int = 0


def sparkplug_address(spec: PointSpec) -> SparkplugAddress:
    if not spec.address:
        raise ConfigError(f"point {spec.name!r}: the address is the metric's name")
    if spec.type and spec.type not in _TYPES:
        raise ConfigError(f"point {spec.name!r}: type {spec.type!r} is none of {', '.join(_TYPES)}")
    return SparkplugAddress(spec.address, _TYPES.get(spec.type, 0))


class _State(msgspec.Struct, frozen=True):
    """Whether a host application is there. timestamp: ms."""

    online: bool
    timestamp: int = 0


@dataclass
class _Source:
    """An edge node or a device: its points by metric, and what its birth said."""

    points: dict[str, Point]
    aliases: dict[int, str] = field(default_factory=dict)
    types: dict[str, int] = field(default_factory=dict)
    born: bool = False


@dataclass
class _Node:
    """seq: expected next. bd: number of the life that its death must name."""

    sources: dict[str | None, _Source] = field(default_factory=dict)
    seq: int | None = None
    bd: int | None = None
    asked: int = -REBIRTH_EVERY

    @property
    def points(self) -> list[Point]:
        return [p for source in self.sources.values() for p in source.points.values()]


class SparkplugDialect:
    def __init__(self, config: SparkplugConfig, points: Sequence[Point]) -> None:
        self._config = config
        self._since = 0  # µs: when this connection began
        self._nodes: dict[str, _Node] = {}
        self._places: dict[str, tuple[str, str | None]] = {}
        self._names: dict[tuple[str, str | None], str] = {}
        for device in config.devices:
            own = {p.address.metric: p for p in points if p.device == device.name}
            node = self._nodes.setdefault(device.node, _Node())
            node.sources[device.device] = _Source(own)
            node.sources.setdefault(None, _Source({}))
            self._places[device.name] = device.node, device.device
            self._names[device.node, device.device] = device.name

    def topics(self) -> tuple[str, ...]:
        group, host = self._config.group, self._config.host_id
        return (
            *(f"spBv1.0/{group}/+/{node}{tail}" for node in self._nodes for tail in ("", "/+")),
            *((f"spBv1.0/STATE/{host}",) if host else ()),
        )

    def will(self, now: int) -> Publication | None:
        self._since = now
        return self._state(online=False)

    def greeting(self, now: int) -> Iterable[Publication]:
        state = self._state(online=True)
        if state:
            yield state
        # Births are not retained: what was said before we came has to be said again.
        for name, node in self._nodes.items():
            node.asked = now
            yield self._rebirth(name, now)

    def device(self, topic: str) -> str:
        parts = topic.split("/")
        place = (parts[3], parts[4] if len(parts) > 4 else None) if len(parts) > 3 else ("", None)
        return self._names.get(place, "")

    def read(self, topic: str, payload: bytes, now: int, rows: Rows) -> Iterable[Publication]:
        parts = topic.split("/")
        if parts[:2] == ["spBv1.0", "STATE"]:
            return self._insist(payload)
        if len(parts) not in {4, 5} or parts[0] != "spBv1.0" or parts[2] in {"NCMD", "DCMD"}:
            return ()
        word, name = parts[2], parts[3]
        device = parts[4] if len(parts) == 5 else None
        node = self._nodes.get(name)
        if node is None or (word[0] == "D") != (device is not None):
            raise ProtocolError(f"{word} of {'/'.join(parts[3:])} is not expected")
        message = decode(payload)
        if word == "NDEATH":
            _node_death(node, message, now, rows)
            return ()
        asked = self._follow(node, word, message)
        source = node.sources.get(device)
        if source is not None and not asked:
            asked = _take(source, word, message, now, rows)
        if asked and now - node.asked >= REBIRTH_EVERY:
            node.asked = now
            return (self._rebirth(name, now),)
        return ()

    def _follow(self, node: _Node, word: str, message: Payload) -> bool:
        """Keep the sequence; True when a rebirth is needed because something was lost."""
        if message.seq is None or not 0 <= message.seq <= 255:
            raise ProtocolError(f"{word} without a sequence number of 0 to 255")
        if word == "NBIRTH":
            node.bd = _death_number(message)
            for source in node.sources.values():
                source.born = False
        elif node.seq is None or message.seq != node.seq:
            node.seq = None
            return True
        node.seq = (message.seq + 1) % 256
        return False

    def order(self, command: Command, now: int) -> Publication | Result:
        name, device = self._places[command.point.device]
        source = self._nodes[name].sources[device]
        address: SparkplugAddress = command.point.address
        kind = source.types.get(address.metric) or address.datatype
        if not kind:
            return Result(
                outcome=Outcome.REJECTED,
                detail=f"the type of {address.metric!r} is not known before a birth",
            )
        value: float | str | bool = command.value
        if kind not in {DataType.FLOAT, DataType.DOUBLE} and not isinstance(value, str):
            value = bool(value) if kind == DataType.BOOLEAN else int(value)
        metric = Metric(name=address.metric, timestamp=now // 1000, datatype=kind, value=value)
        place = f"{name}/{device}" if device else name
        return Publication(
            topic=f"spBv1.0/{self._config.group}/{'DCMD' if device else 'NCMD'}/{place}",
            payload=encode(Payload(metrics=(metric,), timestamp=now // 1000)),
            qos=0,
            expires=max(1, (command.expires - now) // 1_000_000),
        )

    def _rebirth(self, node: str, now: int) -> Publication:
        metric = Metric(name=REBIRTH, timestamp=now // 1000, datatype=DataType.BOOLEAN, value=True)
        return Publication(
            topic=f"spBv1.0/{self._config.group}/NCMD/{node}",
            payload=encode(Payload(metrics=(metric,), timestamp=now // 1000)),
            qos=0,
        )

    def _insist(self, payload: bytes) -> Iterable[Publication]:
        """An earlier life's will may arrive in this one: say again that we are here."""
        try:
            told = msgspec.json.decode(payload, type=_State)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ProtocolError(f"STATE: {error}") from None
        state = None if told.online else self._state(online=True)
        return (state,) if state else ()

    def _state(self, *, online: bool) -> Publication | None:
        host = self._config.host_id
        if host is None:
            return None
        body = msgspec.json.encode(_State(online=online, timestamp=self._since // 1000))
        return Publication(topic=f"spBv1.0/STATE/{host}", payload=body, qos=1, retain=True)


def _node_death(node: _Node, message: Payload, now: int, rows: Rows) -> None:
    """A will that names an earlier life than the present one is late, and means nothing."""
    number = _death_number(message)
    if node.bd is not None and number is not None and number != node.bd:
        return
    node.seq = None
    for source in node.sources.values():
        source.born = False
    rows.lose(node.points, now)


def _take(source: _Source, word: str, message: Payload, now: int, rows: Rows) -> bool:
    """Add a source's readings; True when a rebirth is needed to understand it."""
    if word == "DDEATH":
        source.born = False
        rows.lose(list(source.points.values()), now)
        return False
    if word in {"NBIRTH", "DBIRTH"}:
        source.aliases = {m.alias: m.name for m in message.metrics if m.alias is not None}
        source.types = {m.name: m.datatype for m in message.metrics}
        source.born = True
    elif not source.born:
        return True
    unknown = False
    for metric in message.metrics:
        name = metric.name or source.aliases.get(-1 if metric.alias is None else metric.alias, "")
        unknown |= not name
        point = source.points.get(name)
        if point is not None:
            _add(source, name, metric, message.timestamp, point, now, rows)
    return unknown


def _add(
    source: _Source,
    name: str,
    metric: Metric,
    sent: int | None,
    point: Point,
    now: int,
    rows: Rows,
) -> None:
    stamp = metric.timestamp if metric.timestamp is not None else sent
    value = metric.value
    if isinstance(value, int) and not isinstance(value, bool) and not metric.datatype:
        value = signed(value, source.types.get(name, 0))
    rows.add(
        point,
        value,
        now if stamp is None else stamp * 1000,
        quality() if stamp is None else _OLD if metric.historical else _GOOD,
    )


def _death_number(message: Payload) -> int | None:
    """`bdSeq`: the life that a birth begins and a death ends."""
    found = next((m.value for m in message.metrics if m.name == "bdSeq"), None)
    return found if isinstance(found, int) else None
