"""Signing in, staying in, going out."""

import datetime as dt

import pytest

from hub import UNIT
from plugins.identity import ACCOUNTS, bootstrap
from plugins.identity.tokens import Tokens

LOGIN = "/api/v1/auth/login"
REFRESH = "/api/v1/auth/refresh"


@pytest.fixture
async def admin(central):
    made = await bootstrap(central.get(UNIT), central.get(ACCOUNTS))
    return {"identifier": made.username, "password": made.password}


async def test_the_first_administrator_signs_in_and_sees_himself(client, admin):
    answer = await client.post(LOGIN, json=admin)
    body = await answer.json()
    assert answer.status == 200, body
    cookie = answer.cookies["busbar_refresh"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (
        True,
        "Strict",
        "/api/v1/auth",
    )
    headers = {"Authorization": f"Bearer {body['access_token']}"}
    me = await (await client.get("/api/v1/auth/me", headers=headers)).json()
    assert (me["username"], me["roles"]) == ("admin", ["superadmin"])
    assert (await client.get("/api/v1/identity/users", headers=headers)).status == 200


async def test_there_is_only_one_first_administrator(central, admin):
    assert await bootstrap(central.get(UNIT), central.get(ACCOUNTS)) is None


async def test_a_wrong_name_and_a_wrong_password_look_the_same(client, admin):
    one = await client.post(LOGIN, json=admin | {"password": "wrong"})
    two = await client.post(LOGIN, json={"identifier": "nobody", "password": "wrong"})
    a, b = await one.json(), await two.json()
    for body in (a, b):
        body.pop("request_id")
        body.pop("timestamp")
    assert (one.status, a) == (two.status, b)
    assert (one.status, a["error_code"]) == (401, "INVALID_CREDENTIALS")


@pytest.mark.parametrize("name", ["admin", "nobody"])
async def test_five_failures_lock_a_name_for_a_quarter_hour(client, admin, clock, name):
    for _ in range(5):
        answer = await client.post(LOGIN, json={"identifier": name, "password": "wrong"})
        assert answer.status == 401
        clock.forward(seconds=1)
    locked = await client.post(LOGIN, json=admin | {"identifier": name})
    assert locked.status == 423
    assert 0 < int(locked.headers["Retry-After"]) <= 900
    clock.forward(minutes=15)
    assert (await client.post(LOGIN, json=admin)).status == 200


async def test_a_refresh_token_is_spent_by_its_use(client, admin, clock):
    first = await (await client.post(LOGIN, json=admin | {"token_delivery": "body"})).json()
    second = await (
        await client.post(REFRESH, json={"refresh_token": first["refresh_token"]})
    ).json()
    assert second["refresh_token"] != first["refresh_token"]
    clock.forward(seconds=11)
    reused = await client.post(REFRESH, json={"refresh_token": first["refresh_token"]})
    assert reused.status == 401
    dead = await client.post(REFRESH, json={"refresh_token": second["refresh_token"]})
    assert dead.status == 401
    headers = {"Authorization": f"Bearer {second['access_token']}"}
    assert (await client.get("/api/v1/auth/me", headers=headers)).status == 401


async def test_two_windows_may_refresh_at_once(client, admin):
    first = await (await client.post(LOGIN, json=admin | {"token_delivery": "body"})).json()
    shown = {"refresh_token": first["refresh_token"]}
    one, two = await client.post(REFRESH, json=shown), await client.post(REFRESH, json=shown)
    assert (one.status, two.status) == (200, 200)
    assert "refresh_token" not in await two.json()


async def test_a_cookie_from_another_site_does_nothing(client, admin):
    await client.post(LOGIN, json=admin)
    bad = await client.post(REFRESH, json={}, headers={"Origin": "https://evil.example"})
    assert (bad.status, (await bad.json())["error_code"]) == (403, "CSRF_FAILED")
    own = {"Origin": f"http://{client.host}:{client.port}"}
    bare = await client.post(REFRESH, json={}, headers=own)
    assert (bare.status, (await bare.json())["error_code"]) == (403, "CSRF_FAILED")
    token = (await (await client.get("/api/v1/system/csrf-token")).json())["csrf_token"]
    own["X-CSRF-Token"] = token
    assert (await client.post(REFRESH, json={}, headers=own)).status == 200
    assert (await client.post("/api/v1/auth/logout", json={}, headers=own)).status == 204
    assert (await client.post(REFRESH, json={}, headers=own)).status == 401


@pytest.mark.parametrize(
    "token", ["", "x", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.", "eyJhbGciOiJIUzI1NiJ9.e30.AA"]
)
async def test_a_forged_token_is_refused(client, token):
    headers = {"Authorization": f"Bearer {token}"}
    assert (await client.get("/api/v1/auth/me", headers=headers)).status == 401


async def signed_in(client, who):
    body = await (await client.post(LOGIN, json=who | {"token_delivery": "body"})).json()
    return {"Authorization": f"Bearer {body['access_token']}"}


async def test_sessions_are_listed_and_ended(client, admin):
    url = "/api/v1/auth/sessions"
    here, there = await signed_in(client, admin), await signed_in(client, admin)
    listed = (await (await client.get(url, headers=here)).json())["items"]
    assert sorted(s["current"] for s in listed) == [False, True]
    other = next(s["id"] for s in listed if not s["current"])
    assert (await client.delete(f"{url}/{other}", headers=here)).status == 204
    assert (await client.delete(f"{url}/{other}", headers=here)).status == 404
    assert (await client.get("/api/v1/auth/me", headers=there)).status == 401
    assert (await client.get("/api/v1/auth/me", headers=here)).status == 200


async def test_a_new_password_ends_the_other_sessions(client, admin):
    here, there = await signed_in(client, admin), await signed_in(client, admin)
    url = "/api/v1/auth/password/change"
    wrong = {"current_password": "no", "new_password": "Better-1-than-before"}
    assert (await client.post(url, json=wrong, headers=here)).status == 401
    right = wrong | {"current_password": admin["password"]}
    assert (await client.post(url, json=right, headers=here)).status == 204
    assert (await client.get("/api/v1/auth/me", headers=there)).status == 401
    assert (await client.post(LOGIN, json=admin)).status == 401
    again = admin | {"password": right["new_password"]}
    assert (await client.post(LOGIN, json=again)).status == 200


async def test_an_administrator_manages_people(client, admin):
    me = await signed_in(client, admin)
    users = "/api/v1/identity/users"
    made = await client.post(users, json={"email": "Sara@grid.example"}, headers=me)
    user = await made.json()
    assert made.status == 201, user
    assert "password_hash" not in user
    one = f"{users}/{user['id']}"
    secret = {"password": "Very-safe-1"}
    assert (await client.put(f"{one}/password", json=secret, headers=me)).status == 200
    roles = await (await client.get("/api/v1/identity/roles?code=engineer", headers=me)).json()
    given = {"roles": [roles["items"][0]["id"]]}
    assert (await client.post(f"{one}/roles", json=given, headers=me)).status == 200

    sara = {"identifier": "sara@GRID.example", "password": "Very-safe-1"}
    body = await (await client.post(LOGIN, json=sara | {"token_delivery": "body"})).json()
    assert body["must_change_password"] is True
    hers = {"Authorization": f"Bearer {body['access_token']}"}
    assert (await client.get("/api/v1/scada/points", headers=hers)).status == 200
    assert (await client.get(users, headers=hers)).status == 403

    assert (await client.post(f"{one}/deactivate", headers=me)).status == 200
    assert (await client.get("/api/v1/scada/points", headers=hers)).status == 401
    assert (await client.post(LOGIN, json=sara)).status == 403


async def test_nobody_gives_away_what_he_lacks(client, sign_in):
    me = await sign_in("identity.*", "scada.points.read")
    role = {"code": "r1", "name_ar": "r", "permissions": ["scada.points.read"]}
    assert (await client.post("/api/v1/identity/roles", json=role, headers=me)).status == 201
    for pattern in ("scada.*", "*", "scada.*.read"):
        more = role | {"code": "r2", "permissions": [pattern]}
        answer = await client.post("/api/v1/identity/roles", json=more, headers=me)
        assert answer.status == 403, pattern


async def test_nobody_takes_over_a_stronger_account(client, admin, sign_in):
    clerk, boss = await sign_in("identity.*"), await signed_in(client, admin)
    me = await (await client.get("/api/v1/auth/me", headers=boss)).json()
    url = f"/api/v1/identity/users/{me['id']}/password"
    stolen = {"password": "Mine-now-1"}
    assert (await client.put(url, json=stolen, headers=clerk)).status == 403
    assert (await client.post(LOGIN, json=admin)).status == 200


@pytest.mark.parametrize("change", ["expired", "tenant", "session", "key", "issuer"])
async def test_a_token_that_we_did_not_make_so_is_refused(client, central, sign_in, change):
    """Signed rightly or not: what it claims has to be ours, live, and of one piece."""
    me, other = await sign_in("*"), await sign_in("*", tenant="other")
    tokens, now = central.get(ACCOUNTS).tokens, dt.datetime.now(dt.UTC)
    one, two = (tokens.read(h["Authorization"].split()[1], now) for h in (me, other))
    claims = {
        "expired": (one.sub, one.sid, one.tid, 1, now - dt.timedelta(hours=1)),
        "tenant": (one.sub, one.sid, two.tid, 1, now),
        "session": (one.sub, two.sid, one.tid, 1, now),
        "key": (one.sub, one.sid, one.tid, 1, now),
        "issuer": (one.sub, one.sid, one.tid, 1, now),
    }[change]
    signer = Tokens(b"another secret of thirty-two bytes") if change == "key" else tokens
    token, _ = signer.access(*claims)
    if change == "issuer":
        head, _, signature = token.split(".")
        token = f"{head}.{other['Authorization'].split('.')[1]}.{signature}"
    answer = await client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status == 401, await answer.text()
