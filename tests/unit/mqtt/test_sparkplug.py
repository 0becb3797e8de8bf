"""Sparkplug B: births, aliases, sequence, deaths, rebirth, commands."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.mqtt.config import SparkplugConfig, SparkplugDevice
from drivers.mqtt.dialect import Publication
from drivers.mqtt.rows import Rows
from drivers.mqtt.sparkplug import REBIRTH, SparkplugDialect
from drivers.mqtt.sparkplug_payload import DataType, Metric, Payload, decode, encode
from hub import GOOD, LOST, ConfigError, Flag, Outcome, Point, ProtocolError, Result, Stamp, quality
from tests.unit.mqtt.kit import NOW, command, points_of, shown

CONFIG = SparkplugConfig(
    name="sp",
    host="broker",
    group="G",
    host_id="busbar",
    devices=(
        SparkplugDevice(name="node", node="N"),
        SparkplugDevice(name="dev", node="N", device="D"),
    ),
)
ROWS = {
    "node": [{"name": "load", "address": "Load"}],
    "dev": [
        {"name": "volts", "address": "Volts"},
        {"name": "temp", "address": "Temp"},
        {"name": "relay", "address": "Relay", "writable": True},
        {"name": "name", "address": "Name", "kind": "text"},
        {"name": "set", "address": "Set", "type": "int16", "writable": True},
    ],
}
DEVICE = quality(stamp=Stamp.DEVICE)
MS = NOW // 1000
T = DataType


@pytest.fixture
def points() -> list[Point]:
    return points_of(CONFIG, ROWS)


class Edge:
    """An edge node as the dialect sees it: sends payloads, collects readings and answers."""

    def __init__(self, points: list[Point]) -> None:
        self.points, self.seq, self.now = points, 0, NOW
        self.dialect = SparkplugDialect(CONFIG, points)

    def send(
        self, topic: str, *metrics: Metric, skip: int = 0
    ) -> tuple[list[tuple[str, object, int, int]], list[Publication]]:
        word = topic.split("/", maxsplit=1)[0]
        seq = None
        if word != "NDEATH":
            self.seq = 0 if word == "NBIRTH" else (self.seq + skip) % 256
            seq, self.seq = self.seq, (self.seq + 1) % 256
        rows = Rows()
        payload = encode(Payload(metrics=metrics, timestamp=MS, seq=seq))
        answers = list(self.dialect.read(f"spBv1.0/G/{topic}", payload, self.now, rows))
        return shown(rows, self.points), answers  # type: ignore[return-value]

    def birth(self, life: int = 0) -> None:
        self.send(
            "NBIRTH/N",
            Metric(name="bdSeq", datatype=T.INT64, value=life),
            Metric(name="Load", alias=1, datatype=T.INT16, value=-5),
        )
        self.send(
            "DBIRTH/N/D",
            Metric(name="Volts", alias=2, datatype=T.FLOAT, value=230.5),
            Metric(name="Temp", alias=3, datatype=T.INT32, value=21),
            Metric(name="Relay", alias=4, datatype=T.BOOLEAN, value=True),
            Metric(name="Name", alias=5, datatype=T.STRING, value="feeder"),
        )


@pytest.fixture
def edge(points: list[Point]) -> Edge:
    return Edge(points)


def test_it_subscribes_to_its_nodes_and_announces_itself_with_a_will(edge: Edge) -> None:
    assert set(edge.dialect.topics()) == {
        "spBv1.0/G/+/N", "spBv1.0/G/+/N/+", "spBv1.0/STATE/busbar",
    }  # fmt: skip
    will = edge.dialect.will(NOW)
    assert will is not None
    assert (will.topic, will.retain) == ("spBv1.0/STATE/busbar", True)
    assert msgspec.json.decode(will.payload) == {"online": False, "timestamp": MS}
    state, rebirth = edge.dialect.greeting(NOW + 900_000)
    assert msgspec.json.decode(state.payload) == {"online": True, "timestamp": MS}
    assert rebirth.topic == "spBv1.0/G/NCMD/N"
    assert decode(rebirth.payload).metrics[0].name == REBIRTH


def test_who_says_that_we_are_gone_is_answered(edge: Edge) -> None:
    will, rows, topic = edge.dialect.will(NOW), Rows(), "spBv1.0/STATE/busbar"
    assert will is not None
    (answer,) = edge.dialect.read(topic, will.payload, NOW, rows)
    assert msgspec.json.decode(answer.payload) == {"online": True, "timestamp": MS}
    assert list(edge.dialect.read(topic, answer.payload, NOW, rows)) == []
    for nonsense in (b"", b"ONLINE", b"[]", b'{"online": 1}'):
        with pytest.raises(ProtocolError):
            edge.dialect.read(topic, nonsense, NOW, rows)


def test_a_topic_has_its_device(edge: Edge) -> None:
    topics = ("spBv1.0/G/NDATA/N", "spBv1.0/G/DDATA/N/D", "spBv1.0/G/DDATA/N/X", "spBv1.0")
    assert [edge.dialect.device(topic) for topic in topics] == ["node", "dev", "", ""]


def test_births_bring_values_of_every_type(edge: Edge) -> None:
    readings, _ = edge.send("NBIRTH/N", Metric(name="Load", alias=1, datatype=T.INT16, value=-5))
    assert readings == [("node.load", -5.0, NOW, DEVICE)]
    readings, answers = edge.send(
        "DBIRTH/N/D",
        Metric(name="Volts", datatype=T.DOUBLE, value=230.5),
        Metric(name="Relay", datatype=T.BOOLEAN, value=False),
        Metric(name="Name", datatype=T.STRING, value="feeder"),
        Metric(name="Unconfigured", datatype=T.INT8, value=1),
    )
    assert [r[:2] for r in readings] == [
        ("dev.volts", 230.5), ("dev.relay", 0.0), ("dev.name", "feeder"),
    ]  # fmt: skip
    assert answers == []


def test_data_by_alias_takes_name_and_sign_from_the_birth(edge: Edge) -> None:
    edge.birth()
    readings, answers = edge.send("DDATA/N/D", Metric(alias=3, value=2**32 - 7))
    assert readings == [("dev.temp", -7.0, NOW, DEVICE)]
    assert answers == []


def test_times_of_metrics_and_history_are_kept(edge: Edge) -> None:
    edge.birth()
    readings, _ = edge.send(
        "DDATA/N/D",
        Metric(alias=2, value=1.0, datatype=T.FLOAT, timestamp=MS - 60_000, historical=True),
    )
    assert readings == [
        ("dev.volts", 1.0, NOW - 60_000_000, quality(flags=Flag.OLD, stamp=Stamp.DEVICE))
    ]


def test_a_null_is_invalid_and_never_zero(edge: Edge) -> None:
    edge.birth()
    ((_, value, _, state),) = edge.send("DDATA/N/D", Metric(alias=2, datatype=T.FLOAT))[0]
    assert isinstance(value, float)
    assert math.isnan(value)
    assert state not in {GOOD, DEVICE}


def test_data_before_a_birth_is_not_believed_and_asks_for_one(edge: Edge) -> None:
    edge.dialect = SparkplugDialect(CONFIG, edge.points)
    readings, answers = edge.send("DDATA/N/D", Metric(name="Volts", datatype=T.FLOAT, value=1.0))
    assert readings == []
    assert [decode(a.payload).metrics[0].name for a in answers] == [REBIRTH]


def test_a_gap_in_the_sequence_asks_for_a_rebirth_once_a_while(edge: Edge) -> None:
    edge.birth()
    readings, answers = edge.send("DDATA/N/D", Metric(alias=2, value=1.0), skip=1)
    assert (readings, len(answers)) == ([], 1)
    assert edge.send("DDATA/N/D", Metric(alias=2, value=1.0)) == ([], [])
    edge.now += 6_000_000
    assert len(edge.send("DDATA/N/D", Metric(alias=2, value=1.0))[1]) == 1
    edge.birth(1)
    assert edge.send("DDATA/N/D", Metric(alias=2, value=1.0, datatype=T.FLOAT))[0]


def test_the_sequence_wraps_after_255(edge: Edge) -> None:
    edge.birth()
    for n in range(600):
        readings, answers = edge.send("NDATA/N", Metric(alias=1, value=n, datatype=T.INT16))
        assert readings
        assert answers == []


def test_an_unknown_alias_asks_for_a_rebirth_and_the_known_ones_are_kept(edge: Edge) -> None:
    edge.birth()
    readings, answers = edge.send(
        "DDATA/N/D", Metric(alias=99, value=1), Metric(alias=2, datatype=T.FLOAT, value=2.0)
    )
    assert [r[:2] for r in readings] == [("dev.volts", 2.0)]
    assert len(answers) == 1


def test_a_device_death_loses_its_points_only(edge: Edge) -> None:
    edge.birth()
    readings, _ = edge.send("DDEATH/N/D")
    assert {(key, state) for key, _, _, state in readings} == {
        (f"dev.{n}", LOST) for n in ("volts", "temp", "relay", "name", "set")
    }
    assert len(edge.send("DDATA/N/D", Metric(alias=2, value=1.0))[1]) == 1


def test_a_node_death_loses_everything_unless_it_is_of_an_earlier_life(edge: Edge) -> None:
    edge.birth(life=7)
    late = Metric(name="bdSeq", datatype=T.INT64, value=6)
    assert edge.send("NDEATH/N", late)[0] == []
    readings, _ = edge.send("NDEATH/N", Metric(name="bdSeq", datatype=T.INT64, value=7))
    assert len(readings) == 6
    assert {r[3] for r in readings} == {LOST}


def test_a_command_has_the_type_of_the_birth(edge: Edge, points: list[Point]) -> None:
    relay = next(p for p in points if p.spec.name == "relay")
    refused = edge.dialect.order(command(relay, 1), NOW)
    assert isinstance(refused, Result)
    assert refused.outcome is Outcome.REJECTED
    edge.birth()
    order = edge.dialect.order(command(relay, 1), NOW)
    assert isinstance(order, Publication)
    assert order.topic == "spBv1.0/G/DCMD/N/D"
    (metric,) = decode(order.payload).metrics
    assert (metric.name, metric.datatype, metric.value) == ("Relay", T.BOOLEAN, True)
    setpoint = edge.dialect.order(command(points[5], -3), NOW)
    assert isinstance(setpoint, Publication)
    assert decode(setpoint.payload).metrics[0].value == -3


@pytest.mark.parametrize(
    ("topic", "payload", "why"),
    [
        ("NDATA/N", b"", "sequence"),
        ("NDATA/N", b"\xff", "payload"),
        ("NDATA/N", b"\x12\x05\x0a", "ends inside"),
        ("NDATA/N", b"\x08" + b"\xff" * 11, "without end"),
        ("NDATA/N", b"\x0b", "wire type"),
        ("NDATA/N", encode(Payload(seq=256)), "sequence"),
        ("NDATA/X", encode(Payload(seq=0)), "not expected"),
        ("DDATA/N", encode(Payload(seq=0)), "not expected"),
        (
            "NDATA/N",
            b"\x12\x02\x50\x01\x12\x06\x62\x04\x00\x00\x00\x00"[:4] + b"\x12\x02\x60\x01",
            "wire type",
        ),
    ],
)
def test_bytes_that_are_no_payload_are_refused(
    edge: Edge, topic: str, payload: bytes, why: str
) -> None:
    rows = Rows()
    with pytest.raises(ProtocolError, match=why):
        edge.dialect.read(f"spBv1.0/G/{topic}", payload, NOW, rows)
    assert len(rows) == 0


def test_orders_of_other_hosts_are_passed_over(edge: Edge) -> None:
    rows = Rows()
    assert edge.dialect.read("spBv1.0/G/NCMD/N", b"\xff", NOW, rows) == ()


@pytest.mark.parametrize("row", [{"address": ""}, {"address": "x", "type": "float128"}])
def test_a_wrong_address_is_a_config_error(row: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        points_of(CONFIG, {"node": [{"name": "p"} | row], "dev": []})


values = st.one_of(
    st.tuples(st.just(T.INT8), st.integers(-128, 127)),
    st.tuples(st.just(T.INT32), st.integers(-(2**31), 2**31 - 1)),
    st.tuples(st.just(T.INT64), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just(T.UINT32), st.integers(0, 2**32 - 1)),
    st.tuples(st.just(T.UINT64), st.integers(0, 2**64 - 1)),
    st.tuples(st.just(T.FLOAT), st.floats(width=32, allow_nan=False)),
    st.tuples(st.just(T.DOUBLE), st.floats(allow_nan=False)),
    st.tuples(st.just(T.BOOLEAN), st.booleans()),
    st.tuples(st.just(T.STRING), st.text()),
    st.tuples(st.just(T.BYTES), st.binary()),
    st.tuples(st.just(T.DOUBLE), st.none()),
)
metrics = st.builds(
    lambda name, alias, stamp, typed, old: Metric(
        name=name, alias=alias, timestamp=stamp, datatype=typed[0], value=typed[1], historical=old
    ),
    st.text(max_size=20),
    st.none() | st.integers(0, 2**64 - 1),
    st.none() | st.integers(0, 2**64 - 1),
    values,
    st.booleans(),
)
payloads = st.builds(
    Payload,
    metrics=st.lists(metrics, max_size=5).map(tuple),
    timestamp=st.none() | st.integers(0, 2**64 - 1),
    seq=st.none() | st.integers(0, 255),
)


@given(payloads)
def test_what_is_encoded_is_decoded(payload: Payload) -> None:
    assert decode(encode(payload)) == payload


@given(payloads)
def test_protocol_buffers_read_what_we_write_and_write_what_we_read(payload: Payload) -> None:
    message_type = pytest.importorskip("tests.unit.mqtt.sparkplug_peer").payload_class()
    peer = message_type.FromString(encode(payload))
    assert (peer.timestamp if peer.HasField("timestamp") else None) == payload.timestamp
    assert len(peer.metrics) == len(payload.metrics)
    for theirs, ours in zip(peer.metrics, payload.metrics, strict=True):
        assert theirs.name == ours.name
        assert (theirs.alias if theirs.HasField("alias") else None) == ours.alias
        assert theirs.is_null == (ours.value is None)
    assert decode(peer.SerializeToString()) == payload


@given(st.binary(max_size=60))
def test_noise_is_read_or_refused_and_nothing_else(noise: bytes) -> None:
    try:
        decode(noise)
    except ProtocolError:
        return
