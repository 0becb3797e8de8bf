import math
import struct
from typing import Any

import pytest

from hub import ConfigError, Kind, PointSpec
from simulators.registers import Image


def spec(**more: Any) -> PointSpec:
    return PointSpec(**{"name": "x", "address": "hr:2", "type": "uint16"} | more)


@pytest.mark.parametrize(
    ("more", "value", "expected"),
    [
        ({"type": "int16"}, -2, "fffe"),
        ({"type": "uint16", "scale": 0.1}, 230.4, "0900"),
        ({"type": "uint16", "offset": 100.0}, 116, "0010"),
        ({"type": "int32"}, -2, "fffffffe"),
        ({"type": "uint32"}, 0x01020304, "01020304"),
        ({"type": "uint32", "word_order": "little"}, 0x01020304, "03040102"),
        ({"type": "uint32", "byte_order": "little"}, 0x01020304, "02010403"),
        ({"type": "uint64", "word_order": "little"}, 0x0001000200030004, "0004000300020001"),
        ({"type": "float32"}, 230.5, "43668000"),
        ({"type": "float32", "word_order": "little"}, 230.5, "80004366"),
        ({"type": "float64"}, 0.5, "3fe0000000000000"),
        ({"type": "bcd16"}, 1234, "1234"),
        ({"type": "bcd32", "scale": 0.01}, 123456.78, "12345678"),
        ({"type": "string:5"}, "SDM", "53444d000000"),
    ],
)
def test_a_value_becomes_these_bytes(more: dict[str, Any], value: Any, expected: str) -> None:
    image = Image([spec(**more)])
    image.set("x", value)
    assert image.read("hr", 2, len(expected) // 4) == bytes.fromhex(expected)


def test_a_gauge_saturates_and_a_counter_rolls_over() -> None:
    gauge, counter = Image([spec()]), Image([spec(kind=Kind.COUNTER)])
    for image in (gauge, counter):
        image.set("x", 65_537.9)
    assert gauge.read("hr", 2, 1) == b"\xff\xff"
    assert counter.read("hr", 2, 1) == b"\x00\x01"


def test_what_is_no_number_is_zero_in_an_integer_and_stays_nan_in_a_float() -> None:
    image = Image([spec(), spec(name="y", address="hr:4", type="float32")])
    image.set("x", math.nan)
    image.set("y", math.nan)
    assert image.read("hr", 2, 1) == b"\0\0"
    data = image.read("hr", 4, 2)
    assert data is not None
    assert math.isnan(struct.unpack(">f", data)[0])


def test_bits_of_one_register_do_not_disturb_each_other() -> None:
    image = Image(
        [
            spec(name="low", address="hr:0.0", type="bool"),
            spec(name="mode", address="hr:0.4-6"),
            spec(name="high", address="hr:0.15", type="bool"),
        ]
    )
    image.set("high", 1)
    image.set("mode", 5)
    image.set("low", 1)
    assert image.read("hr", 0, 1) == b"\x80\x51"
    image.set("mode", 2)
    assert image.read("hr", 0, 1) == b"\x80\x21"


def test_scale_registers_are_chosen_and_applied() -> None:
    image = Image(
        [
            spec(name="voltage", address="hr:0", type="int16", unit="V", scale_from="V_SF"),
            spec(name="V_SF", address="hr:1", type="int16"),
        ]
    )
    image.set("voltage", 230.4)
    assert image.read("hr", 0, 2) == struct.pack(">hh", 2304, -1)


def test_reads_run_over_small_gaps_but_not_beyond_what_exists() -> None:
    image = Image(
        [spec(address="hr:2"), spec(name="y", address="hr:8"), spec(name="z", address="hr:90")]
    )
    assert image.read("hr", 2, 7) == bytes(14)
    assert image.read("hr", 1, 2) is None
    assert image.read("hr", 8, 2) is None
    assert image.read("hr", 90, 2) is None
    assert image.read("ir", 0, 1) is None


def test_only_writable_points_are_written() -> None:
    image = Image([spec(address="co:0", writable=True), spec(name="y", address="co:1")])
    touched = image.write("co", 0, b"\1")
    assert touched is not None
    assert [field.spec.name for field in touched] == ["x"]
    assert image.write("co", 0, b"\1\1") is None
    assert image.read("co", 0, 2) == b"\1\0"


@pytest.mark.parametrize("more", [{"address": "xx:1"}, {"type": "float16"}, {"type": ""}])
def test_what_is_no_register_is_refused_by_name(more: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"^x: "):
        Image([spec(**more)])
