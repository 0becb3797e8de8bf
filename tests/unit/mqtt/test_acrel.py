"""The Acrel dialect: topics and payloads of the platform."""

import math
from datetime import UTC, datetime

import msgspec
import pytest

from drivers.mqtt.acrel import AcrelDialect
from drivers.mqtt.acrel_events import Seen, read_event
from drivers.mqtt.config import AcrelConfig, AcrelDevice
from drivers.mqtt.dialect import Publication
from drivers.mqtt.rows import Rows
from hub import (
    GOOD,
    LOST,
    ConfigError,
    Flag,
    Outcome,
    Point,
    ProtocolError,
    Result,
    Stamp,
    Validity,
    quality,
)
from tests.unit.mqtt.kit import NOW, command, points_of, shown

CONFIG = AcrelConfig(
    name="acrel",
    host="broker",
    devices=(
        AcrelDevice(name="m1", id="ACR-001234", station="north"),
        AcrelDevice(name="tx1", id="TX-1", infrastructure=True),
    ),
)
METER = [
    {"name": "energy", "address": "$.data.reading"},
    {"name": "voltage", "address": "$.data.voltage"},
    {"name": "relay.state", "address": "status:$.new_status", "kind": "binary",
     "states": {"0": "disconnected", "1": "connected"}},
    {"name": "alert", "address": "alert:$.alert_type", "kind": "text"},
    {"name": "relay", "address": "command:relay", "writable": True},
    {"name": "tariff", "address": "command:tariff", "writable": True},
    {"name": "limit", "address": "command:power_limit", "writable": True},
]  # fmt: skip
DEVICE = quality(stamp=Stamp.DEVICE)
TIME = "2026-07-29T11:59:00Z"
AT = int(datetime(2026, 7, 29, 11, 59, tzinfo=UTC).timestamp()) * 1_000_000
READING = {
    "event_type": "meter_reading",
    "timestamp": TIME,
    "meter_id": "ACR-001234",
    "meter_type": "ADL200",
    "data": {"reading": 15234.56, "consumption": 125.5, "voltage": 229, "current": 4.2},
}


@pytest.fixture
def points() -> list[Point]:
    return points_of(CONFIG, {"m1": METER, "tx1": [{"name": "oil", "address": "$.data.oil"}]})


@pytest.fixture
def dialect(points: list[Point]) -> AcrelDialect:
    return AcrelDialect(CONFIG, points)


def read(dialect: AcrelDialect, topic: str, body: object) -> Rows:
    rows = Rows()
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    assert dialect.read(topic, raw, NOW, rows) == ()
    return rows


def test_it_listens_to_exactly_the_topics_of_the_platform(dialect: AcrelDialect) -> None:
    assert dialect.topics() == (
        "acrel/+/meter/+/data",
        "acrel/+/meter/+/alert",
        "acrel/+/meter/+/status",
        "acrel/+/infrastructure/+/data",
    )


def test_a_topic_has_its_device(dialect: AcrelDialect) -> None:
    topics = ("acrel/n/meter/ACR-001234/data", "acrel/n/infrastructure/TX-1/data", "acrel/n", "x")
    assert [dialect.device(topic) for topic in topics] == ["m1", "tx1", "", ""]


def test_a_reading_gives_the_points_that_it_has_at_the_meters_time(
    dialect: AcrelDialect, points: list[Point]
) -> None:
    rows = read(dialect, "acrel/north/meter/ACR-001234/data", READING)
    assert shown(rows, points) == [
        ("m1.energy", 15234.56, AT, DEVICE),
        ("m1.voltage", 229.0, AT, DEVICE),
    ]


def test_values_beside_the_head_are_read_as_those_under_data(
    dialect: AcrelDialect, points: list[Point]
) -> None:
    rows = read(dialect, "acrel/n/meter/ACR-001234/data", {"timestamp": TIME, "voltage": 231})
    assert shown(rows, points) == [("m1.voltage", 231.0, AT, DEVICE)]


def test_the_topic_decides_which_meter_it_is(dialect: AcrelDialect, points: list[Point]) -> None:
    rows = read(dialect, "acrel/n/meter/ACR-001234/data", READING | {"meter_id": "other"})
    assert len(rows) == 2
    with pytest.raises(ProtocolError, match="unknown meter 'ACR-9'"):
        read(dialect, "acrel/n/meter/ACR-9/data", READING)


def test_infrastructure_is_a_namespace_of_its_own(
    dialect: AcrelDialect, points: list[Point]
) -> None:
    body = {"timestamp": TIME, "data": {"oil": 61.5}}
    rows = read(dialect, "acrel/n/infrastructure/TX-1/data", body)
    assert shown(rows, points) == [("tx1.oil", 61.5, AT, DEVICE)]
    with pytest.raises(ProtocolError, match="unknown meter"):
        read(dialect, "acrel/n/meter/TX-1/data", body)


