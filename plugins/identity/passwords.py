"""Password hashes: argon2id (RFC 9106, second recommended option), never on the event loop."""

import asyncio
import secrets

import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_BCRYPT = ("$2a$", "$2b$", "$2y$")


class Passwords:
    """Hashes and checks passwords, a few at a time: each takes 64 MiB for a moment.

    Hashes of bcrypt, brought along from other systems, are checked too and then outdated.
    """

    def __init__(self, at_once: int = 2) -> None:
        self._hasher = PasswordHasher()
        self._turn = asyncio.Semaphore(at_once)
        self._dummy = ""

    async def hash(self, password: str) -> str:
        async with self._turn:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether it is the password; without a stored hash the same work is done for nothing."""
        if stored is None and not self._dummy:
            self._dummy = await self.hash(secrets.token_urlsafe())
        async with self._turn:
            right = await asyncio.to_thread(self._check, stored or self._dummy, password)
        return right and stored is not None

    def outdated(self, stored: str) -> bool:
        """Whether today we would make another kind of hash."""
        return stored.startswith(_BCRYPT) or self._hasher.check_needs_rehash(stored)

    def _check(self, stored: str, password: str) -> bool:
        try:
            if stored.startswith(_BCRYPT):
                return bcrypt.checkpw(password.encode()[:72], stored.encode())
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError, ValueError):
            return False
