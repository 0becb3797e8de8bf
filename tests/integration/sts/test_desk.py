"""Tokens as another plugin gets them: over the software module, over a vending server, or not."""

import asyncio
import datetime as dt
import pickle
from uuid import UUID

import msgspec
import psycopg
import pytest
from msgspec import structs

from api.testing import client, sign_in
from drivers.sts.errors import LiveSupplyGroup
from drivers.sts.identity import Meter
from drivers.sts.issuer import ModuleIssuer
from drivers.sts.keys import KeyRef, Secret
from drivers.sts.ledger import MemoryLedger
from drivers.sts.module import SoftwareModule
from drivers.sts.standard import Result
from hub import (
    TOKENS,
    UNIT,
    Actor,
    AuthError,
    ConfigError,
    Conflict,
    Invalid,
    LinkError,
    NotFound,
    TokenKind,
    TokenMeter,
    TokenOrder,
    Unsupported,
)
from hub.testing.pytest_plugin import busbar_template, central, clock, migrated
from simulators.prepaid import virtual_meter
from simulators.vending import VendingStandIn

__all__ = ["busbar_template", "central", "client", "clock", "migrated", "sign_in"]
PAN, GROUP = "600727000000000009", "201457"
KEY = "ABABABABABABABAB949494949494949401234567"
METER = TokenMeter(number=PAN, supply_group=GROUP)
CREDENTIAL = "a credential that nobody may see"
ENGINE = Meter(pan=PAN, supply_group=GROUP)


def order(reference="pay-1", kind=TokenKind.CREDIT, value=25_450, **more) -> TokenOrder:
    return TokenOrder(
        **({"reference": reference, "meter": METER, "kind": kind, "value": value} | more)
    )


@pytest.fixture(scope="session")
def busbar_modules():
    return ("plugins.identity", "drivers.sts")


@pytest.fixture
async def server(clock):
    module = SoftwareModule([(KeyRef(GROUP, n), Secret.from_hex(KEY)) for n in (1, 2)])
    issuer = ModuleIssuer(module, MemoryLedger(), clock)
    async with VendingStandIn.run(issuer, [ENGINE], CREDENTIAL) as running:
        yield running


@pytest.fixture(params=["module", "vending"])
def behind(request):
    """Who issues."""
    return request.param


@pytest.fixture
def busbar_settings(behind, request, tmp_path):
    if behind == "vending":
        url = request.getfixturevalue("server").url
        own = {"url": url, "client_id": "busbar", "credential": CREDENTIAL, "timeout": 2.0}
        return {"sts": {"vending": own}}
    if behind == "nobody":
        return {}
    keys = tmp_path / "keys.toml"
    keys.write_text(
        "".join(
            f'[[key]]\nsupply_group = "{GROUP}"\nrevision = {n}\nvalue = "{KEY}"\n' for n in (1, 2)
        )
    )
    return {"sts": {"keys": str(keys)}}


@pytest.fixture
async def desk(server, central, client, sign_in):
    """`await desk("issue", order)`, each in a transaction of its own."""
    me = await sign_in("*")
    found = await (await client.get("/api/v1/auth/me", headers=me)).json()
    actor = Actor(id="billing", tenant=UUID(found["tenant_id"]), kind="system")

    async def call(verb, *given):
        async with central.get(UNIT)(actor) as ctx:
            return await getattr(ctx.get(TOKENS), verb)(ctx, *given)

    call.actor, call.me = actor, me
    return call


async def test_credit_is_taken_by_the_meter_and_asking_again_gives_the_same(desk, clock):
    first = await desk("issue", order())
    device = virtual_meter(ENGINE, Secret.from_hex(KEY))
    assert device.enter(first.numbers[0], clock()).result is Result.ACCEPT
    assert first.value == device.credit[0] == 25_500
    clock.forward(days=40)
    assert await desk("issue", order()) == first
    assert (await desk("issue", order("pay-2"))).numbers != first.numbers
    with pytest.raises(Conflict):
        await desk("issue", order(value=10))


