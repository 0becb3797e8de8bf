"""Customers, points, meters and agreements: linked by dates, never overlapping."""

import asyncio

import pytest
import pytest_asyncio

from tests.integration.billing.town import Town, at


@pytest_asyncio.fixture
async def town(client, sign_in):
    return Town(client, await sign_in("billing.*"))


async def test_a_meter_measures_one_point_at_a_time(town):
    first, second = await town.point(), await town.point()
    meter = await town.meter()
    await town.install(meter, first, at("2026-01-01"), "15109.06")
    await town.install(meter, second, at("2026-02-01"), status=422)
    other = await town.meter()
    await town.install(other, first, at("2026-02-01"), status=422)
    body = {"at": at("2026-03-01"), "readings": {"import": "15234.56"}}
    await town.post(f"meters/{meter['id']}/remove", body, 200)
    await town.install(meter, second, at("2026-03-01"), "15234.56")
    await town.install(other, first, at("2026-03-01"))


async def test_two_meters_put_at_one_point_at_the_same_time_leave_one(town):
    point = await town.point()
    meters = [await town.meter() for _ in range(4)]

    async def put(meter):
        url = f"/api/v1/billing/meters/{meter['id']}/install"
        body = {
            "service_point_id": point["id"],
            "at": at("2026-01-01"),
            "readings": {"import": "0"},
        }
        return (await town.client.post(url, json=body, headers=town.headers)).status

    answers = await asyncio.gather(*(put(m) for m in meters))
    assert sorted(answers) == [200, 422, 422, 422]
    assert len((await town.get("installations"))["items"]) == 1


async def test_an_exchange_ends_one_installation_and_begins_the_next_at_one_instant(town):
    house = await town.household(await town.tariff())
    fresh = await town.meter()
    body = {
        "at": at("2026-01-20", 12),
        "readings": {"import": "130"},
        "new_meter_id": fresh["id"],
        "new_readings": {"import": "7"},
    }
    begun = await town.post(f"service-points/{house['point']['id']}/exchange", body, 200)
    assert begun["meter_id"] == fresh["id"]
    both = (await town.get("installations?sort=since"))["items"]
    assert both[0]["until"] == both[1]["since"]
    old = await town.get(f"meters/{house['meter']['id']}")
    assert (old["status"], (await town.get(f"meters/{fresh['id']}"))["status"]) == (
        "in_stock",
        "installed",
    )


async def test_other_transformers_begin_another_installation_of_the_same_meter(town):
    house = await town.household(await town.tariff())
    body = {"at": at("2026-01-20"), "readings": {"import": "130"}, "multiplier": "40"}
    changed = await town.post(f"meters/{house['meter']['id']}/rewire", body, 200)
    assert changed["multiplier"] == "40"
    both = (await town.get("installations?sort=since"))["items"]
    assert [x["meter_id"] for x in both] == [house["meter"]["id"]] * 2
    assert (await town.get(f"meters/{house['meter']['id']}"))["status"] == "installed"


async def test_agreements_about_one_point_follow_each_other(town):
    tariff = await town.tariff()
    house = await town.household(tariff)
    other = await town.account()
    await town.agree(other, house["point"], tariff, "2026-03-01", status=422)
    end = f"agreements/{house['agreement']['id']}/end"
    await town.post(end, {"until": "2026-01-01"}, 422)
    await town.post(end, {"until": "2026-03-01"}, 200)
    await town.agree(other, house["point"], tariff, "2026-03-01")
    await town.post(end, {"until": "2026-04-01"}, 409)


@pytest.mark.parametrize("readings", [{}, {"export": "1"}, {"import": "1", "export": "1"}])
async def test_a_meter_comes_with_the_readings_of_all_its_registers(town, readings):
    meter, point = await town.meter(), await town.point()
    body = {"service_point_id": point["id"], "at": at("2026-01-01"), "readings": readings}
    await town.post(f"meters/{meter['id']}/install", body, 422)
    assert (await town.get("installations"))["items"] == []
