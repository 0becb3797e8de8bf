"""Tables of accounts. A tenant's row belongs to itself, so the tenant wall covers it too."""

import enum
from typing import Annotated
from uuid import UUID

from msgspec import Meta
from sqlalchemy import Index, Integer, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from hub import (
    Big,
    Code,
    Currency,
    Email,
    Entity,
    Id,
    Instant,
    Json,
    Label,
    Locale,
    Name,
    Phone,
    Prose,
    Small,
    SoftDelete,
    Strings,
    Zone,
    col,
    ref,
)

Most = Annotated[int, mapped_column(Integer), Meta(ge=1, le=10_000_000)]


class TenantStatus(enum.StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class Tenant(Entity):
    """A utility company. `tenant` and `id` are the same."""

    __tablename__ = "identity_tenant"
    __table_args__ = (UniqueConstraint("code"),)
    code: Mapped[Code] = col(create_only=True)
    name_ar: Mapped[Name]
    name_en: Mapped[Name | None]
    status: Mapped[TenantStatus] = col(read_only=True, default=TenantStatus.ACTIVE)
    default_locale: Mapped[Locale] = col(default="ar")
    timezone: Mapped[Zone] = col(default="UTC")
    currency: Mapped[Currency] = col(default="USD")


class TenantSetting(Entity):
    """One free setting of a company: {value}, or {sealed} for a secret."""

    __tablename__ = "identity_tenant_setting"
    __table_args__ = (UniqueConstraint("tenant", "key"),)
    key: Mapped[Label]
    value: Mapped[Json] = col(secret=True)


class UserType(enum.StrEnum):
    STAFF = "staff"
    CUSTOMER = "customer"
    SERVICE = "service"


class User(Entity, SoftDelete):
    """Everyone who signs in."""

    __tablename__ = "identity_user"
    email: Mapped[Email]
    username: Mapped[Label | None]
    phone: Mapped[Phone | None]
    full_name: Mapped[Name | None]
    locale: Mapped[Locale] = col(default="ar")
    timezone: Mapped[Zone | None]
    user_type: Mapped[UserType] = col(default=UserType.STAFF, create_only=True)
    is_active: Mapped[bool] = col(read_only=True, default=True)
    is_verified: Mapped[bool] = col(read_only=True, default=False)
    locked_until: Mapped[Instant | None] = col(read_only=True)
    must_change_password: Mapped[bool] = col(read_only=True, default=False)
    last_login_at: Mapped[Instant | None] = col(read_only=True)
    password_hash: Mapped[Prose | None] = col(hidden=True, secret=True)
    perm_version: Mapped[Small] = col(hidden=True, default=1)


Index("uq_identity_user_email", User.tenant, func.lower(User.email), unique=True)
Index("uq_identity_user_username", User.tenant, func.lower(User.username), unique=True)


class Role(Entity):
    """A named set of permission patterns; `*` is any segment, a leading `!` takes away."""

    __tablename__ = "identity_role"
    __table_args__ = (UniqueConstraint("tenant", "code"),)
    code: Mapped[Code] = col(create_only=True)
    name_ar: Mapped[Name]
    name_en: Mapped[Name | None]
    description: Mapped[Prose | None]
    is_system: Mapped[bool] = col(read_only=True, default=False)
    permissions: Mapped[Strings] = col(default=list)


class UserRole(Entity):
    """A user has a role."""

    __tablename__ = "identity_user_role"
    __table_args__ = (UniqueConstraint("tenant", "user_id", "role_id"),)
    user_id: Mapped[Id] = ref("identity_user", cascade=True)
    role_id: Mapped[Id] = ref("identity_role")
    granted_by: Mapped[Label | None]


class Session(Entity):
    """A signed-in device: one family of refresh tokens, of which only hashes are kept."""

    __tablename__ = "identity_session"
    __audited__ = False
    user_id: Mapped[Id] = ref("identity_user", cascade=True)
    refresh_hash: Mapped[Label] = col(hidden=True, secret=True)
    previous_hash: Mapped[Label | None] = col(hidden=True, secret=True)
    rotated_at: Mapped[Instant | None]
    remember: Mapped[bool] = col(default=False)
    ip_address: Mapped[Label | None]
    user_agent: Mapped[Prose | None]
    last_used_at: Mapped[Instant]
    expires_at: Mapped[Instant]
    revoked_at: Mapped[Instant | None]
    revoke_reason: Mapped[Label | None]


class Attempt(Entity):
    """One try to sign in; names that do not exist are counted too, under no tenant."""

    __tablename__ = "identity_attempt"
    __audited__ = False
    __table_args__ = (
        Index(None, "subject_hash", "created_at"),
        Index(None, "ip_address", "created_at"),
    )
    subject_hash: Mapped[Label]
    user_id: Mapped[Id | None]
    ip_address: Mapped[Label]
    success: Mapped[bool]
    reason: Mapped[Label]


class Purpose(enum.StrEnum):
    """What a one-time token lets its holder do."""

    RESET = "reset"
    INVITE = "invite"
    EMAIL = "email"


class OneTime(Entity):
    """A token that was sent to a person, of which only the hash is kept. email: to confirm."""

    __tablename__ = "identity_one_time"
    __audited__ = False
    __table_args__ = (Index(None, "token_hash"),)
    user_id: Mapped[Id] = ref("identity_user", cascade=True)
    purpose: Mapped[Purpose]
    token_hash: Mapped[Label] = col(hidden=True, secret=True)
    email: Mapped[Email | None]
    ip_address: Mapped[Label | None]
    expires_at: Mapped[Instant]
    used_at: Mapped[Instant | None]


class OldPassword(Entity):
    """A password that a user once had and may not have again."""

    __tablename__ = "identity_old_password"
    __audited__ = False
    user_id: Mapped[Id] = ref("identity_user", cascade=True)
    password_hash: Mapped[Prose] = col(hidden=True, secret=True)


class Totp(Entity):
    """A second factor. secret: encrypted. last_step: of the code used last, never taken again."""

    __tablename__ = "identity_totp"
    __table_args__ = (UniqueConstraint("tenant", "user_id"),)
    user_id: Mapped[Id] = ref("identity_user", cascade=True)
    secret: Mapped[Prose] = col(hidden=True, secret=True)
    confirmed_at: Mapped[Instant | None]
    last_step: Mapped[Big] = col(default=0, hidden=True)
    recovery_hashes: Mapped[Strings] = col(default=list, hidden=True, secret=True)


class Identity(Entity):
    """A user as another provider knows him."""

    __tablename__ = "identity_oauth"
    __table_args__ = (UniqueConstraint("provider", "subject"),)
    user_id: Mapped[Id] = ref("identity_user", cascade=True)
    provider: Mapped[Label]
    subject: Mapped[Name]
    email: Mapped[Email | None]
    last_login_at: Mapped[Instant]


class Grant(Entity):
    """One permission pattern given to one user beside his roles; for one row where it names it."""

    __tablename__ = "identity_grant"
    user_id: Mapped[Id] = ref("identity_user", cascade=True)
    pattern: Mapped[Name]
    resource_id: Mapped[UUID | None]
    granted_by: Mapped[Label]
    expires_at: Mapped[Instant | None]


class ApiKey(Entity):
    """A key that a program shows instead of a person's sign-in; only its hash is kept."""

    __tablename__ = "identity_api_key"
    __table_args__ = (Index(None, "key_hash"), Index(None, "previous_hash"))
    name: Mapped[Name]
    description: Mapped[Prose | None]
    key_prefix: Mapped[Label] = col(read_only=True)
    key_hash: Mapped[Label] = col(hidden=True, secret=True)
    previous_hash: Mapped[Label | None] = col(hidden=True, secret=True)
    previous_until: Mapped[Instant | None] = col(hidden=True)
    scopes: Mapped[Strings] = col(default=list)
    allowed_ips: Mapped[Strings] = col(default=list)
    allowed_origins: Mapped[Strings] = col(default=list)
    rate_limit_per_minute: Mapped[Most] = col(default=60)
    rate_limit_per_hour: Mapped[Most | None]
    rate_limit_per_day: Mapped[Most] = col(default=10_000)
    expires_at: Mapped[Instant | None]
    is_active: Mapped[bool] = col(default=True)
    last_used_at: Mapped[Instant | None] = col(read_only=True)
    usage_count: Mapped[Big] = col(default=0, read_only=True)
    created_by: Mapped[Label] = col(read_only=True)
    revoked_at: Mapped[Instant | None] = col(read_only=True)
    revoked_by: Mapped[Label | None] = col(read_only=True)


class KeyUse(Entity):
    """How often a key was used in one hour."""

    __tablename__ = "identity_key_use"
    __audited__ = False
    __table_args__ = (UniqueConstraint("tenant", "key_id", "hour"),)
    key_id: Mapped[Id] = ref("identity_api_key", cascade=True)
    hour: Mapped[Instant]
    calls: Mapped[Big]


class Preferences(Entity):
    """What a user has arranged for himself."""

    __tablename__ = "identity_preferences"
    __table_args__ = (UniqueConstraint("tenant", "user_id"),)
    user_id: Mapped[Id] = ref("identity_user", cascade=True)
    preferences: Mapped[Json] = col(default=dict)
