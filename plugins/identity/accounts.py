"""Who someone is and what he may do: from a token to an Actor."""

import datetime as dt
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import select

from hub import Actor, Credentials, Ctx, Forbidden, Key, NotFound, Unauthenticated, UnitOfWork

from .models import Role, Session, Tenant, TenantStatus, User, UserRole
from .passwords import Passwords
from .tokens import Claims, Tokens

_FRESH = dt.timedelta(seconds=30)
_MOST = 20_000


class AccountInactive(Forbidden):
    """This account is not active."""

    code = "account_inactive"


class TenantSuspended(Forbidden):
    """This company's access is suspended."""

    code = "tenant_suspended"


async def permissions(ctx: Ctx, user: User) -> tuple[tuple[str, ...], frozenset[str]]:
    """Codes of the roles of a user, and their patterns together."""
    found = await ctx.db.execute(
        select(Role.code, Role.permissions)
        .join(UserRole, (UserRole.tenant == Role.tenant) & (UserRole.role_id == Role.id))
        .where(UserRole.tenant == user.tenant, UserRole.user_id == user.id)
        .order_by(Role.code)
    )
    rows = found.all()
    return tuple(code for code, _ in rows), frozenset(p for _, some in rows for p in some)


async def actor_of(ctx: Ctx, user: User, session: UUID) -> Actor:
    roles, patterns = await permissions(ctx, user)
    return Actor(
        id=str(user.id),
        tenant=user.tenant,
        name=user.full_name or user.email,
        session=session,
        roles=roles,
        permissions=patterns,
    )


def usable(user: User, tenant: Tenant) -> None:
    """Refuse an account that was switched off, or whose company was."""
    if not user.is_active:
        raise AccountInactive
    if tenant.status is not TenantStatus.ACTIVE:
        raise TenantSuspended


@dataclass
class Accounts:
    """Turns tokens into actors; what it read of the database is trusted for half a minute."""

    unit: UnitOfWork
    tokens: Tokens
    passwords: Passwords

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
