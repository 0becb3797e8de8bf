"""What the console is told, and how its files are served."""

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from api import console
from api.testing import SignIn

STATION = {"code": "S1", "name": "North", "station_type": "substation"}


async def _resources(client: Any, headers: dict[str, str]) -> dict[str, Any]:
    reply = await client.get("/api/v1/console/resources", headers=headers)
    assert reply.status == 200
    return {r["key"]: r for r in (await reply.json())["items"]}


OWN = "notifications.notifications"  # everybody has his own


async def test_anyone_may_know_title_and_languages_and_no_more(client: Any) -> None:
    reply = await client.get("/api/v1/console/config")
    assert set(await reply.json()) == {"title", "version", "languages"}
    for path in ("menu", "resources", "trail"):
        assert (await client.get(f"/api/v1/console/{path}")).status == 401


async def test_each_caller_is_told_what_he_may_use(client: Any, sign_in: SignIn) -> None:
    reader = await sign_in("scada.stations.read")
    known = await _resources(client, reader)
    assert set(known) == {"scada.stations", "scada.links", OWN}
    assert known["scada.stations"]["operations"] == ["list", "get"]
    menu = await (await client.get("/api/v1/console/menu", headers=reader)).json()
    assert [i["key"] for g in menu["items"] for i in g["items"]] == [
        "scada.stations",
        "scada.links",
        OWN,
    ]
    writer = await sign_in("scada.*")
    known = await _resources(client, writer)
    assert "delete" in known["scada.stations"]["operations"]
    nobody = await sign_in()
    assert set(await _resources(client, nobody)) == {OWN}


async def test_a_field_tells_all_that_a_form_needs(client: Any, sign_in: SignIn) -> None:
    known = await _resources(client, await sign_in("*"))
    stations = {f["name"]: f for f in known["scada.stations"]["fields"]}
    assert stations["code"]["required"] is True
    assert stations["is_active"]["default"] is True
    assert stations["status"]["creatable"] is False
    labels = {o["value"]: o["label"] for o in stations["station_type"]["options"]}
    assert labels["solar"] == {"en": "Solar", "ar": "شمسية"}
    devices = {f["name"]: f for f in known["scada.devices"]["fields"]}
    assert devices["station_id"]["ref"] == "scada.stations"
    points = {f["name"]: f for f in known["scada.points"]["fields"]}
    assert points["name"]["editable"] is False


async def test_an_action_tells_its_body_and_what_it_names(client: Any, sign_in: SignIn) -> None:
    known = await _resources(client, await sign_in("*"))
    verbs = {v["name"]: v for v in known["identity.users"]["actions"]}
    assert verbs["roles"]["body"][0]["ref"] == "identity.roles"
    assert verbs["password"]["method"] == "PUT"
    assert "body" not in verbs["activate"]


async def test_the_trail_tells_old_and_new_to_whoever_may_read_the_row(
    client: Any, sign_in: SignIn
) -> None:
    writer = await sign_in("scada.*")
    made = await client.post("/api/v1/scada/stations", json=STATION, headers=writer)
    ident = (await made.json())["id"]
    changed = {"name": "South"}
    await client.patch(f"/api/v1/scada/stations/{ident}", json=changed, headers=writer)
    path = f"/api/v1/console/trail?resource=scada.stations&id={ident}"
    told = (await (await client.get(path, headers=writer)).json())["items"]
    assert [c["action"] for c in told] == ["update", "create"]
    assert told[0]["change"]["name"] == ["North", "South"]
    assert (await client.get(path, headers=await sign_in("scada.points.read"))).status == 403
    foreign = await sign_in("*", tenant="other")
    assert (await client.get(path, headers=foreign)).status == 404
    unknown = path.replace("scada.stations", "scada.secrets")
    assert (await client.get(unknown, headers=writer)).status == 404


