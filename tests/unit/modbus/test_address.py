import pytest

from drivers.modbus.address import Table, parse
from drivers.modbus.config import ModbusDevice
from hub import ConfigError, PointSpec


def spec(address: str, type_: str = "", **more) -> PointSpec:
    return PointSpec(name="p", address=address, type=type_, **more)


def test_every_table_has_its_read_function():
    assert [(t, t.read_function) for t in Table] == [("co", 1), ("di", 2), ("hr", 3), ("ir", 4)]


def test_a_register_is_named_as_sent_on_the_wire():
    address = parse(spec("hr:40", "float32"))
    assert (address.table, address.start, address.count) == (Table.HOLDING, 40, 2)


def test_a_device_documented_from_one_is_read_one_lower():
    device = ModbusDevice(name="m", one_based=True)
    assert parse(spec("ir:7", "uint16"), device).start == 6
    with pytest.raises(ConfigError, match="within 0 to 65535"):
        parse(spec("ir:0", "uint16"), device)


def test_bits_of_a_register_need_no_type():
    single, several = parse(spec("hr:40.3")), parse(spec("hr:40.4-7"))
    assert (single.type, single.bit, single.bits, single.mask) == ("bool", 3, 1, 0b1000)
    assert (several.type, several.bit, several.bits, several.mask) == ("uint16", 4, 4, 0xF0)


def test_a_string_takes_a_register_for_two_characters():
    address = parse(spec("hr:10", "string:7"))
    assert (address.type, address.count, address.chars) == ("string", 4, 7)


@pytest.mark.parametrize(
    ("text", "type_"),
    [("hr:40", "int16"), ("ir:7", "bool"), ("co:3", ""), ("hr:40.3", ""), ("hr:40.4-7", "")],
)
def test_an_address_prints_as_it_was_written(text, type_):
    assert str(parse(spec(text, type_))) == text


@pytest.mark.parametrize(
    ("address", "type_", "more", "says"),
    [
        ("40041", "uint16", {}, "is none of hr:40"),
        ("hr:-1", "uint16", {}, "is none of hr:40"),
        ("hr:65535", "uint32", {}, "within 0 to 65535"),
        ("hr:40.16", "", {}, "within 0 to 15"),
        ("hr:40.7-4", "", {}, "within 0 to 15"),
        ("co:3.1", "", {}, "no bit number"),
        ("hr:40", "", {}, "is none of bool"),
        ("hr:40", "uint24", {}, "is none of bool"),
        ("hr:40", "string:0", {}, "1 to 250"),
        ("co:3", "uint16", {}, "does not fit one bit"),
        ("hr:4.1-3", "int16", {}, "does not fit a bit range"),
        ("ir:3", "uint16", {"writable": True}, "cannot be written"),
        ("hr:3", "uint16", {"scale": 0.0}, "scale is 0"),
        ("hr:3", "string:4", {"word_order": "little"}, "no word_order"),
    ],
)
def test_an_impossible_point_is_refused_with_its_name_and_the_reason(address, type_, more, says):
    with pytest.raises(ConfigError, match=says) as refusal:
        parse(spec(address, type_, **more))
    assert "'p'" in str(refusal.value)
