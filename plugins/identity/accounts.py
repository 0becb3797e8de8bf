"""Who someone is and what he may do: from a token to an Actor."""

import datetime as dt
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy import or_, select

from hub import (
    Actor,
    ConfigError,
    Credentials,
    Ctx,
    Forbidden,
    Key,
    NotFound,
    Unauthenticated,
    UnitOfWork,
    Vault,
)

from .models import Grant, Role, Session, Tenant, TenantStatus, User, UserRole
from .passwords import Passwords
from .settings import IdentitySettings
from .tokens import Claims, Tokens

_FRESH = dt.timedelta(seconds=30)
_MOST = 20_000
PLACE = "identity.account"


class AccountInactive(Forbidden):
    """This account is not active."""

    code = "account_inactive"


class TenantSuspended(Forbidden):
    """This company's access is suspended."""

    code = "tenant_suspended"


Bound = tuple[tuple[str, UUID], ...]


async def permissions(ctx: Ctx, user: User) -> tuple[tuple[str, ...], frozenset[str], Bound]:
    """Codes of the roles of a user, all patterns of his, and those that count for one row only."""
    found = await ctx.db.execute(
        select(Role.code, Role.permissions)
        .join(UserRole, (UserRole.tenant == Role.tenant) & (UserRole.role_id == Role.id))
        .where(UserRole.tenant == user.tenant, UserRole.user_id == user.id)
        .order_by(Role.code)
    )
    rows = found.all()
    granted = await ctx.db.scalars(
        select(Grant).where(
            Grant.tenant == user.tenant,
            Grant.user_id == user.id,
            or_(Grant.expires_at.is_(None), Grant.expires_at > ctx.clock()),
        )
    )
    own = granted.all()
    patterns = {p for _, some in rows for p in some}
    patterns |= {g.pattern for g in own if g.resource_id is None}
    bound = tuple((g.pattern, g.resource_id) for g in own if g.resource_id is not None)
    return tuple(code for code, _ in rows), frozenset(patterns), bound


async def actor_of(ctx: Ctx, user: User, session: UUID) -> Actor:
    roles, patterns, bound = await permissions(ctx, user)
    return Actor(
        id=str(user.id),
        tenant=user.tenant,
        name=user.full_name or user.email,
        session=session,
        roles=roles,
        permissions=patterns,
        bound=bound,
    )


def usable(user: User, tenant: Tenant) -> None:
    """Refuse an account that was switched off, or whose company was."""
    if not user.is_active:
        raise AccountInactive
    if tenant.status is not TenantStatus.ACTIVE:
        raise TenantSuspended


async def usable_tenant(ctx: Ctx, tenant: UUID) -> None:
    """Refuse whoever belongs to a company that was switched off."""
    status = await ctx.db.scalar(select(Tenant.status).where(Tenant.id == tenant))
    if status is not TenantStatus.ACTIVE:
        raise TenantSuspended


@dataclass(frozen=True, kw_only=True)
class Policy:
    """When names are locked, and how long sessions last."""

    attempts: int = 5
    lockout: dt.timedelta = dt.timedelta(minutes=15)
    remembered: dt.timedelta = dt.timedelta(days=7)
    session: dt.timedelta = dt.timedelta(days=1)

    def life(self, *, remember: bool) -> dt.timedelta:
        return self.remembered if remember else self.session


@dataclass
class Accounts:
    """Turns tokens into actors; what it read of the database is trusted for half a minute."""

    unit: UnitOfWork
    vault: Vault
    tokens: Tokens
    passwords: Passwords
    policy: Policy = field(default_factory=Policy)
    settings: IdentitySettings = field(default_factory=IdentitySettings)

    def __post_init__(self) -> None:
        self._known: dict[UUID, tuple[Actor, dt.datetime]] = {}
        self._read: dict[str, tuple[Claims, dt.datetime]] = {}

    async def authenticate(self, shown: Credentials) -> Actor:
        """The actor of a bearer token, or Unauthenticated."""
        now = dt.datetime.now(dt.UTC)
        claims, ends = self._claims(shown.token, now)
        actor, until = self._known.get(claims.sid, (None, now))
        if actor is None or until <= now:
            actor = await self._load(claims.sub, claims.sid)
            if len(self._known) >= _MOST:
                self._known.clear()
            actor = replace(actor, expires=ends)
            self._known[claims.sid] = (actor, now + _FRESH)
        if actor.id != str(claims.sub) or actor.tenant != claims.tid:
            raise Unauthenticated("this access token is not valid")
        return actor if actor.expires == ends else replace(actor, expires=ends)

    def _claims(self, token: str, now: dt.datetime) -> tuple[Claims, dt.datetime]:
        """The claims of a token and its end; a signature is checked once."""
        found = self._read.get(token)
        if found is None or found[1] <= now:
            claims = self.tokens.read(token, now)
            if len(self._read) >= _MOST:
                self._read.clear()
            found = self._read[token] = claims, dt.datetime.fromtimestamp(claims.exp, dt.UTC)
        return found

    async def _load(self, user_id: UUID, session_id: UUID) -> Actor:
        async with self.unit.system() as ctx:
            found = await ctx.db.execute(
                select(User, Session, Tenant)
                .join(Session, (Session.tenant == User.tenant) & (Session.user_id == User.id))
                .join(Tenant, Tenant.id == User.tenant)
                .where(User.id == user_id, Session.id == session_id)
            )
            row = found.one_or_none()
            if row is None or row.Session.revoked_at or row.Session.expires_at <= ctx.clock():
                raise Unauthenticated("this session has ended: sign in again")
            usable(row.User, row.Tenant)
            return await actor_of(ctx, row.User, session_id)

    def seal(self, text: str) -> str:
        """A secret that has to be stored and read again, and when it was sealed."""
        return self.vault.seal(f"{int(dt.datetime.now(dt.UTC).timestamp())} {text}", PLACE)

    def unseal(self, sealed: str, *, life: int | None = None) -> str:
        """What was sealed, at most `life` seconds ago; ValueError when it is not ours."""
        try:
            at, _, text = self.vault.unseal(sealed, PLACE).partition(" ")
        except ConfigError:
            raise ValueError("not sealed by us") from None
        if life is not None and int(dt.datetime.now(dt.UTC).timestamp()) - int(at) > life:
            raise ValueError("sealed too long ago")
        return text

    async def enter(self, actor: Actor, tenant: str) -> Actor:
        """A superadmin as he works in another company."""
        if "superadmin" not in actor.roles:
            raise Forbidden("only a superadmin works in another company")
        try:
            ident = UUID(tenant)
        except ValueError:
            raise NotFound(f"there is no company {tenant!r}") from None
        async with self.unit.system() as ctx:
            if await ctx.db.scalar(select(Tenant.id).where(Tenant.id == ident)) is None:
                raise NotFound(f"there is no company {tenant!r}")
        return replace(actor, tenant=ident)

    def forget(self, session: UUID | None = None) -> None:
        """Ask the database again: for one session, or for all."""
        if session is None:
            self._known.clear()
        else:
            self._known.pop(session, None)


ACCOUNTS = Key[Accounts]("accounts")
