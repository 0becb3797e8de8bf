"""What people do with accounts beyond signing in."""

import datetime as dt

import bcrypt
import pyotp
import pytest
from sqlalchemy import select

from hub import UNIT
from plugins.identity import ACCOUNTS, bootstrap
from plugins.identity.keys import KEYS
from plugins.identity.models import User

AUTH = "/api/v1/auth"
ME = f"{AUTH}/me"
GOOD = "Brass-lantern-77"
STATIONS = "/api/v1/scada/stations"


@pytest.fixture
async def admin(central):
    made = await bootstrap(central.get(UNIT), central.get(ACCOUNTS))
    return {"identifier": made.username, "password": made.password}


async def signed_in(client, who, **more):
    answer = await client.post(f"{AUTH}/login", json=who | {"token_delivery": "body"} | more)
    body = await answer.json()
    assert answer.status == 200, body
    return {"Authorization": f"Bearer {body['access_token']}"}


async def sent(central, type_):
    """What the last event of a type says, its sealed token opened."""
    async with central.get(UNIT).system() as ctx:
        rows = await (await ctx.db.connection()).exec_driver_sql(
            "SELECT data FROM hub_event WHERE type = %s ORDER BY sequence", (type_,)
        )
        found = [data for (data,) in rows]
    if not found:
        return None
    return central.get(ACCOUNTS).unseal(found[-1]["sealed_token"])


async def test_a_customer_registers_and_sees_himself(client, central, admin):
    person = {"email": "Rana@home.example", "password": GOOD, "full_name": "Rana Saleh"}
    answer = await client.post(f"{AUTH}/register", json=person)
    body = await answer.json()
    assert (answer.status, body["user"]["user_type"]) == (201, "customer")
    assert answer.cookies["busbar_refresh"].value
    mine = {"Authorization": f"Bearer {body['token']}"}
    assert (await client.get(f"{AUTH}/validate", headers=mine)).status == 200
    again = await client.post(f"{AUTH}/register", json=person | {"email": "rana@HOME.example"})
    assert (again.status, (await again.json())["error_code"]) == (409, "EMAIL_TAKEN")
    token = await sent(central, "user.verification_requested")
    assert (await client.post(f"{AUTH}/email/verify", json={"token": token})).status == 204
    assert (await client.post(f"{AUTH}/email/verify", json={"token": token})).status == 400
    assert (await (await client.get(ME, headers=mine)).json())["is_verified"] is True


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short1!", "8 characters"),
        ("1234567890", "digits"),
        ("P@ssw0rd123!", "guessed"),
        ("Rana-saleh1", "name"),
        ("lowercaseonly", "weak"),
        ("x" * 73, "72 bytes"),
    ],
)
async def test_a_password_keeps_the_rules(client, admin, password, why):
    person = {"email": "rana@home.example", "password": password, "full_name": "Rana Saleh"}
    answer = await client.post(f"{AUTH}/register", json=person)
    body = await answer.json()
    assert (answer.status, body["error_code"]) == (400, "VALIDATION_ERROR")
    assert any(why in fault["message"] for fault in body["details"]), body


async def test_the_last_five_passwords_are_not_taken_again(client, admin):
    headers, old = await signed_in(client, admin), admin["password"]
    chosen = [f"{word}-9-Copper" for word in ("Quartz", "Velvet", "Marble", "Cactus", "Walnut")]
    url = f"{AUTH}/password/change"
    for new in chosen:
        body = {"current_password": old, "new_password": new}
        assert (await client.post(url, json=body, headers=headers)).status == 204
        old = new
    refused = {"current_password": old, "new_password": chosen[0]}
    answer = await client.post(url, json=refused, headers=headers)
    assert (answer.status, "last five" in (await answer.json())["error"]) == (400, True)


