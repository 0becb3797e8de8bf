"""Issuing: idempotent, within the standard's rules, and silent about keys."""

import asyncio
import json
import logging
import pickle
import traceback
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from msgspec import structs

from drivers.sts import contents as c
from drivers.sts.decoder import decode
from drivers.sts.errors import LiveSupplyGroup, NotIssued, TablesMissing
from drivers.sts.identity import Meter
from drivers.sts.issuer import KeyChange, ModuleIssuer, TokenRequest
from drivers.sts.keys import DecoderKey, KeyRef, Secret
from drivers.sts.ledger import MemoryLedger
from drivers.sts.module import SoftwareModule
from drivers.sts.standard import Algorithm, BaseDate, KeyType, Subclass
from drivers.sts.tid import tid_at
from hub import ConfigError, Conflict, HubError, NotFound
from tests.unit.sts.conftest import TEST_KEY

NOW = datetime(2026, 7, 29, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer(module: SoftwareModule, clock: Clock) -> ModuleIssuer:
    return ModuleIssuer(module, MemoryLedger(), clock)


def credit(meter: Meter, transaction: str = "T1", units: int = 250) -> TokenRequest:
    return TokenRequest(meter=meter, transaction=transaction, order=c.Credit(units=units))


async def test_asking_twice_gives_the_same_token_even_later(
    issuer: ModuleIssuer, meter: Meter, clock: Clock
) -> None:
    first = await issuer.issue(credit(meter))
    clock.now += timedelta(days=3)
    assert await issuer.issue(credit(meter)) == first


async def test_a_token_lost_with_the_process_is_made_again_from_the_ledger(
    module: SoftwareModule, meter: Meter, clock: Clock
) -> None:
    ledger = MemoryLedger()
    first = await ModuleIssuer(module, ledger, clock).issue(credit(meter))
    clock.now += timedelta(hours=1)
    assert await ModuleIssuer(module, ledger, clock).issue(credit(meter)) == first


async def test_a_transaction_cannot_become_another_request(
    issuer: ModuleIssuer, meter: Meter
) -> None:
    await issuer.issue(credit(meter))
    with pytest.raises(Conflict, match="T1"):
        await issuer.issue(credit(meter, units=500))


async def test_many_tokens_in_one_minute_have_successive_identifiers(
    issuer: ModuleIssuer, meter: Meter, key: DecoderKey
) -> None:
    issued = await asyncio.gather(*(issuer.issue(credit(meter, f"T{n}")) for n in range(20)))
    read = [decode(token.numbers[0], key) for token in issued]
    start = tid_at(NOW, BaseDate.Y2014)
    assert sorted(r.tid for r in read) == list(range(start, start + 20))


async def test_a_clock_that_went_back_repeats_no_identifier(
    issuer: ModuleIssuer, meter: Meter, clock: Clock
) -> None:
    tids = []
    for step in (0, -5, -60):
        clock.now = NOW + timedelta(minutes=step)
        token = await issuer.issue(credit(meter, f"T{step}"))
        tids.append(token.order.tid)
    assert tids == [tids[0], tids[0] + 1, tids[0] + 2]


async def test_the_minute_after_midnight_is_skipped(
    issuer: ModuleIssuer, meter: Meter, clock: Clock
) -> None:
    clock.now = datetime(2026, 7, 29, 0, 1, tzinfo=UTC)
    token = await issuer.issue(credit(meter))
    assert token.order.tid == tid_at(clock.now, BaseDate.Y2014) + 1


async def test_more_than_a_day_of_identifiers_at_once_is_refused(
    issuer: ModuleIssuer, meter: Meter
) -> None:
    issued = await asyncio.gather(
        *(issuer.issue(credit(meter, f"T{n}")) for n in range(1445)), return_exceptions=True
    )
    refused = [each for each in issued if isinstance(each, BaseException)]
    assert refused
    assert {str(each) for each in refused} == {
        f"meter {meter.pan} has used the identifiers of a day ahead"
    }


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"base_date": BaseDate.Y1993}, "base date"),
        ({"key_type": KeyType.DEFAULT}, "DDTKError"),
        ({"key_expiry": 85}, "KeyExpiredError"),
        ({"pan": "600727000000000008"}, "check digit"),
        ({"tariff_index": 100}, "99"),
        ({"supply_group": "1"}, "pattern|match"),
    ],
)
async def test_credit_that_the_standard_forbids_is_not_issued(
    issuer: ModuleIssuer, meter: Meter, change: dict[str, Any], why: str
) -> None:
    with pytest.raises(HubError, match=why) as caught:
        await issuer.issue(credit(structs.replace(meter, **change)))
    assert caught.value.status == 422


async def test_a_refused_request_leaves_no_trace_in_the_ledger(
    issuer: ModuleIssuer, meter: Meter
) -> None:
    with pytest.raises(NotIssued):
        await issuer.issue(credit(structs.replace(meter, key_expiry=85)))
    assert (await issuer.issue(credit(meter))).numbers


