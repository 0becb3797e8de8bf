"""Decoder keys: the derivations, by their published examples and by what must change them."""

from typing import Any

import pytest
from msgspec import structs

from drivers.sts.errors import KeyNotDerivable
from drivers.sts.identity import Meter
from drivers.sts.keys import Secret, derive
from drivers.sts.standard import Algorithm, BaseDate, Derivation, KeyType
from hub import ConfigError

STA = {"algorithm": Algorithm.STA}
DKGA02 = STA | {"derivation": Derivation.DKGA02, "supply_group": "123456"}


@pytest.mark.parametrize(
    ("change", "vending", "decoder"),
    [
        (DKGA02, "AB" * 8, "e653341f9d5bf36f"),
        (STA, "AB" * 8 + "94" * 8 + "01234567", "87f3ecbb2e46b48f"),
        ({}, "AB" * 8 + "94" * 8 + "01234567", "929bd3a415c9420a05ec5ee9f3ce91c3"),
    ],
)
def test_the_published_examples(
    meter: Meter, change: dict[str, Any], vending: str, decoder: str
) -> None:
    key = derive(Secret.from_hex(vending), structs.replace(meter, **change))
    assert key.secret.reveal().hex() == decoder


@pytest.mark.parametrize(
    "change",
    [
        {"pan": "600727111111111153"},
        {"supply_group": "123457"},
        {"tariff_index": 2},
        {"key_revision": 2},
        {"key_type": KeyType.DEFAULT},
        {"base_date": BaseDate.Y2035},
        {"algorithm": Algorithm.STA},
    ],
)
def test_whatever_names_a_key_changes_it(
    meter: Meter, vending_key: Secret, change: dict[str, Any]
) -> None:
    other = derive(vending_key, structs.replace(meter, **change)).secret.reveal()
    assert derive(vending_key, meter).secret.reveal()[:8] != other[:8]


def test_the_expiry_number_does_not(meter: Meter, vending_key: Secret) -> None:
    other = structs.replace(meter, key_expiry=1)
    assert derive(vending_key, other).secret == derive(vending_key, meter).secret


@pytest.mark.parametrize(
    "change",
    [
        {"key_type": KeyType.COMMON},
        {"key_type": KeyType.INITIALISATION},
        {"derivation": Derivation.DKGA02},
    ],
)
def test_what_has_no_rule_is_refused(
    meter: Meter, vending_key: Secret, change: dict[str, Any]
) -> None:
    key = Secret(vending_key.reveal()[:8]) if "derivation" in change else vending_key
    with pytest.raises(KeyNotDerivable):
        derive(key, structs.replace(meter, **change))


def test_a_vending_key_of_the_wrong_length_is_told_without_showing_it(meter: Meter) -> None:
    short = Secret(b"secret!!")
    with pytest.raises(ConfigError, match="20 bytes") as caught:
        derive(short, meter)
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigError, match="hexadecimal") as caught:
        Secret.from_hex("not a key")
    assert "not a key" not in str(caught.value)
