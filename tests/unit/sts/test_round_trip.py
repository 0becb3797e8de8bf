"""What the encoder writes the decoder reads, for every kind of token and both ciphers."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.sts import contents as c
from drivers.sts.decoder import amount_of, decode
from drivers.sts.encoder import encode, key_change, unit_code
from drivers.sts.errors import NotIssued, TokenRefused
from drivers.sts.identity import Meter
from drivers.sts.keys import DecoderKey, Secret
from drivers.sts.sta import sample_tables
from drivers.sts.standard import Algorithm, BaseDate, KeyType, Service, Subclass

TABLES = sample_tables()
tids = st.integers(0, (1 << 24) - 1)
nibbles = st.integers(0, 15)
fits16 = st.builds(amount_of, st.integers(0, 3), st.integers(0, (1 << 14) - 1))
money = st.builds(amount_of, st.integers(0, 31), st.integers(0, (1 << 14) - 1))
limits = st.sampled_from(
    [Subclass.SET_MAXIMUM_POWER_LIMIT, Subclass.SET_MAXIMUM_PHASE_POWER_UNBALANCE_LIMIT]
)
raw = st.sampled_from(
    [
        Subclass.CLEAR_CREDIT,
        Subclass.SET_TARIFF_RATE,
        Subclass.CLEAR_TAMPER_CONDITION,
        Subclass.SET_WATER_METER_FACTOR,
        Subclass.EXTENDED_TOKEN_SET,
    ]
)
orders = st.one_of(
    st.builds(c.Credit, units=fits16, service=st.sampled_from(Service), tid=tids, random=nibbles),
    st.builds(
        c.CurrencyCredit,
        amount=st.builds(lambda m, s: m * s, money, st.sampled_from([1, -1])),
        service=st.sampled_from(Service),
        tid=tids,
    ),
    st.builds(c.Setting, subclass=limits, value=fits16, tid=tids, random=nibbles),
    st.builds(c.Setting, subclass=raw, value=st.integers(0, 0xFFFF), tid=tids, random=nibbles),
)
tests = st.one_of(
    st.builds(
        c.MeterTest,
        control=st.integers(0, (1 << 36) - 1),
        manufacturer=st.integers(0, 99).map("{:02d}".format),
    ),
    st.builds(
        c.MeterTest,
        control=st.integers(0, (1 << 28) - 1),
        manufacturer=st.integers(0, 9999).map("{:04d}".format),
        extended=st.booleans(),
    ),
)
keys = st.one_of(
    st.binary(min_size=16, max_size=16).map(lambda b: DecoderKey(Algorithm.MISTY1, Secret(b))),
    st.binary(min_size=8, max_size=8).map(lambda b: DecoderKey(Algorithm.STA, Secret(b), TABLES)),
)


@given(orders, keys)
def test_credit_and_management_tokens(order: c.Order, key: DecoderKey) -> None:
    token = encode(order, key)
    assert len(token) == 20
    assert token.isdigit()
    assert decode(token, key) == order


@given(tests)
def test_class_1_tokens_need_no_key(test: c.MeterTest) -> None:
    assert decode(encode(test)) == test


@given(
    keys,
    keys,
    st.integers(0, 999_999),
    st.integers(0, 999_999),
    st.integers(1, 9),
    st.integers(0, 99),
    st.integers(0, 255),
    st.sampled_from(BaseDate),
)
def test_key_change_sets(
    current: DecoderKey,
    target: DecoderKey,
    old_group: int,
    new_group: int,
    revision: int,
    index: int,
    expiry: int,
    base: BaseDate,
) -> None:
    current = (
        DecoderKey(target.algorithm, current.secret, TABLES)
        if (len(current.secret) == target.algorithm.key_bytes)
        else target
    )
    old = Meter(pan="600727000000000009", supply_group=f"{old_group:06d}")
    new = msgspec.structs.replace(
        old,
        supply_group=f"{new_group:06d}",
        key_revision=revision,
        tariff_index=index,
        key_expiry=expiry,
        base_date=base,
    )
    sections = list(key_change(old, new, target))
    read = [decode(encode(section, current), current) for section in sections]
    assert read == sections
    wide = target.algorithm is Algorithm.MISTY1
    assert len(sections) == (4 if wide else 2 + (old_group != new_group))
    words = [s.word.reveal() for s in read if not isinstance(s, c.SupplyGroupSection)]
    joined = [words[0], words[2], words[3], words[1]] if wide else words
    assert b"".join(joined) == target.secret.reveal()
    assert read[0].rollover == (base is not BaseDate.Y2014)
    assert read[0].key_type is KeyType.UNIQUE


@given(orders, keys, st.integers(0, 65))
def test_no_other_bit_pattern_reads_the_same(order: c.Order, key: DecoderKey, bit: int) -> None:
    flipped = int(encode(order, key)) ^ 1 << bit
    try:
        read = decode(f"{flipped:020d}", key)
    except TokenRefused:
        return
    assert read != order


@pytest.mark.parametrize(
    ("order", "why"),
    [
        (c.Credit(units=18_201_625), "18201625"),
        (c.Credit(units=1, tid=1 << 24), "24 bits"),
        (c.Credit(units=1, random=16), "4 bits"),
        (c.CurrencyCredit(amount=10**40), "amount field"),
        (c.Setting(subclass=Subclass.CLEAR_CREDIT, value=1 << 16), "16 bits"),
        (c.MeterTest(control=1 << 28, manufacturer="0000"), "28 bits"),
        (c.MeterTest(control=1, extended=True), "4 digits"),
    ],
)
def test_what_no_field_can_carry_is_not_issued(order: c.Order, why: str, key: DecoderKey) -> None:
    with pytest.raises(NotIssued, match=why):
        encode(order, key)


def test_the_tokens_of_class_1_printed_in_meter_manuals() -> None:
    assert encode(c.MeterTest(control=(1 << 36) - 1)) == "56493153725450313471"
    everything = c.MeterTest(control=(1 << 28) - 1, manufacturer="0000")
    assert encode(everything) == "02305843005052951967"
    assert encode(c.MeterTest(control=1)) == "00000000000150997584"
    assert encode(c.MeterTest(control=0x40, manufacturer="0000")) == "01152921779618973828"


def test_the_worked_example_of_the_standard_from_fields_to_digits() -> None:
    key = DecoderKey(Algorithm.STA, Secret.from_hex("0abc12def3456789"), TABLES)
    content = decode("51043465443420856213", key)
    assert encode(content, key) == "51043465443420856213"
    assert content == c.Credit(units=256, tid=0x19EB23, random=11)


def test_unit_code_is_what_the_currency_example_of_the_standard_says() -> None:
    assert unit_code(100_000, 32) == (1, 0x20AA)
    assert unit_code(100_000, 32, down=True) == (1, 0x20A9)
