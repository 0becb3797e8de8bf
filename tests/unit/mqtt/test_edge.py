"""The edge node's messages, read by Google's protocol buffers; and what it takes for an order."""

from collections.abc import Sequence
from typing import Any

import pytest

from drivers.mqtt.changes import Changes
from drivers.mqtt.dialect import Publication
from drivers.mqtt.edge import EdgeNode, Life
from drivers.mqtt.rows import Rows
from drivers.mqtt.shown import SparkplugPublisher
from drivers.mqtt.sparkplug_payload import DataType, Metric, Payload, encode
from hub import GOOD, LOST, ConfigError, Kind, Point, PointSpec, ProtocolError, ReadingBatch
from tests.unit.mqtt.kit import NOW
from tests.unit.mqtt.sparkplug_peer import payload_class

CONFIG = SparkplugPublisher(name="up", host="127.0.0.1", group="plant")
SPECS = (
    ("bay", PointSpec(name="voltage", address="")),
    ("bay", PointSpec(name="breaker", address="", kind=Kind.BINARY, writable=True)),
    ("bay", PointSpec(name="mode", address="", kind=Kind.DOUBLE, writable=True)),
    ("bay", PointSpec(name="label", address="", kind=Kind.TEXT, writable=True)),
    ("line", PointSpec(name="current", address="")),
)
POINTS = tuple(
    Point(id=n, key=f"{device}.{spec.name}", device=device, spec=spec, address=None)
    for n, (device, spec) in enumerate(SPECS, 10)
)


class Bench:
    """An edge node and the values that it is told."""

    def __init__(self, writable: Sequence[Point] = POINTS[1:4]) -> None:
        self.held: dict[int, tuple[float, int]] = {}
        self.orders: list[tuple[str, float | str]] = []
        self.woken = 0
        life = Life(number=7, newest=self.newest, wake=self._wake)
        self.node = EdgeNode(CONFIG, "s7", POINTS, writable, self._order, life)

    def _wake(self) -> None:
        self.woken += 1

    def _order(self, point: Point, value: float | str, _: str) -> None:
        self.orders.append((point.key, value))

    def newest(self, points: Sequence[Point]) -> ReadingBatch:
        ids = [p.id for p in points if p.id in self.held]
        texts = {row: "incomer" for row, i in enumerate(ids) if i == 13}
        columns = [self.held[i] for i in ids]
        return ReadingBatch.of(
            ids, NOW, [v for v, _ in columns], [q for _, q in columns], text=texts
        )

    def change(self, **values: tuple[float, int]) -> list[Publication]:
        points = [p for p in POINTS if p.spec.name in values]
        self.held.update((p.id, values[p.spec.name]) for p in points)
        return list(self.node.data(self.newest(points), NOW))


def seen(message: Publication) -> tuple[str, Any]:
    peer = payload_class()()
    peer.ParseFromString(message.payload)
    return message.topic.removeprefix("spBv1.0/plant/"), peer


def test_a_life_begins_with_births_and_its_death_names_it() -> None:
    bench = Bench()
    bench.held = {10: (230.5, GOOD), 11: (1.0, GOOD), 13: (float("nan"), GOOD)}
    (node, birth), (device, born) = map(seen, bench.node.greeting(NOW))
    assert (node, birth.seq) == ("NBIRTH/s7", 0)
    assert {m.name: m.long_value for m in birth.metrics if m.name == "bdSeq"} == {"bdSeq": 7}
    assert [m.boolean_value for m in birth.metrics if m.name == "Node Control/Rebirth"] == [False]
    assert (device, born.seq) == ("DBIRTH/s7/bay", 1)
    metrics = {m.name: m for m in born.metrics}
    assert metrics["voltage"].double_value == 230.5
    assert metrics["voltage"].timestamp == NOW // 1000
    assert metrics["breaker"].boolean_value is True
    assert metrics["label"].string_value == "incomer"
    assert metrics["mode"].is_null
    assert {m.alias for m in born.metrics} == {10, 11, 12, 13}
    will = bench.node.will(NOW)
    assert will is not None
    topic, death = seen(will)
    assert topic == "NDEATH/s7"
    assert [m.long_value for m in death.metrics] == [7]


def test_changes_are_told_by_alias_in_an_unbroken_sequence() -> None:
    bench = Bench()
    bench.held = {10: (230.5, GOOD)}
    assert len(list(bench.node.greeting(NOW))) == 2
    for n in range(300):
        [message] = bench.change(voltage=(float(n), GOOD))
        topic, data = seen(message)
        assert (topic, data.seq) == ("DDATA/s7/bay", (n + 2) % 256)
        assert [(m.name, m.alias, m.double_value) for m in data.metrics] == [("", 10, float(n))]


