"""Password hashes: argon2id (RFC 9106, second recommended option), never on the event loop."""

import asyncio
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError


class Passwords:
    """Hashes and checks passwords, a few at a time: each takes 64 MiB for a moment."""

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

    def _check(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False
