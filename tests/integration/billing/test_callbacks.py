"""Callbacks of a wallet: signed or refused, asked back for, and taken once."""

import asyncio

import pytest_asyncio

from plugins.billing.models_payments import Channel, Means, Tender
from plugins.billing.receiving import Money, receive
from simulators.wallet import WalletStandIn
from tests.waiting import until

SECRET, TOKEN = "a secret that both sides know", "a token of ours"


@pytest_asyncio.fixture
async def wallet():
    async with WalletStandIn.run(SECRET, TOKEN) as running:
        yield running


@pytest_asyncio.fixture
async def busbar_settings(wallet):
    provider = {
        "name": "floosak",
        "company": "main",
        "secret": SECRET,
        "status_url": f"{wallet.url}/payments/{{reference}}",
        "headers": {"Authorization": f"Bearer {TOKEN}"},
        "reference": "id",
        "account": "customer",
        "amount": "money.amount",
        "currency": "money.currency",
        "state": "status",
        "digits": 2,
    }
    return {"billing": {"providers": [provider]}}


@pytest_asyncio.fixture
async def account(office, clock, wallet):
    """Whom the wallet's money is for, while workers run."""
    office.central.started.set()
    made = await office.town.account()
    client = office.town.client
    office.url = str(client.make_url("/api/v1/billing/callbacks/floosak"))
    office.at = int(clock.now.timestamp())
    return made


async def payments(office):
    rows = await office.sql("SELECT * FROM billing_payment ORDER BY number")
    return [(r.source, r.reference, r.amount, r.channel) for r in rows]


async def jobs(office, status):
    return await office.sql(
        "SELECT * FROM jobs_job WHERE job_type = 'billing_ask_provider' AND status = :s", s=status
    )


async def test_what_the_wallet_holds_is_taken_not_what_the_callback_says(office, account, wallet):
    wallet.hold("F-1", account["number"], "42.50", "USD")
    claims = {"money": {"amount": "999999.00", "currency": "USD"}}
    assert await wallet.tell(office.url, "F-1", at=office.at, **claims) == 202

    async def taken():
        return await payments(office)

    assert await until(taken) == [("floosak", "F-1", 4250, "callback")]
    await office.sound()


async def test_callbacks_and_a_bank_file_that_tell_at_once_make_one_payment(
    office, account, wallet
):
    wallet.hold("F-1", account["number"], "42.50", "USD")
    money = Money(
        account=account["number"],
        source="floosak",
        reference="F-1",
        currency="USD",
        tenders=(Tender(means=Means.CLEARING, amount=4250),),
    )

    async def file():
        async with office() as ctx:
            await receive(ctx, money, Channel.FILE)

    tell = (wallet.tell(office.url, "F-1", at=office.at) for _ in range(5))
    answers = await asyncio.gather(file(), *tell)
    assert answers[1:] == [202] * 5

    async def asked():
        return wallet.asked and await jobs(office, "success")

    await until(asked)
    assert len(await payments(office)) == 1
    await office.sound()


async def test_a_forged_an_old_and_an_unsigned_callback_ask_nobody(office, account, wallet):
    wallet.hold("F-1", account["number"], "42.50", "USD")
    assert await wallet.tell(office.url, "F-1", at=office.at - 301) == 401
    wallet.secret = "a secret that somebody guessed"
    assert await wallet.tell(office.url, "F-1", at=office.at) == 401
    for signature in ("", "t=1,v1=00", "t=²,v1=00", f"t={'9' * 40},v1=00"):
        headers = {"X-Signature": signature.encode("utf-8").decode("latin-1")}
        async with office.town.client.post(
            "/api/v1/billing/callbacks/floosak", data=b"{}", headers=headers
        ) as answer:
            assert answer.status == 401
    assert await wallet.tell(office.url.replace("floosak", "nobody"), "F-1") == 404
    assert wallet.asked == 0
    assert await office.sql("SELECT FROM jobs_job WHERE job_type = 'billing_ask_provider'") == []


async def test_what_the_wallet_does_not_hold_is_no_payment(office, account, wallet):
    wallet.hold("F-1", account["number"], "42.50", "USD")
    wallet.payments["F-1"]["status"] = "failed"
    assert await wallet.tell(office.url, "F-1", at=office.at) == 202

    async def done():
        return await jobs(office, "success")

    await until(done)
    assert await payments(office) == []


async def test_money_for_an_account_that_is_not_ours_is_a_failed_job_that_says_so(
    office, account, wallet
):
    wallet.hold("F-1", "somebody-else", "42.50", "USD")
    await wallet.tell(office.url, "F-1", at=office.at)

    async def failed():
        return await jobs(office, "failed")

    (job,) = await until(failed)
    assert "somebody-else" in job.error
    assert await payments(office) == []
