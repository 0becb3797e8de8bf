"""What a capture says, fragment by fragment: the engine of `busbar dnp3 sniff`."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from msgspec import Struct

from drivers.capture import Chunk, Packet, TcpOrder
from hub import ProtocolError

from .codec import files
from .codec.app import RESPONSES, Block, Fragment, Function
from .codec.attributes import attributes
from .codec.commands import controls
from .codec.link import Frame, FrameParser, Primary
from .codec.objects import Form
from .codec.transport import Reassembler
from .codec.values import columns, indexes, octets


class Message(Struct, frozen=True, kw_only=True):
    """One application fragment.

    frame: number of the packet that completed it. iin: IIN1 and IIN2 as one number, IIN1 high.
    fault: what was wrong with it; `objects` then holds those before the fault.
    """

    frame: int
    time: float
    source: int
    destination: int
    function: int
    name: str
    sequence: int
    first: bool
    final: bool
    confirm: bool
    unsolicited: bool
    iin: int | None
    indications: list[str]
    objects: list[dict[str, Any]]
    fault: str | None = None


def sniff(packets: Iterable[Packet], faults: list[tuple[int, str]]) -> Iterator[Message]:
    """All fragments of a capture in order; what was skipped below them goes to `faults`."""
    streams: dict[tuple[Any, ...], _Stream] = {}
    for packet in packets:
        key = packet.source, packet.target
        stream = streams.get(key)
        if stream is None:
            stream = streams[key] = _Stream(faults)
        yield from stream.feed(packet)
    for stream in streams.values():
        yield from stream.finish()


class _Stream:
    """One direction of one connection."""

    def __init__(self, faults: list[tuple[int, str]]) -> None:
        self._faults = faults
        self._frame = 0
        self._order = TcpOrder()
        self._parser = FrameParser(self._fault)
        self._partial: dict[tuple[int, int], Reassembler] = {}

    def _fault(self, text: str) -> None:
        self._faults.append((self._frame, text))

    def feed(self, packet: Packet) -> Iterator[Message]:
        for chunk in self._order.feed(packet):
            yield from self._read(chunk)

    def finish(self) -> Iterator[Message]:
        """What came behind a gap and was still held back."""
        for chunk in self._order.flush():
            yield from self._read(chunk)

    def _read(self, chunk: Chunk) -> Iterator[Message]:
        packet = chunk.packet
        self._frame = packet.number
        if chunk.fresh:
            self._parser = FrameParser(self._fault)
        for frame in self._parser.feed(chunk.data):
            fragment = self._assemble(frame)
            if fragment is not None:
                message = self._message(packet, frame, fragment)
                if message is not None:
                    yield message

    def _assemble(self, frame: Frame) -> bytes | None:
        carries = frame.function in {Primary.CONFIRMED_USER_DATA, Primary.UNCONFIRMED_USER_DATA}
        if not frame.is_primary or not carries:
            return None
        key = frame.source, frame.dest
        partial = self._partial.get(key)
        if partial is None:
            partial = self._partial[key] = Reassembler(1 << 16, self._fault)
        return partial.feed(frame.data)

    def _message(self, packet: Packet, frame: Frame, data: bytes) -> Message | None:
        try:
            fragment = Fragment.parse(data)
        except ProtocolError as error:
            self._fault(str(error))
            return None
        objects, fault = describe(fragment)
        control, iin = fragment.control, fragment.iin
        return Message(
            frame=packet.number,
            time=packet.time / 1e6,
            source=frame.source,
            destination=frame.dest,
            function=fragment.function,
            name=function_name(fragment.function),
            sequence=control.sequence,
            first=control.first,
            final=control.final,
            confirm=control.confirm,
            unsolicited=control.unsolicited,
            iin=None if iin is None else (iin & 0xFF) << 8 | iin >> 8,
            indications=[] if iin is None else iin.names(),
            objects=objects,
            fault=fault,
        )


def function_name(function: int) -> str:
    try:
        return Function(function).name
    except ValueError:
        return f"FUNCTION_{function}"


def describe(fragment: Fragment) -> tuple[list[dict[str, Any]], str | None]:
    """Objects of a fragment as plain dictionaries, and what stopped the decoding."""
    out: list[dict[str, Any]] = []
    base: int | None = None
    try:
        for block in fragment.blocks():
            found = _objects(block, base, asked=fragment.function not in RESPONSES)
            if block.group == 51 and block.count and block.data:
                base = int(columns(block).times()[-1])
            out += found
    except ProtocolError as error:
        return out, str(error)
    return out, None


def _objects(  # noqa: PLR0911 - one line a form
    block: Block, base: int | None, *, asked: bool
) -> list[dict[str, Any]]:
    common = {"group": block.group, "variation": block.number, "qualifier": block.qualifier}
    if not block.data or (asked and block.variation.form is Form.NONE):
        return [common | _bare(block)]
    match block.variation.form:
        case Form.SIZED:
            return [common | _sized(block, n, data) for n, data in enumerate(octets(block))]
        case Form.STRING:
            return [
                common | _row(int(i), data.hex(" "))
                for i, data in zip(indexes(block), octets(block), strict=False)
            ]
        case Form.ATTRIBUTE:
            return [
                common | _row(block.start, item.value) | {"name": item.name}
                for item in attributes(block)
            ]
    if len(block.data) == block.prefix * (block.count or 0):
        return [common | _row(int(i)) for i in indexes(block)]
    if block.group in {12, 41} and block.prefix:
        return [common | _control(i, control) for i, control in controls(block)]
    return [common | row for row in _measured(block, base)]


def _row(index: int | None, value: Any = None) -> dict[str, Any]:
    return {"index": index, "value": value, "flags": None, "time": None}


def _bare(block: Block) -> dict[str, Any]:
    """A header without data: its indexes when they are few, else its range."""
    row = _row(None)
    if block.count is None:
        return row
    if block.is_range:
        return row | {"start": block.start, "stop": block.start + block.count - 1}
    return row | {"count": min(block.count, 2**32)}


def _sized(block: Block, number: int, data: bytes) -> dict[str, Any]:
    item = files.parse(block.number, data) if block.group == 70 else None
    if item is None:
        return _row(number, data.hex(" "))
    fields = {name: getattr(item, name) for name in item.__struct_fields__}
    if isinstance(fields.get("data"), bytes):
        fields["data"] = fields["data"].hex(" ")
    return _row(number) | {"file": fields}


def _control(index: int, control: Any) -> dict[str, Any]:
    fields = {name: getattr(control, name) for name in control.__struct_fields__}
    fields.pop("number", None)
    value = fields.pop("value", fields.get("code"))
    return _row(index, value) | fields


def iso(milliseconds: int) -> str:
    """A DNP3 time as ISO 8601, UTC; also those beyond year 9999."""
    return f"{np.datetime64(milliseconds, 'ms')}Z"


def _measured(block: Block, base: int | None) -> Iterator[dict[str, Any]]:
    cols = columns(block)
    values = cols.value.tolist() if cols.value is not None else [None] * len(cols)
    flags = cols.flags.tolist() if cols.flags is not None else [None] * len(cols)
    times = cols.time.tolist() if cols.time is not None else [None] * len(cols)
    whole = not any(code in str(block.variation.fields) for code in ("f4", "f8"))
    shift = (base or 0) if cols.relative else 0
    for index, value, flag, time in zip(cols.index.tolist(), values, flags, times, strict=True):
        yield {
            "index": index,
            "value": int(value) if whole and value is not None else value,
            "flags": flag,
            "time": None if time is None else iso(time + shift),
        }
