"""Payloads described by the configuration."""

import math

import pytest

from drivers.mqtt.config import GenericConfig, MqttDevice
from drivers.mqtt.dialect import Publication
from drivers.mqtt.driver import MqttDriver
from drivers.mqtt.generic import GenericDialect
from drivers.mqtt.paths import MISSING, find, parse
from drivers.mqtt.rows import Rows
from hub import (
    GOOD,
    LOST,
    ConfigError,
    DeviceConfig,
    Outcome,
    Point,
    PointSpec,
    ProtocolError,
    Result,
)
from tests.unit.mqtt.kit import NOW, command, points_of, shown

CONFIG = GenericConfig(
    name="g",
    host="broker",
    devices=(
        MqttDevice(
            name="plug", id="p7",
            topics={
                "data": "home/{id}/sensor", "state": "home/{id}/state", "will": "home/{id}/lwt",
            },
            commands={"relay": ("home/{id}/set", '{"on": {value}, "ref": "{command_id}"}')},
            time="$.time",
        ),
        MqttDevice(name="log", topics={"data": "logger/+/batch/#"}, array="$.rows", time="$.t"),
    ),
)  # fmt: skip
ROWS = {
    "plug": [
        {"name": "power", "address": "$.apower"},
        {"name": "phase", "address": "$.phases[1].u"},
        {"name": "temp", "address": "$.list[name=temp].value"},
        {"name": "relay.state", "address": "state:$", "kind": "binary",
         "states": {"1": "ON", "0": "OFF"}},
        {"name": "relay", "address": "command:relay", "writable": True},
    ],
    "log": [{"name": "level", "address": "$.level"}],
}  # fmt: skip


@pytest.fixture
def points() -> list[Point]:
    return points_of(CONFIG, ROWS)


@pytest.fixture
def dialect(points: list[Point]) -> GenericDialect:
    return GenericDialect(CONFIG, points)


def read(dialect: GenericDialect, topic: str, payload: bytes) -> Rows:
    rows = Rows()
    dialect.read(topic, payload, NOW, rows)
    return rows


def test_topics_carry_the_devices_id_and_keep_wildcards(dialect: GenericDialect) -> None:
    assert dialect.topics() == (
        "home/p7/sensor", "home/p7/state", "home/p7/lwt", "logger/+/batch/#",
    )  # fmt: skip


def test_a_topic_has_its_device(dialect: GenericDialect) -> None:
    named = [dialect.device(t) for t in ("home/p7/state", "logger/x/batch/1", "elsewhere")]
    assert named == ["plug", "log", ""]


def test_paths_reach_into_objects_lists_and_named_items(
    dialect: GenericDialect, points: list[Point]
) -> None:
    payload = b"""{"time": 1785326340, "apower": 41.5, "phases": [{}, {"u": 229}],
                   "list": [{"name": "x", "value": 1}, {"name": "temp", "value": 21}]}"""
    rows = read(dialect, "home/p7/sensor", payload)
    assert [r[:3] for r in shown(rows, points)] == [
        ("plug.power", 41.5, 1785326340000000),
        ("plug.phase", 229.0, 1785326340000000),
        ("plug.temp", 21.0, 1785326340000000),
    ]


def test_what_is_not_there_gives_no_reading(dialect: GenericDialect) -> None:
    assert len(read(dialect, "home/p7/sensor", b'{"phases": {"1": 2}, "list": 7}')) == 0
    assert len(read(dialect, "home/other/sensor", b'{"apower": 1}')) == 0


def test_a_bare_word_is_a_state(dialect: GenericDialect, points: list[Point]) -> None:
    assert shown(read(dialect, "home/p7/state", b"ON"), points) == [
        ("plug.relay.state", 1.0, NOW, GOOD)
    ]
    ((_, value, _, state),) = shown(read(dialect, "home/p7/state", b"HALF"), points)
    assert isinstance(value, float)
    assert math.isnan(value)
    assert state != GOOD


def test_an_array_is_read_item_by_item_each_with_its_time(
    dialect: GenericDialect, points: list[Point]
) -> None:
    payload = b'{"rows": [{"t": 1785326000, "level": 1}, {"t": 1785326001, "level": 2}, {}]}'
    rows = read(dialect, "logger/a/batch/x/y", payload)
    assert [r[1:3] for r in shown(rows, points)] == [
        (1.0, 1785326000000000), (2.0, 1785326001000000),
    ]  # fmt: skip
    assert len(read(dialect, "logger/a/b/batch/x", payload)) == 0
    assert len(read(dialect, "logger/a/batch", payload)) == 2
    with pytest.raises(ProtocolError, match=r"no list at \$\.rows"):
        read(dialect, "logger/a/batch", b"{}")


def test_the_last_will_loses_the_device(dialect: GenericDialect, points: list[Point]) -> None:
    assert len(read(dialect, "home/p7/lwt", b"online")) == 0
    rows = read(dialect, "home/p7/lwt", b"offline")
    assert {key for key, *_ in shown(rows, points)} == {
        "plug.power", "plug.phase", "plug.temp", "plug.relay.state",
    }  # fmt: skip
    assert set(rows.quality) == {LOST}


def test_a_command_fills_its_template(dialect: GenericDialect, points: list[Point]) -> None:
    order = dialect.order(command(points[4], 1.0), NOW)
    assert isinstance(order, Publication)
    assert (order.topic, order.payload) == ("home/p7/set", b'{"on": 1, "ref": "c-1"}')
    refused = dialect.order(command(points[0], 1.0), NOW)
    assert isinstance(refused, Result)
    assert refused.outcome is Outcome.NOT_SUPPORTED


def test_bytes_that_are_no_text_are_refused(dialect: GenericDialect) -> None:
    with pytest.raises(ProtocolError, match="neither"):
        read(dialect, "home/p7/sensor", b"\xff\xfe")


@pytest.mark.parametrize("address", ["power", "other:$.x", "$.a.", "command:other"])
def test_a_wrong_address_is_a_config_error(address: str) -> None:
    with pytest.raises(ConfigError):
        points_of(CONFIG, {"plug": [{"name": "x", "address": address}], "log": []})


@pytest.mark.parametrize("address", ["$.a.b", "state:$.x", "command:relay", "Node Control/Rebirth"])
def test_a_profiles_row_is_checked_without_a_device(address: str) -> None:
    spec = PointSpec(name="x", address=address)
    assert MqttDriver.address(spec, DeviceConfig(name="any"))


def test_a_kept_session_needs_a_client_id() -> None:
    assert "client_id" in MqttDriver.check(CONFIG, ())[0]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", {"a": [{"b c": 1}]}),
        ("$.a[0]['b c']", 1),
        ("$.a[1]", MISSING),
        ("$.a.b", MISSING),
        ("$.a[0][0]", MISSING),
        ("$.a[x=1]", MISSING),
        ("$.s[0]", MISSING),
        ("$.s[0][0]", MISSING),
        ("$.s", "text"),
    ],
)
def test_paths(path: str, found: object) -> None:
    document = {"a": [{"b c": 1}], "s": "text"}
    assert find(document, parse(path)) == (document if path == "$" else found)