async def test_key_change_tokens_are_the_same_when_asked_again(
    issuer: ModuleIssuer, meter: Meter
) -> None:
    to = structs.replace(meter, supply_group="123457", key_revision=2)
    request = TokenRequest(meter=meter, transaction="K1", order=KeyChange(to=to))
    first = await issuer.issue(request)
    assert len(first.numbers) == 4
    assert await issuer.issue(request) == first


async def test_a_meter_of_an_expired_key_can_still_change_it(
    issuer: ModuleIssuer, meter: Meter
) -> None:
    old = structs.replace(meter, key_expiry=1)
    to = structs.replace(meter, key_revision=2)
    token = await issuer.issue(TokenRequest(meter=old, transaction="K1", order=KeyChange(to=to)))
    assert len(token.numbers) == 4


@pytest.mark.parametrize(
    "change",
    [
        {"pan": "600727111111111153"},
        {"algorithm": Algorithm.STA},
        {"key_type": KeyType.DEFAULT},
        {"base_date": BaseDate.Y1993},
    ],
)
async def test_a_key_change_that_no_meter_takes_is_not_issued(
    issuer: ModuleIssuer, meter: Meter, change: dict[str, Any]
) -> None:
    order = KeyChange(to=structs.replace(meter, **change))
    with pytest.raises(NotIssued):
        await issuer.issue(TokenRequest(meter=meter, transaction="K1", order=order))


async def test_key_sections_cannot_be_ordered_as_settings(
    issuer: ModuleIssuer, meter: Meter
) -> None:
    order = c.Setting(subclass=Subclass.SET_1ST_SECTION_DECODER_KEY, value=1)
    with pytest.raises(NotIssued, match="key change"):
        await issuer.issue(TokenRequest(meter=meter, transaction="K1", order=order))


class TestSoftwareModule:
    def test_a_live_supply_group_is_refused(self, vending_key: Secret) -> None:
        with pytest.raises(LiveSupplyGroup, match="600123") as caught:
            SoftwareModule([(KeyRef("600123", 1), vending_key)])
        assert isinstance(caught.value, ConfigError)

    async def test_its_self_test_passes(self, module: SoftwareModule) -> None:
        await module.self_test()

    async def test_an_unknown_revision_is_not_found(
        self, module: SoftwareModule, meter: Meter
    ) -> None:
        with pytest.raises(NotFound, match="KRN 3"):
            await module.encode(structs.replace(meter, key_revision=3), c.Credit(units=1))

    async def test_ea07_without_tables_says_so(self, module: SoftwareModule, meter: Meter) -> None:
        with pytest.raises(TablesMissing, match="table file"):
            await module.encode(structs.replace(meter, algorithm=Algorithm.STA), c.Credit(units=1))


class TestSecrecy:
    def test_no_readable_form_shows_a_key(
        self, module: SoftwareModule, key: DecoderKey, vending_key: Secret
    ) -> None:
        shown = f"{module!r} {module} {key!r} {vending_key!r} {vending_key!s} {[vending_key]}"
        for secret in (vending_key, key.secret):
            value = secret.reveal()
            assert value.hex() not in shown.lower()
            assert repr(value) not in shown

    def test_a_key_cannot_be_pickled_or_written_as_json(self, vending_key: Secret) -> None:
        with pytest.raises(TypeError):
            pickle.dumps(vending_key)
        with pytest.raises(TypeError):
            json.dumps(vending_key)
        with pytest.raises(TypeError):
            msgspec.json.encode(vending_key)

    async def test_errors_and_logs_name_the_key_and_never_show_it(
        self, vending_key: Secret, meter: Meter, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        module = SoftwareModule([(KeyRef("201457", 1), Secret(vending_key.reveal()[:20]))])
        texts = []
        for broken in (
            structs.replace(meter, key_type=KeyType.COMMON),
            structs.replace(meter, key_revision=9),
            structs.replace(meter, algorithm=Algorithm.STA),
        ):
            with pytest.raises(HubError) as caught:
                await module.encode(broken, c.Credit(units=1))
            texts.append("".join(traceback.format_exception(caught.value)))
        shown = " ".join([*texts, caplog.text]).lower()
        assert TEST_KEY.lower() not in shown
        assert TEST_KEY.lower()[:16] not in shown

    async def test_a_token_shows_its_last_four_digits_only(
        self, issuer: ModuleIssuer, meter: Meter
    ) -> None:
        token = await issuer.issue(credit(meter))
        number = token.numbers[0]
        assert number not in f"{token!r} {token}"
        assert token.masked == ("*" * 16 + number[-4:],)
        assert token.grouped[0].replace(" ", "") == number
        assert len(token.grouped[0]) == 24

    def test_key_sections_hide_their_word(self, key: DecoderKey) -> None:
        section = c.KeySection2(tariff_index=1, expiry_low=15, word=Secret(key.secret.reveal()[:4]))
        assert key.secret.reveal()[:4].hex() not in repr(section)
        with pytest.raises(TypeError):
            msgspec.json.encode(section)
