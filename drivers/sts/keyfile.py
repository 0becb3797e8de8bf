"""Test keys from a TOML file, for the software module:

[[key]]
supply_group = "123457"
revision = 1
value = "..."              # hexadecimal: 8 bytes for DKGA02, 20 for DKGA04
"""

import tomllib
from pathlib import Path

import msgspec
from msgspec import Struct

from hub import ConfigError

from .keys import KeyRef, Secret
from .standard import KeyType


class KeyRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    supply_group: str
    value: str
    revision: int = 1
    key_type: KeyType = KeyType.UNIQUE

    def __repr__(self) -> str:
        return f"KeyRow({self.supply_group}, {self.revision})"


class KeyFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    key: tuple[KeyRow, ...]


def load_keys(path: Path) -> list[tuple[KeyRef, Secret]]:
    """The keys of that file by reference; ConfigError never quotes a value."""
    try:
        with path.open("rb") as stream:
            rows = msgspec.convert(tomllib.load(stream), KeyFile).key
    except tomllib.TOMLDecodeError:
        raise ConfigError(f"{path} is not TOML") from None
    except (OSError, msgspec.ValidationError) as error:
        raise ConfigError(f"{path}: {error}") from None
    return [
        (KeyRef(row.supply_group, row.revision, row.key_type), Secret.from_hex(row.value))
        for row in rows
    ]
