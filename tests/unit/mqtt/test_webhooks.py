"""Webhooks: who may call, what is believed, what is stored once."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from drivers.mqtt.acrel_events import MeterReading, Seen, read_event
from drivers.mqtt.webhooks import (
    Call,
    Policy,
    StaleRequest,
    Status,
    judge,
    receive,
    signature,
    topic_word,
)
from hub import Forbidden, HubError, Invalid, Unauthenticated

NOW = datetime(2026, 7, 29, 12, tzinfo=UTC)
POLICY = Policy.of("shared secret", "10.1.0.0/16, 192.0.2.7, 2001:db8::/32")
BODIES = {
    "meter-reading": {"event_type": "meter_reading", "data": {"reading": 15234.56}},
    "alert": {"event_type": "alert", "alert_type": "over_voltage", "severity": "critical"},
    "status-change": {"event_type": "status_change", "new_status": "disconnected"},
    "disconnect-confirm": {"event_type": "disconnect_confirm", "result": "success"},
    "reconnect-confirm": {"event_type": "reconnect_confirm", "result": "failed"},
}


def call(
    endpoint: str = "meter-reading",
    *,
    remote: str = "10.1.2.3",
    at: datetime = NOW,
    body_at: datetime = NOW,
    header: bool = True,
    secret: bytes = b"shared secret",
    event_id: str = "",
    body: bytes | None = None,
) -> Call:
    if body is None:
        stamp = body_at.isoformat().replace("+00:00", "Z")
        body = msgspec.json.encode(BODIES[endpoint] | {"timestamp": stamp, "meter_id": "ACR-1"})
        signed = at.isoformat().replace("+00:00", "Z") if header else stamp
    else:
        signed = at.isoformat().replace("+00:00", "Z")
    headers = {"x-acrel-signature": signature(secret, signed, body)}
    if header:
        headers["X-ACREL-Timestamp"] = signed
    if event_id:
        headers["X-Acrel-Event-Id"] = event_id
    return Call(endpoint=endpoint, remote=remote, headers=headers, body=body)


@pytest.mark.parametrize("endpoint", BODIES)
def test_each_endpoint_takes_its_own_event_only(endpoint: str) -> None:
    received = judge(POLICY, call(endpoint), NOW)
    assert received.event.meter_id == "ACR-1"
    for other in BODIES.keys() - {endpoint}:
        with pytest.raises(Invalid, match="does not take"):
            judge(POLICY, msgspec.structs.replace(call(endpoint), endpoint=other), NOW)


@pytest.mark.parametrize("remote", ["10.2.0.1", "192.0.2.8", "2001:db9::1", "localhost", ""])
def test_a_caller_from_elsewhere_is_refused_before_anything_else(remote: str) -> None:
    with pytest.raises(Forbidden) as caught:
        judge(POLICY, call(remote=remote, secret=b"wrong"), NOW)
    assert caught.value.status == 403


@pytest.mark.parametrize("remote", ["192.0.2.7", "2001:db8::5", "::ffff:10.1.2.3"])
def test_allowed_addresses_may_call_in_either_family(remote: str) -> None:
    assert judge(POLICY, call(remote=remote), NOW)


def test_with_no_address_allowed_nobody_may_call() -> None:
    with pytest.raises(Forbidden):
        judge(Policy.of("shared secret", ""), call(), NOW)


def test_a_wrong_or_missing_signature_is_refused() -> None:
    good = call()
    missing = {k: v for k, v in good.headers.items() if "signature" not in k}
    for bad in (
        call(secret=b"other"),
        msgspec.structs.replace(good, body=good.body + b" "),
        msgspec.structs.replace(good, headers=missing),
        msgspec.structs.replace(good, headers=good.headers | {"X-ACREL-Timestamp": "2026"}),
        msgspec.structs.replace(good, headers=good.headers | {"x-acrel-signature": "sha256=é"}),
    ):
        with pytest.raises(Unauthenticated) as caught:
            judge(POLICY, bad, NOW)
        assert caught.value.status == 401
        assert caught.value.code != "STALE_REQUEST"


@pytest.mark.parametrize("minutes", [-6, 6, -60 * 24, 60 * 24 * 365])
def test_an_old_or_future_call_is_stale(minutes: int) -> None:
    with pytest.raises(StaleRequest) as caught:
        judge(POLICY, call(at=NOW + timedelta(minutes=minutes)), NOW)
    assert (caught.value.status, caught.value.code) == (401, "STALE_REQUEST")


def test_a_fresh_header_lets_late_readings_in() -> None:
    assert judge(POLICY, call(body_at=NOW - timedelta(days=3)), NOW)


def test_without_a_header_the_bodys_own_time_counts() -> None:
    assert judge(POLICY, call(header=False), NOW)
    with pytest.raises(StaleRequest):
        judge(POLICY, call(header=False, body_at=NOW - timedelta(minutes=6)), NOW)


def test_epoch_seconds_are_a_time_too() -> None:
    body = call().body
    stamp = str(int(NOW.timestamp()))
    headers = {
        "X-Acrel-Timestamp": stamp,
        "X-Acrel-Signature": signature(POLICY.secret, stamp, body),
    }
    assert judge(
        POLICY, Call(endpoint="meter-reading", remote="10.1.1.1", headers=headers, body=body), NOW
    )


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"event_type": "alert"}', b"\xff"])
def test_a_signed_body_that_makes_no_sense_is_invalid(body: bytes) -> None:
    with pytest.raises(Invalid):
        judge(POLICY, call(body=body), NOW)


def test_an_unsigned_body_that_makes_no_sense_is_unauthenticated() -> None:
    for body in (b"", b"[" * 10_000, b'{"timestamp": [}', b"\xff"):
        bare = Call(endpoint="alert", remote="10.1.1.1", headers={}, body=body)
        with pytest.raises(Unauthenticated):
            judge(POLICY, bare, NOW)


def test_a_replay_is_a_duplicate_and_an_unknown_meter_is_told() -> None:
    seen = Seen()
    answers = [
        receive(POLICY, each, NOW, seen.again, lambda meter: meter == "ACR-1")[0]
        for each in (call(), call(), call(event_id="e1"), call("alert", event_id="e1"))
    ]
    assert answers == [Status.ACCEPTED, Status.DUPLICATE, Status.ACCEPTED, Status.DUPLICATE]
    status, received = receive(POLICY, call(), NOW, Seen().again, lambda _: False)
    assert (status, status.http) == (Status.UNKNOWN_METER, 202)
    assert received.event.meter_id == "ACR-1"
    assert Status.DUPLICATE.http == 200


def test_a_value_by_webhook_has_the_key_of_the_same_value_by_mqtt() -> None:
    by_webhook = judge(POLICY, call(), NOW)
    by_mqtt = read_event(call().body, {"event_type": "meter_reading", "meter_id": "ACR-1"})
    assert by_webhook.key == by_mqtt.key
    assert isinstance(by_webhook.event, MeterReading)
    assert topic_word(by_webhook.event) == "data"


def test_the_secret_shows_nowhere() -> None:
    with pytest.raises(HubError) as caught:
        judge(POLICY, call(secret=b"x"), NOW)
    assert "shared secret" not in f"{POLICY!r} {caught.value}"


def test_a_wrong_list_of_addresses_is_told() -> None:
    with pytest.raises(Invalid, match=r"10\.0\.0\.300"):
        Policy.of("s", "10.0.0.300")
