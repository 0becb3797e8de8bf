"""Values against struct, which knows nothing of this driver's way to decode."""

import math
import struct
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.address import parse
from drivers.modbus.decode import Decoder
from drivers.modbus.encode import arrange, encode
from drivers.modbus.plan import Limits, blocks, items
from hub import GOOD, Flag, Invalid, PointSpec, Validity, quality

INVALID = quality(Validity.INVALID)


def decode(data: bytes, *specs: PointSpec):
    """Decode one block of `data` that begins at address 0."""
    addresses = [parse(spec) for spec in specs]
    made = blocks(items(addresses), Limits(gap=125, bits=2000))
    decoder = Decoder(addresses, made)
    parts, at = [], 0
    for block, size in zip(made, decoder.sizes, strict=True):
        at = 2 * block.start if not block.table.of_bits else block.start // 8
        parts.append(data[at : at + size])
    return decoder.decode(parts)


def one(data: bytes, type_: str, address: str = "hr:0", **more):
    values, qualities, texts = decode(
        data, PointSpec(name="p", address=address, type=type_, **more)
    )
    return texts.get(0, float(values[0])), int(qualities[0])


@pytest.mark.parametrize(
    ("type_", "data", "value"),
    [
        ("int16", "ff85", -123),
        ("uint16", "ff85", 65413),
        ("int32", "fffe1dc0", -123456),
        ("uint32", "fffe1dc0", 4294843840),
        ("int64", "ffffffffffffff85", -123),
        ("uint64", "0000000100000002", 4294967298),
        ("float32", "43668000", 230.5),
        ("float64", "406cd00000000000", 230.5),
        ("bcd16", "1234", 1234),
        ("bcd32", "12345678", 12345678),
        ("bcd64", "0000123456789012", 123456789012),
        ("bool", "0000", 0),
        ("bool", "0100", 1),
        ("string:6", "414253363330", "ABS630"),
        ("string:6", "412000000000", "A"),
        ("string:3", "41424358", "ABC"),
    ],
)
def test_a_type_is_decoded_as_the_table_of_types_says(type_, data, value):
    assert one(bytes.fromhex(data), type_) == (value, GOOD)


@pytest.mark.parametrize(
    ("data", "word_order", "byte_order"),
    [
        ("0a0b0c0d", "big", "big"),
        ("0c0d0a0b", "little", "big"),
        ("0b0a0d0c", "big", "little"),
        ("0d0c0b0a", "little", "little"),
    ],
)
def test_the_four_orders_of_a_double_register_give_one_value(data, word_order, byte_order):
    value, _ = one(bytes.fromhex(data), "uint32", word_order=word_order, byte_order=byte_order)
    assert value == 0x0A0B0C0D


def test_strings_of_meters_that_swap_bytes_are_readable():
    assert one(b"BA63\x003", "string:6", byte_order="little") == ("AB363", GOOD)


def test_bits_and_bit_ranges_are_counted_from_the_least_significant():
    data = bytes.fromhex("8421")
    found = [one(data, "", f"hr:0.{bit}")[0] for bit in range(16)]
    assert [bit for bit, value in enumerate(found) if value] == [0, 5, 10, 15]
    assert one(data, "", "hr:0.4-11")[0] == 0x42
    assert one(data, "", "hr:0.4-7", byte_order="little")[0] == 0x8


def test_coils_are_packed_from_the_least_significant_bit_of_the_first_byte():
    specs = [PointSpec(name=f"c{at}", address=f"co:{at}") for at in range(12)]
    values, qualities, _ = decode(b"\xcd\x0b", *specs)
    assert values.tolist() == [1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1]
    assert not qualities.any()


def test_a_digit_that_is_none_makes_a_bcd_value_invalid():
    value, grade = one(bytes.fromhex("12a4"), "bcd16")
    assert math.isnan(value)
    assert grade == INVALID


def test_nan_is_no_value_and_infinity_is_beyond_belief():
    value, grade = one(struct.pack(">f", math.nan), "float32")
    assert math.isnan(value)
    assert grade == INVALID
    value, grade = one(struct.pack(">d", -math.inf), "float64")
    assert value == -math.inf
    assert grade == quality(Validity.QUESTIONABLE, Flag.OVERRANGE)


def test_a_signalling_nan_raises_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert one(bytes.fromhex("7f800001"), "float32")[1] == INVALID