async def test_asking_for_a_reset_tells_nobody_who_exists(client, central, admin):
    url = f"{AUTH}/password/request-reset"
    unknown = await client.post(url, json={"identifier": "nobody@x.example"})
    assert await sent(central, "user.password_reset_requested") is None
    known = await client.post(url, json={"identifier": "admin"})
    assert (unknown.status, await unknown.json()) == (202, await known.json())
    token = await sent(central, "user.password_reset_requested")
    before = await signed_in(client, admin)
    body = {"token": token, "new_password": GOOD}
    assert (await client.post(f"{AUTH}/password/reset", json=body)).status == 204
    assert (await client.post(f"{AUTH}/password/reset", json=body)).status == 400
    assert (await client.get(ME, headers=before)).status == 401
    await signed_in(client, admin | {"password": GOOD})


async def test_resets_are_few_and_tokens_end(client, central, admin, clock):
    url = f"{AUTH}/password/request-reset"
    answers = [await client.post(url, json={"identifier": "admin"}) for _ in range(4)]
    assert [a.status for a in answers] == [202, 202, 202, 429]
    assert int(answers[-1].headers["Retry-After"]) <= 3600
    token = await sent(central, "user.password_reset_requested")
    clock.forward(minutes=61)
    late = await client.post(f"{AUTH}/password/reset", json={"token": token, "new_password": GOOD})
    assert late.status == 400


async def test_a_reset_ends_the_lock(client, central, admin):
    for _ in range(5):
        await client.post(f"{AUTH}/login", json=admin | {"password": "wrong"})
    assert (await client.post(f"{AUTH}/login", json=admin)).status == 423
    await client.post(f"{AUTH}/password/request-reset", json={"identifier": "admin"})
    token = await sent(central, "user.password_reset_requested")
    await client.post(f"{AUTH}/password/reset", json={"token": token, "new_password": GOOD})
    await signed_in(client, admin | {"password": GOOD})


async def test_an_invited_user_chooses_his_password(client, central, admin):
    boss = await signed_in(client, admin)
    await client.post("/api/v1/identity/users", json={"email": "s@grid.example"}, headers=boss)
    token = await sent(central, "user.password_reset_requested")
    body = {"token": token, "new_password": GOOD}
    assert (await client.post(f"{AUTH}/password/reset", json=body)).status == 204
    await signed_in(client, {"identifier": "s@grid.example", "password": GOOD})


async def test_a_hash_of_an_older_system_is_renewed_at_sign_in(client, central, admin):
    async with central.get(UNIT).system() as ctx:
        user = await ctx.db.scalar(select(User).where(User.username == "admin"))
        user.password_hash = bcrypt.hashpw(GOOD.encode(), bcrypt.gensalt(4)).decode()
    await signed_in(client, admin | {"password": GOOD})
    async with central.get(UNIT).system() as ctx:
        user = await ctx.db.scalar(select(User).where(User.username == "admin"))
        assert user.password_hash.startswith("$argon2id$")
    await signed_in(client, admin | {"password": GOOD})


async def test_a_second_factor_is_asked_for_and_used_once(client, admin, clock):
    headers = await signed_in(client, admin)
    enrolled = await (await client.post(f"{AUTH}/totp/enrol", headers=headers)).json()
    await signed_in(client, admin)  # it does not count before it is confirmed
    codes = pyotp.TOTP(enrolled["secret"])
    url = f"{AUTH}/totp/confirm"
    wrong = await client.post(url, json={"code": "000000"}, headers=headers)
    assert wrong.status == 400
    code = {"code": codes.at(int(clock().timestamp()))}
    assert (await client.post(url, json=code, headers=headers)).status == 204

    asked = await client.post(f"{AUTH}/login", json=admin)
    assert (asked.status, (await asked.json())["error_code"]) == (401, "TOTP_REQUIRED")
    replayed = await client.post(f"{AUTH}/login", json=admin | code)
    assert replayed.status == 401
    clock.forward(seconds=30)
    await signed_in(client, admin, code=codes.at(int(clock().timestamp())))
    spare = enrolled["recovery_codes"][0]
    await signed_in(client, admin, code=spare)
    assert (await client.post(f"{AUTH}/login", json=admin | {"code": spare})).status == 401