async def test_each_kind_is_issued(desk):
    for kind, value, carried in (
        (TokenKind.CURRENCY, 12_345_678, 12_346_624),  # 16384 * 111 and whole thousands
        (TokenKind.POWER_LIMIT, 5_000, 5_000),
        (TokenKind.PHASE_LIMIT, 900, 900),
        (TokenKind.CLEAR_CREDIT, 0, 0),
        (TokenKind.CLEAR_TAMPER, 0, 0),
        (TokenKind.TEST, 3, 3),
    ):
        issued = await desk("issue", order(kind, kind, value))
        (number,) = issued.numbers
        assert (len(number), issued.meter, issued.kind) == (20, PAN, kind)
        assert issued.value == carried


async def test_a_key_change_is_a_set_that_the_meter_takes_before_credit_under_the_new_key(
    desk, clock
):
    new = structs.replace(METER, key_revision=2)
    issued = await desk("issue", order("key-1", TokenKind.KEY_CHANGE, 0, to=new))
    assert len(issued.numbers) == 4
    device = virtual_meter(ENGINE, Secret.from_hex(KEY))
    credit = await desk("issue", order("pay-1", meter=new))
    assert device.enter(credit.numbers[0], clock()).result is Result.CRC
    for number in issued.numbers:
        device.enter(number, clock())
    assert device.enter(credit.numbers[0], clock()).result is Result.ACCEPT


async def test_what_was_taken_back_is_not_given_out_again(desk):
    with pytest.raises(NotFound):
        await desk("reverse", order())
    await desk("issue", order())
    await desk("reverse", order())
    with pytest.raises(Conflict, match="taken back"):
        await desk("issue", order())
    assert (await desk("issue", order("pay-2"))).numbers


@pytest.mark.parametrize(
    "wrong",
    [
        {"value": 0},
        {"value": -1},
        {"value": 10**15},
        {"kind": TokenKind.CLEAR_TAMPER, "value": 1},
        {"kind": TokenKind.TEST, "value": 37},
        {"kind": TokenKind.POWER_LIMIT, "value": -1},
        {"kind": TokenKind.KEY_CHANGE, "value": 0},
        {"to": METER},
        {"reference": ""},
        {"meter": structs.replace(METER, number="600727000000000008")},
        {"meter": structs.replace(METER, number="60072700000000000A")},
        {"meter": structs.replace(METER, algorithm="09")},
        {"meter": structs.replace(METER, supply_group="2014")},
        {"meter": structs.replace(METER, key_type=1)},
        {"meter": structs.replace(METER, base_date=1993)},
        {"meter": structs.replace(METER, derivation="02")},
    ],
)
@pytest.mark.parametrize("behind", ["module"], indirect=True)
async def test_what_the_standard_forbids_is_invalid_and_leaves_no_trace(desk, migrated, wrong):
    with pytest.raises(Invalid):
        await desk("issue", order(**wrong))
    with psycopg.connect(migrated) as connection:
        assert connection.execute("SELECT count(*) FROM sts_issuance").fetchone() == (0,)


@pytest.mark.parametrize("behind", ["module"], indirect=True)
async def test_what_was_issued_stays_issued_whatever_becomes_of_the_sale(desk, central):
    issued = []

    async def sell():
        async with central.get(UNIT)(desk.actor) as ctx:
            issued.append(await ctx.get(TOKENS).issue(ctx, order()))
            raise Conflict("somebody was faster")

    with pytest.raises(Conflict):
        await sell()
    assert await desk("issue", order()) == issued[0]


@pytest.mark.parametrize("behind", ["module"], indirect=True)
async def test_sales_at_the_same_moment_get_different_identifiers(desk, migrated):
    made = await asyncio.gather(*(desk("issue", order(f"pay-{n % 6}")) for n in range(12)))
    assert len({m.numbers for m in made}) == 6
    with psycopg.connect(migrated) as connection:
        tids = [t for (t,) in connection.execute("SELECT tid FROM sts_issuance").fetchall()]
    assert len(set(tids)) == 6