def test_a_counter_beyond_what_a_double_holds_says_that_it_is_inexact():
    assert one(struct.pack(">Q", 2**53 - 1), "uint64") == (2**53 - 1, GOOD)
    assert one(struct.pack(">Q", 2**53 + 1), "uint64")[1] == quality(flags=Flag.INACCURATE)
    assert one(struct.pack(">q", -(2**63)), "int64")[1] == quality(flags=Flag.INACCURATE)


def test_a_register_that_wraps_is_passed_on_as_it_is():
    assert [one(struct.pack(">H", n), "uint16")[0] for n in (65535, 0)] == [65535, 0]


def test_points_outside_all_blocks_have_no_value():
    addresses = [parse(PointSpec(name="p", address=f"hr:{a}", type="uint16")) for a in (0, 9)]
    decoder = Decoder(addresses, blocks(items(addresses)[:1], Limits()))
    values, qualities, _ = decoder.decode([b"\0\7"])
    assert values[0] == 7
    assert np.isnan(values[1])
    assert qualities.tolist() == [GOOD, INVALID]


FORMATS = {
    "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "uint64": "Q",
    "float32": "f", "float64": "d",
}  # fmt: skip


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(FORMATS)),
            st.sampled_from(["big", "little"]),
            st.sampled_from(["big", "little"]),
        ),
        min_size=1,
        max_size=25,
    ),
    st.binary(min_size=250, max_size=250),
)
def test_any_mixture_of_types_and_orders_agrees_with_struct(points, data):
    specs, expected, at = [], [], 0
    for type_, words, order in points:
        spec = PointSpec(
            name="p", address=f"hr:{at}", type=type_, word_order=words, byte_order=order
        )
        address = parse(spec)
        raw = arrange(address, data[2 * at : 2 * address.end])
        expected.append(float(struct.unpack(f">{FORMATS[type_]}", raw)[0]))
        specs.append(spec)
        at = address.end
    values, _, _ = decode(data, *specs)
    np.testing.assert_array_equal(values, np.array(expected))


@given(st.sampled_from(sorted(FORMATS)), st.sampled_from(["big", "little"]), st.data())
def test_what_is_written_reads_back(type_, order, data):
    exact = st.floats(width=int(type_[-2:]), allow_nan=False, allow_infinity=False)
    size = struct.calcsize(FORMATS[type_]) * 8
    whole = st.integers(-(2 ** (size - 1)), 2 ** (size - 1) - 1)
    if type_.startswith("uint"):
        whole = st.integers(0, 2**size - 1)
    value = data.draw(exact if type_.startswith("float") else whole)
    spec = PointSpec(name="p", address="hr:0", type=type_, word_order=order, byte_order=order)
    assert one(encode(spec, parse(spec), value), type_, word_order=order, byte_order=order)[
        0
    ] == float(value)


@pytest.mark.parametrize(
    ("type_", "address", "value"),
    [
        ("int16", "hr:0", 32768),
        ("uint16", "hr:0", -1),
        ("uint16", "hr:0", math.nan),
        ("uint16", "hr:0", math.inf),
        ("uint16", "hr:0", "7"),
        ("float32", "hr:0", 1e39),
        ("float64", "hr:0", math.nan),
        ("float32", "hr:0", math.inf),
        ("bcd16", "hr:0", 10000),
        ("bool", "co:0", 2),
        ("", "hr:0.3", 2),
        ("", "hr:0.4-7", 16),
        ("string:4", "hr:0", "ABCDE"),
        ("string:4", "hr:0", 7.0),
    ],
)
def test_a_value_outside_the_type_is_refused_with_the_points_name(type_, address, value):
    spec = PointSpec(name="setpoint", address=address, type=type_)
    with pytest.raises(Invalid, match="setpoint"):
        encode(spec, parse(spec), value)


def test_a_raw_value_is_rounded_to_a_whole_number():
    spec = PointSpec(name="p", address="hr:0", type="int16", scale=0.1)
    assert encode(spec, parse(spec), 614.9999999) == struct.pack(">h", 615)


def test_a_whole_64_bit_number_is_written_to_the_last_digit():
    spec = PointSpec(name="p", address="hr:0", type="uint64")
    assert encode(spec, parse(spec), 2**63 + 1) == struct.pack(">Q", 2**63 + 1)
