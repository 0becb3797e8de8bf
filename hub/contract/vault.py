"""How a plugin keeps secrets that it has to be able to read again."""

from typing import Protocol


class Vault(Protocol):
    """Encrypts with the key of this installation (`auth.encryption_key`)."""

    def seal(self, secret: str, place: str) -> str:
        """Text to store. place: what it belongs to; sealed text moved elsewhere does not open."""

    def unseal(self, sealed: str, place: str) -> str:
        """The secret, or ConfigError: another key, another place, or changed text."""
