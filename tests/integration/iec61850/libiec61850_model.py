"""An SCL model in the configuration format of libiec61850, so that it can serve the same IED."""

from collections.abc import Iterator

from drivers.iec61850.scl.document import Document, Ied, Node
from drivers.iec61850.scl.templates import Item

FCS = [
    "ST", "MX", "SP", "SV", "CF", "DC", "SG", "SE", "SR", "OR", "BL", "EX", "CO", "US", "MS",
    "RP", "BR", "LG", "GO",
]  # fmt: skip
TYPES = {
    "BOOLEAN": 0, "INT8": 1, "INT16": 2, "INT32": 3, "INT64": 4, "INT8U": 6, "INT16U": 7,
    "INT24U": 8, "INT32U": 9, "FLOAT32": 10, "FLOAT64": 11, "Enum": 12, "Octet64": 13,
    "VisString32": 16, "VisString64": 17, "VisString129": 19, "VisString255": 20,
    "Unicode255": 21, "Timestamp": 22, "Quality": 23, "Check": 24, "Dbpos": 25, "Tcmd": 25,
    "Struct": 27, "EntryTime": 28,
}  # fmt: skip
TRIGGERS = {"dchg": 1, "qchg": 2, "dupd": 4, "period": 8, "gi": 16}
OPTIONS = {
    "seqNum": 1, "timeStamp": 2, "reasonCode": 4, "dataSet": 8, "dataRef": 16, "bufOvfl": 32,
    "entryID": 64, "configRef": 128,
}  # fmt: skip


def configuration(document: Document, ied: Ied) -> str:
    return "\n".join(_lines(document, ied)) + "\n"


def _lines(document: Document, ied: Ied) -> Iterator[str]:
    yield f"MODEL({ied.name}){{"
    for device in ied.devices:
        yield f"LD({device.inst}){{"
        for node in device.nodes:
            yield f"LN({node.name}){{"
            if node.setting_groups:
                yield f"SG({node.active_group} {node.setting_groups})"
            for item in node.items:
                yield from _object(document, node, item, item.name)
            yield from _sets(node, device.domain)
            yield "}"
        yield "}"
    yield "}"


def _object(document: Document, node: Node, item: Item, path: str) -> Iterator[str]:
    yield f"DO({item.name} {item.count}){{"
    for child in item.items:
        where = f"{path}.{child.name}"
        if child.cdc:
            yield from _object(document, node, child, where)
        else:
            for fc in ("SG", "SE") if child.fc == "SE" else (child.fc,):
                yield from _attribute(document, node, child, where, child.triggers, fc)
    yield "}"


def _attribute(
    document: Document, node: Node, item: Item, path: str, triggers: tuple[str, ...], fc: str
) -> Iterator[str]:
    triggers = triggers or item.triggers
    mask = sum(TRIGGERS[t] for t in triggers)
    head = f"DA({item.name} {item.count} {TYPES[item.basic]} {FCS.index(fc)} {mask} 0)"
    if item.items:
        yield head + "{"
        for child in item.items:
            yield from _attribute(document, node, child, f"{path}.{child.name}", triggers, fc)
        yield "}"
        return
    value = node.values.get(path, item.value)
    yield head + _initial(document, item, value) + ";"


def _initial(document: Document, item: Item, value: str) -> str:
    if item.basic == "Enum":
        numbers = {text: number for number, text in document.enums[item.enum].items()}
        return f"={numbers[value]}" if value in numbers and (value or item.value == "") else ""
    if not value:
        return ""
    return f'="{value}"' if item.basic.startswith(("Vis", "Uni")) else f"={value}"


def _sets(node: Node, domain: str) -> Iterator[str]:
    for name, members in node.data_sets.items():
        yield f"DS({name}){{"
        for member in members:
            inst = "" if member.domain == domain else f"{member.domain}/"
            yield f"DE({inst}{member.item});"
        yield "}"
    for report in node.reports:
        triggers = sum(TRIGGERS[t] for t in report.triggers)
        options = sum(OPTIONS[o] for o in report.options if o in OPTIONS)
        for name in report.names:
            yield (
                f"RC({name} {report.report_id or '-'} {int(report.buffered)} "
                f"{report.data_set or '-'} {report.revision} {triggers} {options} "
                f"{report.buffer_ms} {report.integrity_ms});"
            )
