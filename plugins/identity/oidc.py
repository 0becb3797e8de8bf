"""Sign-in by another provider: OpenID Connect Core 1.0, authorization code with PKCE (RFC 7636).

A provider is named in the settings; Google is one of them. A page that has an ID token already
(Google's button) may send that instead of a code.
"""

import asyncio
import base64
import hashlib
import hmac
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from typing import Any

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy import func, select

from hub import (
    BadRequest,
    Cookie,
    Ctx,
    HubError,
    Key,
    NotFound,
    Reply,
    Unauthenticated,
    action,
)

from .accounts import ACCOUNTS, usable
from .credentials import Text
from .models import Identity, Tenant, User
from .opening import PATH, Delivery, SignedIn, open_session
from .registration import new_customer
from .settings import Provider
from .tokens import new_secret

COOKIE = "busbar_oidc"
STATE_LIFE = 600
LEEWAY = 60
_KEPT = 86_400.0
_AGAIN = 60.0
_TIMEOUT = 5.0
_LARGEST = 1 << 20
_ALGORITHMS = ["RS256", "ES256"]


class ProviderUnavailable(HubError):
    """The sign-in provider does not answer; try again later."""

    status, code = 503, "provider_unavailable"


class Start(msgspec.Struct):
    """url: where the browser goes now."""

    url: str


