"""Access tokens: short JWTs, HS256. Refresh tokens: opaque, one family per session."""

import base64
import datetime as dt
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import OctKey

from hub import Unauthenticated

ISSUER = "busbar"
LEEWAY = 30


class TokenExpired(Unauthenticated):
    """The access token has expired: refresh it."""

    code = "token_expired"


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What an access token says. tid: tenant. sid: session. pv: version of the permissions."""

    sub: UUID
    sid: UUID
    tid: UUID
    pv: int
    exp: int


class Tokens:
    """Signs and reads tokens. secret: ≥ 32 bytes; previous: still accepted while it is replaced."""

    def __init__(
        self, secret: bytes, previous: bytes = b"", life: dt.timedelta = dt.timedelta(minutes=15)
    ) -> None:
        if len(secret) < 32:
            raise ValueError("the secret of access tokens needs at least 32 bytes")
        self.life = life
        self._keys = {_kid(k): OctKey.import_key(k) for k in (secret, previous) if k}
        self._current = _kid(secret)
        self._secret = secret

    def derived(self, purpose: bytes) -> bytes:
        """A key for something else, which tells nothing about ours."""
        return hmac.digest(self._secret, purpose, "sha256")

    def access(
        self, user: UUID, session: UUID, tenant: UUID, version: int, now: dt.datetime
    ) -> tuple[str, dt.datetime]:
        """A token and when it ends."""
        ends = now + self.life
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": ISSUER,
            "sub": str(user),
            "sid": str(session),
            "tid": str(tenant),
            "pv": version,
            "iat": int(now.timestamp()),
            "exp": int(ends.timestamp()),
            "jti": uuid4().hex,
        }
        header = {"alg": "HS256", "kid": self._current}
        return jwt.encode(header, claims, self._keys[self._current]), ends

    def read(self, token: str, now: dt.datetime) -> Claims:
        """The claims of a token that we signed and that has not ended, or Unauthenticated."""
        try:
            decoded = jwt.decode(token, self._key, algorithms=["HS256"])
            rules = jwt.JWTClaimsRegistry(
                now=int(now.timestamp()),
                leeway=LEEWAY,
                iss={"essential": True, "value": ISSUER},
                aud={"essential": True, "value": ISSUER},
                exp={"essential": True},
            )
            rules.validate(decoded.claims)
            return msgspec.convert(decoded.claims, Claims)
        except ExpiredTokenError:
            raise TokenExpired from None
        except (JoseError, ValueError, msgspec.ValidationError):
            raise Unauthenticated("this access token is not valid") from None

    def _key(self, signed: Any) -> OctKey:
        key = self._keys.get(signed.headers().get("kid", ""))
        if key is None:
            raise ValueError("unknown key")
        return key


def _kid(secret: bytes) -> str:
    return hashlib.sha256(secret).hexdigest()[:12]


def new_refresh(session: UUID) -> str:
    """An opaque token of a session: its id, so that reuse is noticed, and 32 random bytes."""
    return base64.urlsafe_b64encode(session.bytes + os.urandom(32)).decode()


def new_secret() -> str:
    """32 random bytes as text."""
    return secrets.token_urlsafe(32)


def session_of(refresh: str) -> UUID | None:
    """The session that a refresh token belongs to, if it has the right form."""
    try:
        data = base64.urlsafe_b64decode(refresh)
    except ValueError:
        return None
    return UUID(bytes=data[:16]) if len(data) == 48 else None


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def secret_file(path: Path) -> bytes:
    """The secret kept in a file that only we can read, made at first use."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return bytes.fromhex(path.read_text(encoding="ascii").strip())
    made = secrets.token_bytes(32)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(made.hex())
    return made
