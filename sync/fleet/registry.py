"""Gateways as rows. Their table knows no row-level security: every statement names the company."""

import datetime as dt
import secrets
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from sqlalchemy import text

from hub import Conflict, Ctx, Invalid, NotFound, uuid7
from sync.gateways import hash_key
from sync.wire_link import TOPIC

TABLE = "sync_gateway"
SHOWN = 20  # gaps and notes
ALIVE = dt.timedelta(seconds=45)  # since it last said something over the live link


class Joined(Struct, frozen=True, kw_only=True):
    """key: shown this once; only its hash is kept."""

    id: UUID
    name: str
    key: str


class Missing(Struct, frozen=True, kw_only=True):
    """Time in which readings of a device (empty: of all) are missing; without until it lasts."""

    device: str
    cause: str
    since: dt.datetime
    until: dt.datetime | None
    lost: int


class Remark(Struct, frozen=True, kw_only=True):
    """What a gateway noted of itself."""

    at: dt.datetime
    level: str
    code: str
    message: str


class GatewayRow(Struct, frozen=True, kw_only=True):
    """One gateway. connected: its live link is up. newest_at: time of the newest reading that is
    here; lag_s: how long ago that was. waiting: readings in its buffer that are not here. status:
    what it last said of itself. open_gaps: of its devices, or of itself. lives: how often its
    buffer began anew. gaps, notes: the last of each."""

    id: UUID
    name: str
    enabled: bool
    created_at: dt.datetime
    connected: bool
    linked_at: dt.datetime | None
    uploaded_at: dt.datetime | None
    newest_at: dt.datetime | None
    lag_s: float | None
    readings: int
    duplicates: int
    waiting: int | None
    open_gaps: int
    orders: int
    devices: int
    points: int
    lives: int
    status: dict[str, Any]
    gaps: list[Missing]
    notes: list[Remark]


def _last(kind: str, time: str) -> str:
    """A column: the last rows of `sync_gap` or `sync_note`, the newest first."""
    return (
        f"(SELECT coalesce(json_agg(to_json(x) ORDER BY x.{time} DESC, x.id DESC), '[]') FROM ("  # noqa: S608
        f"SELECT * FROM sync_{kind} WHERE gateway = g.id ORDER BY {time} DESC, id DESC"
        f" LIMIT {SHOWN}) x)"
    )


_ROWS = text(f"""
SELECT g.id, g.name, g.enabled, g.created_at, g.linked_at, g.status,
       c.moved, c.newest, coalesce(c.readings, 0), coalesce(c.duplicates, 0),
       (SELECT count(*) FROM sync_gap p WHERE p.gateway = g.id AND p.until IS NULL),
       (SELECT count(*) FROM sync_order o
         WHERE o.gateway = g.id AND o.taken_at IS NULL AND o.expires_at > now()),
       p.devices, p.points, coalesce(c.lives, 0), {_last("gap", "since")}, {_last("note", "at")}
  FROM sync_gateway g
  LEFT JOIN LATERAL (
       SELECT count(DISTINCT device) AS devices, count(DISTINCT series) AS points
         FROM sync_point WHERE gateway = g.id) p ON true
  LEFT JOIN LATERAL (
       SELECT max(moved_at) AS moved, max(newest) AS newest, sum(readings)::bigint AS readings,
              sum(duplicates)::bigint AS duplicates, count(DISTINCT epoch) AS lives
         FROM sync_cursor WHERE gateway = g.id) c ON true
 WHERE g.owner = :owner AND (CAST(:id AS uuid) IS NULL OR g.id = :id)
 ORDER BY g.name
""")  # noqa: S608 - the columns of `_last` are ours
_JOIN = text("""
INSERT INTO sync_gateway (id, name, owner, key_hash) VALUES (:id, :name, :owner, :hash)
ON CONFLICT (name) DO NOTHING RETURNING id
""")
_RENEW = text("""
UPDATE sync_gateway SET key_hash = :hash, enabled = true
 WHERE owner = :owner AND (name = :name OR id = :id) RETURNING id, name
""")
_SWITCH = text("""
UPDATE sync_gateway SET enabled = :on WHERE owner = :owner AND id = :id RETURNING id
""")
_WAKE = text("SELECT pg_notify('busbar_news', :topic)")
_OWNER = text("SELECT id FROM identity_tenant WHERE :code = '' OR code = :code LIMIT 2")


