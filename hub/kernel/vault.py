"""Secrets at rest: AES-256-GCM under one key of the installation."""

import base64
import hashlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.contract.errors import ConfigError

VERSION = "v1:"


class AesVault:
    """key: any text of ≥ 32 characters."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(hashlib.sha256(b"busbar vault\0" + key).digest())

    def seal(self, secret: str, place: str) -> str:
        nonce = os.urandom(12)
        sealed = self._cipher.encrypt(nonce, secret.encode(), place.encode())
        return VERSION + base64.b64encode(nonce + sealed).decode()

    def unseal(self, sealed: str, place: str) -> str:
        try:
            raw = base64.b64decode(sealed.removeprefix(VERSION), validate=True)
            return self._cipher.decrypt(raw[:12], raw[12:], place.encode()).decode()
        except (InvalidTag, ValueError):
            raise ConfigError(
                f"the secret of {place} does not open: is auth.encryption_key another one?"
            ) from None


def key_of(given: str, folder: Path) -> bytes:
    """The key of the settings, or one of our own making, kept in `folder`. Blocking."""
    if given:
        return given.encode()
    path = folder / "encryption.key"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        fresh = folder / f".encryption.{os.getpid()}"
        fresh.touch(mode=0o600)
        fresh.write_text(base64.b64encode(os.urandom(32)).decode())
        try:
            os.link(fresh, path)  # of several processes that start at once one wins
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text().strip().encode()
