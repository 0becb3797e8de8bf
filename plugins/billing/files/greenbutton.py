"""Green Button files (NAESB REQ.21 ESPI in Atom): energy of interval blocks.

Blocks, meter readings and reading types are entries that name each other by links.
"""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, ParseError

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from plugins.billing.tariff.history import Series
from plugins.billing.tariff.intervals import SECOND

from .channel import Channel, FileError, whole

ATOM, ESPI = "{http://www.w3.org/2005/Atom}", "{http://naesb.org/espi}"
UNITS = {"72": 1.0, "73": 1.0}  # uom: Wh, varh
REGISTERS = {("72", "1"): "import", ("72", "19"): "export", ("73", "1"): "kvarh"}


@dataclass(kw_only=True)
class _Reading:
    type: Element | None = None
    blocks: list[Element] = field(default_factory=list)


def read(text: str) -> list[Channel]:
    """All channels of energy; other commodities and units have no register.

    Raises FileError for what is not Green Button, or whose intervals differ in length.
    """
    try:
        root = fromstring(text)
    except (ParseError, DefusedXmlException) as e:
        raise FileError(f"not XML that can be read: {e}") from None
    if root.tag != f"{ATOM}feed":
        raise FileError("a Green Button file is an Atom feed")
    readings = _readings(root)
    if not readings:
        raise FileError("the feed has no interval block")
    return [_channel(href, reading) for href, reading in sorted(readings.items())]


def _readings(root: Element) -> dict[str, _Reading]:
    """Link of a meter reading → its type and blocks."""
    types: dict[str, Element] = {}
    links: dict[str, list[str]] = {}
    blocks: dict[str, list[Element]] = defaultdict(list)
    for entry in root.iter(f"{ATOM}entry"):
        content = entry.find(f"{ATOM}content")
        found = list(content) if content is not None else []
        own = [x.get("href", "") for x in entry.iter(f"{ATOM}link") if x.get("rel") == "self"]
        for element in found:
            href = own[0] if own else ""
            if element.tag == f"{ESPI}ReadingType":
                types[href] = element
            elif element.tag == f"{ESPI}MeterReading":
                links[href] = [x.get("href", "") for x in entry.iter(f"{ATOM}link")]
            elif element.tag == f"{ESPI}IntervalBlock":
                blocks[re.sub(r"/IntervalBlock(/[^/]*)?$", "", href)].append(element)
    readings = {}
    for href, found in blocks.items():
        named = [types[x] for x in links.get(href, []) if x in types]
        readings[href] = _Reading(type=named[0] if named else None, blocks=found)
    return readings


def _channel(href: str, reading: _Reading) -> Channel:
    if reading.type is None:
        raise FileError(f"{href}: no reading type says what its values are")
    unit, flow = _text(reading.type, "uom"), _text(reading.type, "flowDirection", "1")
    commodity = _text(reading.type, "commodity", "1")
    electric = commodity in {"0", "1", "2"} and unit in UNITS
    scale = 10.0 ** int(_text(reading.type, "powerOfTenMultiplier", "0"))
    meter, _, name = href.rpartition("/MeterReading/")
    return Channel(
        meter=meter.rpartition("/")[2] or meter,
        name=name,
        register=REGISTERS.get((unit, flow), "") if electric else "",
        series=_series(href, reading.blocks, scale),
    )


def _series(href: str, blocks: list[Element], scale: float) -> Series:
    starts, lengths, values = [], [], []
    for block in blocks:
        for reading in block.iter(f"{ESPI}IntervalReading"):
            period = reading.find(f"{ESPI}timePeriod")
            if period is None:
                raise FileError(f"{href}: an interval reading has no time period")
            starts.append(_number(href, period, "start"))
            lengths.append(_number(href, period, "duration"))
            values.append(_number(href, reading, "value"))
    seconds = set(lengths)
    if len(seconds) != 1 or (length := seconds.pop()) % 60 or length <= 0:
        raise FileError(f"{href}: its intervals are not all of the same whole minutes")
    at = np.array(starts, np.int64)
    order = np.argsort(at, kind="stable")
    if (np.diff(at[order]) < length).any():
        raise FileError(f"{href}: intervals overlap")
    energy = whole(np.array(values, float)[order] * scale)
    return Series(starts=at[order] * SECOND, energy=energy, minutes=length // 60)


def _text(element: Element, name: str, default: str = "") -> str:
    return (element.findtext(f"{ESPI}{name}") or default).strip()


def _number(href: str, element: Element, name: str) -> int:
    try:
        return int(_text(element, name))
    except ValueError:
        raise FileError(f"{href}: {name} is not a whole number") from None
