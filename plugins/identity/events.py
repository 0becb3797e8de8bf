"""What happens to accounts."""

from uuid import UUID

from hub import Event


class UserLoggedIn(Event, frozen=True, tag="user.logged_in"):
    user_id: UUID
    ip_address: str


class UserLoggedOut(Event, frozen=True, tag="user.logged_out"):
    user_id: UUID


class UserLoginFailed(Event, frozen=True, tag="user.login_failed"):
    user_id: UUID
    ip_address: str


class UserLocked(Event, frozen=True, tag="user.locked"):
    user_id: UUID


class UserUnlocked(Event, frozen=True, tag="user.unlocked"):
    user_id: UUID


class UserSessionRevoked(Event, frozen=True, tag="user.session_revoked"):
    user_id: UUID
    session_id: UUID
    reason: str


class UserPasswordChanged(Event, frozen=True, tag="user.password_changed"):
    user_id: UUID


class UserActivated(Event, frozen=True, tag="user.activated"):
    user_id: UUID


class UserDeactivated(Event, frozen=True, tag="user.deactivated"):
    user_id: UUID


class UserRoleChanged(Event, frozen=True, tag="user.role_changed"):
    user_id: UUID
    roles: list[str]


class TenantCreated(Event, frozen=True, tag="tenant.created"):
    tenant_id: UUID


EVENTS = (
    UserLoggedIn,
    UserLoggedOut,
    UserLoginFailed,
    UserLocked,
    UserUnlocked,
    UserSessionRevoked,
    UserPasswordChanged,
    UserActivated,
    UserDeactivated,
    UserRoleChanged,
    TenantCreated,
)
