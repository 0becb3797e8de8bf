"""Grants for one row, the list of all permissions, free settings of a company."""

import psycopg
import pytest

STATIONS = "/api/v1/scada/stations"


@pytest.fixture
async def boss(sign_in):
    return await sign_in("*")


@pytest.fixture
async def clerk(client, sign_in):
    headers = await sign_in("scada.alarms.read")
    me = await (await client.get("/api/v1/auth/me", headers=headers)).json()
    return me["id"], headers


async def made(client, boss, code):
    body = {"code": code, "name": code, "station_type": "substation"}
    answer = await client.post(STATIONS, json=body, headers=boss)
    assert answer.status == 201, await answer.text()
    return (await answer.json())["id"]


async def test_a_grant_for_one_row_counts_for_that_row_alone(client, boss, clerk):
    who, me = clerk
    mine, other = await made(client, boss, "A"), await made(client, boss, "B")
    grants = f"/api/v1/identity/users/{who}/permissions"
    body = {"permission": "scada.stations.*", "resource_id": mine}
    given = await client.post(grants, json=body, headers=boss)
    assert given.status == 201
    assert (await client.get(f"{STATIONS}/{mine}", headers=me)).status == 200
    changed = await client.patch(f"{STATIONS}/{mine}", json={"name": "new"}, headers=me)
    assert (changed.status, (await changed.json())["name"]) == (200, "new")
    for refused in (
        client.get(f"{STATIONS}/{other}", headers=me),
        client.patch(f"{STATIONS}/{other}", json={"name": "x"}, headers=me),
        client.get(STATIONS, headers=me),
        client.post(STATIONS, json={"code": "C"}, headers=me),
    ):
        assert (await refused).status == 403
    held = await (await client.get(grants, headers=boss)).json()
    assert [h["resource_id"] for h in held["items"]] == [None, mine]
    grant = (await given.json())["grant_id"]
    assert (await client.delete(f"{grants}/{grant}", headers=boss)).status == 204
    assert (await client.get(f"{STATIONS}/{mine}", headers=me)).status == 403


async def test_nobody_gives_a_row_what_he_may_not_do_himself(client, sign_in, clerk):
    who, _ = clerk
    weak = await sign_in("identity.permissions.grant", "scada.alarms.*")
    body = {"permission": "scada.stations.read", "resource_id": who}
    url = f"/api/v1/identity/users/{who}/permissions"
    assert (await client.post(url, json=body, headers=weak)).status == 403


async def test_the_catalogue_names_every_permission_of_every_plugin(client, boss):
    answer = await client.get("/api/v1/identity/permissions", headers=boss)
    modules = {m["module"]: m for m in (await answer.json())["items"]}
    codes = {p["code"]: p["description"] for m in modules.values() for p in m["permissions"]}
    document = await (await client.get("/openapi.json")).json()
    used = {
        operation["x-permission"]
        for methods in document["paths"].values()
        for operation in methods.values()
        if "x-permission" in operation
    }
    assert used <= set(codes) | {c for c in used if c.startswith("system.")}
    assert codes["identity.permissions.grant"]
    assert all(
        code.startswith(f"{m}.")
        for m, x in modules.items()
        for code in (p["code"] for p in x["permissions"])
    )


async def test_settings_of_a_company_are_kept_and_its_secrets_are_not_shown(client, boss, migrated):
    tenant = (await (await client.get("/api/v1/auth/me", headers=boss)).json())["tenant_id"]
    url = f"/api/v1/identity/tenants/{tenant}/settings"
    given = {"theme": {"dark": True}, "sms_token": "hush-hush", "limit": 5}
    answer = await client.put(url, json={"settings": given}, headers=boss)
    assert (answer.status, (await answer.json())["settings"]) == (
        200,
        given | {"sms_token": "********"},
    )
    change = {"limit": None, "sms_token": "********"}
    await client.put(url, json={"settings": change}, headers=boss)
    shown = await (await client.get(url, headers=boss)).json()
    assert shown["settings"] == {"theme": {"dark": True}, "sms_token": "********"}
    with psycopg.connect(migrated) as connection:
        rows = connection.execute("SELECT value::text FROM identity_tenant_setting").fetchall()
        rows += connection.execute("SELECT change::text FROM hub_audit").fetchall()
    assert not any("hush-hush" in text for (text,) in rows)
    assert sum("sealed" in text for (text,) in rows) == 1


@pytest.mark.parametrize(
    "settings",
    [{"Bad Key": 1}, {"x_secret": 5}, {"large": "x" * 17_000}, {f"k{n}": 1 for n in range(201)}],
)
async def test_a_setting_that_does_not_fit_is_refused_whole(client, boss, settings):
    tenant = (await (await client.get("/api/v1/auth/me", headers=boss)).json())["tenant_id"]
    url = f"/api/v1/identity/tenants/{tenant}/settings"
    answer = await client.put(url, json={"settings": {"good": 1} | settings}, headers=boss)
    assert answer.status == 422
    assert (await (await client.get(url, headers=boss)).json())["settings"] == {}


async def test_another_companys_settings_are_not_there(client, boss, sign_in):
    other = await sign_in("*", tenant="other")
    tenant = (await (await client.get("/api/v1/auth/me", headers=boss)).json())["tenant_id"]
    url = f"/api/v1/identity/tenants/{tenant}/settings"
    assert (await client.get(url, headers=other)).status == 404
    body = {"settings": {"a": 1}}
    assert (await client.put(url, json=body, headers=other)).status == 404