async def owner_of(ctx: Ctx, code: str) -> UUID:
    """The company of that code; without one the only company."""
    found = (await ctx.db.execute(_OWNER, {"code": code})).scalars().all()
    if not found:
        raise NotFound(f"there is no company {code!r}" if code else "no company is set up so far")
    if len(found) > 1:
        raise Invalid("there are many companies: say which one")
    owner: UUID = found[0]
    return owner


async def gateways(ctx: Ctx, ident: UUID | None = None) -> list[GatewayRow]:
    """Those of the caller's company."""
    rows = await ctx.db.execute(_ROWS, {"owner": ctx.actor.tenant, "id": ident})
    now = ctx.clock()
    return [_row(row, now) for row in rows]


def _row(row: Any, now: dt.datetime) -> GatewayRow:
    linked, status, newest = row[4], dict(row[5]), row[7]
    waiting = status.get("depth")
    return GatewayRow(
        id=row[0], name=row[1], enabled=row[2], created_at=row[3],
        connected=linked is not None and now - linked < ALIVE and status.get("linked") is not False,
        linked_at=linked, uploaded_at=row[6], newest_at=newest,
        lag_s=None if newest is None else max(0.0, (now - newest).total_seconds()),
        readings=row[8], duplicates=row[9], waiting=waiting, open_gaps=row[10], orders=row[11],
        devices=row[12], points=row[13], lives=row[14], status=status,
        gaps=msgspec.convert(row[15], list[Missing]), notes=msgspec.convert(row[16], list[Remark]),
    )  # fmt: skip


async def join(ctx: Ctx, owner: UUID, name: str, *, renew: bool = False) -> Joined:
    """Let a gateway in with a new key; Conflict when one is called so already."""
    ident, key = uuid7(), secrets.token_urlsafe(32)
    values = {"id": ident, "name": name, "owner": owner, "hash": hash_key(key)}
    if await ctx.db.scalar(_JOIN, values) is None:
        if not renew:
            raise Conflict(f"a gateway is called {name!r} already: renew its key", field="name")
        return await renewed(ctx, owner, name=name)
    _note(ctx, "join", ident, {"name": [None, name]})
    return Joined(id=ident, name=name, key=key)


async def renewed(ctx: Ctx, owner: UUID, *, name: str = "", ident: UUID | None = None) -> Joined:
    """A new key; whoever has the old one is cut off at once."""
    key = secrets.token_urlsafe(32)
    values = {"hash": hash_key(key), "owner": owner, "name": name, "id": ident}
    row = (await ctx.db.execute(_RENEW, values)).one_or_none()
    if row is None:
        raise NotFound("there is no such gateway", resource="gateways")
    _note(ctx, "renew", row[0], {})
    await _wake(ctx, row[0])
    return Joined(id=row[0], name=row[1], key=key)


async def switch(ctx: Ctx, ident: UUID, on: bool) -> None:
    """Let it send, or refuse it; its readings stay."""
    values = {"on": on, "owner": ctx.actor.tenant, "id": ident}
    if await ctx.db.scalar(_SWITCH, values) is None:
        raise NotFound("there is no such gateway", resource="gateways", identifier=str(ident))
    _note(ctx, "switch", ident, {"enabled": [not on, on]})
    await _wake(ctx, ident)


async def _wake(ctx: Ctx, gateway: UUID) -> None:
    """Have its live link checked again."""
    await ctx.db.execute(_WAKE, {"topic": f"{TOPIC}.{gateway}"})


def _note(ctx: Ctx, action: str, row: UUID, data: dict[str, Any]) -> None:
    from hub.kernel.uow import note  # noqa: PLC0415 - every command reads this plugin's manifest

    note(ctx, action, TABLE, row, data)