class Callback(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """code and state: from the address that the provider sent the browser to."""

    code: Text
    state: Text
    remember: bool = False
    token_delivery: Delivery = Delivery.COOKIE


class Credential(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """credential: an ID token."""

    credential: str
    remember: bool = False
    token_delivery: Delivery = Delivery.COOKIE


class Pending(msgspec.Struct, frozen=True):
    """What is remembered, sealed in a cookie, between going there and coming back."""

    provider: str
    state: str
    nonce: str
    verifier: str


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What an ID token says of a person."""

    sub: str
    email: str = ""
    email_verified: bool = False
    name: str | None = None
    nonce: str | None = None


@dataclass
class _Known:
    """What a provider told of itself. read: when, in seconds of the monotonic clock."""

    endpoints: dict[str, Any]
    keys: KeySet
    read: float


@dataclass
class Oidc:
    """Asks providers, and keeps their keys for a day."""

    _known: dict[str, _Known] = field(default_factory=dict)

    async def provider(self, given: Provider, *, again: bool = False) -> _Known:
        known = self._known.get(given.issuer)
        age = time.monotonic() - known.read if known else 0.0
        if known is None or age > _KEPT or (again and age > _AGAIN):
            endpoints = await _ask(f"{given.issuer.rstrip('/')}/.well-known/openid-configuration")
            if endpoints.get("issuer") != given.issuer:
                raise ProviderUnavailable("the provider calls itself by another name")
            keys = KeySet.import_key_set(await _ask(endpoints["jwks_uri"]))  # type: ignore[arg-type]
            known = self._known[given.issuer] = _Known(endpoints, keys, time.monotonic())
        return known

    async def claims(self, given: Provider, token: str, nonce: str | None) -> Claims:
        """What an ID token says, when it is the provider's, for us, and fresh."""
        try:
            return _read(token, await self.provider(given), given, nonce)
        except (JoseError, ValueError, msgspec.ValidationError):
            pass  # perhaps signed by a key that is new there
        try:
            return _read(token, await self.provider(given, again=True), given, nonce)
        except (JoseError, ValueError, msgspec.ValidationError):
            raise Unauthenticated("the provider's token is not valid") from None

    async def exchange(self, given: Provider, code: str, verifier: str) -> str:
        """The ID token for a code."""
        known = await self.provider(given)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": given.redirect_uri,
            "client_id": given.client_id,
            "client_secret": given.client_secret,
            "code_verifier": verifier,
        }
        answer = await _ask(known.endpoints["token_endpoint"], form)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise Unauthenticated("the provider gave no ID token")
        return token


OIDC = Key[Oidc]("OpenID providers")


def _read(token: str, known: _Known, given: Provider, nonce: str | None) -> Claims:
    decoded = jwt.decode(token, known.keys, algorithms=_ALGORITHMS)
    jwt.JWTClaimsRegistry(
        leeway=LEEWAY,
        iss={"essential": True, "value": given.issuer},
        aud={"essential": True, "value": given.client_id},
        exp={"essential": True},
        iat={"essential": True},
    ).validate(decoded.claims)
    claims = msgspec.convert(decoded.claims, Claims, strict=False)
    if nonce is not None and not hmac.compare_digest(claims.nonce or "", nonce):
        raise ValueError("another sign-in's token")
    return claims


async def _ask(url: str, form: dict[str, str] | None = None) -> dict[str, Any]:
    """A JSON object from a provider; https, or http on this machine."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in {"127.0.0.1", "localhost", "::1"}:
        raise ProviderUnavailable("a provider needs an https address")
    data = urllib.parse.urlencode(form).encode() if form else None
    try:
        body = await asyncio.to_thread(_fetch, url, data)
        found = msgspec.json.decode(body, type=dict[str, Any])
    except urllib.error.HTTPError as error:
        error.close()
        if form and error.code in {400, 401}:
            raise Unauthenticated("the provider refuses this code") from None
        raise ProviderUnavailable from None
    except (OSError, msgspec.DecodeError):
        raise ProviderUnavailable from None
    return found


def _fetch(url: str, data: bytes | None) -> bytes:
    request = urllib.request.Request(url, data=data, headers={"Accept": "application/json"})  # noqa: S310  -- `_ask` has looked at the scheme
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310
        body: bytes = answer.read(_LARGEST)
    return body


def _provider(ctx: Ctx, name: str) -> Provider:
    found = ctx.get(ACCOUNTS).settings.providers.get(name)
    if found is None:
        raise NotFound(f"there is no sign-in by {name!r} here", identifier=name)
    return found


@action("oidc/{provider}/start", module="auth", public=True)
async def start(ctx: Ctx, provider: str) -> Reply[Start]:
    """Begin a sign-in by another provider."""
    given = _provider(ctx, provider)
    known = await ctx.get(OIDC).provider(given)
    pending = Pending(provider, new_secret(), new_secret(), new_secret())
    hashed = hashlib.sha256(pending.verifier.encode()).digest()
    query = {
        "response_type": "code",
        "client_id": given.client_id,
        "redirect_uri": given.redirect_uri,
        "scope": " ".join(given.scopes),
        "state": pending.state,
        "nonce": pending.nonce,
        "code_challenge": base64.urlsafe_b64encode(hashed).decode().rstrip("="),
        "code_challenge_method": "S256",
    }
    url = f"{known.endpoints['authorization_endpoint']}?{urllib.parse.urlencode(query)}"
    sealed = ctx.get(ACCOUNTS).seal(msgspec.json.encode(pending).decode())
    cookie = Cookie(name=COOKIE, value=sealed, path=PATH, max_age=STATE_LIFE)
    return Reply(body=Start(url), cookies=(cookie,))


@action("oidc/{provider}/callback", module="auth", public=True, cookie=COOKIE)
async def callback(ctx: Ctx, provider: str, body: Callback) -> Reply[SignedIn]:
    """Finish a sign-in by another provider, in the browser that began it."""
    given = _provider(ctx, provider)
    try:
        sealed = ctx.caller.cookies.get(COOKIE, "")
        text = ctx.get(ACCOUNTS).unseal(sealed, life=STATE_LIFE)
        pending = msgspec.json.decode(text, type=Pending)
    except (ValueError, msgspec.DecodeError):
        raise BadRequest(
            "this sign-in was not begun here, or too long ago", field="state"
        ) from None
    if pending.provider != provider or not hmac.compare_digest(
        pending.state.encode(), body.state.encode()
    ):
        raise BadRequest("this answer belongs to another sign-in", field="state")
    token = await ctx.get(OIDC).exchange(given, body.code, pending.verifier)
    claims = await ctx.get(OIDC).claims(given, token, pending.nonce)
    cookie = body.token_delivery is Delivery.COOKIE
    opened = await _enter(ctx, provider, claims, remember=body.remember, cookie=cookie)
    spent = Cookie(name=COOKIE, path=PATH)
    return msgspec.structs.replace(opened, cookies=(*opened.cookies, spent))


@action("oidc/{provider}/token", module="auth", public=True)
async def by_token(ctx: Ctx, provider: str, body: Credential) -> Reply[SignedIn]:
    """Sign in with an ID token of another provider."""
    claims = await ctx.get(OIDC).claims(_provider(ctx, provider), body.credential, None)
    cookie = body.token_delivery is Delivery.COOKIE
    return await _enter(ctx, provider, claims, remember=body.remember, cookie=cookie)


@action("google", module="auth", public=True)
async def google(ctx: Ctx, body: Credential) -> Reply[SignedIn]:
    """Sign in or register with an ID token of Google."""
    return await by_token.handler(ctx, "google", body)  # type: ignore[no-any-return]


async def _enter(
    ctx: Ctx, provider: str, claims: Claims, *, remember: bool, cookie: bool
) -> Reply[SignedIn]:
    """Known there: sign in. Known by a confirmed address: link. Else a new customer."""
    link = await ctx.db.scalar(
        select(Identity).where(Identity.provider == provider, Identity.subject == claims.sub)
    )
    if link is not None:
        user = await ctx.db.scalar(select(User).where(User.id == link.user_id))
    else:
        if not claims.email or not claims.email_verified:
            raise Unauthenticated("the provider has not confirmed this address")
        user = await _by_email(ctx, claims.email)
        if user is None:
            user = await new_customer(ctx, claims.email, claims.name, verified=True)
        link = Identity(
            tenant=user.tenant,
            user_id=user.id,
            provider=provider,
            subject=claims.sub,
            email=claims.email,
        )
        ctx.db.add(link)
    if user is None:
        raise Unauthenticated("this account is no more")
    link.last_login_at = ctx.clock()
    tenant = await ctx.db.scalar(select(Tenant).where(Tenant.id == user.tenant))
    usable(user, tenant)  # type: ignore[arg-type]
    return await open_session(ctx, user, remember=remember, cookie=cookie)


async def _by_email(ctx: Ctx, email: str) -> User | None:
    wanted = select(User).where(func.lower(User.email) == email.lower())
    found = (await ctx.db.scalars(wanted.limit(2))).all()
    return found[0] if len(found) == 1 else None