async def test_a_key_may_what_its_scopes_say(client, central, admin):
    boss = await signed_in(client, admin)
    url = "/api/v1/identity/api-keys"
    made = await client.post(
        url, json={"name": "meter reader", "scopes": ["scada.stations.read"]}, headers=boss
    )
    issued = await made.json()
    assert (made.status, issued["key"][:3], len(issued["key"])) == (201, "bb_", 43)
    assert issued["key"].startswith(issued["key_prefix"])
    key = {"X-API-Key": issued["key"]}
    assert (await client.get(STATIONS, headers=key)).status == 200
    as_scheme = {"Authorization": f"ApiKey {issued['key']}"}
    assert (await client.get(STATIONS, headers=as_scheme)).status == 200
    station = {"code": "S", "name": "n", "station_type": "substation"}
    assert (await client.post(STATIONS, json=station, headers=key)).status == 403
    assert (await client.get(STATIONS, headers={"X-API-Key": "bb_" + "x" * 40})).status == 401
    shown = await (await client.get(f"{url}/{issued['id']}", headers=boss)).text()
    assert issued["key"] not in shown
    assert "hash" not in shown

    await central.get(KEYS).write()
    used = await (await client.get(f"{url}/{issued['id']}/usage", headers=boss)).json()
    assert (used["total"], used["hours"][0]["calls"]) == (3, 3)

    turned = await (await client.post(f"{url}/{issued['id']}/rotate", json={}, headers=boss)).json()
    assert (await client.get(STATIONS, headers=key)).status == 401
    new = {"X-API-Key": turned["key"]}
    assert (await client.get(STATIONS, headers=new)).status == 200
    assert (await client.delete(f"{url}/{issued['id']}", headers=boss)).status == 204
    assert (await client.get(STATIONS, headers=new)).status == 401


async def test_a_key_is_bound_to_addresses_pages_and_times(client, admin, clock):
    boss = await signed_in(client, admin)

    async def status(headers=None, **more):
        body = {"name": "k", "scopes": ["scada.stations.read"]} | more
        made = await client.post("/api/v1/identity/api-keys", json=body, headers=boss)
        key = {"X-API-Key": (await made.json())["key"]}
        return (await client.get(STATIONS, headers=key | (headers or {}))).status

    assert await status(allowed_ips=["127.0.0.0/8"]) == 200
    assert await status(allowed_ips=["203.0.113.0/24"]) == 403
    page = {"Origin": "https://evil.example"}
    assert await status(page, allowed_origins=["https://good.example"]) == 403
    past = (clock() - dt.timedelta(days=1)).isoformat()
    assert await status(expires_at=past) == 401
    wrong = {"name": "k", "scopes": [], "allowed_ips": ["here"]}
    answer = await client.post("/api/v1/identity/api-keys", json=wrong, headers=boss)
    assert answer.status == 422


async def test_nobody_makes_a_key_that_may_more_than_he(client, sign_in):
    me = await sign_in("identity.api_keys.*")
    body = {"name": "k", "scopes": ["scada.stations.read"]}
    answer = await client.post("/api/v1/identity/api-keys", json=body, headers=me)
    assert answer.status == 403


async def test_a_key_has_its_own_limits(client, admin):
    boss = await signed_in(client, admin)
    body = {"name": "k", "scopes": ["scada.*"], "rate_limit_per_minute": 3}
    made = await client.post("/api/v1/identity/api-keys", json=body, headers=boss)
    key = {"X-API-Key": (await made.json())["key"]}
    answers = [await client.get(STATIONS, headers=key) for _ in range(4)]
    assert [a.status for a in answers] == [200, 200, 200, 429]
    assert answers[0].headers["RateLimit-Limit"] == "3"
    assert int(answers[-1].headers["Retry-After"]) <= 60


