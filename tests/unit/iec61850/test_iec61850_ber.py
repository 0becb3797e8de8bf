"""BER and MMS data: round trips, and refusals of what BER forbids."""

import contextlib
import struct
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drivers.iec61850 import ber
from drivers.iec61850.mms import data, types
from drivers.iec61850.mms.data import AccessError, BinaryTime, Bits, UtcTime
from drivers.iec61850.mms.types import Type
from hub import ProtocolError


def decode(octets: bytes) -> Any:
    (value,) = data.items(octets, 0, len(octets))
    return value


@pytest.mark.parametrize(
    ("size", "octets"),
    [(0, "00"), (127, "7f"), (128, "8180"), (255, "81ff"), (256, "820100"), (70000, "83011170")],
)
def test_lengths_take_the_shortest_form(size: int, octets: str) -> None:
    assert ber.length(size) == bytes.fromhex(octets)
    whole = ber.tlv(0x30, bytes(size))
    assert ber.element(whole, 0, len(whole)) == (0x30, len(whole) - size, len(whole))


@given(st.integers(-(2**63), 2**64 - 1))
@example(0)
@example(127)
@example(128)
@example(-128)
def test_integers_come_back(value: int) -> None:
    octets = data.signed(value)
    assert decode(octets) == value
    assert len(octets) == 2 + value.bit_length() // 8 + 1


@given(st.floats(width=32, allow_nan=False))
def test_floats_come_back(value: float) -> None:
    assert decode(data.float32(value)) == value
    assert decode(data.float64(value)) == value


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_bit_strings_come_back_with_their_length(flags: list[bool]) -> None:
    bits = decode(data.bits(Bits.of(*flags)))
    assert [bits[n] for n in range(bits.size)] == flags
    assert str(bits) == "".join("01"[flag] for flag in flags)


@given(st.integers(0, 2**32 * 1_000_000 - 1), st.integers(0, 255))
def test_utc_times_come_back_to_the_microsecond(us: int, quality: int) -> None:
    assert decode(data.utc_time(UtcTime(us, quality))) == UtcTime(us, quality)


def test_utc_time_is_read_as_the_standard_counts_it() -> None:
    half = decode(bytes.fromhex("9108 40000000 800000 0a"))
    assert half == UtcTime(0x40000000 * 1_000_000 + 500_000, 0x0A)
    assert half.accuracy_bits == 10
    assert not half.not_synchronized
    assert decode(bytes.fromhex("9108 00000000 000000 20")).not_synchronized


def test_binary_time_counts_days_from_1984() -> None:
    assert decode(data.binary_time(BinaryTime(1, 0))).us == 441_763_200_001_000
    assert BinaryTime.at(441_763_200_001_000) == BinaryTime(1, 0)
    assert decode(bytes.fromhex("8c0400000001")) == BinaryTime(1, None)
    assert decode(bytes.fromhex("8c0400000001")).us is None


def test_an_unsigned_without_a_leading_zero_is_not_negative() -> None:
    assert decode(bytes.fromhex("8601ff")) == 255
    assert decode(data.unsigned(255)) == 255


def test_text_that_is_no_utf8_is_read_as_latin_1() -> None:
    assert decode(b"\x8a\x03B\xfcr") == "Bür"


BITS = st.builds(Bits, st.integers(0, 8191), st.just(13))
VALUES = st.recursive(
    st.one_of(
        st.tuples(st.just(Type(data.BOOLEAN)), st.booleans()),
        st.tuples(st.just(Type(data.INTEGER, 32)), st.integers(-(2**31), 2**31 - 1)),
        st.tuples(st.just(Type(data.UNSIGNED, 32)), st.integers(0, 2**32 - 1)),
        st.tuples(st.just(Type(data.FLOAT, 32)), st.floats(width=32, allow_nan=False)),
        st.tuples(st.just(Type(data.FLOAT, 64)), st.floats(allow_nan=False)),
        st.tuples(st.just(Type(data.OCTET_STRING, -8)), st.binary(max_size=8)),
        st.tuples(st.just(Type(data.MMS_STRING, -20)), st.text(max_size=20)),
        st.tuples(st.just(Type(data.BIT_STRING, 13)), BITS),
    ),
    lambda inner: st.lists(inner, max_size=5).map(
        lambda parts: (
            Type(data.STRUCTURE, fields={f"f{n}": kind for n, (kind, _) in enumerate(parts)}),
            [value for _, value in parts],
        )
    ),
    max_leaves=12,
)  # fmt: skip


@given(VALUES)
def test_values_of_any_type_come_back_and_so_do_their_types(pair: tuple[Type, Any]) -> None:
    kind, value = pair
    assert decode(types.encode(kind, value)) == value
    octets = types.specification(kind)
    assert types.parse(octets, 0, len(octets)) == kind


@given(st.binary(max_size=80))
def test_random_octets_are_values_or_refused(octets: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        data.items(octets, 0, len(octets))


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        ("87 04 08 000000", "float of 4 octets"),
        ("83 02 0000", "boolean of 2 octets"),
        ("85 00", "integer of 0 octets"),
        ("84 01 03", "bit string without content"),
        ("84 02 08 ff", "bit string without content"),
        ("8a 7f 41", "octets too long"),
        ("8a 80 41 00 00", "length of 0 octets"),
        ("8a 85 0000000001 41", "length of 5 octets"),
        ("8a 84 ffffffff 41", "octets too long"),
        ("91 07 00000000000000", "utc-time of 7 octets"),
        ("8c 05 0000000000", "binary-time of 5 octets"),
        ("b1 00", "unknown MMS data"),
        ("85", "cut off"),
    ],
)
def test_what_the_encoding_forbids_is_refused_with_its_reason(octets: str, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        decode(bytes.fromhex(octets))


def test_nesting_ends_somewhere() -> None:
    octets = b""
    for _ in range(5000):
        octets = ber.tlv(0xA2, octets)
    with pytest.raises(ProtocolError, match="nested deeper"):
        data.items(octets, 0, len(octets))
    with pytest.raises(ProtocolError):
        types.parse(octets, 0, len(octets))


def test_a_failure_is_a_value_of_its_own() -> None:
    assert str(decode(b"\x80\x01\x0a")) == "object non-existent"
    assert str(AccessError(99)) == "error 99"


def test_a_value_that_does_not_fit_is_not_written() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        types.encode(Type(data.OCTET_STRING, 8), 5)
    for kind, wrong in ((data.INTEGER, 128), (data.INTEGER, -129), (data.UNSIGNED, 256)):
        with pytest.raises(ValueError, match=f"{wrong} does not fit type u?int8"):
            types.encode(Type(kind, 8), wrong)
    assert types.encode(Type(data.INTEGER), 1 << 40) == data.signed(1 << 40)
    with pytest.raises(ValueError, match="2 values for a structure of 1"):
        types.encode(Type(data.STRUCTURE, fields={"f": Type(data.FLOAT, 32)}), [1.0, 2.0])
    with pytest.raises(ValueError, match="does not fit"):
        types.encode(Type(data.FLOAT, 32), struct)
