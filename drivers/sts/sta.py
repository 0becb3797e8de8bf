"""The Standard Transfer Algorithm, the cipher of EA07 (6.5.4.2, 7.3.3): 64-bit block and key.

Its tables are not printed in the standard, which has sample ones only; the STS
Association gives the operational ones to its members. They are an input here, from a TOML file:

    substitution1 = [ ... 16 numbers ... ]
    substitution2 = [ ... 16 numbers ... ]
    permutation   = [ ... 64 numbers ... ]
    sha256        = "..."      # of the 96 numbers above, one byte each
"""

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec

from hub import ConfigError

_ALL = (1 << 64) - 1


class TableFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    substitution1: tuple[int, ...]
    substitution2: tuple[int, ...]
    permutation: tuple[int, ...]
    sha256: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class Tables:
    """Two substitutions of a nibble and where each of 64 bits goes; each must be a permutation."""

    substitution1: tuple[int, ...]
    substitution2: tuple[int, ...]
    permutation: tuple[int, ...]

    def __post_init__(self) -> None:
        for name, length in (("substitution1", 16), ("substitution2", 16), ("permutation", 64)):
            if sorted(getattr(self, name)) != list(range(length)):
                raise ConfigError(f"EA07 tables: {name} is not a permutation of 0 to {length - 1}")

    def __repr__(self) -> str:
        return f"Tables(sha256={self.digest[:12]}...)"

    @cached_property
    def digest(self) -> str:
        numbers = self.substitution1 + self.substitution2 + self.permutation
        return hashlib.sha256(bytes(numbers)).hexdigest()

    @cached_property
    def forward(self) -> tuple[tuple[int, ...], ...]:
        """Per byte of the block: substituted and permuted, by two selector bits and value."""
        substitutions = (self.substitution1, self.substitution2)
        return tuple(
            tuple(
                _scatter(
                    substitutions[low][value & 15] | substitutions[high][value >> 4] << 4,
                    self.permutation[8 * place : 8 * place + 8],
                )
                for high in (0, 1)
                for low in (0, 1)
                for value in range(256)
            )
            for place in range(8)
        )

    @cached_property
    def gather(self) -> tuple[tuple[int, ...], ...]:
        """Per byte of the block: its bits moved back to where they came from."""
        origin = [self.permutation.index(bit) for bit in range(64)]
        return tuple(
            tuple(_scatter(value, origin[8 * place : 8 * place + 8]) for value in range(256))
            for place in range(8)
        )

    @cached_property
    def restore(self) -> tuple[int, ...]:
        """A byte before its substitution, by two selector bits and value."""
        inverse = (
            [self.substitution2.index(value) for value in range(16)],
            [self.substitution1.index(value) for value in range(16)],
        )
        return tuple(
            inverse[low][value & 15] | inverse[high][value >> 4] << 4
            for high in (0, 1)
            for low in (0, 1)
            for value in range(256)
        )


_SAMPLE = """
    12 10 8 4 3 15 0 2 14 1 5 13 6 9 7 11
    6 9 7 4 3 10 12 14 2 13 1 15 0 11 8 5
    29 27 34 9 16 62 55 2 40 49 38 25 33 61 30 23 1 41 21 57 42 15 5 58 19 53 22 17 48 28 24 39
    3 60 36 14 11 52 54 12 31 51 10 26 0 45 37 43 44 6 59 4 7 35 56 50 13 18 32 47 46 63 20 8
"""


def sample_tables() -> Tables:
    """The tables of the standard's worked example; no meter in the field uses them."""
    numbers = tuple(map(int, _SAMPLE.split()))
    return Tables(numbers[:16], numbers[16:32], numbers[32:])


def load_tables(path: Path, sha256: str = "") -> Tables:
    """Read a table file and hold it against the digest in it and against `sha256`, if given."""
    try:
        with path.open("rb") as stream:
            found = msgspec.convert(tomllib.load(stream), TableFile)
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(f"EA07 tables {path}: {error}") from error
    tables = Tables(found.substitution1, found.substitution2, found.permutation)
    expected = {digest.lower() for digest in (found.sha256, sha256) if digest}
    if not expected:
        raise ConfigError(f"EA07 tables {path}: add sha256 as your supplier states it")
    if expected != {tables.digest}:
        raise ConfigError(f"EA07 tables {path}: their SHA-256 is {tables.digest}, not as stated")
    return tables


def encrypt(tables: Tables, key: bytes, block: int) -> int:
    rolling = int.from_bytes(key, "big") ^ _ALL
    rolling = rolling >> 12 | (rolling << 52) & _ALL
    forward = tables.forward
    for _ in range(16):
        mixed = 0
        for place in range(0, 64, 8):
            selector = rolling >> place
            row = (selector & 0x80) << 2 | (selector & 0x08) << 5
            mixed |= forward[place >> 3][row | block >> place & 0xFF]
        block = mixed
        rolling = rolling << 1 & _ALL | rolling >> 63
    return block


def decrypt(tables: Tables, key: bytes, block: int) -> int:
    rolling = int.from_bytes(key, "big")
    gather, restore = tables.gather, tables.restore
    for _ in range(16):
        origin = 0
        for place in range(8):
            origin |= gather[place][block >> 8 * place & 0xFF]
        block = 0
        for place in range(0, 64, 8):
            selector = rolling >> place
            row = (selector & 0x10) << 5 | (selector & 0x01) << 8
            block |= restore[row | origin >> place & 0xFF] << place
        rolling = rolling >> 1 | (rolling & 1) << 63
    return block


def _scatter(value: int, targets: "tuple[int, ...] | list[int]") -> int:
    return sum(1 << target for bit, target in enumerate(targets) if value >> bit & 1)
