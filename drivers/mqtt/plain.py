"""Points as JSON on topics of their own. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from hub import Command, Flag, Outcome, Point, ProtocolError, ReadingBatch, Result, Validity

from .dialect import Publication
from .rows import Rows
from .shown import JsonPublisher

ONLINE, OFFLINE = b"online", b"offline"
Ordered = Callable[[Point, float | str, str], None]  # point, value, id of the order


class Order(msgspec.Struct, forbid_unknown_fields=True):
    value: bool | float | str
    id: str = ""


class JsonTopics:
    """points: what is published. Orders of those that are writable go to `ordered`."""

    complete = rebirth = False

    def __init__(
        self,
        config: JsonPublisher,
        gateway: str,
        points: Sequence[Point],
        writable: Sequence[Point],
        ordered: Ordered,
    ) -> None:
        self._config, self._gateway, self._ordered = config, gateway, ordered
        self._topic = {p.id: self._fill(config.topic, p) for p in points}
        self._points = {p.id: p for p in points}
        self._orders = {self._fill(config.command, p): p for p in writable}
        self._single = "{point}" in config.topic

    def _fill(self, template: str, point: Point) -> str:
        return template.format(gateway=self._gateway, device=point.device, point=point.spec.name)

    @property
    def _status(self) -> str:
        return self._config.status.format(gateway=self._gateway, device="", point="")

    def topics(self) -> tuple[str, ...]:
        return tuple(self._orders)

    def will(self, now: int) -> Publication | None:
        return Publication(topic=self._status, payload=OFFLINE, retain=True)

    def greeting(self, now: int) -> Iterable[Publication]:
        return (Publication(topic=self._status, payload=ONLINE, retain=True),)

    def device(self, topic: str) -> str:
        point = self._orders.get(topic)
        return point.device if point else ""

    def read(self, topic: str, payload: bytes, now: int, rows: Rows) -> Iterable[Publication]:
        point = self._orders.get(topic)
        if point is None:
            raise ProtocolError("nothing is commanded there")
        try:
            order = _order(payload)
        except msgspec.MsgspecError as e:
            raise ProtocolError(f"no order: {e}") from None
        value = order.value
        self._ordered(point, value if isinstance(value, str) else float(value), order.id)
        return ()

    def order(self, command: Command, now: int) -> Publication | Result:
        return Result(outcome=Outcome.NOT_SUPPORTED)

    def data(self, newest: ReadingBatch, now: int) -> Iterable[Publication]:
        """Newest values by topic."""
        found: dict[str, dict[str, Any]] = {}
        for row, point in enumerate(newest.point.tolist()):
            values = found.setdefault(self._topic[point], {})
            values[self._points[point].spec.name] = _told(newest, row, self._points[point])
        for topic, values in found.items():
            body: Mapping[str, Any] = next(iter(values.values())) if self._single else values
            yield Publication(
                topic=topic,
                payload=msgspec.json.encode(body),
                qos=int(self._config.qos),
                retain=self._config.retain,
            )

    def result(self, point: Point, id: str, result: Result) -> Publication:  # noqa: A002
        body = {"id": id, "outcome": result.outcome, "detail": result.detail}
        topic = self._fill(self._config.command, point) + "/result"
        return Publication(topic=topic, payload=msgspec.json.encode(body), qos=1)


def _order(payload: bytes) -> Order:
    """`{"value": 1, "id": "…"}`, or the value alone."""
    found = msgspec.json.decode(payload, type=Order | bool | float | str)
    return found if isinstance(found, Order) else Order(value=found)


def _told(batch: ReadingBatch, row: int, point: Point) -> dict[str, Any]:
    """JSON has no NaN: what is not there is null. time: µs since 1970 UTC."""
    value, quality = float(batch.value[row]), int(batch.quality[row])
    return {
        "value": batch.text.get(row, value if value == value else None),  # noqa: PLR0124 - NaN
        "unit": point.spec.unit,
        "time": int(batch.time[row]),
        "validity": Validity(quality & 3).name.lower(),
        "flags": [flag.name.lower() for flag in Flag if flag.name and flag & quality],
    }
