"""Who may send: gateways, their keys, and a limit on guessing."""

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID, uuid4

from hub import Forbidden, HubError, Unauthenticated

if TYPE_CHECKING:
    from psycopg import AsyncConnection

MIN_KEY, MAX_KEY = 24, 200  # characters
GUESSES = 10  # wrong keys from one address within WINDOW
WINDOW = 60.0  # s
REMEMBERED = 10_000  # addresses


class TooManyGuesses(HubError):
    """Too many wrong keys from this address; wait a minute."""

    status, code = 429, "too_many_requests"


class Gateway(NamedTuple):
    """A sender that proved who it is. owner: the company (tenant) whose points it brings."""

    id: UUID
    owner: UUID | None


def hash_key(key: str) -> bytes:
    """What is kept of a key. Keys are long and random, so they need no slow hash."""
    return hashlib.sha256(key.encode()).digest()


def read_key(header: str) -> str:
    """The key out of an Authorization header, or Unauthenticated."""
    scheme, _, key = header.partition(" ")
    if scheme.lower() != "bearer" or not MIN_KEY <= len(key.strip()) <= MAX_KEY:
        raise Unauthenticated("send the gateway's key as 'Authorization: Bearer <key>'")
    return key.strip()


async def enrol(
    connection: "AsyncConnection[Any]", name: str, key: str = "", owner: UUID | None = None
) -> tuple[UUID, str]:
    """Create a gateway, or change the key of the one of that name; without a key, make one.

    Only the key's hash is kept: what is returned here is seen once.
    """
    key = key or secrets.token_urlsafe(32)
    cursor = await connection.execute(
        "INSERT INTO sync_gateway (id, name, owner, key_hash) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (name) DO UPDATE SET key_hash = excluded.key_hash,"
        " owner = coalesce(excluded.owner, sync_gateway.owner) RETURNING id",
        (uuid4(), name, owner, hash_key(key)),
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - RETURNING gives a row for either branch
    return row[0], key


class Gate:
    """Checks keys; counts failures per address, in bounded memory."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()

    async def admit(self, connection: "AsyncConnection[Any]", header: str, address: str) -> Gateway:
        """The gateway that this is, or Unauthenticated, Forbidden, TooManyGuesses."""
        since, failures = self._failures.get(address, (0.0, 0))
        now = time.monotonic()
        if failures >= GUESSES and now - since < WINDOW:
            raise TooManyGuesses
        try:
            hashed = hash_key(read_key(header))
            cursor = await connection.execute(
                "SELECT id, owner, enabled, key_hash FROM sync_gateway WHERE key_hash = %s",
                (hashed,),
            )
            row = await cursor.fetchone()
            if row is None or not hmac.compare_digest(bytes(row[3]), hashed):
                raise Unauthenticated("the centre does not know this gateway's key")  # noqa: TRY301
        except Unauthenticated:
            fresh = now - since >= WINDOW
            self._failures[address] = (now, 1) if fresh else (since, failures + 1)
            self._failures.move_to_end(address)
            if len(self._failures) > REMEMBERED:
                self._failures.popitem(last=False)
            raise
        if not row[2]:
            raise Forbidden("this gateway is switched off at the centre")
        return Gateway(row[0], row[1])
