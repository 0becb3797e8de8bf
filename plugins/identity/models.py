"""Tables of accounts. A tenant's row belongs to itself, so the tenant wall covers it too."""

import enum

from sqlalchemy import Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped

from hub import (
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
    __table_args__ = (Index(None, "subject_hash", "created_at"),)
    subject_hash: Mapped[Label]
    user_id: Mapped[Id | None]
    ip_address: Mapped[Label]
    success: Mapped[bool]
    reason: Mapped[Label]


class Preferences(Entity):
    """What a user has arranged for himself."""

    __tablename__ = "identity_preferences"
    __table_args__ = (UniqueConstraint("tenant", "user_id"),)
    user_id: Mapped[Id] = ref("identity_user", cascade=True)
    preferences: Mapped[Json] = col(default=dict)
