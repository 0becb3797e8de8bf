"""Accounts: who may enter, and what they may do."""

import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from hub import UNIT, VAULT, Authenticator, Plugin, hookimpl

from . import (
    catalogue,
    granting,
    keys,
    oidc,
    profile,
    recovery,
    registration,
    resources,
    second,
    sessions,
    signin,
    tenancy,
    tenant_settings,
)
from .accounts import ACCOUNTS, Accounts, Policy
from .bootstrap import Bootstrap, bootstrap
from .events import EVENTS
from .managing import Deed, account, clean_sessions, end_session, manage, reset_token, set_role
from .models import Tenant, User
from .passwords import Passwords
from .people import users_by_id, users_who_may, users_with_role
from .settings import IdentitySettings
from .tokens import Tokens, secret_file

__all__ = [
    "ACCOUNTS",
    "Bootstrap",
    "Deed",
    "Tenant",
    "User",
    "account",
    "bootstrap",
    "clean_sessions",
    "end_session",
    "manage",
    "reset_token",
    "set_role",
    "users_by_id",
    "users_who_may",
    "users_with_role",
]


ACTIONS = (
    signin.login,
    signin.refresh,
    signin.logout,
    signin.me,
    signin.validate,
    registration.register,
    resources.change_password,
    recovery.request_reset,
    recovery.reset,
    recovery.verify_email,
    recovery.resend,
    second.enrol,
    second.confirm,
    second.disable,
    oidc.start,
    oidc.callback,
    oidc.by_token,
    oidc.google,
    sessions.sessions,
    sessions.end_session,
    sessions.end_other_sessions,
    profile.profile,
    profile.change_profile,
    profile.preferences,
    profile.change_preferences,
    profile.leave,
    granting.held_permissions,
    granting.grant_permission,
    granting.withdraw_permission,
    keys.create_api_key,
    tenancy.create_company,
    tenant_settings.tenant_settings,
    tenant_settings.change_tenant_settings,
    catalogue.catalogue,
)


@hookimpl
def hub_plugin() -> Plugin:
    return Plugin(
        name="identity",
        urls=("auth",),
        resources=(resources.tenants, resources.users, resources.roles, keys.api_keys),
        actions=ACTIONS,
        events=EVENTS,
        settings=IdentitySettings,
        migrations=Path(__file__).parent / "migrations",
        locale=Path(__file__).parent / "locale",
    )


@hookimpl
def hub_services(hub: Any) -> list[contextlib.AbstractAsyncContextManager[Any]]:
    return [_accounts(hub)]


@contextlib.asynccontextmanager
async def _accounts(hub: Any) -> AsyncIterator[None]:
    """Offer accounts with the keys of the settings, or with keys of our own making."""
    auth = hub.settings.auth
    secret = auth.jwt_secret_key.encode() or secret_file(
        Path(hub.settings.site.runtime_root) / "jwt.key"
    )
    life = dt.timedelta(minutes=auth.access_minutes)
    accounts = Accounts(
        hub.get(UNIT),
        hub.get(VAULT),
        Tokens(secret, auth.jwt_secret_key_previous.encode(), life),
        Passwords(),
        Policy(
            attempts=auth.max_login_attempts,
            lockout=dt.timedelta(minutes=auth.lockout_minutes),
            remembered=dt.timedelta(days=auth.refresh_days),
            session=dt.timedelta(seconds=auth.session_timeout),
        ),
        msgspec.convert(hub.settings.plugin.get("identity", {}), IdentitySettings),
    )
    hub.provide(ACCOUNTS, accounts)
    hub.provide(catalogue.PERMISSIONS, catalogue.collect(hub.plugins.values()))
    hub.provide(oidc.OIDC, oidc.Oidc())
    shown = keys.Keys(hub.get(UNIT))
    hub.provide(keys.KEYS, shown)
    async with shown.running():
        yield


@hookimpl
def hub_authenticate(hub: Any, scheme: str) -> Authenticator | None:
    known = {"bearer": hub.get(ACCOUNTS).authenticate, "apikey": hub.get(keys.KEYS).authenticate}
    return known.get(scheme)