def test_status_and_alert_become_state_and_text(dialect: AcrelDialect, points: list[Point]) -> None:
    status = {"timestamp": TIME, "previous_status": "connected", "new_status": "disconnected"}
    rows = read(dialect, "acrel/n/meter/ACR-001234/status", status)
    assert shown(rows, points) == [("m1.relay.state", 0.0, AT, DEVICE)]
    alert = {"timestamp": TIME, "alert_type": "over_voltage", "severity": "critical", "value": 260}
    rows = read(dialect, "acrel/n/meter/ACR-001234/alert", alert)
    assert shown(rows, points)[0][:2] == ("m1.alert", "over_voltage")


def test_an_offline_status_loses_all_points_of_that_meter(
    dialect: AcrelDialect, points: list[Point]
) -> None:
    rows = read(
        dialect, "acrel/n/meter/ACR-001234/status", {"timestamp": TIME, "new_status": "offline"}
    )
    assert {key for key, *_ in shown(rows, points)} == {
        "m1.energy", "m1.voltage", "m1.relay.state", "m1.alert",
    }  # fmt: skip
    assert set(rows.quality) == {LOST}
    assert all(math.isnan(value) for value in rows.value)


def test_the_same_event_again_is_stored_once(dialect: AcrelDialect) -> None:
    topic = "acrel/n/meter/ACR-001234/data"
    assert len(read(dialect, topic, READING)) == 2
    assert len(read(dialect, topic, READING)) == 0
    assert len(read(dialect, topic, READING | {"timestamp": "2026-07-29T11:59:01Z"})) == 2


def test_an_event_has_one_key_by_webhook_and_by_mqtt() -> None:
    other_order = dict(reversed(READING.items()))
    by_webhook = read_event(msgspec.json.encode(READING))
    known = {"event_type": "meter_reading", "meter_id": "ACR-001234"}
    by_mqtt = read_event(msgspec.json.encode(other_order), known)
    assert by_webhook.key == by_mqtt.key
    changed = READING | {"data": READING["data"] | {"voltage": 230}}  # type: ignore[operator]
    assert read_event(msgspec.json.encode(changed)).key != by_webhook.key


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"{", "not JSON"),
        (b'{"timestamp": NaN}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b"7", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"{}", "timestamp"),
        (b'{"timestamp": null, "data": {}}', "timestamp"),
        (b'{"timestamp": 1, "data": [1]}', "data"),
        (b'{"timestamp": 1, "data": "' + b"x" * 300_000 + b'"}', "more than any message"),
    ],
)
def test_a_payload_that_makes_no_sense_is_refused_and_stores_nothing(
    dialect: AcrelDialect, raw: bytes, why: str
) -> None:
    rows = Rows()
    with pytest.raises(ProtocolError, match=why):
        dialect.read("acrel/n/meter/ACR-001234/data", raw, NOW, rows)
    assert len(rows) == 0


@pytest.mark.parametrize("value", ["229", None, [1], {"v": 1}, 10**400, 1e308])
def test_a_value_that_is_no_number_is_invalid_and_never_zero(
    dialect: AcrelDialect, value: object, points: list[Point]
) -> None:
    raw = msgspec.json.encode({"timestamp": TIME, "data": {"voltage": 1.5}})
    text = str(value) if isinstance(value, int) else msgspec.json.encode(value).decode()
    rows = Rows()
    dialect.read("acrel/n/meter/ACR-001234/data", raw.replace(b"1.5", text.encode()), NOW, rows)
    assert rows.quality == [quality(Validity.INVALID)]
    assert math.isnan(rows.value[0])


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("2026-07-29T14:59:00+03:00", (AT, DEVICE)),
        ("2026-07-29T11:59:00", (AT, quality(stamp=Stamp.UNSYNCED))),
        ("20260729115900", (AT, quality(stamp=Stamp.UNSYNCED))),
        (AT // 1_000_000, (AT, DEVICE)),
        (AT // 1000, (AT, DEVICE)),
        ("2026-07-29T12:04:00Z", (NOW + 240_000_000, DEVICE)),
        ("2026-07-29T12:06:00Z", (NOW, quality(Validity.QUESTIONABLE))),
        (99999999999999, (NOW, quality(Validity.QUESTIONABLE))),
        ("yesterday", (NOW, GOOD)),
        (-5, (NOW, GOOD)),
    ],
)
def test_times_of_the_device_are_taken_with_what_is_known_of_its_clock(
    dialect: AcrelDialect, stamp: object, expected: tuple[int, int]
) -> None:
    rows = read(
        dialect, "acrel/n/meter/ACR-001234/data", {"timestamp": stamp, "data": {"voltage": 1}}
    )
    assert (rows.time[0], rows.quality[0]) == expected


@pytest.mark.parametrize(
    ("point", "value", "fields"),
    [
        ("relay", 0, {"command": "relay_off"}),
        ("relay", 1, {"command": "relay_on"}),
        ("tariff", "T2", {"command": "set_tariff", "tariff_id": "T2"}),
        ("limit", 4000.0, {"command": "set_power_limit", "limit_w": 4000}),
    ],
)
def test_orders_look_as_the_platform_takes_them(
    dialect: AcrelDialect,
    points: list[Point],
    point: str,
    value: float | str,
    fields: dict[str, object],
) -> None:
    target = next(p for p in points if p.spec.name == point)
    order = dialect.order(command(target, value), NOW)
    assert isinstance(order, Publication)
    assert (order.topic, order.qos, order.expires) == (
        "acrel/north/meter/ACR-001234/command", 1, 30,
    )  # fmt: skip
    assert msgspec.json.decode(order.payload) == fields | {
        "timestamp": "2026-07-29T12:00:00.000Z",
        "source": "billing_system",
        "command_id": "c-1",
        "expires_at": "2026-07-29T12:00:30.000Z",
    }


