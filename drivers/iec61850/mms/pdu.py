"""MMS PDUs (ISO 9506-2 §7): envelopes, errors, initiate, object names."""

from typing import NamedTuple

from msgspec import Struct

from drivers.iec61850 import ber
from hub import HubError, ProtocolError

REQUEST, RESPONSE, ERROR, UNCONFIRMED, REJECT = 0xA0, 0xA1, 0xA2, 0xA3, 0xA4
CANCEL_REQUEST, CANCEL_RESPONSE, CANCEL_ERROR = 0x85, 0x86, 0xA7
INITIATE_REQUEST, INITIATE_RESPONSE, INITIATE_ERROR = 0xA8, 0xA9, 0xAA
CONCLUDE_REQUEST, CONCLUDE_RESPONSE, CONCLUDE_ERROR = 0x8B, 0x8C, 0xAD
KINDS = {
    REQUEST: "request",
    RESPONSE: "response",
    ERROR: "error",
    UNCONFIRMED: "unconfirmed",
    REJECT: "reject",
    CANCEL_REQUEST: "cancel-request",
    CANCEL_RESPONSE: "cancel-response",
    CANCEL_ERROR: "cancel-error",
    INITIATE_REQUEST: "initiate-request",
    INITIATE_RESPONSE: "initiate-response",
    INITIATE_ERROR: "initiate-error",
    CONCLUDE_REQUEST: "conclude-request",
    CONCLUDE_RESPONSE: "conclude-response",
    CONCLUDE_ERROR: "conclude-error",
}

STATUS, GET_NAME_LIST, IDENTIFY, READ, WRITE, GET_TYPE = 0, 1, 2, 4, 5, 6
DEFINE_LIST, GET_LIST, DELETE_LIST = 11, 12, 13
OBTAIN_FILE, READ_JOURNAL, INITIALIZE_JOURNAL, REPORT_JOURNAL = 46, 65, 67, 66
FILE_OPEN, FILE_READ, FILE_CLOSE, FILE_RENAME, FILE_DELETE, FILE_DIRECTORY = range(72, 78)
SERVICES = {
    STATUS: "status",
    GET_NAME_LIST: "getNameList",
    IDENTIFY: "identify",
    READ: "read",
    WRITE: "write",
    GET_TYPE: "getVariableAccessAttributes",
    DEFINE_LIST: "defineNamedVariableList",
    GET_LIST: "getNamedVariableListAttributes",
    DELETE_LIST: "deleteNamedVariableList",
    OBTAIN_FILE: "obtainFile",
    READ_JOURNAL: "readJournal",
    REPORT_JOURNAL: "reportJournalStatus",
    INITIALIZE_JOURNAL: "initializeJournal",
    FILE_OPEN: "fileOpen",
    FILE_READ: "fileRead",
    FILE_CLOSE: "fileClose",
    FILE_RENAME: "fileRename",
    FILE_DELETE: "fileDelete",
    FILE_DIRECTORY: "fileDirectory",
}


class Pdu(NamedTuple):
    """One PDU; `start`…`stop` is the content of the service, or of the PDU where it has none.

    tag: of the service. invoke: None where the PDU has no invoke id.
    """

    kind: int
    invoke: int | None
    tag: int | None
    start: int
    stop: int

    @property
    def service(self) -> int | None:
        """Number of the service, whatever the form of its tag."""
        tag = self.tag
        return None if tag is None else tag & (0x7F if tag > 0xFF else 0x1F)


def parse(buf: bytes, start: int, stop: int) -> Pdu:
    """Open the envelope. Raises ProtocolError for what is no MMS PDU."""
    kind, first, last = ber.element(buf, start, stop)
    if kind in {REQUEST, RESPONSE}:
        begin, end = ber.expect(buf, first, last, 0x02, "invoke id")
        invoke = ber.to_int(buf, begin, end)
        while end < last:
            tag, begin, end = ber.element(buf, end, last)
            if tag != 0x30:  # list of modifiers
                return Pdu(kind, invoke, tag, begin, end)
        raise ProtocolError("confirmed PDU without a service")
    if kind in {ERROR, REJECT}:
        found = ber.fields(buf, first, last)
        number = found.get(0x80)
        if number is None and kind == ERROR:
            raise ProtocolError("confirmed error without an invoke id")
        return Pdu(kind, ber.to_int(buf, *number) if number else None, None, first, last)
    if kind == UNCONFIRMED:
        tag, begin, end = ber.element(buf, first, last)
        return Pdu(kind, None, tag, begin, end)
    if kind not in KINDS:
        raise ProtocolError(f"unknown MMS PDU {kind:#04x}")
    return Pdu(kind, None, None, first, last)


def request(invoke: int, service: bytes) -> bytes:
    return ber.tlv(REQUEST, ber.integer(0x02, invoke), service)


def response(invoke: int, service: bytes) -> bytes:
    return ber.tlv(RESPONSE, ber.integer(0x02, invoke), service)


def error(invoke: int, error_class: int, code: int) -> bytes:
    choice = ber.tlv(0xA0, ber.integer(0x80 | error_class, code))
    return ber.tlv(ERROR, ber.integer(0x80, invoke), ber.tlv(0xA2, choice))


CONCLUDE = b"\x8b\x00"
CONCLUDED = b"\x8c\x00"

