"""Who may send: gateways, their keys, and a limit on guessing."""

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from typing import Any
from uuid import UUID, uuid4

from psycopg import AsyncConnection

from hub import Forbidden, HubError, Unauthenticated

PREFIX = "bbg"
GUESSES = 10  # wrong keys from one address within WINDOW
WINDOW = 60.0  # s
REMEMBERED = 10_000  # addresses


class TooManyGuesses(HubError):
    """Too many wrong keys from this address; wait a minute."""

    status, code = 429, "too_many_requests"


def make_key(gateway: UUID) -> tuple[str, bytes]:
    """A new key, and the hash of it that is kept. 256 random bits need no slow hash."""
    secret = secrets.token_urlsafe(32)
    return f"{PREFIX}_{gateway.hex}_{secret}", hashlib.sha256(secret.encode()).digest()


def read_key(header: str) -> tuple[UUID, bytes]:
    """Gateway and hash out of an Authorization header, or Unauthenticated."""
    scheme, _, key = header.partition(" ")
    parts = key.strip().split("_", 2)
    if scheme.lower() != "bearer" or len(parts) != 3 or parts[0] != PREFIX:
        raise Unauthenticated("send the gateway's key as 'Authorization: Bearer bbg_…'")
    try:
        gateway = UUID(hex=parts[1])
    except ValueError:
        raise Unauthenticated("the gateway's key is misspelt") from None
    return gateway, hashlib.sha256(parts[2].encode()).digest()


async def enrol(
    connection: AsyncConnection[Any], name: str, owner: UUID | None = None
) -> tuple[UUID, str]:
    """Create a gateway, or give the one of that name a new key. The key is shown only here."""
    cursor = await connection.execute("SELECT id FROM sync_gateway WHERE name = %s", (name,))
    row = await cursor.fetchone()
    gateway: UUID = row[0] if row else uuid4()
    key, hashed = make_key(gateway)
    await connection.execute(
        "INSERT INTO sync_gateway (id, name, owner, key_hash) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (id) DO UPDATE SET key_hash = excluded.key_hash, enabled = true",
        (gateway, name, owner, hashed),
    )
    return gateway, key


class Gate:
    """Checks keys; counts failures per address, in bounded memory."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()

    async def admit(self, connection: AsyncConnection[Any], header: str, address: str) -> UUID:
        """The gateway that this is, or Unauthenticated, Forbidden, TooManyGuesses."""
        since, failures = self._failures.get(address, (0.0, 0))
        now = time.monotonic()
        if failures >= GUESSES and now - since < WINDOW:
            raise TooManyGuesses
        try:
            gateway, hashed = read_key(header)
            cursor = await connection.execute(
                "SELECT key_hash, enabled FROM sync_gateway WHERE id = %s", (gateway,)
            )
            known, enabled = await cursor.fetchone() or (bytes(32), False)
            if not hmac.compare_digest(bytes(known), hashed):
                raise Unauthenticated("the centre does not know this gateway's key")
        except Unauthenticated:
            fresh = now - since >= WINDOW
            self._failures[address] = (now, 1) if fresh else (since, failures + 1)
            self._failures.move_to_end(address)
            if len(self._failures) > REMEMBERED:
                self._failures.popitem(last=False)
            raise
        if not enabled:
            raise Forbidden("this gateway is switched off at the centre")
        return gateway
