"""Octets of the line in words, layer by layer, for whoever watches it."""

from collections.abc import Iterator

from hub import ProtocolError

from .codec.app import Fragment
from .codec.link import Frame, FrameParser, Primary, Secondary
from .codec.transport import FIN, FIR, SEQUENCE
from .sniff import describe, function_name

LAYERS = ("octets", "link", "transport", "application", "objects")


def explain(data: bytes, layers: frozenset[str]) -> Iterator[str]:
    """One line for each thing seen. Fragments of several segments are shown with their first."""
    if not layers:
        return
    if "octets" in layers:
        yield data.hex(" ")
    for frame in FrameParser().feed(data):
        if "link" in layers:
            yield _link(frame)
        if not frame.is_primary or not frame.data:
            continue
        head = frame.data[0]
        if "transport" in layers:
            marks = [name for name, bit in (("FIR", FIR), ("FIN", FIN)) if head & bit]
            yield f"transport {head & SEQUENCE} {' '.join(marks)} {len(frame.data) - 1} octets"
        if head & FIR and layers & {"application", "objects"}:
            yield from _application(frame.data[1:], layers, whole=bool(head & FIN))


def _link(frame: Frame) -> str:
    names = Primary if frame.is_primary else Secondary
    known = frame.function in names._value2member_map_
    name = names(frame.function).name if known else f"function {frame.function}"
    return f"link {frame.source} → {frame.dest} {name} {len(frame.data)} octets"


def _application(data: bytes, layers: frozenset[str], *, whole: bool) -> Iterator[str]:
    try:
        fragment = Fragment.parse(data)
    except ProtocolError as error:
        yield f"application: {error}"
        return
    if "application" in layers:
        control = fragment.control
        flags = [
            name
            for name, on in (
                ("FIR", control.first),
                ("FIN", control.final),
                ("CON", control.confirm),
                ("UNS", control.unsolicited),
            )
            if on
        ]
        told = "" if fragment.iin is None else f" [{', '.join(fragment.iin.names())}]"
        name = function_name(fragment.function)
        yield f"application {control.sequence} {name} {' '.join(flags)}{told}"
    if "objects" in layers:
        objects, fault = describe(fragment)
        for item in objects:
            fields = {key: value for key, value in item.items() if value is not None}
            group, number = fields.pop("group"), fields.pop("variation")
            yield f"  g{group}v{number} " + " ".join(f"{k}={v}" for k, v in fields.items())
        if fault and whole:
            yield f"  ! {fault}"
