"""Signatures of Standard Webhooks 1.0.0: `v1,<base64 HMAC-SHA256(secret, "id.timestamp.body")>`."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping

PREFIX = "whsec_"
USER_AGENT = "Busbar-Webhooks/1"
RESERVED = frozenset(
    {
        "content-type", "content-length", "transfer-encoding", "connection", "host", "user-agent",
        "webhook-id", "webhook-timestamp", "webhook-signature",
    }
)  # fmt: skip


def new_secret() -> str:
    """32 random bytes in the form that receivers' libraries take."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def sign(secret: str, ident: str, timestamp: int, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    message = f"{ident}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, message, hashlib.sha256)).decode()


def headers(
    keys: Iterable[str], ident: str, timestamp: int, body: bytes, own: Mapping[str, str]
) -> dict[str, str]:
    """Headers of one attempt. keys: every secret that is valid now, the newest first."""
    return {
        **own,
        "content-type": "application/json",
        "user-agent": USER_AGENT,
        "webhook-id": ident,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(sign(key, ident, timestamp, body) for key in keys),
    }
