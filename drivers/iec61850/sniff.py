"""What a packet capture holds of MMS and GOOSE, one record a PDU."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from drivers import capture
from hub import HubError, LinkError, ProtocolError

from . import ber, goose, transport, upper
from .goose import GooseMessage
from .mms import data, files, pdu, services
from .mms.data import Value
from .mms.pdu import ObjectName, Pdu
from .mms.types import Type


class MmsRecord(Struct, frozen=True, kw_only=True):
    """One MMS PDU. frame: number in the capture. values: of a read, a write or a report.

    kinds: MMS tag numbers of the values, 0 for a failure.
    """

    frame: int
    time: int
    source: str
    destination: str
    kind: str
    invoke: int | None = None
    service: str = ""
    names: list[ObjectName] = []
    identifiers: list[str] = []
    values: list[Value] = []
    kinds: list[int] = []
    type: Type | None = None
    detail: str = ""


class GooseRecord(Struct, frozen=True):
    frame: int
    time: int
    message: GooseMessage


class Fault(Struct, frozen=True):
    """Octets that the protocol forbids."""

    frame: int
    time: int
    reason: str


Record = MmsRecord | GooseRecord | Fault


def records(raw: bytes, port: int = 102) -> Iterator[Record]:
    """All MMS PDUs on `port`, GOOSE frames and faults of a capture, in order."""
    flows: dict[tuple[object, object], _Flow] = {}
    for frame in capture.frames(raw):
        if frame.link == capture.ETHERNET and goose.payload(frame.data):
            if record := _goose(frame):
                yield record
            continue
        packet = capture.packet(frame)
        if packet is None or packet.sequence is None:
            continue
        if port in {packet.source[1], packet.target[1]}:
            flow = flows.setdefault((packet.source, packet.target), _Flow())
            yield from flow.read(flow.order.feed(packet))
    for flow in flows.values():
        yield from flow.read(flow.order.flush())


class _Flow:
    """One direction of a connection."""

    def __init__(self) -> None:
        self.order, self._framer = capture.TcpOrder(), transport.Framer()

    def read(self, chunks: Iterable[capture.Chunk]) -> Iterator[Record]:
        for packet, octets, fresh in chunks:
            if fresh:
                self._framer = transport.Framer()
            try:
                messages = self._framer.feed(octets)
            except ProtocolError as error:
                self._framer = transport.Framer()
                yield Fault(packet.number, packet.time, str(error))
                continue
            for kind, message in messages:
                if kind == transport.DT:
                    yield from _mms(packet, message)


def _goose(frame: capture.Frame) -> Record | None:
    try:
        message = goose.decode(frame.data)
    except ProtocolError as error:
        return Fault(frame.number, frame.time, str(error))
    return GooseRecord(frame.number, frame.time, message) if message else None


def _mms(packet: capture.Packet, message: bytes) -> Iterator[Record]:
    try:
        span = mms_span(message)
        if span is None:
            return
        found = pdu.parse(message, *span)
        facts = describe(message, found)
    except HubError as error:
        yield Fault(packet.number, packet.time, str(error))
        return
    yield MmsRecord(
        frame=packet.number,
        time=packet.time,
        source=capture.place(packet.source),
        destination=capture.place(packet.target),
        kind=pdu.KINDS[found.kind],
        invoke=found.invoke,
        service=_service(found),
        **facts,
    )


def _service(found: Pdu) -> str:
    if found.service is None:
        return ""
    if found.kind == pdu.UNCONFIRMED:
        return "informationReport" if found.service == 0 else f"unconfirmed {found.service}"
    return pdu.SERVICES.get(found.service, f"service {found.service}")


def mms_span(message: bytes) -> tuple[int, int] | None:
    """Where the MMS PDU of a transport message lies; None for a session PDU without one.

    Some old devices speak MMS straight on the transport, without session and presentation.
    """
    if not message:
        raise ProtocolError("empty transport message")
    if message[0] in {upper.CONNECT, upper.ACCEPT}:
        _, found = upper.acse(message)
        return upper.user_information(message, found)
    if message[0] in pdu.KINDS:
        return 0, len(message)
    try:
        return upper.unwrap(message)
    except LinkError:
        return None


Facts = dict[str, Any]


def _read_request(buf: bytes, start: int, stop: int) -> Facts:
    spec = ber.need(ber.fields(buf, start, stop), 0xA1, "variable access specification")
    name, variables = services.access(buf, *ber.element(buf, *spec))
    return {"names": [name] if name else variables}


def _write_request(buf: bytes, start: int, stop: int) -> Facts:
    spec = ber.element(buf, start, stop)
    name, variables = services.access(buf, *spec)
    values = ber.expect(buf, spec[2], stop, 0xA0, "list of data")
    return {
        "names": [name] if name else variables,
        "values": data.items(buf, *values),
        "kinds": data.kinds(buf, *values),
    }


def _type_request(buf: bytes, start: int, stop: int) -> Facts:
    span = ber.fields(buf, start, stop).get(0xA0)
    return {"names": [pdu.parse_name(buf, *span)]} if span else {}


def _define_request(buf: bytes, start: int, stop: int) -> Facts:
    name = ber.element(buf, start, stop)
    members = ber.expect(buf, name[2], stop, 0xA0, "list of variables")
    return {"names": [pdu.parse_name(buf, start, stop), *services.members_of(buf, *members)]}


def _delete_request(buf: bytes, start: int, stop: int) -> Facts:
    span = ber.fields(buf, start, stop).get(0xA1)
    return {"names": [pdu.parse_name(buf, *span)]} if span else {}


def _read_response(buf: bytes, start: int, stop: int) -> Facts:
    values = services.read_response(buf, start, stop)
    return {"values": values, "kinds": _kinds(buf, start, stop, 0xA1)}


def _identity(buf: bytes, start: int, stop: int) -> Facts:
    identity = services.identify_response(buf, start, stop)
    return {"detail": f"{identity.vendor} {identity.model} {identity.revision}"}


def _directory(buf: bytes, start: int, stop: int) -> Facts:
    entries, _ = files.directory_response(buf, start, stop)
    return {"identifiers": [entry.name for entry in entries]}


Reader = Callable[[bytes, int, int], Facts]
_REQUESTS: dict[int, Reader] = {
    pdu.READ: _read_request,
    pdu.WRITE: _write_request,
    pdu.GET_TYPE: _type_request,
    pdu.GET_LIST: lambda buf, a, b: {"names": [pdu.parse_name(buf, a, b)]},
    pdu.DEFINE_LIST: _define_request,
    pdu.DELETE_LIST: _delete_request,
}
_RESPONSES: dict[int, Reader] = {
    pdu.READ: _read_response,
    pdu.WRITE: lambda buf, a, b: {"values": services.write_response(buf, a, b)},
    pdu.GET_NAME_LIST: lambda buf, a, b: {"identifiers": services.name_list_response(buf, a, b)[0]},
    pdu.GET_LIST: lambda buf, a, b: {"names": services.list_response(buf, a, b)[0]},
    pdu.GET_TYPE: lambda buf, a, b: {"type": services.type_response(buf, a, b)},
    pdu.IDENTIFY: _identity,
    pdu.FILE_DIRECTORY: _directory,
}


def describe(buf: bytes, found: Pdu) -> Facts:
    """Names and values of a PDU, as fields of `MmsRecord`."""
    span = found.start, found.stop
    if found.kind in {pdu.ERROR, pdu.REJECT}:
        return {"detail": str(pdu.service_error(buf, found))}
    if found.kind == pdu.UNCONFIRMED and found.service == 0:
        report = services.information_report(buf, *span)
        names = [report.name] if report.name else report.variables
        return {"names": names, "values": report.values, "kinds": _kinds(buf, *span, 0xA0)}
    readers = {pdu.REQUEST: _REQUESTS, pdu.RESPONSE: _RESPONSES}.get(found.kind, {})
    reader = readers.get(found.service if found.service is not None else -1)
    return reader(buf, *span) if reader else {}


def _kinds(buf: bytes, start: int, stop: int, tag: int) -> list[int]:
    """Kinds of the values in the last element with this tag."""
    spans = [(a, b) for t, a, b in ber.elements(buf, start, stop) if t == tag]
    return data.kinds(buf, *spans[-1]) if spans else []


def line(record: Record) -> str:
    """A record as a person reads it."""
    if isinstance(record, Fault):
        return f"{record.frame} refused: {record.reason}"
    if isinstance(record, GooseRecord):
        m = record.message
        flags = " simulation" if m.simulation else ""
        return f"{record.frame} GOOSE {m.control_block} st {m.state} sq {m.sequence}{flags}"
    parts = [f"{record.frame} {record.source} > {record.destination} {record.kind}"]
    parts += [str(record.invoke)] if record.invoke is not None else []
    names = [*map(str, record.names), *record.identifiers]
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if names[4:] else "")
    values = f"{len(record.values)} values" if record.values else ""
    return " ".join(filter(None, (*parts, record.service, shown, values, record.detail)))


def row(record: Record) -> dict[str, Any]:
    """A record as JSON, with its sort."""
    sort = {MmsRecord: "mms", GooseRecord: "goose", Fault: "fault"}[type(record)]
    plain = msgspec.to_builtins(record, builtin_types=(bytes,), enc_hook=str)
    return {"protocol": sort, **_hexed(plain)}


def _hexed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _hexed(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_hexed(part) for part in value]
    return value.hex(":") if isinstance(value, bytes) else value