async def test_no_key_credential_or_token_is_in_logs_dumps_or_the_database(
    desk, central, client, migrated, capfd, behind
):
    issued = await desk("issue", order())
    shown = f"{issued!r} {issued} {central.get(TOKENS)!r} {vars(central.get(TOKENS))!r}"
    with pytest.raises(NotFound if behind == "module" else Exception, match=r"."):
        await desk("issue", order("x", meter=structs.replace(METER, key_revision=9)))
    listed = await client.get("/api/v1/sts/issuances", headers=desk.me)
    text = await listed.text() + shown + "".join(capfd.readouterr())
    with psycopg.connect(migrated) as connection:
        for (table,) in connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        ).fetchall():
            text += str(connection.execute(f'SELECT * FROM "{table}"').fetchall())
    for secret in (KEY, KEY.lower(), CREDENTIAL, *issued.numbers):
        assert secret not in text
    assert issued.masked[0] in shown
    if behind == "module":
        with pytest.raises(TypeError):
            pickle.dumps(central.get(TOKENS))


async def test_meters_are_looked_up_at_the_vending_server_alone(desk, behind):
    if behind == "module":
        with pytest.raises(Unsupported):
            await desk("meter", PAN)
        return
    assert await desk("meter", PAN) == METER
    with pytest.raises(NotFound):
        await desk("meter", "600727111111111153")


@pytest.mark.parametrize("behind", ["vending"], indirect=True)
async def test_an_answer_that_got_lost_is_fetched_and_a_wrong_credential_is_told(desk, server):
    server.faults.lose = 1
    first = await desk("issue", order())
    assert (await desk("issue", order())) == first
    assert (server.orders, len(server.issued)) == (1, 1)
    server.credential = "another"
    with pytest.raises(AuthError) as caught:
        await desk("issue", order("pay-2"))
    assert CREDENTIAL not in str(caught.value)


@pytest.mark.parametrize("behind", ["nobody"], indirect=True)
async def test_without_settings_it_says_what_to_set(desk):
    with pytest.raises(ConfigError, match=r"\[plugin.sts\]"):
        await desk("issue", order())


async def test_keys_of_a_live_supply_group_stop_the_start_and_are_not_shown(tmp_path):
    from drivers.sts import _desk
    from drivers.sts.settings import StsSettings, Vending

    keys = tmp_path / "keys.toml"
    keys.write_text(f'[[key]]\nsupply_group = "600111"\nvalue = "{KEY}"\n')
    with pytest.raises(LiveSupplyGroup) as caught:
        await _desk(StsSettings(keys=str(keys)))
    assert KEY not in str(caught.value)
    both = Vending(url="https://v.example", client_id="c", credential=CREDENTIAL)
    assert CREDENTIAL not in repr(StsSettings(vending=both))
    with pytest.raises(ConfigError, match="not both"):
        await _desk(StsSettings(keys=str(keys), vending=both))
    with pytest.raises(ConfigError, match="keys only"):
        await _desk(StsSettings(ea07_tables="t"))
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"key": "x"}, StsSettings)


@pytest.mark.parametrize("behind", ["module"], indirect=True)
async def test_identifiers_end_with_their_base_date(desk, clock):
    clock.now = dt.datetime(2045, 11, 25, tzinfo=dt.UTC)
    with pytest.raises(Invalid):
        await desk("issue", order())


@pytest.mark.parametrize("behind", ["vending"], indirect=True)
async def test_a_server_that_is_gone_is_a_link_error(desk, central, server):
    settings = structs.replace(central.get(TOKENS)._settings, url="http://127.0.0.1:1")
    central.get(TOKENS)._settings = settings
    with pytest.raises(LinkError):
        await desk("issue", order())
