"""Transport to presentation: framing, segmentation, refusals; octets of others' captures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.iec61850 import transport, upper
from drivers.iec61850.mms import pdu, services
from drivers.iec61850.mms.pdu import Initiate, ObjectName
from drivers.iec61850.transport import DT, Framer
from drivers.iec61850.upper import Endpoint
from hub import AuthError, HubError, LinkError, ProtocolError

# As sent by a client of another vendor: COTP connection request and confirm.
CONNECT = bytes.fromhex("0300001611e00000000100c1020000c2020001c0010d")
CONFIRM = bytes.fromhex("030000130ed00001000200c1020000c2020001")


def test_connection_parameters_are_read() -> None:
    request = transport.parse_connection(CONNECT[4:])
    assert (request.kind, request.tpdu_size, request.called) == (transport.CR, 8192, b"\0\1")
    confirm = transport.parse_connection(CONFIRM[4:])
    assert (confirm.kind, confirm.tpdu_size) == (transport.CC, 65531)


@given(st.binary(max_size=3000), st.sampled_from([128, 256, 1024, 8192]), st.integers(1, 200))
def test_messages_come_back_however_they_are_cut(payload: bytes, size: int, step: int) -> None:
    stream = transport.data(payload, size) + transport.data(b"next", size)
    assert all(len(part) <= size for part in _tpdus(stream))
    framer, got = Framer(), []
    for at in range(0, len(stream), step):
        got += framer.feed(stream[at : at + step])
    assert got == [(DT, payload), (DT, b"next")]


def _tpdus(stream: bytes) -> list[bytes]:
    out, pos = [], 0
    while pos < len(stream):
        size = int.from_bytes(stream[pos + 2 : pos + 4], "big")
        out.append(stream[pos + 4 : pos + size])
        pos += size
    return out


def test_a_message_without_an_end_is_refused_at_the_limit() -> None:
    framer = Framer(limit=10_000)
    part = transport.frame(b"\x02\xf0\x00" + bytes(1000))
    with pytest.raises(ProtocolError, match="more than 10000 octets"):
        framer.feed(part * 20)


@pytest.mark.parametrize(
    "octets", ["47455420", "03000003", "030000070240ff", "0300000b0001020304050607"]
)
def test_what_is_no_tpkt_is_refused(octets: str) -> None:
    with pytest.raises(ProtocolError):
        Framer().feed(bytes.fromhex(octets))


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_random_streams_only_ever_raise_protocol_errors(chunks: list[bytes]) -> None:
    framer = Framer()
    try:
        for chunk in chunks:
            for _, message in framer.feed(b"\x03\x00\x00" + chunk):
                pdu.parse(message, *upper.unwrap(message))
    except (ProtocolError, LinkError):
        pass


def test_an_association_request_is_read_back() -> None:
    initiate = pdu.initiate(Initiate(detail=8000))
    remote = Endpoint(ap_title="1.3.9999.23", ae_qualifier=12)
    message = upper.associate(Endpoint(ap_title="1.1.999.1"), remote, "secret", initiate)
    tag, found = upper.acse(message)
    assert tag == 0x60
    start, stop = upper.user_information(message, found)
    assert message[start:stop] == initiate
    first, last = found[0xAC]
    assert message[first:last] == b"\x80\x06secret"
    assert message[slice(*found[0xA2])].hex() == "06042bce0f17"


def test_an_acceptance_is_read_back() -> None:
    message = upper.accept(b"\0\1", pdu.initiate(Initiate(detail=900), pdu.INITIATE_RESPONSE))
    found = pdu.parse(message, *upper.accepted(message))
    assert pdu.parse_initiate(message, found).detail == 900


@pytest.mark.parametrize(("code", "error"), [(1, LinkError), (13, AuthError), (14, AuthError)])
def test_a_refused_association_says_why(code: int, error: type[HubError]) -> None:
    message = upper.accept(b"\0\1", pdu.initiate(Initiate(), pdu.INITIATE_RESPONSE))
    refusal = message.replace(
        b"\xa2\x03\x02\x01\x00\xa3\x05\xa1\x03\x02\x01\x00",
        b"\xa2\x03\x02\x01\x01\xa3\x05\xa1\x03\x02\x01" + bytes((code,)),
    )
    with pytest.raises(error, match="association refused"):
        upper.accepted(refusal)


def test_an_object_identifier_has_its_arcs() -> None:
    assert upper.object_identifier("1.3.9999.33").hex() == "2bce0f21"


@pytest.mark.parametrize("size", [1, 100, 109, 110, 127, 128, 250, 300, 70000])
def test_data_of_any_size_is_wrapped_and_unwrapped(size: int) -> None:
    message = upper.data(bytes(size))
    start, stop = upper.unwrap(message)
    assert message[start:stop] == bytes(size)


def test_an_abort_ends_the_link() -> None:
    with pytest.raises(LinkError):
        upper.unwrap(b"\x19\x00")


def test_requests_name_their_objects() -> None:
    names = [ObjectName("MMXU1$MX$TotW", "LD"), ObjectName("vmd"), ObjectName("own", None, True)]
    request = pdu.request(7, services.read(names))
    found = pdu.parse(request, 0, len(request))
    assert (found.kind, found.invoke, found.service) == (pdu.REQUEST, 7, pdu.READ)
    for name in names:
        octets = pdu.object_name(name)
        assert pdu.parse_name(octets, 0, len(octets)) == name


def test_errors_are_told_in_words() -> None:
    octets = pdu.error(3, 7, 2)
    fault = pdu.service_error(octets, pdu.parse(octets, 0, len(octets)))
    assert "access, object non-existent" in str(fault)
    assert (fault.error_class, fault.error_code) == (7, 2)


def test_more_follows_unless_the_device_says_otherwise() -> None:
    names = bytes.fromhex("a0041a024c44")
    assert services.name_list_response(names, 0, len(names)) == (["LD"], True)
    last = names + b"\x81\x01\x00"
    assert services.name_list_response(last, 0, len(last)) == (["LD"], False)
