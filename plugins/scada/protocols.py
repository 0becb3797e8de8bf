"""Connections to field devices as people write them down, and whether they work.

A gateway runs what its own file says; a row here can be tried through the gateway that is to run
it, before anybody goes there.
"""

import enum
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta
from sqlalchemy.orm import Mapped

from hub import (
    ORDERS,
    VAULT,
    Conflict,
    Ctx,
    Entity,
    Instant,
    Invalid,
    Json,
    Label,
    Name,
    Op,
    Probe,
    ProbeReport,
    ProbeStep,
    Prose,
    Resource,
    Small,
    col,
    uuid7,
)

WITHIN, MOST = 15.0, 60.0  # s
TRANSPORT = 5.0  # s on top, for the way there and back


class ProtocolType(enum.StrEnum):
    MODBUS = "modbus"
    DNP3 = "dnp3"
    IEC61850 = "iec61850"
    MQTT = "mqtt"
    STS = "sts"
    HTTP = "http"
    ACREL_HTTP = "acrel_http"


class ConnectionStatus(enum.StrEnum):
    UNKNOWN = "unknown"
    CONNECTED = "connected"
    FAILED = "failed"


class AuthType(enum.StrEnum):
    NONE = "none"
    BASIC = "basic"
    CERTIFICATE = "certificate"
    TOKEN = "token"  # noqa: S105 - a word of the specification


DRIVERS = {
    ProtocolType.MODBUS: "modbus-tcp",
    ProtocolType.DNP3: "dnp3-tcp",
    ProtocolType.IEC61850: "iec61850",
    ProtocolType.MQTT: "mqtt",
    ProtocolType.ACREL_HTTP: "acrel-http",
}


class Protocol(Entity):
    """A connection. settings: keys of the channel as in a gateway's file, `devices` among them;
    `driver` where it is not the usual one of its type. credentials: a JSON object of further keys,
    kept sealed and never answered. gateway_id: which gateway is to run it."""

    __tablename__ = "scada_protocol"
    name: Mapped[Name]
    protocol_type: Mapped[ProtocolType]
    host: Mapped[Label | None]
    port: Mapped[Small | None]
    settings: Mapped[Json] = col(default=dict)
    auth_type: Mapped[AuthType] = col(default=AuthType.NONE)
    credentials: Mapped[Prose | None] = col(write_only=True, secret=True)
    gateway_id: Mapped[UUID | None]
    is_active: Mapped[bool] = col(default=True)
    last_connected_at: Mapped[Instant | None] = col(read_only=True)
    connection_status: Mapped[ConnectionStatus] = col(
        read_only=True, default=ConnectionStatus.UNKNOWN
    )
    last_error: Mapped[Prose | None] = col(read_only=True)


protocols = Resource(
    name="protocols",
    model=Protocol,
    filters=("name", "protocol_type", "gateway_id", "is_active", "connection_status"),
    sort=("name", "created_at"),
    search=("name", "host"),
)


class Trial(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """point: which one to read (`device.point`); the first that can be asked for when empty."""

    point: Annotated[str, Meta(max_length=200)] = ""
    within_s: Annotated[float, Meta(ge=1, le=MOST)] = WITHIN


class TrialReport(msgspec.Struct, kw_only=True):
    """How far it got: configuration, connect, start-up, identify, read."""

    ok: bool
    steps: tuple[ProbeStep, ...]


@protocols.on(Op.CREATE)
async def create_protocol(ctx: Ctx, body: msgspec.Struct) -> Protocol:
    given = {k: v for k, v in msgspec.structs.asdict(body).items() if v is not msgspec.UNSET}
    row = Protocol(id=uuid7())
    _set(ctx, row, given)
    ctx.db.add(row)
    return row


@protocols.on(Op.UPDATE)
async def update_protocol(ctx: Ctx, row: Protocol, body: msgspec.Struct) -> None:
    """Change it; what was known of its state no longer holds."""
    given = {k: v for k, v in msgspec.structs.asdict(body).items() if v is not msgspec.UNSET}
    _set(ctx, row, given)
    if given.keys() & {"host", "port", "settings", "credentials", "gateway_id", "protocol_type"}:
        row.connection_status, row.last_error = ConnectionStatus.UNKNOWN, None


def _set(ctx: Ctx, row: Protocol, given: dict[str, Any]) -> None:
    if secret := given.get("credentials"):
        _object(secret)
        given["credentials"] = ctx.get(VAULT).seal(secret, _place(row.id))
    for name, value in given.items():
        setattr(row, name, value)
    if row.port is not None and not 0 <= row.port <= 65_535:
        raise Invalid("a port is a number from 0 to 65535", field="port")


@protocols.action("test", verb="write")
async def test_protocol(ctx: Ctx, row: Protocol, body: Trial) -> TrialReport:
    """Connect through its gateway, identify, read one value; tell every step."""
    if row.protocol_type not in DRIVERS:
        raise Conflict(f"{row.protocol_type} is spoken by the centre: nothing can be tried on site")
    if row.gateway_id is None:
        raise Invalid("say first which gateway runs it", field="gateway_id")
    order = Probe(channel=_channel(ctx, row), point=body.point, within=body.within_s)
    patience = body.within_s + TRANSPORT
    answer = await ctx.get(ORDERS).ask(ctx, row.gateway_id, order, within=patience)
    report = msgspec.msgpack.decode(answer, type=ProbeReport)
    failed = next((s for s in report.steps if s.state == "failed"), None)
    row.last_error = None if failed is None else f"{failed.step}: {failed.detail}"[:2_000]
    row.connection_status = ConnectionStatus.CONNECTED if report.ok else ConnectionStatus.FAILED
    if report.ok:
        row.last_connected_at = ctx.clock()
    return TrialReport(ok=report.ok, steps=report.steps)


def _channel(ctx: Ctx, row: Protocol) -> dict[str, Any]:
    """The row as a channel of a gateway's file."""
    made: dict[str, Any] = {"driver": DRIVERS[row.protocol_type]}
    if row.host:
        made["host"] = row.host
    if row.port is not None:
        made["port"] = row.port
    made |= row.settings
    if row.credentials:
        made |= _object(ctx.get(VAULT).unseal(row.credentials, _place(row.id)))
    return made | {"name": f"trial-{str(row.id)[-8:]}"}


def _object(secret: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(secret, type=dict[str, Any])
    except msgspec.MsgspecError:
        raise Invalid("credentials are a JSON object of settings", field="credentials") from None


def _place(ident: UUID) -> str:
    return f"scada_protocol:{ident}"
