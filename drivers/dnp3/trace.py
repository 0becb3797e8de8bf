"""Octets of the line in words, layer by layer, for whoever watches it."""

from collections.abc import Callable, Iterator

from hub import ProtocolError

from .codec.app import Fragment
from .codec.link import Frame, FrameParser, Primary, Secondary
from .codec.transport import FIN, FIR, SEQUENCE, Reassembler
from .sniff import describe, function_name

LAYERS = ("octets", "link", "transport", "application", "objects")
_LONGEST, _MOST_PAIRS = 1 << 16, 256


class Explainer:
    """Tells line by line what octets say; frames and fragments may come in pieces.

    layers: those of `LAYERS` that are told of; what is wrong is told with any of them.
    """

    def __init__(self, layers: frozenset[str]) -> None:
        self._layers, self._lines = layers, list[str]()
        self._ways = {sent: _Way(self._fault) for sent in (True, False)}

    def __call__(self, sent: bool, data: bytes) -> list[str]:
        """The lines of these octets. Of a fragment the line stands where its last octet came."""
        if not self._layers:
            return []
        self._lines = lines = []
        if "octets" in self._layers:
            lines.append(data.hex(" "))
        way = self._ways[sent]
        for frame in way.parser.feed(data):
            self._frame(frame, way)
        return lines

    def _fault(self, text: str) -> None:
        self._lines.append(f"! {text}")

    def _frame(self, frame: Frame, way: "_Way") -> None:
        if "link" in self._layers:
            self._lines.append(_link(frame))
        if not frame.is_primary or not frame.data:
            return
        if "transport" in self._layers:
            head = frame.data[0]
            marks = [name for name, bit in (("FIR", FIR), ("FIN", FIN)) if head & bit]
            size = len(frame.data) - 1
            self._lines.append(f"transport {head & SEQUENCE} {' '.join(marks)} {size} octets")
        if self._layers & {"application", "objects"}:
            fragment = way.assemble(frame)
            if fragment is not None:
                self._lines += _application(fragment, self._layers)


class _Way:
    """One direction of a line: its frames, and the unfinished fragment of each pair of stations."""

    def __init__(self, on_fault: Callable[[str], None]) -> None:
        self.parser = FrameParser(on_fault)
        self._fault = on_fault
        self._partial: dict[tuple[int, int], Reassembler] = {}

    def assemble(self, frame: Frame) -> bytes | None:
        key = frame.source, frame.dest
        partial = self._partial.get(key)
        if partial is None:
            while len(self._partial) >= _MOST_PAIRS:
                self._partial.pop(next(iter(self._partial)))
            partial = self._partial[key] = Reassembler(_LONGEST, self._fault)
        return partial.feed(frame.data)


def _link(frame: Frame) -> str:
    names = Primary if frame.is_primary else Secondary
    known = frame.function in names._value2member_map_
    name = names(frame.function).name if known else f"function {frame.function}"
    return f"link {frame.source} → {frame.dest} {name} {len(frame.data)} octets"


def _application(data: bytes, layers: frozenset[str]) -> Iterator[str]:
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
        if fault:
            yield f"  ! {fault}"
