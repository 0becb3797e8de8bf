"""MMS journals (ISO 9506-2 §16): what IEC 61850 logs are kept in."""

from msgspec import Struct

from drivers.iec61850 import ber

from . import data, pdu
from .data import BinaryTime, Value
from .pdu import ObjectName


class LogEntry(Struct, frozen=True):
    """time: µs since 1970. values: by the reference of the attribute, with its `$ReasonCode`."""

    id: bytes
    time: int | None
    values: dict[str, Value]


def read(
    name: ObjectName, start: int | None, stop: int | None, after: tuple[int, bytes] | None = None
) -> bytes:
    """Entries of [start, stop] in µs, or those behind the entry (time, id) `after`."""
    parts = [ber.tlv(0xA0, pdu.object_name(name))]
    if start is not None:
        parts.append(ber.tlv(0xA1, _time(0x80, start)))
    if stop is not None:
        parts.append(ber.tlv(0xA2, _time(0x80, stop)))
    if after is not None:
        parts.append(ber.tlv(0xA5, _time(0x80, after[0]), ber.tlv(0x81, after[1])))
    return ber.tlv(0xBF41, *parts)


def _time(tag: int, us: int) -> bytes:
    return bytes((tag,)) + data.binary_time(BinaryTime.at(us))[1:]


def response(buf: bytes, start: int, stop: int) -> tuple[list[LogEntry], bool]:
    """(entries, whether more follow)."""
    found = ber.fields(buf, start, stop)
    span = ber.need(found, 0xA0, "list of journal entries")
    entries = [_entry(buf, a, b) for _, a, b in ber.elements(buf, *span)]
    more = found.get(0x81)
    return entries, ber.to_bool(buf, *more) if more else False


def _entry(buf: bytes, start: int, stop: int) -> LogEntry:
    found = ber.fields(buf, start, stop)
    first, last = ber.need(found, 0x80, "entry identifier")
    content = ber.fields(buf, *ber.need(found, 0xA2, "entry content"))
    stamp = ber.need(content, 0x80, "occurrence time")
    when = data.DECODERS[0x8C](buf, *stamp, 0)
    values: dict[str, Value] = {}
    form = content.get(0xA2)
    variables = ber.fields(buf, *form).get(0xA1) if form else None
    for _, a, b in ber.elements(buf, *variables) if variables else ():
        parts = ber.fields(buf, a, b)
        tag = ber.to_text(buf, *ber.need(parts, 0x80, "variable tag"))
        value = data.items(buf, *ber.need(parts, 0xA1, "value"))
        values[tag] = value[0] if value else None
    return LogEntry(buf[first:last], when.us, values)