def test_a_device_that_is_lost_dies_and_is_born_again() -> None:
    bench = Bench()
    bench.held = {14: (3.0, GOOD)}
    assert [seen(m)[0] for m in bench.node.greeting(NOW)] == ["NBIRTH/s7", "DBIRTH/s7/line"]
    assert [seen(m)[0] for m in bench.change(current=(3.0, LOST))] == ["DDEATH/s7/line"]
    assert bench.change(current=(4.0, LOST)) == []
    assert [seen(m)[0] for m in bench.change(current=(4.0, GOOD))] == ["DBIRTH/s7/line"]
    [message] = bench.change(current=(float("nan"), 2))
    assert seen(message)[1].metrics[0].is_null
    births = [seen(m) for m in bench.node.greeting(NOW)]
    assert [m.seq for _, m in births] == [0, 1]


def order(name: str = "", value: Any = True, kind: int = 0, alias: int | None = None) -> bytes:
    return encode(Payload(metrics=(Metric(name=name, alias=alias, datatype=kind, value=value),)))


def test_orders_are_taken_by_name_and_by_alias() -> None:
    bench = Bench()
    rows = Rows()
    place = "spBv1.0/plant/DCMD/s7/bay"
    bench.node.read(place, order("breaker", True, DataType.BOOLEAN), NOW, rows)
    bench.node.read(place, order(alias=12, value=2, kind=DataType.INT32), NOW, rows)
    bench.node.read(place, order("mode", 0xFFFF_FFFF), NOW, rows)
    bench.node.read(place, order("label", "x", DataType.STRING), NOW, rows)
    assert bench.orders == [
        ("bay.breaker", 1.0), ("bay.mode", 2.0), ("bay.mode", -1.0), ("bay.label", "x"),
    ]  # fmt: skip
    bench.node.read("spBv1.0/plant/NCMD/s7", order("Node Control/Rebirth"), NOW, rows)
    assert bench.node.rebirth
    assert bench.woken == 1


@pytest.mark.parametrize(
    ("topic", "payload", "fault"),
    [
        ("DCMD/s7/bay", order("voltage", 1.0, DataType.DOUBLE), "may not be commanded"),
        ("DCMD/s7/bay", order("nothing"), "has no metric 'nothing'"),
        ("DCMD/s7/line", order("breaker"), "has no metric 'breaker'"),
        ("DCMD/s7/bay", order("breaker", "on", DataType.STRING), "cannot become 'on'"),
        ("DCMD/s7/bay", order("label", 1.0, DataType.DOUBLE), "cannot become 1.0"),
        ("DCMD/s7/bay", order("breaker", None), "cannot become None"),
        ("DCMD/s7/bay", b"\xff\xff", "no Sparkplug B payload"),
        ("NCMD/s7", order("Node Control/Reboot"), "no command 'Node Control/Reboot'"),
    ],
)
def test_what_is_no_order_is_refused(topic: str, payload: bytes, fault: str) -> None:
    bench = Bench()
    with pytest.raises(ProtocolError, match=fault):
        bench.node.read(f"spBv1.0/plant/{topic}", payload, NOW, Rows())
    assert bench.orders == []


def test_a_name_that_would_split_a_topic_is_refused() -> None:
    point = Point(id=1, key="a/b.x", device="a/b", spec=POINTS[0].spec, address=None)
    life = Life(number=0, newest=lambda _: ReadingBatch.empty(), wake=lambda: None)
    with pytest.raises(ConfigError, match="'a/b' cannot be a Sparkplug name"):
        EdgeNode(CONFIG, "s7", [point], [], lambda *_: None, life)


def test_only_changes_are_fetched() -> None:
    specs = (POINTS[0].spec, PointSpec(name="w", address="", deadband=5.0), POINTS[3].spec)
    points = [
        Point(id=n, key=f"d.{s.name}", device="d", spec=s, address=None)
        for n, s in enumerate(specs, 1)
    ]
    nan, changes = float("nan"), Changes(points)

    def changed(values: list[float], qualities: list[int], text: str) -> set[int]:
        batch = ReadingBatch.of([1, 2, 3, 9], NOW, [*values, nan, 1.0], [*qualities, 0, 0],
                                text={2: text})  # fmt: skip
        changes.take(batch)
        woken = changes.woken.is_set()
        found = changes.fetch()
        assert woken == bool(found)
        kept = [row for row in range(3) if row + 1 in found]
        told = ReadingBatch.of(
            [row + 1 for row in kept], NOW, [[*values, nan][row] for row in kept],
            [[*qualities, 0][row] for row in kept],
            text={kept.index(2): text} if 2 in kept else {},
        )  # fmt: skip
        changes.told(told)
        return found

    assert changed([1.0, 10.0], [0, 0], "a") == {1, 2, 3}
    assert changed([1.0, 14.0], [0, 0], "a") == set()
    assert changed([2.0, 15.1], [0, 0], "b") == {1, 2, 3}
    assert changed([2.0, 15.1], [0, LOST], "b") == {2}
    assert changed([nan, nan], [0, LOST], "b") == {1, 2}
    assert changed([nan, nan], [0, LOST], "b") == set()
