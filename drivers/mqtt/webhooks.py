"""Webhooks of the Acrel platform, without a web server: is a call to be believed, and what is it?

Checks in this order: the caller's address, the signature over the raw body, the age, whether the
event was here before. Whoever mounts the endpoints turns the exceptions into answers; their
`status` and `code` are what the platform is told.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

import msgspec
from msgspec import Struct

from hub import Forbidden, Invalid, ProtocolError, Unauthenticated

from .acrel_events import (
    Alert,
    DisconnectConfirm,
    Event,
    Infrastructure,
    MeterReading,
    Received,
    ReconnectConfirm,
    StatusChange,
    read_event,
)
from .rows import read_time

WINDOW = 300.0  # s
Network = IPv4Network | IPv6Network
# Last part of the path → what must be in the body.
ENDPOINTS: Mapping[str, type] = {
    "meter-reading": MeterReading,
    "alert": Alert,
    "status-change": StatusChange,
    "disconnect-confirm": DisconnectConfirm,
    "reconnect-confirm": ReconnectConfirm,
}


class StaleRequest(Unauthenticated):
    """The call is older than five minutes, or from the future."""

    code = "STALE_REQUEST"


class Policy(Struct, frozen=True, kw_only=True):
    """secret: shared with the platform. allowed: networks that calls may come from."""

    secret: bytes
    allowed: tuple[Network, ...]
    signature_header: str = "X-Acrel-Signature"
    timestamp_header: str = "X-Acrel-Timestamp"
    id_header: str = "X-Acrel-Event-Id"
    window: float = WINDOW

    @classmethod
    def of(cls, secret: str, allowed: str, **more: Any) -> "Policy":
        """allowed: addresses or networks in CIDR notation, with commas between them."""
        try:
            networks = tuple(
                ip_network(text.strip()) for text in allowed.split(",") if text.strip()
            )
        except ValueError as error:
            raise Invalid(f"allowed addresses: {error}") from None
        return cls(secret=secret.encode(), allowed=networks, **more)

    def __repr__(self) -> str:
        return f"Policy(allowed={[str(n) for n in self.allowed]})"


class Call(Struct, frozen=True, kw_only=True):
    """A request as it came. headers: by any spelling of their names; body: raw."""

    endpoint: str
    remote: str
    headers: Mapping[str, str]
    body: bytes


class Status(StrEnum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    UNKNOWN_METER = "unknown_meter"

    @property
    def http(self) -> int:
        return 200 if self is Status.DUPLICATE else 202


def judge(policy: Policy, call: Call, now: datetime) -> Received:
    """The event of a call that may be believed.

    Raises Forbidden (403), Unauthenticated or StaleRequest (401), Invalid (422).
    """
    kind = ENDPOINTS.get(call.endpoint)
    if kind is None:
        raise Invalid(f"no webhook {call.endpoint!r}")
    _check_address(policy, call.remote)
    headers = {name.lower(): value for name, value in call.headers.items()}
    stamp = headers.get(policy.timestamp_header.lower())
    signed = stamp if stamp is not None else _body_stamp(call.body)
    _check_signature(policy, headers.get(policy.signature_header.lower(), ""), signed, call.body)
    _check_age(policy, signed, now)
    try:
        received = read_event(call.body)
    except ProtocolError as error:
        raise Invalid(str(error)) from None
    if type(received.event) is not kind:
        raise Invalid(f"{call.endpoint} does not take {received.body.get('event_type')!r}")
    given = headers.get(policy.id_header.lower())
    return msgspec.structs.replace(received, key=given) if given else received


def receive(
    policy: Policy,
    call: Call,
    now: datetime,
    again: Callable[[str], bool],
    known: Callable[[str], bool],
) -> tuple[Status, Received]:
    """Judge a call and say what to answer; only ACCEPTED ones are to be processed.

    again: whether that key was here before; it remembers it. known: whether we have that meter.
    """
    received = judge(policy, call, now)
    if again(received.key):
        return Status.DUPLICATE, received
    if not known(received.event.meter_id):
        return Status.UNKNOWN_METER, received
    return Status.ACCEPTED, received


def signature(secret: bytes, stamp: str, body: bytes) -> str:
    """What the platform puts into its signature header."""
    return "sha256=" + hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def topic_word(event: Event) -> str:
    """The last part of the MQTT topic that brings the same event."""
    match event:
        case MeterReading() | Infrastructure():
            return "data"
        case Alert():
            return "alert"
        case _:
            return "status"


def _check_address(policy: Policy, remote: str) -> None:
    try:
        address = ip_address(remote)
    except ValueError:
        raise Forbidden(f"{remote!r} is no address") from None
    mapped = getattr(address, "ipv4_mapped", None)
    if not any((mapped or address) in network for network in policy.allowed):
        raise Forbidden(f"{remote} is not among the allowed addresses")


def _check_signature(policy: Policy, given: str, stamp: str, body: bytes) -> None:
    expected = signature(policy.secret, stamp, body)
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise Unauthenticated("the signature is wrong")


def _check_age(policy: Policy, stamp: str, now: datetime) -> None:
    number: Any = stamp
    if stamp.replace(".", "", 1).isdigit() and len(stamp) != 14:
        number = float(stamp)
    # Read against a clock far ahead, so that the future is seen here and not put right.
    time, _ = read_time(number, _FAR)
    if time == _FAR or abs(time / 1e6 - now.timestamp()) > policy.window:
        raise StaleRequest


def _body_stamp(body: bytes) -> str:
    """The body's own time, exactly as it is written there."""
    try:
        found = msgspec.json.decode(body, type=_Stamped).timestamp
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Unauthenticated("the call is not signed") from None
    return bytes(found).decode().strip('"')


class _Stamped(Struct):
    timestamp: msgspec.Raw


_FAR = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
