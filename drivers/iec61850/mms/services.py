"""MMS services on variables, lists and names: requests to octets, responses from them."""

from collections.abc import Sequence

from msgspec import Struct

from drivers.iec61850 import ber
from hub import ProtocolError

from . import data, pdu, types
from .data import AccessError, Value
from .pdu import ObjectName

VARIABLE, VARIABLE_LIST, JOURNAL, DOMAIN = 0, 2, 8, 9

STATUS = b"\x80\x01\x00"
IDENTIFY = b"\x82\x00"


class Identity(Struct, frozen=True):
    vendor: str
    model: str
    revision: str


def identify_response(buf: bytes, start: int, stop: int) -> Identity:
    found = ber.fields(buf, start, stop)
    texts = (ber.to_text(buf, *found.get(tag, (0, 0))) for tag in (0x80, 0x81, 0x82))
    return Identity(*texts)


def status_response(buf: bytes, start: int, stop: int) -> tuple[int, int]:
    """(logical, physical) status: logical 0 means that state changes are allowed."""
    found = ber.fields(buf, start, stop)
    logical = ber.need(found, 0x80, "logical status")
    return ber.to_int(buf, *logical), ber.to_int(buf, *ber.need(found, 0x81, "physical status"))


def get_name_list(kind: int, domain: str | None = None, after: str | None = None) -> bytes:
    """Names of one kind in a domain, or in the whole device; `after` continues a list."""
    scope = b"\x80\x00" if domain is None else ber.text(0x81, domain)
    parts = [ber.tlv(0xA0, ber.integer(0x80, kind)), ber.tlv(0xA1, scope)]
    if after is not None:
        parts.append(ber.text(0x82, after))
    return ber.tlv(0xA1, *parts)


def name_list_response(buf: bytes, start: int, stop: int) -> tuple[list[str], bool]:
    """(names, whether more follow). MMS says that more follow when the flag is left out."""
    found = ber.fields(buf, start, stop)
    span = ber.need(found, 0xA0, "list of identifiers")
    names = [ber.to_text(buf, first, last) for _, first, last in ber.elements(buf, *span)]
    more = found.get(0x81)
    return names, ber.to_bool(buf, *more) if more else True


def get_type(name: ObjectName) -> bytes:
    return ber.tlv(0xA6, ber.tlv(0xA0, pdu.object_name(name)))


def type_response(buf: bytes, start: int, stop: int) -> types.Type:
    span = ber.need(ber.fields(buf, start, stop), 0xA2, "type specification")
    return types.parse(buf, *span)


def _variables(names: Sequence[ObjectName]) -> bytes:
    return b"".join(ber.tlv(0x30, ber.tlv(0xA0, pdu.object_name(name))) for name in names)


def read(names: Sequence[ObjectName]) -> bytes:
    """Values of single variables, in their order."""
    return ber.tlv(0xA4, ber.tlv(0xA1, ber.tlv(0xA0, _variables(names))))


def read_list(name: ObjectName) -> bytes:
    """Values of a data set."""
    return ber.tlv(0xA4, ber.tlv(0xA1, ber.tlv(0xA1, pdu.object_name(name))))


def read_response(buf: bytes, start: int, stop: int) -> list[Value]:
    """The access results: values, and AccessError where there is none."""
    for tag, first, last in ber.elements(buf, start, stop):
        if tag == 0xA1:
            return data.items(buf, first, last)
    raise ProtocolError("read response without access results")


def write(names: Sequence[ObjectName], values: Sequence[bytes]) -> bytes:
    """Write encoded values to single variables."""
    return ber.tlv(0xA5, ber.tlv(0xA0, _variables(names)), ber.tlv(0xA0, *values))


def write_response(buf: bytes, start: int, stop: int) -> list[AccessError | None]:
    """None for each value taken."""
    out: list[AccessError | None] = []
    for tag, first, last in ber.elements(buf, start, stop):
        if tag not in {0x80, 0x81}:
            raise ProtocolError(f"write result with tag {tag:#x}")
        out.append(AccessError(ber.to_int(buf, first, last)) if tag == 0x80 else None)
    return out


def define_list(name: ObjectName, members: Sequence[ObjectName]) -> bytes:
    return ber.tlv(0xAB, pdu.object_name(name), ber.tlv(0xA0, _variables(members)))


def get_list(name: ObjectName) -> bytes:
    return ber.tlv(0xAC, pdu.object_name(name))


def list_response(buf: bytes, start: int, stop: int) -> tuple[list[ObjectName], bool]:
    """(members, whether a client may delete the list)."""
    found = ber.fields(buf, start, stop)
    deletable = found.get(0x80)
    span = ber.need(found, 0xA1, "list of variables")
    members = members_of(buf, *span)
    return members, bool(deletable) and ber.to_bool(buf, *ber.need(found, 0x80, "deletable"))


def members_of(buf: bytes, start: int, stop: int) -> list[ObjectName]:
    """Names of a list of variables; alternate access (an array's element) is not used by us."""
    out = []
    for tag, first, last in ber.elements(buf, start, stop):
        if tag != 0x30:
            raise ProtocolError(f"list of variables holds tag {tag:#x}")
        span = ber.need(ber.fields(buf, first, last), 0xA0, "variable name")
        out.append(pdu.parse_name(buf, *span))
    return out


def delete_list(name: ObjectName) -> bytes:
    return ber.tlv(0xAD, ber.tlv(0xA1, pdu.object_name(name)))


def delete_response(buf: bytes, start: int, stop: int) -> tuple[int, int]:
    """(matched, deleted)."""
    found = ber.fields(buf, start, stop)
    matched = ber.need(found, 0x80, "number matched")
    return ber.to_int(buf, *matched), ber.to_int(buf, *ber.need(found, 0x81, "number deleted"))


class InformationReport(Struct, frozen=True):
    """name: of the variable list (`RPT` for reports); None when variables were listed."""

    name: ObjectName | None
    variables: list[ObjectName]
    values: list[Value]


def information_report(buf: bytes, start: int, stop: int) -> InformationReport:
    """Content of the unconfirmed service 0xA0."""
    spec, *rest = ber.elements(buf, start, stop)
    values: list[Value] = []
    for tag, first, last in rest:
        if tag == 0xA0:
            values = data.items(buf, first, last)
    name, variables = access(buf, *spec)
    return InformationReport(name, variables, values)


def access(
    buf: bytes, tag: int, start: int, stop: int
) -> tuple[ObjectName | None, list[ObjectName]]:
    """A variable access specification: a named list, or the variables themselves."""
    if tag == 0xA1:
        return pdu.parse_name(buf, start, stop), []
    if tag == 0xA0:
        return None, members_of(buf, start, stop)
    raise ProtocolError(f"variable access specification with tag {tag:#x}")
