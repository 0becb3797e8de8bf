"""What a backup of the centre is on disk: a folder that proves itself complete.

database.dump   pg_dump's custom format
keys.sealed     the keys of `runtime_root`, sealed by a passphrase; not always there
manifest.json   versions, rows of every table, size and SHA-256 of the files above
"""

import datetime as dt
import hashlib
import os
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from msgspec import Struct

from hub.contract.errors import ConfigError

DUMP, KEYS, MANIFEST = "database.dump", "keys.sealed", "manifest.json"
FORMAT = 1
_MAGIC = b"busbar keys 1\0"
_SALT, _NONCE = 16, 12


class BadBackup(Exception):
    """It is no backup, is damaged, or does not fit; the message says what to do."""


class File(Struct, frozen=True):
    bytes: int
    sha256: str


class Manifest(Struct, frozen=True, kw_only=True):
    """rows: of each table of the schema `public`, counted in the snapshot that was dumped.

    revisions: of the schema. postgres, tools: major versions of server and pg_dump. timescaledb:
    version of the extension, or "". key: fingerprint of the key that seals secrets, or "".
    """

    format: int = FORMAT
    made_at: dt.datetime
    busbar: str
    postgres: int
    tools: int
    timescaledb: str
    revisions: tuple[str, ...]
    rows: dict[str, int]
    files: dict[str, File]
    key: str


class _Signed(Struct, frozen=True):
    manifest: Manifest
    sha256: str


def write_manifest(folder: Path, manifest: Manifest) -> None:
    signed = _Signed(manifest, _digest(manifest))
    _write(folder / MANIFEST, msgspec.json.format(msgspec.json.encode(signed), indent=2))


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a backup whose files are all there, unchanged. Raises BadBackup."""
    try:
        signed = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=_Signed)
    except OSError as error:
        raise BadBackup(f"{folder}: no backup that was finished: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise BadBackup(f"{folder / MANIFEST} is damaged: {error}") from None
    manifest = signed.manifest
    if manifest.format > FORMAT:
        raise BadBackup(f"{folder} was made by a newer Busbar, {manifest.busbar}: install that one")
    if signed.sha256 != _digest(manifest):
        raise BadBackup(f"{folder / MANIFEST} is damaged: its checksum differs")
    for name, expected in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise BadBackup(f"{path} is missing")
        found = describe(path)
        if found.bytes != expected.bytes:
            raise BadBackup(f"{path} has {found.bytes} bytes instead of {expected.bytes}")
        if found.sha256 != expected.sha256:
            raise BadBackup(f"{path} is damaged: its checksum differs")
    return manifest


def _digest(manifest: Manifest) -> str:
    return hashlib.sha256(msgspec.json.encode(manifest, order="deterministic")).hexdigest()


def describe(path: Path) -> File:
    with path.open("rb") as file:
        return File(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def keys_in(runtime: Path) -> dict[str, str]:
    """The keys that processes of the centre made for themselves: name → text."""
    return {path.name: path.read_text() for path in sorted(runtime.glob("*.key"))}


def seal_keys(path: Path, keys: dict[str, str], passphrase: str) -> None:
    salt, nonce = os.urandom(_SALT), os.urandom(_NONCE)
    sealed = _cipher(passphrase, salt).encrypt(nonce, msgspec.json.encode(keys), _MAGIC)
    _write(path, _MAGIC + salt + nonce + sealed)


def open_keys(path: Path, passphrase: str) -> dict[str, str]:
    """The keys of a backup, or BadBackup when the passphrase is not theirs."""
    rest = path.read_bytes().removeprefix(_MAGIC)
    salt, nonce, sealed = rest[:_SALT], rest[_SALT:][:_NONCE], rest[_SALT + _NONCE :]
    try:
        plain = _cipher(passphrase, salt).decrypt(nonce, sealed, _MAGIC)
    except InvalidTag:
        raise BadBackup(f"{path} does not open: the passphrase is another one") from None
    return msgspec.json.decode(plain, type=dict[str, str])


def _cipher(passphrase: str, salt: bytes) -> AESGCM:
    return AESGCM(Scrypt(salt=salt, length=32, n=1 << 15, r=8, p=1).derive(passphrase.encode()))


def place_keys(runtime: Path, keys: dict[str, str]) -> None:
    """Write keys where the centre looks for them; what another one gave way to is kept beside."""
    runtime.mkdir(parents=True, exist_ok=True)
    for name, text in keys.items():
        path = runtime / Path(name).name
        if path.exists() and path.read_text() != text:
            old = path.with_name(f"{path.name}.before-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}")
            path.rename(old)
        _write(path, text.encode())


def fingerprint(key: bytes) -> str:
    """Tells one key from another and nothing else."""
    return hashlib.blake2b(key, digest_size=8, person=b"busbar backup").hexdigest()


def passphrase_of(path: Path) -> str:
    """The first line of a file. Raises ConfigError."""
    try:
        found = path.read_text().strip()
    except OSError as error:
        raise ConfigError(f"cannot read the passphrase {path}: {error.strerror}") from None
    if len(found) < 12:
        raise ConfigError(f"the passphrase in {path} is too short: at least 12 characters")
    return found


def _write(path: Path, data: bytes) -> None:
    """For the owner alone, and on the disk when this returns."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