async def test_the_trail_keeps_hidden_fields_to_itself(client: Any, sign_in: SignIn) -> None:
    admin = await sign_in("*")
    body = {"email": "a@people.example"}
    user = await (await client.post("/api/v1/identity/users", json=body, headers=admin)).json()
    path = f"/api/v1/identity/users/{user['id']}/password"
    await client.put(path, json={"password": "Turbine-Relay-58!kV"}, headers=admin)
    query = f"?resource=identity.users&id={user['id']}"
    told = await (await client.get(f"/api/v1/console/trail{query}", headers=admin)).text()
    assert "password_hash" not in told
    assert "must_change_password" in told


async def test_rows_are_found_by_their_ids(client: Any, sign_in: SignIn) -> None:
    writer = await sign_in("scada.*")
    made = await client.post("/api/v1/scada/stations", json=STATION, headers=writer)
    ident = (await made.json())["id"]
    found = await client.get(f"/api/v1/scada/stations?id__in={ident}", headers=writer)
    assert [r["code"] for r in (await found.json())["items"]] == ["S1"]


@pytest.fixture
def build(tmp_path: Path) -> Path:
    (tmp_path / "static").mkdir()
    (tmp_path / "index.html").write_text("<title>shell</title>")
    (tmp_path / "sw.js").write_text("// worker")
    (tmp_path / "static" / "a-1.js").write_text("plain")
    (tmp_path / "static" / "a-1.js.gz").write_bytes(b"\x1f\x8b packed")
    (tmp_path / "secret.txt").write_text("secret")
    return tmp_path


def _served(folder: Path) -> TestClient[Any, Any]:
    app = web.Application()
    console.add(app, folder)
    return TestClient(TestServer(app), auto_decompress=False)


async def test_every_address_of_a_page_gets_the_shell(build: Path) -> None:
    async with _served(build) as client:
        for path in ("/", "/scada/stations", "/identity/users/new"):
            reply = await client.get(path)
            assert "shell" in await reply.text()
            assert reply.headers["Cache-Control"] == "no-cache"
            assert "unsafe" not in reply.headers["Content-Security-Policy"]
        for path in ("/api/v1/none", "/health/none", "/robots.txt", "/static/none.js"):
            assert (await client.get(path)).status == 404


async def test_assets_are_kept_for_good_and_sent_packed(build: Path) -> None:
    async with _served(build) as client:
        reply = await client.get("/static/a-1.js", headers={"Accept-Encoding": "gzip"})
        assert await reply.read() == b"\x1f\x8b packed"
        assert reply.headers["Content-Encoding"] == "gzip"
        assert "immutable" in reply.headers["Cache-Control"]
        reply = await client.get("/static/a-1.js", headers={"Accept-Encoding": "identity"})
        assert await reply.text() == "plain"


async def test_nothing_outside_the_build_is_served(build: Path) -> None:
    async with _served(build) as client:
        for path in ("/static/..%2Fsecret.txt", "/static/%2E%2E/secret.txt", "/secret.txt"):
            assert (await client.get(path)).status == 404


async def test_without_a_build_the_page_says_what_to_do(tmp_path: Path) -> None:
    async with _served(tmp_path) as client:
        reply = await client.get("/")
        assert reply.status == 503
        assert "make console" in await reply.text()


async def test_a_search_finds_rows_of_all_resources_that_one_may_list(
    client: Any, sign_in: SignIn
) -> None:
    writer = await sign_in("scada.*")
    await client.post("/api/v1/scada/stations", json=STATION, headers=writer)

    async def found(headers: dict[str, str], text: str) -> list[dict[str, Any]]:
        reply = await client.get("/api/v1/console/search", params={"q": text}, headers=headers)
        assert reply.status == 200
        return list((await reply.json())["items"])

    [stations] = await found(writer, "Nort")
    assert (stations["key"], stations["total"]) == ("scada.stations", 1)
    assert stations["items"][0]["title"] == "North"
    assert stations["items"][0]["detail"] == "S1"
    assert await found(await sign_in("identity.users.read"), "Nort") == []
    short = await client.get("/api/v1/console/search", params={"q": "N"}, headers=writer)
    assert short.status == 400
