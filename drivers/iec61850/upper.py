"""Session (ISO 8327), presentation (ISO 8823) and ACSE (ISO 8650) around MMS.

MMS uses of them one connection, one abstract syntax, one transfer syntax: what the layers say
after the association stands is the same few octets each time.
"""

from msgspec import Struct

from hub import AuthError, LinkError, ProtocolError

from . import ber

CONNECT, ACCEPT, REFUSE, FINISH, DISCONNECT, ABORT = 0x0D, 0x0E, 0x0C, 0x09, 0x0A, 0x19
ACSE_CONTEXT, MMS_CONTEXT = 1, 3
_ACSE_AS = bytes.fromhex("52010001")
_MMS_AS = bytes.fromhex("28ca220201")
_BER_TS = bytes.fromhex("5101")
_MMS_APPLICATION = bytes.fromhex("28ca220203")
_PASSWORD_MECHANISM = bytes.fromhex("520301")
_DATA_PREFIX = b"\x01\x00\x01\x00"

_DIAGNOSTICS = {
    1: "no reason given",
    2: "application context name not supported",
    3: "calling AP title not recognised",
    7: "called AP title not recognised",
    10: "called AE qualifier not recognised",
    11: "authentication mechanism not recognised",
    12: "authentication mechanism name required",
    13: "authentication failure",
    14: "authentication required",
}


class Endpoint(Struct, frozen=True, kw_only=True):
    """How one side is addressed. ap_title: dotted object identifier; empty leaves both out."""

    ap_title: str = ""
    ae_qualifier: int = 0
    presentation: bytes = b"\x00\x00\x00\x01"
    session: bytes = b"\x00\x01"
    transport: bytes = b"\x00\x01"


