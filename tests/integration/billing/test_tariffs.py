"""Tariffs over the API and in the database."""

import asyncio

import psycopg
import pytest

TARIFFS, VERSIONS = "/api/v1/billing/tariffs", "/api/v1/billing/tariff-versions"
CENT = 1_000_000
TARIFF = {"code": "HOME", "name_ar": "منزلي", "currency": "USD"}
TERMS = {
    "charges": [
        {
            "kind": "blocks",
            "name": "energy",
            "cases": [
                {
                    "over": 0,
                    "upto": None,
                    "blocks": [
                        {"upto": 100_000, "price": 10 * CENT},
                        {"upto": 200_000, "price": 15 * CENT},
                        {"upto": None, "price": 20 * CENT},
                    ],
                }
            ],
        },
        {"kind": "tax", "name": "VAT", "rates": [{"since": "2020-01-01", "share": 50_000}]},
    ]
}
USE = {"start": "2026-01-01", "end": "2026-02-01", "quantities": {"import": 250_000}}


async def post(client, me, url, body=None, status=201):
    answer = await client.post(url, json=body, headers=me)
    found = await answer.json()
    assert answer.status == status, found
    return found


async def drafted(client, me, **given):
    tariff = await post(client, me, TARIFFS, TARIFF)
    body = {"tariff_id": tariff["id"], "valid_from": "2026-01-01", "terms": TERMS} | given
    return tariff, await post(client, me, VERSIONS, body)


async def published(client, me, **given):
    tariff, version = await drafted(client, me, **given)
    return tariff, await post(client, me, f"{VERSIONS}/{version['id']}/publish", status=200)


async def test_a_published_version_prices_a_use(client, sign_in):
    me = await sign_in("billing.*")
    tariff, version = await published(client, me)
    assert (version["status"], version["number"]) == ("published", 1)
    found = await post(client, me, f"{TARIFFS}/{tariff['id']}/simulate", {"usage": USE}, 200)
    assert (found["currency"], found["total"]) == ("USD", 3675)
    (bill,) = found["bills"]
    assert [x["amount"] for x in bill["lines"]] == [1000, 1500, 1000, 175]
    assert (bill["net"], bill["tax"], bill["lines"][1]["note"]) == (3500, 175, "100 to 200")


async def test_a_draft_is_tried_by_its_number_only(client, sign_in):
    me = await sign_in("billing.*")
    tariff, _ = await drafted(client, me)
    url = f"{TARIFFS}/{tariff['id']}/simulate"
    assert (await post(client, me, url, {"usage": USE, "version": 1}, 200))["total"] == 3675
    await post(client, me, url, {"usage": USE}, 409)


async def test_a_new_version_by_date_prices_from_its_day_on(client, sign_in):
    me = await sign_in("billing.*")
    tariff, _ = await published(client, me)
    terms = {"charges": [{"kind": "flat", "name": "energy", "price": 100 * CENT}]}
    body = {"tariff_id": tariff["id"], "valid_from": "2026-01-31", "terms": terms}
    version = await post(client, me, VERSIONS, body)
    assert version["number"] == 2
    await post(client, me, f"{VERSIONS}/{version['id']}/publish", status=200)
    found = await post(client, me, f"{TARIFFS}/{tariff['id']}/simulate", {"usage": USE}, 200)
    last = found["bills"][0]["lines"][-1]
    assert (last["start"], last["quantity"], last["amount"]) == ("2026-01-31", 8065, 807)


async def test_the_api_refuses_to_change_what_is_published(client, sign_in):
    me = await sign_in("billing.*")
    _, version = await published(client, me)
    one = f"{VERSIONS}/{version['id']}"
    for answer in (
        await client.patch(one, json={"valid_from": "2026-02-01"}, headers=me),
        await client.delete(one, headers=me),
        await client.post(f"{one}/publish", headers=me),
    ):
        assert answer.status == 409, await answer.text()
    assert (await (await client.get(one, headers=me)).json()) == version


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE billing_tariff_version SET terms = '{}'",
        "UPDATE billing_tariff_version SET status = 'draft'",
        "UPDATE billing_tariff_version SET valid_from = '2025-01-01'",
        "DELETE FROM billing_tariff_version",
        "TRUNCATE billing_tariff_version",
        "UPDATE billing_tariff SET currency = 'EUR'",
        "DELETE FROM billing_tariff",
    ],
)
async def test_the_database_refuses_it_even_to_its_owner(client, sign_in, migrated, statement):
    await published(client, await sign_in("billing.*"))

    def run():
        with psycopg.connect(migrated) as connection:
            connection.execute(statement)

    with pytest.raises(psycopg.errors.IntegrityError):
        await asyncio.to_thread(run)


async def test_a_draft_may_change_and_go(client, sign_in):
    me = await sign_in("billing.*")
    _, version = await drafted(client, me)
    one = f"{VERSIONS}/{version['id']}"
    changed = await client.patch(one, json={"valid_from": "2026-03-01"}, headers=me)
    assert (changed.status, (await changed.json())["valid_from"]) == (200, "2026-03-01")
    assert (await client.delete(one, headers=me)).status == 204


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ({"charges": []}, "length"),
        ({"charges": TERMS["charges"] * 2}, "two charges are called"),
        ({"charges": [{"kind": "flat", "name": "e", "price": 0.5}]}, "int"),
        ({"charges": [{"kind": "magic", "name": "e"}]}, "magic"),
    ],
)
async def test_terms_that_do_not_fit_are_refused_with_a_reason(client, sign_in, terms, why):
    me = await sign_in("billing.*")
    tariff = await post(client, me, TARIFFS, TARIFF)
    body = {"tariff_id": tariff["id"], "valid_from": "2026-01-01", "terms": terms}
    answer = await client.post(VERSIONS, json=body, headers=me)
    assert answer.status == 422
    assert why in await answer.text()


async def test_a_months_meter_file_is_billed(client, sign_in, shared):
    me = await sign_in("billing.*")
    charges = [
        {"kind": "net_metering", "name": "net", "mode": "energy"},
        {"kind": "flat", "name": "energy", "price": 10 * CENT},
    ]
    tariff, _ = await published(client, me, valid_from="2020-01-01", terms={"charges": charges})
    folder = shared / "data" / "meter_files" / "nem12"
    text = await asyncio.to_thread((folder / "Example_NEM12_month_solar.csv").read_text)
    body = {"meter_file": text, "zone": "Australia/Brisbane"}
    found = await post(client, me, f"{TARIFFS}/{tariff['id']}/simulate", body, 200)
    (march,) = found["bills"]
    assert (march["start"], march["end"], march["total"]) == ("2023-03-01", "2023-04-01", 0)
    assert march["bank"][0]["amount"] == 589_172 - 270_738


async def test_a_broken_file_is_refused_with_its_line(client, sign_in):
    me = await sign_in("billing.*")
    tariff, _ = await published(client, me)
    body = {"meter_file": "100,NEM12\n300,20260101,1\n900\n"}
    found = await post(client, me, f"{TARIFFS}/{tariff['id']}/simulate", body, 422)
    assert "line 2" in str(found)


async def test_two_versions_made_at_once_get_two_numbers(client, sign_in):
    me = await sign_in("billing.*")
    tariff = await post(client, me, TARIFFS, TARIFF)
    body = {"tariff_id": tariff["id"], "valid_from": "2026-01-01", "terms": TERMS}
    made = await asyncio.gather(*(post(client, me, VERSIONS, body) for _ in range(5)))
    assert sorted(v["number"] for v in made) == [1, 2, 3, 4, 5]
