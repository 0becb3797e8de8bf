"""Readings from people and files: validated, versioned, never lost and never doubled."""

import psycopg
import pytest
import pytest_asyncio

from tests.integration.billing.town import Town, at


@pytest_asyncio.fixture
async def town(client, sign_in, clock):
    made = Town(client, await sign_in("billing.*"))
    clock.now = clock.now.replace(year=2027, month=6, day=15, hour=9)
    return made


@pytest_asyncio.fixture
async def house(town):
    return await town.household(await town.tariff(), since="2027-01-01", dial="15109.06")


async def stored(town, **wanted):
    found = (await town.get("readings?sort=at&limit=100"))["items"]
    return [r for r in found if all(r[k] == v for k, v in wanted.items())]


async def test_a_reading_counts_at_once_when_nothing_speaks_against_it(town, house):
    taken = await town.read(house["meter"], at("2027-02-01"), "15234.56")
    assert (taken["status"], taken["faults"]) == ("valid", [])
    first, last = await stored(town)
    assert last["total"] - first["total"] == 125_500
    assert (first["reason"], last["source"]) == ("install", "person")


async def test_dials_that_turn_go_on_counting(town):
    house = await town.household(await town.tariff(), since="2027-01-01", dial="99990")
    taken = await town.read(house["meter"], at("2027-02-01"), "10")
    assert taken["status"] == "valid"
    assert [f["code"] for f in taken["faults"]] == ["turned"]
    first, last = await stored(town)
    assert last["total"] - first["total"] == 20_000
    again = await town.read(house["meter"], at("2027-03-01"), "50")
    assert again["status"] == "valid"
    assert (await stored(town))[-1]["total"] - last["total"] == 40_000


async def test_a_fall_that_is_no_turn_waits_for_a_person(town):
    house = await town.household(await town.tariff(), since="2027-01-01", dial="5000")
    taken = await town.read(house["meter"], at("2027-02-01"), "4000")
    assert (taken["status"], taken["faults"][0]["code"]) == ("suspect", "backwards")
    (doubtful,) = await stored(town, status="suspect")
    note = {"note": "dials were exchanged"}
    assert (await town.post(f"readings/{doubtful['id']}/reject", note, 200))["status"] == "rejected"
    await town.post(f"readings/{doubtful['id']}/accept", note, 409)


@pytest.mark.parametrize(
    ("when", "dial", "status"),
    [
        (at("2027-06-15", 23), "15200", 422),
        (at("2026-12-31"), "15200", 422),
        (at("2027-02-01"), "100000", 422),
        (at("2027-01-01"), "15109.06", 409),
        (at("2027-01-01"), "15110", 409),
    ],
)
async def test_what_cannot_be_true_is_refused_with_the_reason(town, house, when, dial, status):
    await town.read(house["meter"], when, dial, status)
    assert len(await stored(town)) == 1


async def test_a_correction_is_a_new_version_and_the_old_one_stays(town, house):
    await town.read(house["meter"], at("2027-02-01"), "15334.56")
    (wrong,) = await stored(town, reason="periodic")
    body = {"value": "15234.56", "note": "misread 3 for 2"}
    right = await town.post(f"readings/{wrong['id']}/correct", body, 200)
    assert (right["version"], right["condition"], right["status"]) == (2, "edited", "valid")
    assert right["replaces_id"] == wrong["id"]
    assert (await town.get(f"readings/{wrong['id']}"))["status"] == "replaced"
    await town.post(f"readings/{wrong['id']}/correct", body, 409)


async def test_the_database_lets_nobody_change_what_a_reading_said(town, house, migrated):
    with (
        psycopg.connect(migrated) as owner,
        pytest.raises(psycopg.errors.RestrictViolation, match="never changes"),
    ):
        owner.execute("UPDATE billing_reading SET value = 1")


async def test_a_file_is_taken_row_by_row_and_each_refusal_names_its_row(town, house):
    number = house["meter"]["number"]
    content = "\n".join(
        [
            "meter,register,at,value",
            f"{number},import,2027-03-01T00:00:00Z,15300",
            f"{number},import,2027-02-01T00:00:00+03:00,15234.56",
            f"{number},import,2027-02-01T00:00:00+03:00,15234.56",
            f"{number},import,2027-04-01T00:00:00,15400",
            f"{number},import,2027-04-01T00:00:00Z,many",
            "NOBODY,import,2027-04-01T00:00:00Z,1",
            f"{number},gas,2027-04-01T00:00:00Z,1",
            f"{number},,2027-04-01T00:00:00Z,15301",
            f"{number},,2027-05-01T00:00:00Z,15200",
        ]
    )
    done = await town.post("readings/load", {"content": content}, 200)
    assert (done["valid"], done["suspect"]) == (3, 1)
    assert [r["row"] for r in done["refused"]] == [4, 5, 6, 7, 8]
    assert "offset" in done["refused"][1]["why"]
    again = await town.post("readings/load", {"content": content}, 200)
    assert (again["valid"], again["suspect"], len(again["refused"])) == (0, 0, 9)
    assert len(await stored(town)) == 5


async def test_an_actual_reading_takes_the_place_of_an_estimate_of_the_same_instant(
    town, house, migrated
):
    await town.read(house["meter"], at("2027-02-01"), "15250")
    with psycopg.connect(migrated, autocommit=True) as owner:
        owner.execute("ALTER TABLE billing_reading DISABLE TRIGGER billing_reading_stays")
        owner.execute("UPDATE billing_reading SET condition = 'estimated' WHERE version = 1")
    taken = await town.read(house["meter"], at("2027-02-01"), "15234.56")
    assert taken["status"] == "valid"
    (old,) = await stored(town, status="replaced")
    (new,) = await stored(town, version=2)
    assert new["replaces_id"] == old["id"]


NEM12 = """100,NEM12,202702010000,MDP1,UMPLP
200,NEM1,E1,1,E1,N1,01009,kWh,30,
300,20270110,{a},A,,,20270111000000,
300,20270111,{b},A,,,20270112000000,
900
"""


async def test_the_intervals_of_a_file_are_kept_once_and_the_newer_file_wins(town, house, migrated):
    number = house["meter"]["number"]
    body = {"format": "nem12", "meter": number}
    for first in ("0.5", "0.25"):
        content = NEM12.format(a=",".join([first] * 48), b=",".join(["1"] * 48))
        done = await town.post("readings/load", body | {"content": content}, 200)
        assert done["intervals"] == 96
    with psycopg.connect(migrated) as owner:
        owner.execute("SET ROLE NONE")
        total = "SELECT sum(e), count(e) FROM billing_intervals, unnest(energy) e"
        assert owner.execute(total).fetchone() == (60_000, 96)
    early = content.replace("20270110", "20261220").replace("20270111", "20261221")
    await town.post("readings/load", body | {"content": early}, 409)
