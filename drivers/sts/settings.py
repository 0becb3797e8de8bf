"""What can be set of tokens at the centre: the table `[plugin.sts]`."""

from msgspec import Struct

from hub import ConfigError


class VendingSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """url: base of the vending server. group: meters it may vend for. timeout: seconds."""

    url: str
    client_id: str
    api_version: str = "v1"
    group: str = ""
    timeout: float = 60.0


class Vending(VendingSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """credential: what the vending server knows us by."""

    credential: str

    def __repr__(self) -> str:
        return f"Vending({self.url!r}, client_id={self.client_id!r})"


class StsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """keys: TOML file of test keys, for the software module; ea07_tables: of the licensee's tables.

    vending: the server that issues instead. One of the two, or no tokens are issued here.
    """

    keys: str | None = None
    ea07_tables: str | None = None
    vending: Vending | None = None

    def check(self) -> None:
        if self.vending is not None and (self.keys or self.ea07_tables):
            raise ConfigError("[plugin.sts]: give test keys or a vending server, not both")
        if self.ea07_tables and not self.keys:
            raise ConfigError("[plugin.sts]: ea07_tables are of use with keys only")
