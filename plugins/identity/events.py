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


class UserPasswordResetRequested(Event, frozen=True, tag="user.password_reset_requested"):
    """purpose: reset or invite. sealed_token: opened by `Accounts.unseal` where it is delivered."""

    user_id: UUID
    purpose: str
    sealed_token: str


class VerificationRequested(Event, frozen=True, tag="user.verification_requested"):
    """sealed_token: opened by `Accounts.unseal` where it is delivered."""

    user_id: UUID
    email: str
    sealed_token: str


class UserEmailVerified(Event, frozen=True, tag="user.email_verified"):
    user_id: UUID


class UserCreated(Event, frozen=True, tag="user.created"):
    user_id: UUID


class UserDeleted(Event, frozen=True, tag="user.deleted"):
    user_id: UUID


class ApiKeyCreated(Event, frozen=True, tag="api_key.created"):
    key_id: UUID


class ApiKeyRevoked(Event, frozen=True, tag="api_key.revoked"):
    key_id: UUID


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
    UserPasswordResetRequested,
    VerificationRequested,
    UserEmailVerified,
    UserCreated,
    UserDeleted,
    ApiKeyCreated,
    ApiKeyRevoked,
    TenantCreated,
)
