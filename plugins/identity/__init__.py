"""Accounts: who may enter, and what they may do."""

import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from hub import UNIT, Authenticator, Plugin, hookimpl

from .accounts import ACCOUNTS, Accounts
from .bootstrap import Bootstrap, bootstrap
from .events import EVENTS
from .models import Tenant, User
from .passwords import Passwords
from .resources import change_password, roles, tenants, users
from .sessions import end_other_sessions, end_session, sessions
from .signin import login, logout, me, refresh, validate
from .tokens import Tokens, secret_file

__all__ = ["ACCOUNTS", "Bootstrap", "Tenant", "User", "bootstrap"]


@hookimpl
def hub_plugin() -> Plugin:
    return Plugin(
        name="identity",
        urls=("auth",),
        resources=(tenants, users, roles),
        actions=(
            login,
            refresh,
            logout,
            me,
            validate,
            change_password,
            sessions,
            end_session,
            end_other_sessions,
        ),
        events=EVENTS,
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
    tokens = Tokens(secret, auth.jwt_secret_key_previous.encode(), life)
    hub.provide(ACCOUNTS, Accounts(hub.get(UNIT), tokens, Passwords()))
    yield


@hookimpl
def hub_authenticate(hub: Any, scheme: str) -> Authenticator | None:
    return hub.get(ACCOUNTS).authenticate if scheme == "bearer" else None
