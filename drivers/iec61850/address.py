"""Where a value lives in an IED: `IED/LD/LN.DO.DA[FC]` or `LD/LN.DO.DA[FC]`."""

import re

from msgspec import Struct

from hub import ConfigError

from .mms.pdu import ObjectName

_PATTERN = re.compile(
    r"(?:(?P<ied>[A-Za-z][A-Za-z0-9_]*)/)?(?P<device>[A-Za-z0-9_]+)/"
    r"(?P<node>[A-Za-z][A-Za-z0-9_]*)\.(?P<path>[A-Za-z0-9_.]+)\[(?P<fc>[A-Z]{2})\]"
)


class Address(Struct, frozen=True, tag="iec61850"):
    """ied: name that precedes the logical device in MMS; empty when `device` is the whole name."""

    ied: str
    device: str
    node: str
    path: tuple[str, ...]
    fc: str

    def name(self, domain: str) -> ObjectName:
        return ObjectName("$".join((self.node, self.fc, *self.path)), domain)

    def __str__(self) -> str:
        ied = f"{self.ied}/" if self.ied else ""
        return f"{ied}{self.device}/{self.node}.{'.'.join(self.path)}[{self.fc}]"


def parse(text: str, ied: str = "") -> Address:
    """Read an address; `ied` is the default. Raises ConfigError that shows the form."""
    found = _PATTERN.fullmatch(text.strip())
    if found is None:
        raise ConfigError(f"address {text!r} is not of the form LD0/MMXU1.TotW.mag.f[MX]")
    path = tuple(found["path"].split("."))
    if not all(path):
        raise ConfigError(f"address {text!r} has an empty name between dots")
    return Address(found["ied"] or ied, found["device"], found["node"], path, found["fc"])


def of_name(name: ObjectName) -> str:
    """The address of an MMS variable."""
    node, fc, *path = name.item.split("$")
    return f"{name.domain}/{node}.{'.'.join(path)}[{fc}]"