def object_identifier(dotted: str) -> bytes:
    """Content octets of an OBJECT IDENTIFIER."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    out = bytearray()
    for arc in (first * 40 + second, *rest):
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.append(arc & 0x7F | 0x80)
        out.extend(reversed(septets))
    return bytes(out)


def _parameter(code: int, *content: bytes) -> bytes:
    body = b"".join(content)
    size = bytes((len(body),)) if len(body) < 255 else b"\xff" + len(body).to_bytes(2, "big")
    return bytes((code,)) + size + body


def _user_data(context: int, apdu: bytes) -> bytes:
    return ber.tlv(0x61, ber.tlv(0x30, ber.integer(0x02, context), ber.tlv(0xA0, apdu)))


def _spdu(code: int, selectors: bytes, user: bytes) -> bytes:
    item = _parameter(0x05, b"\x13\x01\x00\x16\x01\x02")
    return _parameter(code, item, b"\x14\x02\x00\x02", selectors, _parameter(0xC1, user))


def associate(local: Endpoint, remote: Endpoint, password: str | None, initiate: bytes) -> bytes:
    """The CONNECT SPDU that carries CP, AARQ and the MMS initiate request."""
    aarq = ber.tlv(0x60, *_aarq(local, remote, password), _user_information(initiate))
    contexts = ber.tlv(
        0xA4,
        _context(ACSE_CONTEXT, _ACSE_AS),
        _context(MMS_CONTEXT, _MMS_AS),
    )
    normal = ber.tlv(
        0xA2,
        ber.tlv(0x81, local.presentation),
        ber.tlv(0x82, remote.presentation),
        contexts,
        _user_data(ACSE_CONTEXT, aarq),
    )
    presentation = ber.tlv(0x31, ber.tlv(0xA0, b"\x80\x01\x01"), normal)
    selectors = _parameter(0x33, local.session) + _parameter(0x34, remote.session)
    return _spdu(CONNECT, selectors, presentation)


def _aarq(local: Endpoint, remote: Endpoint, password: str | None) -> list[bytes]:
    parts = [ber.tlv(0xA1, ber.tlv(0x06, _MMS_APPLICATION))]
    if remote.ap_title:
        parts.append(ber.tlv(0xA2, ber.tlv(0x06, object_identifier(remote.ap_title))))
        parts.append(ber.tlv(0xA3, ber.integer(0x02, remote.ae_qualifier)))
    if local.ap_title:
        parts.append(ber.tlv(0xA6, ber.tlv(0x06, object_identifier(local.ap_title))))
        parts.append(ber.tlv(0xA7, ber.integer(0x02, local.ae_qualifier)))
    if password is not None:
        parts.append(b"\x8a\x02\x07\x80")
        parts.append(ber.tlv(0x8B, _PASSWORD_MECHANISM))
        parts.append(ber.tlv(0xAC, ber.text(0x80, password)))
    return parts


def _user_information(mms: bytes) -> bytes:
    external = ber.tlv(0x28, ber.integer(0x02, MMS_CONTEXT), ber.tlv(0xA0, mms))
    return ber.tlv(0xBE, external)


def _context(number: int, syntax: bytes) -> bytes:
    transfer = ber.tlv(0x30, ber.tlv(0x06, _BER_TS))
    return ber.tlv(0x30, ber.integer(0x02, number), ber.tlv(0x06, syntax), transfer)


def accept(called: bytes, initiate: bytes) -> bytes:
    """The ACCEPT SPDU with CPA, AARE and the MMS initiate response, as a server answers."""
    aare = ber.tlv(
        0x61,
        ber.tlv(0xA1, ber.tlv(0x06, _MMS_APPLICATION)),
        b"\xa2\x03\x02\x01\x00\xa3\x05\xa1\x03\x02\x01\x00",
        _user_information(initiate),
    )
    result = ber.tlv(0x30, b"\x80\x01\x00", ber.tlv(0x81, _BER_TS))
    normal = ber.tlv(
        0xA2,
        ber.tlv(0x83, b"\x00\x00\x00\x01"),
        ber.tlv(0xA5, result, result),
        _user_data(ACSE_CONTEXT, aare),
    )
    presentation = ber.tlv(0x31, ber.tlv(0xA0, b"\x80\x01\x01"), normal)
    return _spdu(ACCEPT, _parameter(0x34, called), presentation)


def data(mms: bytes) -> bytes:
    """Session data transfer with one MMS PDU."""
    n = len(mms)
    if n < 110:
        head = bytes((0x61, n + 7, 0x30, n + 5, 0x02, 0x01, MMS_CONTEXT, 0xA0, n))
        return _DATA_PREFIX + head + mms
    return _DATA_PREFIX + _user_data(MMS_CONTEXT, mms)


def unwrap(message: bytes) -> tuple[int, int]:
    """(start, stop) of the MMS PDU inside a session data transfer.

    Raises LinkError when the peer finishes or aborts, ProtocolError on anything else.
    """
    if message[:4] != _DATA_PREFIX:
        kind = message[0] if message else 0
        if kind in {FINISH, DISCONNECT, ABORT}:
            raise LinkError("the peer ended the association (session abort or finish)")
        raise ProtocolError(f"no session data transfer: {message[:8].hex(' ')}")
    user = ber.expect(message, 4, len(message), 0x61, "presentation user data")
    return _pdv(message, *user, MMS_CONTEXT)


def _pdv(buf: bytes, start: int, stop: int, context: int) -> tuple[int, int]:
    """The value with this context among the content of presentation user data."""
    for tag, first, last in ber.elements(buf, start, stop):
        if tag != 0x30:
            continue
        found = ber.fields(buf, first, last)
        number = ber.need(found, 0x02, "presentation context")
        value = found.get(0xA0) or found.get(0x81)
        if value and ber.to_int(buf, *number) == context:
            return value
    raise ProtocolError(f"no value in presentation context {context}")


def session_user_data(message: bytes) -> tuple[int, int, int]:
    """(SPDU, start, stop) of the user data of a CONNECT or ACCEPT SPDU."""
    if len(message) < 2:
        raise ProtocolError("session PDU cut off")
    kind, (pos, end) = message[0], _li(message, 1)
    while pos < end:
        code, (start, stop) = message[pos], _li(message, pos + 1)
        if stop > end:
            break
        if code in {0xC1, 0xC2}:
            return kind, start, stop
        pos = stop
    raise ProtocolError(f"session PDU {kind:#04x} without user data")


def _li(message: bytes, pos: int) -> tuple[int, int]:
    """(start, stop) behind a session length indicator; it must lie inside the message."""
    if pos >= len(message):
        raise ProtocolError("session PDU cut off")
    size, start = message[pos], pos + 1
    if size == 0xFF:
        size, start = int.from_bytes(message[pos + 1 : pos + 3], "big"), pos + 3
    if start + size > len(message):
        raise ProtocolError("session parameter runs over the PDU")
    return start, start + size


def acse(message: bytes) -> tuple[int, dict[int, tuple[int, int]]]:
    """(APDU tag, its fields) from a CONNECT or ACCEPT SPDU: 0x60 AARQ, 0x61 AARE."""
    _, pos, end = session_user_data(message)
    start, stop = ber.expect(message, pos, end, 0x31, "presentation")
    normal = ber.need(ber.fields(message, start, stop), 0xA2, "normal-mode parameters")
    user = ber.need(ber.fields(message, *normal), 0x61, "presentation user data")
    value = _pdv(message, *user, ACSE_CONTEXT)
    tag, first, last = ber.element(message, *value)
    return tag, ber.fields(message, first, last)


def accepted(message: bytes) -> tuple[int, int]:
    """(start, stop) of the initiate response in the peer's answer to `associate`.

    Raises AuthError when it wants other credentials, LinkError when it refuses for another reason.
    """
    if message and message[0] in {REFUSE, ABORT}:
        raise _refused(message)
    tag, found = acse(message)
    if tag != 0x61:
        raise ProtocolError(f"ACSE APDU {tag:#x}, 0x61 (AARE) expected")
    result = ber.need(found, 0xA2, "association result")
    if message[result[1] - 1] != 0:
        reason = found.get(0xA3)
        code = message[reason[1] - 1] if reason else 1
        words = _DIAGNOSTICS.get(code, f"diagnostic {code}")
        raise (AuthError if 11 <= code <= 14 else LinkError)(f"association refused: {words}")
    return user_information(message, found)


def _refused(message: bytes) -> LinkError:
    """What a refusal means: some servers put the AARE into the session REFUSE, others nothing."""
    at = message.find(b"\xa3\x05\xa1\x03\x02\x01")
    code = message[at + 6] if 0 <= at < len(message) - 6 else 0
    words = _DIAGNOSTICS.get(code, "the peer gave no reason")
    return (AuthError if 11 <= code <= 14 else LinkError)(f"association refused: {words}")


def user_information(buf: bytes, found: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """(start, stop) of the MMS PDU inside the ACSE user information."""
    outer = ber.need(found, 0xBE, "ACSE user information")
    external = ber.expect(buf, *outer, 0x28, "ACSE user information")
    return ber.need(ber.fields(buf, *external), 0xA0, "MMS PDU")