_CLASSES = (
    "vmd-state",
    "application-reference",
    "definition",
    "resource",
    "service",
    "service-preempt",
    "time-resolution",
    "access",
    "initiate",
    "conclude",
    "cancel",
    "file",
    "others",
)
_CODES = {
    (2, 1): "object undefined",
    (2, 2): "invalid address",
    (2, 3): "type unsupported",
    (2, 4): "type inconsistent",
    (2, 5): "object exists",
    (2, 6): "object attribute inconsistent",
    (3, 1): "memory unavailable",
    (3, 3): "capability unavailable",
    (4, 1): "primitives out of sequence",
    (4, 2): "object state conflict",
    (4, 4): "continuation invalid",
    (4, 5): "object constraint conflict",
    (7, 1): "object access unsupported",
    (7, 2): "object non-existent",
    (7, 3): "object access denied",
    (7, 4): "object invalidated",
    (11, 1): "file name ambiguous",
    (11, 2): "file busy",
    (11, 3): "file name syntax error",
    (11, 4): "content type invalid",
    (11, 5): "position invalid",
    (11, 6): "file access denied",
    (11, 7): "file non-existent",
    (11, 8): "duplicate file name",
    (11, 9): "insufficient space in file store",
}


class ServiceError(HubError):
    """The device refused an MMS service."""

    code = "mms_refused"

    def __init__(self, detail: str = "", error_class: int = 12, error_code: int = 0) -> None:
        super().__init__(detail)
        self.error_class, self.error_code = error_class, error_code


def service_error(buf: bytes, pdu: Pdu) -> ServiceError:
    """What a confirmed error or a reject says, as the exception to raise."""
    found = ber.fields(buf, pdu.start, pdu.stop)
    if pdu.kind == REJECT:
        reason = next((t for t in found if t != 0x80), 0)
        return ServiceError(f"the device rejected the request (reason {reason & 0x1F})")
    span = found.get(0xA2)
    inner = ber.fields(buf, *span).get(0xA0) if span else None
    if inner is None:
        return ServiceError("the device refused the service and gave no reason")
    tag, start, stop = ber.element(buf, *inner)
    number, code = tag & 0x1F, ber.to_int(buf, start, stop)
    name = _CLASSES[number] if number < len(_CLASSES) else f"class {number}"
    words = _CODES.get((number, code), f"code {code}")
    return ServiceError(f"the device refused the service: {name}, {words}", number, code)


class ObjectName(Struct, frozen=True):
    """A variable, variable list or journal. domain: None for VMD or association scope."""

    item: str
    domain: str | None = None
    association: bool = False

    def __str__(self) -> str:
        if self.domain is not None:
            return f"{self.domain}/{self.item}"
        return f"@/{self.item}" if self.association else self.item


def object_name(name: ObjectName) -> bytes:
    if name.domain is not None:
        return ber.tlv(0xA1, ber.text(0x1A, name.domain), ber.text(0x1A, name.item))
    return ber.text(0x82 if name.association else 0x80, name.item)


def parse_name(buf: bytes, start: int, stop: int) -> ObjectName:
    """The ObjectName at `start`."""
    tag, first, last = ber.element(buf, start, stop)
    if tag == 0xA1:
        parts = [ber.to_text(buf, a, b) for t, a, b in ber.elements(buf, first, last) if t == 0x1A]
        if len(parts) != 2:
            raise ProtocolError(f"object name of {len(parts)} parts at offset {start}")
        return ObjectName(parts[1], parts[0])
    if tag in {0x80, 0x82}:
        return ObjectName(ber.to_text(buf, first, last), None, tag == 0x82)
    raise ProtocolError(f"object name with tag {tag:#x} at offset {start}")


class Initiate(Struct, frozen=True, kw_only=True):
    """What both sides settle at the start. detail: largest MMS PDU in octets."""

    detail: int = 65000
    calling: int = 5
    called: int = 5
    nesting: int = 10


_PARAMETER_CBB = b"\x05\xf1\x00"
# What a client uses and what a server of ours offers: the services of `SERVICES`.
_SERVICES_SUPPORTED = bytes.fromhex("03ee1c00000408000079ef18")


def initiate(values: Initiate, kind: int = INITIATE_REQUEST) -> bytes:
    detail = ber.tlv(
        0xA4,
        b"\x80\x01\x01",
        ber.tlv(0x81, _PARAMETER_CBB),
        ber.tlv(0x82, _SERVICES_SUPPORTED),
    )
    return ber.tlv(
        kind,
        ber.integer(0x80, values.detail),
        ber.integer(0x81, values.calling),
        ber.integer(0x82, values.called),
        ber.integer(0x83, values.nesting),
        detail,
    )


def parse_initiate(buf: bytes, pdu: Pdu, proposed: Initiate | None = None) -> Initiate:
    """Read a request or response: no more than was proposed, and that where the peer is silent."""
    if pdu.kind == INITIATE_ERROR:
        raise ServiceError("the device refused to initiate MMS")
    if pdu.kind not in {INITIATE_REQUEST, INITIATE_RESPONSE}:
        raise ProtocolError(f"MMS initiate expected, {KINDS[pdu.kind]} received")
    found = ber.fields(buf, pdu.start, pdu.stop)

    def number(tag: int, default: int) -> int:
        return ber.to_int(buf, *found[tag]) if tag in found else default

    ours = proposed or Initiate()
    return Initiate(
        detail=min(number(0x80, ours.detail), ours.detail),
        calling=min(number(0x81, ours.calling), ours.calling),
        called=min(number(0x82, ours.called), ours.called),
        nesting=min(number(0x83, ours.nesting), ours.nesting),
    )