async def test_a_grant_counts_until_it_expires(client, central, admin, sign_in, clock):
    boss, clerk = await signed_in(client, admin), await sign_in("nothing.at.all")
    who = (await (await client.get(ME, headers=clerk)).json())["id"]
    url = f"/api/v1/identity/users/{who}/permissions"
    until = (clock() + dt.timedelta(minutes=5)).isoformat()
    grant = {"permission": "scada.stations.read", "expires_at": until}
    assert (await client.post(url, json=grant, headers=boss)).status == 201
    assert (await client.get(STATIONS, headers=clerk)).status == 200
    held = (await (await client.get(url, headers=boss)).json())["items"]
    assert {h["origin"] for h in held} >= {"grant"}
    clock.forward(minutes=6)
    central.get(ACCOUNTS).forget()
    assert (await client.get(STATIONS, headers=clerk)).status == 403


async def test_a_superadmin_works_in_another_company(client, admin, sign_in):
    boss, other = await signed_in(client, admin), await sign_in("scada.*", tenant="other")
    station = {"code": "S", "name": "n", "station_type": "substation"}
    assert (await client.post(STATIONS, json=station, headers=other)).status == 201
    theirs = (await (await client.get(ME, headers=other)).json())["tenant_id"]
    listed = await client.get(STATIONS, headers=boss | {"X-Tenant-ID": theirs})
    assert [s["code"] for s in (await listed.json())["items"]] == ["S"]
    assert (await (await client.get(STATIONS, headers=boss)).json())["items"] == []
    assert (await client.get(STATIONS, headers=other | {"X-Tenant-ID": theirs})).status == 403
    for nowhere in ("x", "00000000-0000-0000-0000-000000000009"):
        answer = await client.get(STATIONS, headers=boss | {"X-Tenant-ID": nowhere})
        assert answer.status == 404


async def test_a_superadmin_makes_a_company_with_its_roles(client, admin):
    boss = await signed_in(client, admin)
    body = {"code": "north", "name_ar": "شركة الشمال"}
    made = await client.post("/api/v1/identity/tenants", json=body, headers=boss)
    company = await made.json()
    assert made.status == 201, company
    there = boss | {"X-Tenant-ID": company["id"]}
    roles = await (await client.get("/api/v1/identity/roles?limit=100", headers=there)).json()
    assert {"customer", "billing_manager", "engineer"} <= {r["code"] for r in roles["items"]}


async def test_preferences_are_merged(client, admin):
    me, url = await signed_in(client, admin), "/api/v1/identity/preferences"
    await client.put(url, json={"theme": "dark", "a": {"b": 1, "c": 2}}, headers=me)
    await client.put(url, json={"a": {"b": None}}, headers=me)
    assert await (await client.get(url, headers=me)).json() == {"theme": "dark", "a": {"c": 2}}
    large = await client.put(url, json={"x": "y" * 70_000}, headers=me)
    assert large.status == 413


async def test_the_last_administrator_stays(client, admin):
    me = await signed_in(client, admin)
    url = f"{AUTH}/account"
    answer = await client.delete(url, json={"password": admin["password"]}, headers=me)
    assert answer.status == 409


async def test_a_customer_leaves_and_is_forgotten(client, admin):
    person = {"email": "r@home.example", "password": GOOD, "full_name": "Rana Saleh"}
    body = await (await client.post(f"{AUTH}/register", json=person)).json()
    me = {"Authorization": f"Bearer {body['token']}"}
    assert (
        await client.delete(f"{AUTH}/account", json={"password": "x"}, headers=me)
    ).status == 401
    gone = await client.delete(f"{AUTH}/account", json={"password": GOOD}, headers=me)
    assert gone.status == 204, await gone.text()
    login = {"identifier": person["email"], "password": GOOD}
    assert (await client.post(f"{AUTH}/login", json=login)).status == 401
