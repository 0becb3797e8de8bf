"""What makes an SCL file unusable: missing attributes, double names, dangling types."""

from collections.abc import Iterable, Iterator

from .tree import Element, SclError

# Attributes that the schema requires of every edition and that an import cannot do without.
REQUIRED = {
    "IED": ("name",),
    "AccessPoint": ("name",),
    "LDevice": ("inst",),
    "LN0": ("lnClass", "lnType"),
    "LN": ("lnClass", "inst", "lnType"),
    "DOI": ("name",),
    "SDI": ("name",),
    "DAI": ("name",),
    "DataSet": ("name",),
    "FCDA": ("fc",),
    "ReportControl": ("name",),
    "GSEControl": ("name",),
    "SampledValueControl": ("name",),
    "LogControl": ("name",),
    "SettingControl": ("numOfSGs",),
    "SubNetwork": ("name",),
    "ConnectedAP": ("iedName", "apName"),
    "GSE": ("ldInst", "cbName"),
    "SMV": ("ldInst", "cbName"),
    "P": ("type",),
    "LNodeType": ("id", "lnClass"),
    "DOType": ("id", "cdc"),
    "DAType": ("id",),
    "EnumType": ("id",),
    "EnumVal": ("ord",),
    "DO": ("name", "type"),
    "SDO": ("name", "type"),
    "DA": ("name", "bType", "fc"),
    "BDA": ("name", "bType"),
    "Substation": ("name",),
    "VoltageLevel": ("name",),
    "Bay": ("name",),
    "ConductingEquipment": ("name", "type"),
}
_NUMBERS = {
    "ReportControl": ("intgPd", "bufTime", "confRev"),
    "GSEControl": ("confRev",),
    "RptEnabled": ("max",),
    "SettingControl": ("numOfSGs", "actSG"),
    "EnumVal": ("ord",),
}
_MOST_INSTANCES = 999
_UNIQUE = {
    "SCL": ("IED", "name"),
    "Server": ("LDevice", "inst"),
    "DOType": ("DA", "name"),
    "DAType": ("BDA", "name"),
    "LNodeType": ("DO", "name"),
}
_TEMPLATES = ("LNodeType", "DOType", "DAType", "EnumType")
_SHOWN = 8


def check(root: Element) -> tuple[str, ...]:
    """Raise SclError that lists the first faults, each with its line; return the doubts.

    Dangling references are doubts: files from the field have them, and what does not use the
    missing type can be read.
    """
    faults = sorted(fault for element in root.walk() for fault in _attributes(element))
    if faults:
        shown = "; ".join(f"line {line}: {reason}" for line, reason in faults[:_SHOWN])
        more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise SclError(shown + more)
    return tuple(f"line {line}: {reason}" for line, reason in sorted(_doubts(root)))


def _doubts(root: Element) -> Iterator[tuple[int, str]]:
    for element in root.walk():
        if element.tag in _UNIQUE:
            tag, key = _UNIQUE[element.tag]
            yield from _doubles(element.all(tag), key)
    templates = root.first("DataTypeTemplates")
    types = list(templates.all(*_TEMPLATES)) if templates else []
    known = {(element.tag, element.get("id")) for element in types}
    for tag in _TEMPLATES:
        yield from _doubles((element for element in types if element.tag == tag), "id")
    for element in root.walk():
        wanted, name = _reference(element)
        if wanted and (wanted, name) not in known:
            yield element.line, f"{element.tag} refers to {wanted} {name!r}, which does not exist"


def _attributes(element: Element) -> Iterator[tuple[int, str]]:
    for name in REQUIRED.get(element.tag, ()):
        if name not in element.attributes:
            yield element.line, f"{element.tag} without its attribute {name!r}"
    for name in _NUMBERS.get(element.tag, ()):
        value = element.attributes.get(name)
        if value is not None and not value.strip().lstrip("-").isdecimal():
            yield element.line, f"{element.tag} {name}={value!r} is no number"
        elif element.tag == "RptEnabled" and value and int(value) > _MOST_INSTANCES:
            yield element.line, f"RptEnabled max={value} is above {_MOST_INSTANCES}"


def _doubles(elements: Iterable[Element], key: str) -> Iterator[tuple[int, str]]:
    """A setting may appear twice, as the active (SG) and as the edited value (SE)."""
    seen: dict[tuple[str, str], int] = {}
    for element in elements:
        name = element.get(key), element.get("fc")
        if name in seen:
            yield element.line, f"{element.tag} {name[0]!r} again (first in line {seen[name]})"
        seen.setdefault(name, element.line)


def _reference(element: Element) -> tuple[str, str]:
    """(kind of template, its id) that an element refers to; empty when to none."""
    if element.tag in {"LN", "LN0"} and "lnType" in element.attributes:
        return "LNodeType", element.get("lnType")
    if element.tag in {"DO", "SDO"} and "type" in element.attributes:
        return "DOType", element.get("type")
    if element.tag in {"DA", "BDA"}:
        kind = {"Struct": "DAType", "Enum": "EnumType"}.get(element.get("bType"), "")
        return (kind, element.get("type")) if kind else ("", "")
    return "", ""
