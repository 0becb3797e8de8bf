"""A gateway as a Sparkplug B edge node (specification 3.0). Pure.

NBIRTH, NDEATH, DBIRTH, DDEATH, DDATA    out
NCMD (rebirth), DCMD                     in
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from hub import (
    Command,
    ConfigError,
    Flag,
    Kind,
    Outcome,
    Point,
    ProtocolError,
    ReadingBatch,
    Result,
    Validity,
)

from .dialect import Publication
from .plain import Ordered
from .rows import Rows
from .shown import SparkplugPublisher
from .sparkplug import REBIRTH
from .sparkplug_payload import DataType, Metric, Payload, Value, decode, encode, signed

BD = "bdSeq"
_TYPES = {
    Kind.ANALOG: DataType.DOUBLE,
    Kind.COUNTER: DataType.DOUBLE,
    Kind.BINARY: DataType.BOOLEAN,
    Kind.DOUBLE: DataType.INT32,
    Kind.TEXT: DataType.STRING,
}


class Life(NamedTuple):
    """From a connection to the end of it. number: 0…255, `bdSeq`. newest: what is known of points
    now. wake: something has to be published.
    """

    number: int
    newest: Callable[[Sequence[Point]], ReadingBatch]
    wake: Callable[[], None]


class EdgeNode:
    """Messages of one life are numbered: they must be published in the order they are made in."""

    complete = True

    def __init__(
        self,
        config: SparkplugPublisher,
        gateway: str,
        points: Sequence[Point],
        writable: Sequence[Point],
        ordered: Ordered,
        life: Life,
    ) -> None:
        self._group, self._node = config.group, config.node or gateway
        self._ordered, self._life = ordered, life
        self._devices: dict[str, list[Point]] = {}
        for point in points:
            self._devices.setdefault(point.device, []).append(point)
        for name in (self._node, *self._devices):
            if set(name) & set("/+#"):
                raise ConfigError(f"{name!r} cannot be a Sparkplug name: no slash, plus or hash")
        self._points = {p.id: p for p in points}
        self._writable = {p.id for p in writable}
        self._alive: set[str] = set()
        self._seq = 0
        self.rebirth = False

    def topics(self) -> tuple[str, ...]:
        return self._topic("NCMD"), self._topic("DCMD", "+")

    def will(self, now: int) -> Publication | None:
        metric = Metric(name=BD, datatype=DataType.INT64, value=self._life.number)
        return Publication(topic=self._topic("NDEATH"), payload=encode(Payload(metrics=(metric,))))

    def greeting(self, now: int) -> Iterable[Publication]:
        """Births of the node and of all devices that are there."""
        self.rebirth, self._seq = False, 0
        self._alive.clear()
        milliseconds = now // 1000
        metrics = (
            Metric(
                name=BD, timestamp=milliseconds, datatype=DataType.INT64, value=self._life.number
            ),
            Metric(name=REBIRTH, timestamp=milliseconds, datatype=DataType.BOOLEAN, value=False),
        )
        yield self._message("NBIRTH", metrics, now)
        for device, points in self._devices.items():
            yield from self._turned(device, self._life.newest(points), now)

    def device(self, topic: str) -> str:
        parts = topic.split("/")
        return parts[4] if len(parts) == 5 else ""

    def read(self, topic: str, payload: bytes, now: int, rows: Rows) -> Iterable[Publication]:
        """Take a command; a rebirth is for whoever publishes to do."""
        message, device = decode(payload), self.device(topic)
        for metric in message.metrics:
            if not device:
                if metric.name != REBIRTH or not metric.value:
                    raise ProtocolError(f"the node has no command {metric.name!r}")
                self.rebirth = True
                self._life.wake()
                continue
            point = self._meant(device, metric)
            self._ordered(point, _value(point, metric), "")
        return ()

    def order(self, command: Command, now: int) -> Publication | Result:
        return Result(outcome=Outcome.NOT_SUPPORTED)

    def result(self, point: Point, id: str, result: Result) -> None:  # noqa: A002
        """The point's own readings show what became of a command."""

    def data(self, newest: ReadingBatch, now: int) -> Iterable[Publication]:
        """Changed values by device; deaths and births of devices that went and came."""
        rows: dict[str, list[int]] = {}
        for row, point in enumerate(newest.point.tolist()):
            rows.setdefault(self._points[point].device, []).append(row)
        for device, own in rows.items():
            everything = self._life.newest(self._devices[device])
            turned = list(self._turned(device, everything, now))
            yield from turned
            if not turned and device in self._alive:
                metrics = tuple(self._metric(newest, row, named=False) for row in own)
                yield self._message("DDATA", metrics, now, device)

    def _turned(self, device: str, newest: ReadingBatch, now: int) -> Iterable[Publication]:
        """The death or the birth of a device, if it went or came."""
        lost = not len(newest) or bool(((newest.quality & Flag.COMM_LOST) != 0).all())
        if lost and device in self._alive:
            self._alive.discard(device)
            yield self._message("DDEATH", (), now, device)
        elif not lost and device not in self._alive:
            self._alive.add(device)
            yield self._message("DBIRTH", self._born(device, newest), now, device)

    def _born(self, device: str, newest: ReadingBatch) -> tuple[Metric, ...]:
        """All metrics of a device, without a value where there is none yet."""
        held = {point: row for row, point in enumerate(newest.point.tolist())}
        return tuple(
            self._metric(newest, held[p.id], named=True)
            if p.id in held
            else Metric(name=p.spec.name, alias=p.id, datatype=_TYPES[p.spec.kind])
            for p in self._devices[device]
        )

    def _metric(self, batch: ReadingBatch, row: int, *, named: bool) -> Metric:
        """By name and alias in a birth, by alias later. INVALID has no value."""
        point = self._points[int(batch.point[row])]
        kind = _TYPES[point.spec.kind]
        number = float(batch.value[row])
        value: Value = batch.text.get(row) if kind is DataType.STRING else number
        if int(batch.quality[row]) & 3 == Validity.INVALID:
            value = None
        elif kind is not DataType.STRING:
            value = _number(kind, number)
        return Metric(
            name=point.spec.name if named else "",
            alias=point.id,
            timestamp=int(batch.time[row]) // 1000,
            datatype=kind,
            value=value,
        )

    def _meant(self, device: str, metric: Metric) -> Point:
        own = self._devices.get(device, ())
        found = (p for p in own if p.spec.name == metric.name or p.id == metric.alias)
        point = next(found, None)
        if point is None:
            raise ProtocolError(f"{device} has no metric {metric.name or metric.alias!r}")
        if point.id not in self._writable:
            raise ProtocolError(f"{point.key} may not be commanded")
        return point

    def _message(
        self, word: str, metrics: tuple[Metric, ...], now: int, device: str = ""
    ) -> Publication:
        seq, self._seq = self._seq, (self._seq + 1) % 256
        payload = Payload(metrics=metrics, timestamp=now // 1000, seq=seq)
        return Publication(topic=self._topic(word, device), payload=encode(payload), qos=0)

    def _topic(self, word: str, device: str = "") -> str:
        topic = f"spBv1.0/{self._group}/{word}/{self._node}"
        return f"{topic}/{device}" if device else topic


def _number(kind: DataType, number: float) -> Value:
    if not math.isfinite(number):
        return None
    return number if kind is DataType.DOUBLE else int(number)


def _value(point: Point, metric: Metric) -> float | str:
    value = metric.value
    if isinstance(value, str) and point.spec.kind is Kind.TEXT:
        return value
    if point.spec.kind is Kind.TEXT or not isinstance(value, bool | int | float):
        raise ProtocolError(f"{point.key} cannot become {value!r}")
    if isinstance(value, int) and not isinstance(value, bool) and not metric.datatype:
        value = signed(value, _TYPES[point.spec.kind])
    return float(value)
