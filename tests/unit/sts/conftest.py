"""A meter of the published compliance suites, with its test key."""

import pytest

from drivers.sts.identity import Meter
from drivers.sts.keys import DecoderKey, KeyRef, Secret, derive
from drivers.sts.module import SoftwareModule

TEST_KEY = "ABABABABABABABAB949494949494949401234567"


@pytest.fixture
def meter() -> Meter:
    return Meter(pan="600727000000000009", supply_group="201457")


@pytest.fixture
def vending_key() -> Secret:
    return Secret.from_hex(TEST_KEY)


@pytest.fixture
def key(meter: Meter, vending_key: Secret) -> DecoderKey:
    return derive(vending_key, meter)


@pytest.fixture
def module(vending_key: Secret) -> SoftwareModule:
    keys = [(KeyRef(group, n), vending_key) for group in ("201457", "123457") for n in (1, 2)]
    return SoftwareModule(keys)
