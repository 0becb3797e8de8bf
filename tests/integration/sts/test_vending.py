"""The vending server's client against a server on a real socket that loses answers."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from msgspec import structs

from drivers.sts import contents as c
from drivers.sts.errors import NotIssued
from drivers.sts.identity import Meter
from drivers.sts.issuer import KeyChange, ModuleIssuer, TokenRequest
from drivers.sts.keys import KeyRef, Secret
from drivers.sts.ledger import MemoryLedger
from drivers.sts.module import SoftwareModule
from drivers.sts.settings import VendingSettings
from drivers.sts.standard import Result
from drivers.sts.vending import VendingServer
from hub import AuthError, Conflict, LinkError, NotFound, Unavailable
from hub.kernel.http import Http
from simulators.prepaid import virtual_meter
from simulators.vending import VendingStandIn

METER = Meter(pan="600727000000000009", supply_group="201457")
KEY = Secret.from_hex("ABABABABABABABAB949494949494949401234567")
NOW = datetime(2026, 7, 29, 12, tzinfo=UTC)


@pytest.fixture
async def server() -> AsyncIterator[VendingStandIn]:
    module = SoftwareModule([(KeyRef("201457", n), KEY) for n in (1, 2)])
    issuer = ModuleIssuer(module, MemoryLedger(), lambda: NOW)
    async with VendingStandIn.run(issuer, [METER], "secret-credential") as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Http(["127.0.0.0/8"]) as made:
        yield made


def client(
    server: VendingStandIn, http: Http, credential: str = "secret-credential"
) -> VendingServer:
    settings = VendingSettings(url=server.url, client_id="busbar", timeout=0.5)
    return VendingServer(http, settings, credential)


def buy(transaction: str = "pay-1", units: int = 250) -> TokenRequest:
    return TokenRequest(meter=METER, transaction=transaction, order=c.Credit(units=units))


async def test_a_bought_token_is_taken_by_the_meter(server: VendingStandIn, http: Http) -> None:
    token = await client(server, http).issue(buy())
    device = virtual_meter(METER, KEY)
    assert device.enter(token.numbers[0], NOW).result is Result.ACCEPT


async def test_a_lost_answer_is_fetched_and_nothing_is_vended_twice(
    server: VendingStandIn, http: Http
) -> None:
    server.faults.lose = 1
    token = await client(server, http).issue(buy())
    again = await client(server, http).issue(buy())
    assert token == again
    assert (server.orders, len(server.issued)) == (1, 1)


async def test_a_busy_server_is_not_asked_again_by_itself(
    server: VendingStandIn, http: Http
) -> None:
    server.faults.refuse = 1
    with pytest.raises(Unavailable, match="same transaction"):
        await client(server, http).issue(buy())
    assert server.orders == 1
    assert (await client(server, http).issue(buy())).numbers
    assert len(server.issued) == 1


async def test_a_transaction_cannot_become_another_request(
    server: VendingStandIn, http: Http
) -> None:
    await client(server, http).issue(buy())
    with pytest.raises(Conflict):
        await client(server, http).issue(buy(units=500))


async def test_key_changes_come_as_sets(server: VendingStandIn, http: Http) -> None:
    to = structs.replace(METER, key_revision=2)
    request = TokenRequest(meter=METER, transaction="key-1", order=KeyChange(to=to))
    assert len((await client(server, http).issue(request)).numbers) == 4


async def test_what_the_standard_forbids_never_leaves_us(
    server: VendingStandIn, http: Http
) -> None:
    bad = structs.replace(METER, pan="600727000000000008")
    with pytest.raises(Exception, match="check digit"):
        await client(server, http).issue(
            TokenRequest(meter=bad, transaction="x", order=c.Credit(units=1))
        )
    with pytest.raises(NotIssued):
        await client(server, http).issue(buy(units=10**9))
    assert server.issued == {}


async def test_wrong_credentials_are_an_auth_error_that_does_not_show_them(
    server: VendingStandIn, http: Http
) -> None:
    wrong = client(server, http, "other-credential")
    with pytest.raises(AuthError, match="unknown client") as caught:
        await wrong.issue(buy())
    assert "other-credential" not in f"{caught.value} {wrong!r}"


async def test_an_undelivered_token_can_be_taken_back_and_a_delivered_one_not(
    server: VendingStandIn, http: Http
) -> None:
    vending = client(server, http)
    await vending.issue(buy())
    await vending.reverse(buy())
    assert len(server.reversed) == 1
    with pytest.raises(Conflict, match="taken back"):
        await vending.issue(buy())
    server.delivered |= server.issued.keys()
    with pytest.raises(Conflict, match="delivered"):
        await vending.reverse(buy())


async def test_meters_are_looked_up(server: VendingStandIn, http: Http) -> None:
    assert await client(server, http).meter(METER.pan) == METER
    with pytest.raises(NotFound):
        await client(server, http).meter("600727111111111153")


async def test_a_server_that_is_not_there_is_a_link_error(http: Http) -> None:
    settings = VendingSettings(url="http://127.0.0.1:1", client_id="busbar")
    with pytest.raises(LinkError):
        await VendingServer(http, settings, "x").issue(buy())
