"""API keys: made once, shown once, checked at every request, counted in the background."""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import logging
import secrets
import string
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta
from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert

from hub import (
    Actor,
    Conflict,
    Credentials,
    Ctx,
    Forbidden,
    Invalid,
    Key,
    Op,
    Resource,
    Unauthenticated,
    UnitOfWork,
    action,
    uuid7,
)

from .accounts import usable_tenant
from .events import ApiKeyCreated, ApiKeyRevoked
from .granting import check_grant
from .models import ApiKey, KeyUse
from .tokens import digest

log = logging.getLogger("busbar.identity")

_LETTERS = string.ascii_letters + string.digits
_FRESH = dt.timedelta(seconds=30)
_MOST = 20_000
_UNAUDITED = {"unaudited": True}
EVERY = 2.0

api_keys = Resource(
    name="api-keys",
    model=ApiKey,
    ops=Op.READ | Op.UPDATE | Op.DELETE,
    filters=("name", "is_active", "created_at"),
    sort=("name", "created_at", "last_used_at"),
    search=("name",),
)


class NewKey(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """scopes: permission patterns, none that the creator lacks. allowed_ips: networks."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    scopes: list[str]
    description: str | None = None
    allowed_ips: list[str] = []
    allowed_origins: list[str] = []
    rate_limit_per_minute: Annotated[int, Meta(ge=1, le=10_000_000)] = 60
    rate_limit_per_hour: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    rate_limit_per_day: Annotated[int, Meta(ge=1, le=10_000_000)] = 10_000
    expires_at: Annotated[dt.datetime, Meta(tz=True)] | None = None


class IssuedKey(msgspec.Struct):
    """key: shown this once."""

    id: UUID
    name: str
    key_prefix: str
    key: str


class Rotation(msgspec.Struct, forbid_unknown_fields=True):
    """grace_minutes: how long the old key still works."""

    grace_minutes: Annotated[int, Meta(ge=0, le=1440)] = 0


class Since(msgspec.Struct, forbid_unknown_fields=True):
    hours: Annotated[int, Meta(ge=1, le=24 * 90)] = 24


class HourOfUse(msgspec.Struct):
    hour: dt.datetime
    calls: int


class Usage(msgspec.Struct):
    total: int
    hours: list[HourOfUse]


def new_key() -> str:
    return "bb_" + "".join(secrets.choice(_LETTERS) for _ in range(40))


@action("api-keys", module="identity", permission="identity.api_keys.write", status=201)
async def create_api_key(ctx: Ctx, body: NewKey) -> IssuedKey:
    """Make a key; it is shown in this answer and never again."""
    check_grant(ctx, body.scopes)
    _check_networks(body.allowed_ips)
    shown = new_key()
    row = ApiKey(
        **msgspec.structs.asdict(body),
        id=uuid7(),
        key_prefix=shown[:10],
        key_hash=digest(shown),
        created_by=ctx.actor.id,
    )
    ctx.db.add(row)
    ctx.emit(ApiKeyCreated(key_id=row.id))
    return IssuedKey(row.id, row.name, row.key_prefix, shown)


@api_keys.on(Op.UPDATE)
async def update_key(ctx: Ctx, row: ApiKey, body: msgspec.Struct) -> None:
    given = {k: v for k, v in msgspec.structs.asdict(body).items() if v is not msgspec.UNSET}
    if row.revoked_at is not None:
        raise Conflict("this key was revoked")
    check_grant(ctx, given.get("scopes", []))
    _check_networks(given.get("allowed_ips", []))
    for name, value in given.items():
        setattr(row, name, value)
    ctx.get(KEYS).forget()


@api_keys.on(Op.DELETE)
async def revoke_key(ctx: Ctx, row: ApiKey) -> None:
    """End a key; its row stays."""
    row.is_active, row.revoked_by = False, ctx.actor.id
    row.revoked_at = row.revoked_at or ctx.clock()
    ctx.get(KEYS).forget()
    ctx.emit(ApiKeyRevoked(key_id=row.id))


@api_keys.action("rotate", verb="write")
async def rotate(ctx: Ctx, row: ApiKey, body: Rotation) -> IssuedKey:
    """Give a key a new secret; the old one may live on for a while."""
    if row.revoked_at is not None:
        raise Conflict("this key was revoked")
    check_grant(ctx, row.scopes)
    shown = new_key()
    row.previous_hash = row.key_hash if body.grace_minutes else None
    row.previous_until = ctx.clock() + dt.timedelta(minutes=body.grace_minutes)
    row.key_hash, row.key_prefix = digest(shown), shown[:10]
    ctx.get(KEYS).forget()
    return IssuedKey(row.id, row.name, row.key_prefix, shown)


@api_keys.action("usage", method="GET", verb="read")
async def usage(ctx: Ctx, row: ApiKey, params: Since) -> Usage:
    """Tell how often a key was used, by the hour."""
    since = ctx.clock() - dt.timedelta(hours=params.hours)
    stmt = (
        select(KeyUse.hour, KeyUse.calls)
        .where(KeyUse.key_id == row.id, KeyUse.hour > since)
        .order_by(KeyUse.hour)
    )
    hours = [HourOfUse(hour, calls) for hour, calls in await ctx.db.execute(stmt)]
    return Usage(total=row.usage_count, hours=hours)


def _check_networks(given: list[str]) -> None:
    for network in given:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            raise Invalid(f"{network!r} is no network", field="allowed_ips") from None


@dataclass
class Keys:
    """Turns keys into actors; what it read of the database is trusted for half a minute."""

    unit: UnitOfWork
    _known: dict[str, tuple[ApiKey, dt.datetime]] = field(default_factory=dict)
    _used: Counter[tuple[UUID, UUID, dt.datetime]] = field(default_factory=Counter)

    async def authenticate(self, shown: Credentials) -> Actor:
        """The actor of a key: Unauthenticated when it is none, Forbidden when not from there."""
        now = dt.datetime.now(dt.UTC)
        hashed = digest(shown.token)
        row, until = self._known.get(hashed, (None, now))
        if row is None or until <= now:
            row = await self._load(hashed)
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[hashed] = row, now + _FRESH
        self._check(row, hashed, shown, now)
        self._used[row.tenant, row.id, now.replace(minute=0, second=0, microsecond=0)] += 1
        limits = ((row.rate_limit_per_day, 86_400), (row.rate_limit_per_minute, 60))
        hourly = ((row.rate_limit_per_hour, 3_600),) if row.rate_limit_per_hour else ()
        return Actor(
            id=str(row.id),
            tenant=row.tenant,
            kind="api_key",
            name=row.name,
            permissions=frozenset(row.scopes),
            expires=row.expires_at,
            limits=(*limits, *hourly),
        )

    async def _load(self, hashed: str) -> ApiKey:
        async with self.unit.system() as ctx:
            row = await ctx.db.scalar(
                select(ApiKey).where(or_(ApiKey.key_hash == hashed, ApiKey.previous_hash == hashed))
            )
            if row is None:
                raise Unauthenticated("this API key is not valid")
            await usable_tenant(ctx, row.tenant)
            found: ApiKey = row
            return found

    def _check(self, row: ApiKey, hashed: str, shown: Credentials, now: dt.datetime) -> None:
        ended = row.expires_at is not None and row.expires_at <= now
        old = hashed != row.key_hash and (row.previous_until is None or row.previous_until <= now)
        if not row.is_active or row.revoked_at is not None or ended or old:
            raise Unauthenticated("this API key is not valid")
        if row.allowed_ips and not _within(shown.caller.ip, row.allowed_ips):
            raise Forbidden("this API key may not be used from this address")
        origin = shown.caller.origin
        if origin and row.allowed_origins and origin not in row.allowed_origins:
            raise Forbidden("this API key may not be used by this page")

    def forget(self) -> None:
        """Ask the database again."""
        self._known.clear()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write down the use of keys for as long as the block lasts."""
        task = asyncio.create_task(self._work())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self.write()

    async def _work(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.write()
            except Exception:
                log.exception("use of keys is not written", extra={"action": "keys.failed"})

    async def write(self) -> None:
        """Add what was counted since the last time."""
        used, self._used = self._used, Counter()
        if not used:
            return
        try:
            async with self.unit.system() as ctx:
                for (tenant, key, hour), calls in sorted(used.items()):
                    await self._add(ctx, tenant, key, hour, calls)
        except BaseException:
            self._used.update(used)
            raise

    async def _add(self, ctx: Ctx, tenant: UUID, key: UUID, hour: dt.datetime, calls: int) -> None:
        now = ctx.clock()
        values: dict[str, Any] = {"tenant": tenant, "id": uuid7(), "key_id": key, "hour": hour}
        values |= {"calls": calls, "revision": 1, "created_at": now, "updated_at": now}
        stmt = insert(KeyUse).values(values)
        connection = await ctx.db.connection()
        await connection.execute(
            stmt.on_conflict_do_update(
                index_elements=("tenant", "key_id", "hour"),
                set_={"calls": KeyUse.calls + stmt.excluded.calls},
            )
        )
        await ctx.db.execute(
            update(ApiKey)
            .where(ApiKey.tenant == tenant, ApiKey.id == key)
            .values(usage_count=ApiKey.usage_count + calls, last_used_at=now),
            execution_options=_UNAUDITED,
        )


def _within(address: str, networks: list[str]) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(found in ipaddress.ip_network(n, strict=False) for n in networks)


KEYS = Key[Keys]("API keys")
