"""Request and response PDUs of a unit; figures from the MODBUS Application Protocol 1.1b3, §6."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import PointSpec
from hub.kernel.profiles import CommandSpec, Header, Profile
from simulators.modbus import Unit


def unit() -> Unit:
    header = Header(
        code="acme/m1", manufacturer="Acme", model="M1", title="M1", protocol="modbus",
        reference="test",
    )  # fmt: skip
    command = CommandSpec(
        name="relay",
        kind="binary",
        address="co:0",
        values={"open": 0, "close": 1},
        feedback="state",
    )
    points = (
        PointSpec(name="a", address="hr:107", type="uint16", writable=True),
        PointSpec(name="b", address="hr:108", type="uint32", writable=True),
        PointSpec(name="c", address="ir:8", type="uint16"),
        PointSpec(name="state", address="di:0", type="bool"),
        *(PointSpec(name=f"d{i}", address=f"di:{i}", type="bool") for i in range(1, 10)),
        command.point(header.defaults),
    )
    made = Unit(
        Profile(header=header, points=points, commands=(command,), file=Path("acme/m1.toml"))
    )
    made.image.set("a", 0x022B)
    made.image.set("b", 0x00000064)
    made.image.set("c", 10)
    for i in (1, 3, 8):
        made.image.set(f"d{i}", 1)
    return made


@pytest.mark.parametrize(
    ("request_", "response"),
    [
        ("03006b0003", "0306022b00000064"),
        ("0400080001", "0402000a"),
        ("020000000a", "02020a01"),
        ("0100000001", "010100"),
        ("06006b0003", "06006b0003"),
        ("10006b0003060001000a0102", "10006b0003"),
        ("16006b00f20025", "16006b00f20025"),
        ("05000 0ff00".replace(" ", ""), "050000ff00"),
        ("0f000000010101", "0f00000001"),
        ("03006b0000", "8303"),
        ("03006b007e", "8303"),
        ("0300640002", "8302"),
        ("0600080001", "8602"),
        ("0500001234", "8503"),
        ("10006b00020 20001".replace(" ", ""), "9003"),
        ("03006b", "8303"),
        ("07", "8701"),
        ("2b0e0100", "2b0e01010000030004" + b"Acme".hex() + "01024d31" + "0203" + b"1.0".hex()),
    ],
)
def test_a_request_gets_this_response(request_: str, response: str) -> None:
    assert unit().answer(bytes.fromhex(request_))[0].hex() == response


def test_a_mask_write_changes_only_masked_bits() -> None:
    made = unit()
    made.image.set("a", 0x12)
    made.answer(bytes.fromhex("16006b00f20025"))
    assert made.image.read("hr", 107, 1) == b"\x00\x17"


def test_a_control_moves_its_feedback_and_tells_who_listens() -> None:
    made, heard = unit(), []
    made.on_write.append(lambda name, value: heard.append((name, value)))
    made.answer(bytes.fromhex("050000ff00"))
    assert made.image.read("di", 0, 1) == b"\1"
    made.answer(bytes.fromhex("0500000000"))
    assert made.image.read("di", 0, 1) == b"\0"
    assert heard == [("relay", 1), ("relay", 0)]


def test_refused_writes_change_nothing() -> None:
    made = unit()
    made.faults.refuse_writes = 4
    assert made.answer(bytes.fromhex("050000ff00"))[0].hex() == "8504"
    assert made.image.read("co", 0, 1) == b"\0"


def test_an_illegal_range_spoils_only_reads_that_touch_it() -> None:
    made = unit()
    made.faults.illegal = (("hr", 109, 109, 2),)
    assert made.answer(bytes.fromhex("03006b0003"))[0].hex() == "8302"
    assert made.answer(bytes.fromhex("03006b0002"))[0].hex() == "0304022b0000"


@given(st.binary(min_size=1, max_size=253))
def test_whatever_arrives_is_answered_by_a_pdu_of_legal_size(request_: bytes) -> None:
    response, _ = unit().answer(request_)
    assert 2 <= len(response) <= 253
    assert response[0] & 0x7F == request_[0] & 0x7F
