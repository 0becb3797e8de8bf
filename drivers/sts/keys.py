"""Vending keys, decoder keys and how one is made from the other (6.5.3).

Key bytes live in `Secret` objects only: these have no readable form, cannot be pickled, copied into
JSON or compared in varying time.
"""

import hmac
from typing import NoReturn

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from msgspec import Struct

from hub import ConfigError

from .errors import KeyNotDerivable, TablesMissing
from .identity import Meter, MeterPan
from .misty1 import decrypt as misty1_decrypt
from .misty1 import encrypt as misty1_encrypt
from .sta import Tables
from .sta import decrypt as sta_decrypt
from .sta import encrypt as sta_encrypt
from .standard import Algorithm, Derivation, KeyType


class Secret:
    """Bytes that never show."""

    __slots__ = ("_bytes",)

    def __init__(self, value: bytes) -> None:
        self._bytes = bytes(value)

    @classmethod
    def from_hex(cls, text: str) -> "Secret":
        try:
            return cls(bytes.fromhex(text))
        except ValueError:
            raise ConfigError("a key must be written in hexadecimal digits") from None

    def reveal(self) -> bytes:
        """The bytes, for a cipher's use only."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._bytes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._bytes, other._bytes)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(<{len(self._bytes)} bytes>)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key cannot be pickled or copied")


class KeyRef(Struct, frozen=True, order=True):
    """The name of a vending key in a module: supply group, key revision, key type."""

    supply_group: str
    revision: int
    key_type: KeyType = KeyType.UNIQUE

    @classmethod
    def of(cls, meter: Meter) -> "KeyRef":
        return cls(meter.supply_group, meter.key_revision, meter.key_type)

    def __str__(self) -> str:
        return f"SGC {self.supply_group} KRN {self.revision} KT {int(self.key_type)}"


class DecoderKey:
    """The key of one meter with the cipher that it is for."""

    __slots__ = ("algorithm", "secret", "tables")

    def __init__(self, algorithm: Algorithm, secret: Secret, tables: Tables | None = None) -> None:
        if len(secret) != algorithm.key_bytes:
            raise ConfigError(f"a decoder key of EA{algorithm} has {algorithm.key_bytes} bytes")
        self.algorithm, self.secret, self.tables = algorithm, secret, tables

    def encrypt(self, block: int) -> int:
        if self.algorithm is Algorithm.MISTY1:
            return misty1_encrypt(self.secret.reveal(), block)
        if self.tables is None:
            raise TablesMissing
        return sta_encrypt(self.tables, self.secret.reveal(), block)

    def decrypt(self, block: int) -> int:
        if self.algorithm is Algorithm.MISTY1:
            return misty1_decrypt(self.secret.reveal(), block)
        if self.tables is None:
            raise TablesMissing
        return sta_decrypt(self.tables, self.secret.reveal(), block)

    def __repr__(self) -> str:
        return f"DecoderKey(EA{self.algorithm}, {self.secret!r})"


def derive(vending: Secret, meter: Meter, tables: Tables | None = None) -> DecoderKey:
    """The decoder key of `meter` under that vending key, or KeyNotDerivable."""
    if meter.key_type not in {KeyType.UNIQUE, KeyType.DEFAULT}:
        raise KeyNotDerivable(f"no rule is known for keys of type {meter.key_type.name}")
    if meter.derivation is Derivation.DKGA02:
        return DecoderKey(Algorithm.STA, _dkga02(vending, meter), tables)
    return DecoderKey(meter.algorithm, _dkga04(vending, meter), tables)


def _dkga02(vending: Secret, meter: Meter) -> Secret:
    """DES of PANBlock xor ControlBlock, fed forward (6.5.3.3)."""
    if len(vending) != 8:
        raise ConfigError(f"{KeyRef.of(meter)}: a vending key of DKGA02 has 8 bytes")
    if meter.algorithm is not Algorithm.STA:
        raise KeyNotDerivable("DKGA02 makes keys of EA07 only; EA11 needs DKGA04")
    control = (
        f"{int(meter.key_type)}{meter.supply_group}{meter.tariff_index:02d}"
        f"{meter.key_revision}FFFFFF"
    )
    mixed = int(MeterPan.parse(meter.pan).block, 16) ^ int(control, 16)
    key = vending.reveal()
    # Single DES is triple DES with three equal keys; nothing here rests on its strength.
    cipher = Cipher(TripleDES(key * 3), modes.ECB()).encryptor()  # noqa: S305
    out = int.from_bytes(cipher.update(mixed.to_bytes(8, "big")), "big")
    return Secret((out ^ mixed ^ int.from_bytes(key, "big")).to_bytes(8, "big"))


def _dkga04(vending: Secret, meter: Meter) -> Secret:
    """HMAC-SHA-256 of the meter's data block, cut to the key's length (6.5.3.5)."""
    if len(vending) != 20:
        raise ConfigError(f"{KeyRef.of(meter)}: a vending key of DKGA04 has 20 bytes")
    size = meter.algorithm.key_bytes

    def items(*fields: str) -> bytes:
        return b"".join(len(field).to_bytes() + field.encode() for field in fields)

    block = (
        b"\x04"
        + items("04", meter.base_date.label, meter.algorithm, f"{meter.tariff_index:02d}")
        + b"\x00\x04"
        + items(meter.supply_group, str(int(meter.key_type)), str(meter.key_revision), meter.pan)
        + (8 * size).to_bytes(4, "big")
    )
    return Secret(hmac.digest(vending.reveal(), block, "sha256")[:size])
