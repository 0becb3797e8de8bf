"""An SCL file as structs: IEDs, their nodes, data sets, control blocks, addresses, types."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from drivers.iec61850.mms.pdu import ObjectName

from .check import check
from .templates import Item, Templates
from .tree import Element, parse

COUNTED = (
    "AccessPoint",
    "LDevice",
    "LN0",
    "LN",
    "DataSet",
    "FCDA",
    "ReportControl",
    "GSEControl",
    "SampledValueControl",
    "LogControl",
    "SettingControl",
    "DOI",
    "DAI",
    "ConnectedAP",
    "GSE",
    "SMV",
    "LNodeType",
    "DOType",
    "DAType",
    "EnumType",
    "Substation",
    "Bay",
    "ConductingEquipment",
    "ExtRef",
    "Private",
)


class ReportControl(Struct, frozen=True, kw_only=True):
    """names: of the instances that the device has. triggers, options: words of the schema."""

    name: str
    names: tuple[str, ...]
    data_set: str
    report_id: str
    buffered: bool
    revision: int
    integrity_ms: int
    buffer_ms: int
    triggers: frozenset[str]
    options: frozenset[str]


class GooseControl(Struct, frozen=True, kw_only=True):
    name: str
    data_set: str
    goose_id: str
    revision: int


class Node(Struct, frozen=True, kw_only=True):
    """A logical node. values: configured attributes by path; data_sets: members by name."""

    name: str
    cls: str
    type: str
    description: str
    items: tuple[Item, ...]
    values: Mapping[str, str]
    descriptions: Mapping[str, str]
    data_sets: Mapping[str, tuple[ObjectName, ...]]
    reports: tuple[ReportControl, ...]
    gooses: tuple[GooseControl, ...]
    setting_groups: int = 0
    active_group: int = 1


class Device(Struct, frozen=True, kw_only=True):
    """A logical device; `domain` is its name in MMS."""

    domain: str
    inst: str
    description: str
    nodes: tuple[Node, ...]


class Ied(Struct, frozen=True, kw_only=True):
    name: str
    manufacturer: str | None
    type: str | None
    description: str
    access_points: tuple[str, ...]
    devices: tuple[Device, ...]


class GooseAddress(Struct, frozen=True, kw_only=True):
    """How a GOOSE or sampled-value stream travels. mac, appid, vlan as written in the file."""

    ied: str
    device: str
    control_block: str
    mac: str | None
    appid: str | None
    vlan_id: str | None
    vlan_priority: str | None


class AccessAddress(Struct, frozen=True, kw_only=True):
    """Address of an access point: `ip` and the OSI selectors (`OSI-TSEL`) by their SCL names."""

    ied: str
    access_point: str
    ip: str | None
    parameters: Mapping[str, str]


class Document(Struct, frozen=True, kw_only=True):
    """edition: `1`, `2` or `2.1`. counts: of all elements, private ones of vendors too.

    warnings: what the file leaves open or says twice; the import does without it.
    """

    version: str | None
    revision: str | None
    release: str | None
    edition: str
    ieds: tuple[Ied, ...]
    gooses: tuple[GooseAddress, ...]
    addresses: tuple[AccessAddress, ...]
    enums: Mapping[str, Mapping[int, str]]
    counts: Mapping[str, int]
    warnings: tuple[str, ...] = ()

    def ied(self, name: str = "") -> Ied:
        """The IED of that name, or the only one. Raises LookupError that lists them."""
        found = [ied for ied in self.ieds if ied.name == name or not name]
        if len(found) != 1:
            names = ", ".join(ied.name for ied in self.ieds) or "none"
            raise LookupError(f"no single IED {name!r} in this file; it has: {names}")
        return found[0]


def read(source: Path | bytes) -> Document:
    """Read and check a file. Raises SclError with line and reason."""
    raw = source.read_bytes() if isinstance(source, Path) else source
    root, counts = parse(raw)
    warnings = check(root)
    templates = Templates(root.first("DataTypeTemplates"))
    return Document(
        version=root.attributes.get("version"),
        revision=root.attributes.get("revision"),
        release=root.attributes.get("release"),
        edition=_edition(root),
        ieds=tuple(_ied(element, templates) for element in root.all("IED")),
        gooses=tuple(_goose_addresses(root)),
        addresses=tuple(_access_addresses(root)),
        enums=templates.enums,
        counts={tag: counts[tag] for tag in COUNTED},
        warnings=warnings,
    )


def _edition(root: Element) -> str:
    if not root.get("version"):
        return "1"
    return "2.1" if root.get("revision") >= "B" and root.get("release") >= "4" else "2"


def _ied(element: Element, templates: Templates) -> Ied:
    name = element.get("name")
    points = list(element.all("AccessPoint"))
    servers = [server for point in points for server in point.all("Server")]
    devices = [device for server in servers for device in server.all("LDevice")]
    return Ied(
        name=name,
        manufacturer=element.attributes.get("manufacturer"),
        type=element.attributes.get("type"),
        description=element.get("desc"),
        access_points=tuple(point.get("name") for point in points),
        devices=tuple(_device(device, devices, name, templates) for device in devices),
    )


def _domain(device: Element, ied: str) -> str:
    return device.get("ldName") or ied + device.get("inst")


def _device(device: Element, all_devices: list[Element], ied: str, types: Templates) -> Device:
    domains = {other.get("inst"): _domain(other, ied) for other in all_devices}
    return Device(
        domain=_domain(device, ied),
        inst=device.get("inst"),
        description=device.get("desc"),
        nodes=tuple(_node(ln, domains, types) for ln in device.all("LN0", "LN")),
    )


def _node(ln: Element, domains: Mapping[str, str], types: Templates) -> Node:
    values: dict[str, str] = {}
    descriptions: dict[str, str] = {}
    for doi in ln.all("DOI"):
        _instance(doi, doi.get("name"), values, descriptions)
    settings = ln.first("SettingControl")
    return Node(
        name=ln.get("prefix") + ln.get("lnClass") + ln.get("inst"),
        cls=ln.get("lnClass"),
        type=ln.get("lnType"),
        description=ln.get("desc"),
        items=types.node(ln.get("lnType")),
        values=values,
        descriptions=descriptions,
        data_sets={
            ds.get("name"): tuple(_member(fcda, domains) for fcda in ds.all("FCDA"))
            for ds in ln.all("DataSet")
        },
        reports=tuple(_report(control) for control in ln.all("ReportControl")),
        gooses=tuple(_goose(control) for control in ln.all("GSEControl")),
        setting_groups=int(settings.get("numOfSGs")) if settings else 0,
        active_group=int(settings.get("actSG", "1")) if settings else 1,
    )


def _instance(
    element: Element, path: str, values: dict[str, str], descriptions: dict[str, str]
) -> None:
    """Collect the values and descriptions below a DOI, SDI or DAI."""
    if element.get("desc"):
        descriptions[path] = element.get("desc")
    value = element.first("Val")
    if value is not None:
        values[path] = value.text.strip()
    for child in element.all("SDI", "DAI"):
        _instance(child, f"{path}.{child.get('name')}", values, descriptions)


def _member(fcda: Element, domains: Mapping[str, str]) -> ObjectName:
    inst = fcda.get("ldInst")
    node = fcda.get("prefix") + fcda.get("lnClass") + fcda.get("lnInst")
    path = ".".join(filter(None, (fcda.get("doName"), fcda.get("daName"))))
    item = "$".join(filter(None, (node, fcda.get("fc"), path.replace(".", "$"))))
    return ObjectName(item, domains.get(inst, inst))


def _report(control: Element) -> ReportControl:
    name, enabled = control.get("name"), control.first("RptEnabled")
    count = int(enabled.get("max", "1")) if enabled else 1
    numbered = tuple(f"{name}{n:02}" for n in range(1, count + 1))
    triggers = control.first("TrgOps")
    options = control.first("OptFields")
    words = {key for key in triggers.attributes if triggers.flag(key)} if triggers else set()
    if triggers is None or triggers.flag("gi", True):
        words.add("gi")
    return ReportControl(
        name=name,
        names=numbered if control.flag("indexed", True) else (name,),
        data_set=control.get("datSet"),
        report_id=control.get("rptID"),
        buffered=control.flag("buffered"),
        revision=int(control.get("confRev") or "0"),
        integrity_ms=int(control.get("intgPd") or "0"),
        buffer_ms=int(control.get("bufTime") or "0"),
        triggers=frozenset(words),
        options=frozenset(
            {key for key in options.attributes if options.flag(key)} if options else ()
        ),
    )


def _goose(control: Element) -> GooseControl:
    return GooseControl(
        name=control.get("name"),
        data_set=control.get("datSet"),
        goose_id=control.get("appID"),
        revision=int(control.get("confRev") or "0"),
    )


def _connected(root: Element) -> list[Element]:
    networks = (net for com in root.all("Communication") for net in com.all("SubNetwork"))
    return [point for net in networks for point in net.all("ConnectedAP")]


def _parameters(element: Element) -> dict[str, str]:
    address = element.first("Address")
    return {p.get("type"): p.text.strip() for p in address.all("P")} if address else {}


def _goose_addresses(root: Element) -> list[GooseAddress]:
    out = []
    for point in _connected(root):
        for stream in point.all("GSE"):
            found = _parameters(stream)
            out.append(
                GooseAddress(
                    ied=point.get("iedName"),
                    device=stream.get("ldInst"),
                    control_block=stream.get("cbName"),
                    mac=found.get("MAC-Address"),
                    appid=found.get("APPID"),
                    vlan_id=found.get("VLAN-ID"),
                    vlan_priority=found.get("VLAN-PRIORITY"),
                )
            )
    return out


def _access_addresses(root: Element) -> list[AccessAddress]:
    out = []
    for point in _connected(root):
        found = _parameters(point)
        out.append(
            AccessAddress(
                ied=point.get("iedName"),
                access_point=point.get("apName"),
                ip=found.get("IP"),
                parameters=found,
            )
        )
    return out