def test_without_command_ids_the_order_has_the_platforms_fields_only(points: list[Point]) -> None:
    plain = AcrelDialect(msgspec.structs.replace(CONFIG, send_command_id=False), points)
    order = plain.order(command(points[4], 1), NOW)
    assert isinstance(order, Publication)
    assert set(msgspec.json.decode(order.payload)) == {"command", "timestamp", "source"}


def test_what_cannot_be_ordered_is_refused(dialect: AcrelDialect, points: list[Point]) -> None:
    results = [dialect.order(command(points[n], v), NOW) for n, v in ((0, 1), (4, 2), (6, -1))]
    assert [r.outcome for r in results if isinstance(r, Result)] == [
        Outcome.NOT_SUPPORTED, Outcome.REJECTED, Outcome.REJECTED,
    ]  # fmt: skip


@pytest.mark.parametrize("address", ["voltage", "$.a[", "$..", "alarm:$.x", "command:explode"])
def test_a_wrong_address_is_a_config_error(address: str) -> None:
    with pytest.raises(ConfigError):
        points_of(CONFIG, {"m1": [{"name": "x", "address": address}], "tx1": []})


def test_only_so_many_keys_are_remembered() -> None:
    seen = Seen(2)
    assert [seen.again(key) for key in "abab"] == [False, False, True, True]
    assert seen.again("c") is False
    assert seen.again("a") is False


def test_passwords_stay_out_of_what_a_configuration_shows() -> None:
    shown_as = repr(msgspec.structs.replace(CONFIG, password="open sesame"))
    assert "sesame" not in shown_as
    assert "broker" in shown_as


def test_a_webhooks_event_lands_in_the_same_points_and_is_not_stored_again(
    dialect: AcrelDialect, points: list[Point]
) -> None:
    received, rows = read_event(msgspec.json.encode(READING)), Rows()
    assert dialect.accept(received, "data", NOW, rows)
    assert [key for key, *_ in shown(rows, points)] == ["m1.energy", "m1.voltage"]
    assert not dialect.accept(received, "data", NOW, rows)
    assert len(read(dialect, "acrel/north/meter/ACR-001234/data", READING)) == 0
    other = read_event(msgspec.json.encode(READING | {"meter_id": "ACR-9"}))
    with pytest.raises(ProtocolError, match="unknown meter"):
        dialect.accept(other, "data", NOW, rows)


class TestGatewayTopics:
    config = msgspec.structs.replace(CONFIG, gateway_topics=True)

    @pytest.fixture
    def points(self) -> list[Point]:
        return points_of(self.config, {"m1": [{"name": "u", "address": "gw:$.Ua"}], "tx1": []})

    @pytest.fixture
    def dialect(self, points: list[Point]) -> AcrelDialect:
        return AcrelDialect(self.config, points)

    def test_a_login_is_answered(self, dialect: AcrelDialect) -> None:
        assert "/gw/acrelHW/+/+/+" in dialect.topics()
        login = b'{"type": "login", "gwSN": "GW1", "time": "20200709130030"}'
        (answer,) = dialect.read("/gw/acrelHW/AWT100/login/GW1", login, NOW, Rows())
        assert answer.topic == "/server/acrelHW/AWT100/login/GW1"
        assert msgspec.json.decode(answer.payload) == {"type": "login", "res": 1}

    def test_data_and_history_are_read_at_their_own_time(
        self, dialect: AcrelDialect, points: list[Point]
    ) -> None:
        body = {"meterSN": "ACR-001234", "time": "20260729115900", "Ua": 230.1}
        unsynced = quality(stamp=Stamp.UNSYNCED)
        rows = read(dialect, "/gw/acrelHW/AWT100/data/GW1", body)
        assert shown(rows, points) == [("m1.u", 230.1, AT, unsynced)]
        rows = read(dialect, "/gw/acrelHW/AWT100/hstdata/GW1", body)
        assert shown(rows, points) == [("m1.u", 230.1, AT, unsynced | Flag.OLD)]
        assert len(read(dialect, "/gw/acrelHW/AWT100/data/GW1", body)) == 0

    @pytest.mark.parametrize("payload", [b"[]", b"{", b'{"meterSN": "other"}'])
    def test_nonsense_and_unknown_meters_are_refused(
        self, dialect: AcrelDialect, payload: bytes
    ) -> None:
        with pytest.raises(ProtocolError):
            dialect.read("/gw/acrelHW/AWT100/data/GW1", payload, NOW, Rows())

    def test_other_messages_are_passed_over(self, dialect: AcrelDialect) -> None:
        assert len(read(dialect, "/gw/acrelHW/AWT100/heart/GW1", {})) == 0
