"""The map of a Modbus server: what it refuses, and where it says that it is wrong."""

from typing import Any

import msgspec
import pytest

from config import explain
from drivers.modbus.address import Table
from drivers.modbus.exposed import (
    Layout,
    ModbusServer,
    ModbusSettings,
    ShownRegister,
    inside,
    networks,
    quality_address,
    replacement,
)


def shown(point: str, address: str, type: str = "uint16", **more: Any) -> dict[str, Any]:  # noqa: A002
    return {"point": point, "address": address, "type": type, **more}


@pytest.mark.parametrize(
    ("points", "fault"),
    [
        ([shown("a.x", "xx:1")], "address 'xx:1' is none of"),
        ([shown("a.x", "hr:1", "uint17")], "'uint17' is none of"),
        ([shown("a.x", "hr:65535", "uint32")], "does not lie within"),
        ([shown("a.x", "ir:1", writable=True)], "cannot be written"),
        ([shown("a.x", "hr:1", scale=0)], "scale is 0"),
        ([shown("a.x", "hr:1", invalid=70000)], "does not fit uint16"),
        ([shown("a.x", "hr:1", invalid=float("nan"))], "not a finite number"),
        ([shown("a.x", "hr:1", quality="co:9")], "does not fit one bit"),
        ([shown("a.x", "hr:1.4-7", "", byte_order="little")], "big byte order only"),
        ([shown("a.x", "hr:0", "float32"), shown("a.y", "hr:1")], "'a.y' .* 'a.x' .* share"),
        ([shown("a.x", "hr:1"), shown("a.y", "hr:2", quality="hr:1")], "share registers"),
        ([shown("a.x", "hr:1.0-4", ""), shown("a.y", "hr:1.4", "")], "share registers"),
        ([], "length >= 1"),
    ],
)
def test_what_cannot_be_shown_is_told_with_its_place(points: list[Any], fault: str) -> None:
    [found] = explain(ModbusSettings, {"servers": [{"points": points}]}, ("plugin", "modbus"))
    assert found.path[:4] == ("plugin", "modbus", "servers", 0)
    with pytest.raises(ValueError, match=fault):
        msgspec.convert({"points": points}, ModbusServer)
    if "share" not in fault and points:
        assert found.path[4:] == ("points", len(points) - 1)


def test_a_network_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="300"):
        msgspec.convert({"points": [shown("a.x", "hr:1")], "clients": ["10.0.0.300"]}, ModbusServer)


def test_bits_of_one_register_may_belong_to_several_points() -> None:
    layout = Layout(
        (
            ShownRegister(point="a", address="hr:3.0"),
            ShownRegister(point="b", address="hr:3.4-7"),
            ShownRegister(point="c", address="hr:5", type="uint16"),
        )
    )
    entries = layout.entries(Table.HOLDING, 3, 1, fill=False)
    assert entries is not None
    assert [e.row for e in entries] == [0, 1]
    assert layout.entries(Table.HOLDING, 3, 3, fill=False) is None
    assert [e.row for e in layout.entries(Table.HOLDING, 3, 3, fill=True) or ()] == [0, 1, 2]
    assert layout.entries(Table.HOLDING, 3, 4, fill=True) is None
    assert layout.entries(Table.INPUT, 3, 1, fill=True) is None


def test_a_stand_in_is_encoded_as_the_point_is() -> None:
    words = ShownRegister(point="a", address="hr:0", type="float32", invalid=float("nan"))
    little = ShownRegister(point="a", address="hr:0", type="int32", invalid=-2, word_order="little")
    from drivers.modbus.address import parse

    assert replacement(words, parse(words.spec)) == bytes.fromhex("7fc00000")
    assert replacement(little, parse(little.spec)) == bytes.fromhex("fffeffff")
    assert quality_address(words) is None


def test_clients_are_known_by_network_and_by_mapped_address() -> None:
    allowed = networks(("10.1.0.0/16", "fe80::/10", "192.0.2.7"))
    assert inside("10.1.2.3", allowed)
    assert inside("::ffff:192.0.2.7", allowed)
    assert inside("fe80::1%eth0", allowed)
    assert not inside("10.2.0.1", allowed)
    assert not inside("10.1.2.3", ())
