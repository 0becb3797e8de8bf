"""Connections are tried through their gateway; gateways join, are seen and are cut off."""

import asyncio
import datetime as dt
import io
import sys
import tomllib
import zipfile

import pytest

from hub import uuid7
from tests.integration.scada.fields import FIELDS
from tests.waiting import until


@pytest.fixture
async def me(person):
    return await person("scada.*", "sync.*")


async def gateway(place, me):
    await place.linked()
    (row,) = (await place.get("sync/gateways", me))["items"]
    return row


async def made(place, me, **given):
    owner = (await gateway(place, me))["id"]
    device = {"name": "CB1", "profile": "generic/modbus_breaker", "unit": 1}
    body = {
        "name": "breaker", "protocol_type": "modbus", "host": "127.0.0.1",
        "port": place.server.port, "settings": {"devices": [device]}, "gateway_id": owner,
    }  # fmt: skip
    got, row = await place.send("POST", "scada/protocols", me, body | given)
    assert got == 201, row
    return row


async def tried(place, me, row, **body):
    path = f"scada/protocols/{row['id']}/test"
    return await place.send("POST", path, me, {"within_s": 5} | body)


async def test_a_connection_is_tried_through_its_gateway_step_by_step(place, me):
    row = await made(place, me)
    assert row["connection_status"] == "unknown"
    got, report = await tried(place, me, row, point="CB1.switch.position")
    assert got == 200, report
    assert report["ok"], report
    assert [s["step"] for s in report["steps"]] == [
        "configuration", "connect", "start-up", "identify", "read",
    ]  # fmt: skip
    assert report["steps"][-1]["detail"].startswith("CB1.switch.position: raw value 1")
    row = await place.get(f"scada/protocols/{row['id']}", me)
    assert (row["connection_status"], row["last_error"]) == ("connected", None)
    assert row["last_connected_at"] is not None


async def test_what_is_wrong_is_told_with_the_step_that_failed(place, me):
    row = await made(place, me, port=1)
    _, report = await tried(place, me, row)
    assert [s["state"] for s in report["steps"]] == ["ok", "failed"]
    row = await place.get(f"scada/protocols/{row['id']}", me)
    assert row["connection_status"] == "failed"
    assert row["last_error"].startswith("connect: ")
    wrong = await made(place, me, settings={"devices": [], "colour": "red"})
    _, report = await tried(place, me, wrong)
    assert "colour" in report["steps"][0]["detail"]
    absent = await made(place, me)
    _, report = await tried(place, me, absent, point="CB1.none")
    assert report["steps"][-1] | {"ms": 0} == {
        "step": "read", "state": "failed", "detail": "no point is called 'CB1.none'", "ms": 0,
    }  # fmt: skip


async def test_nothing_is_tried_where_no_gateway_can(place, me):
    row = await made(place, me, protocol_type="sts")
    assert (await tried(place, me, row))[0] == 409
    foreign = await made(place, me, gateway_id=str(uuid7()))
    assert (await tried(place, me, foreign))[0] == 422
    row = await made(place, me)
    await place.stop_gateway()
    got, body = await tried(place, me, row, within_s=1)
    assert (got, body["error_code"]) == (503, "UNAVAILABLE")


async def test_secrets_are_sealed_and_never_answered(place, me):
    import psycopg

    row = await made(place, me, credentials='{"password": "open sesame"}')
    assert "credentials" not in row
    with psycopg.connect(place.dsn) as connection:
        (kept,) = connection.execute(
            "SELECT credentials FROM scada_protocol WHERE id = %s", (row["id"],)
        ).fetchone()
    assert "sesame" not in kept
    _, report = await tried(place, me, row)
    assert "password" in report["steps"][0]["detail"], "the driver gets it, and refuses it here"
    body = {"credentials": "not json"}
    assert (await place.send("PATCH", f"scada/protocols/{row['id']}", me, body))[0] == 422


@pytest.mark.parametrize("name", FIELDS)
async def test_every_protocol_can_be_tried(place, me, name):
    owner = (await gateway(place, me))["id"]
    await place.stop_gateway()
    async with FIELDS[name]() as field:
        place.drivers = (*place.drivers, field.module)
        await place.start_gateway()
        await place.linked()
        settings = {k: v for k, v in field.channel.items() if k != "name"}
        kind = {"dnp3": "dnp3", "iec61850": "iec61850", "mqtt": "mqtt"}[name]
        body = {"name": name, "protocol_type": kind, "settings": settings, "gateway_id": owner}
        _, row = await place.send("POST", "scada/protocols", me, body)
        got, report = await tried(place, me, row, within_s=10)
        assert got == 200, report
        assert report["ok"], report
        await place.stop_gateway()


async def test_a_gateway_says_how_it_does_and_how_far_the_centre_is(place, me):
    async def told():
        row = await gateway(place, me)
        return row if row["status"].get("channels_online") and row["newest_at"] else None

    row = await until(told, 20.0, 0.1)
    assert (row["name"], row["connected"], row["enabled"]) == ("g1", True, True)
    assert row["status"]["points"] == 4
    assert row["lag_s"] < 60
    assert (row["points"], row["lives"], row["gaps"]) == (4, 1, [])
    await place.stop_gateway()

    async def gone():
        (row,) = (await place.get("sync/gateways", me))["items"]
        return not row["connected"]

    await until(gone, 10.0, 0.1)
    await place.start_gateway()

    async def missing():
        (row,) = (await place.get("sync/gateways", me))["items"]
        return row["gaps"]

    (gap,) = await until(missing, 20.0, 0.1)
    assert (gap["cause"], gap["device"], gap["lost"]) == ("gateway_down", "", 0)


async def test_a_gateway_joins_with_a_key_that_is_shown_once(place, me, person):
    got, joined = await place.send("POST", "sync/gateways", me, {"name": "substation-9"})
    assert got == 201
    row = await place.get(f"sync/gateways/{joined['id']}", me)
    assert "key" not in row
    assert (row["connected"], row["lag_s"]) == (False, None)
    link = "/api/v1/sync/link"
    headers = {"Authorization": f"Bearer {joined['key']}"}
    async with place.client.ws_connect(link, headers=headers) as socket:
        got, new = await place.send("POST", f"sync/gateways/{joined['id']}/re-enrol", me, {})
        assert (got, new["key"] != joined["key"]) == (200, True)
        assert (await socket.receive(timeout=5)).type.name in {"CLOSE", "CLOSED", "CLOSING"}
    async with place.client.get(link, headers=headers) as answer:
        assert answer.status == 401
    assert (await place.send("POST", "sync/gateways", me, {"name": "substation-9"}))[0] == 409
    assert (await place.send("POST", "sync/gateways", me, {"name": "a b"}))[0] == 422
    got, row = await place.send("POST", f"sync/gateways/{joined['id']}/disable", me, {})
    assert (got, row["enabled"]) == (200, False)
    headers = {"Authorization": f"Bearer {new['key']}"}
    async with place.client.get(link, headers=headers) as answer:
        assert answer.status == 403
    async with place.client.get("/api/v1/sync/gateways") as answer:
        assert answer.status == 401
    reader = await person("sync.gateways.read")
    assert (await place.send("POST", "sync/gateways", reader, {"name": "x"}))[0] == 403


async def test_completeness_is_proved_and_a_table_leaves_as_a_workbook(place, me):
    await place.linked()

    async def known():
        items = (await place.get("scada/points?name=switch.position", me))["items"]
        return items[0] if items else None

    point = await until(known)
    start = dt.datetime.now(dt.UTC)

    async def complete():
        end = start + dt.timedelta(seconds=1)
        span = f"from={start:%Y-%m-%dT%H:%M:%S.%fZ}&to={end:%Y-%m-%dT%H:%M:%S.%fZ}"
        query = f"points={point['id']}&{span}"
        report = await place.get(f"scada/readings/completeness?{query}", me)
        return report if report["state"] == "complete" else None

    report = await until(complete, 20.0, 0.2)
    assert report["items"][0]["gaps"] == []
    query = f"points={point['id']}&from={start:%Y-%m-%dT00:00:00Z}&bucket=1m&format=xlsx"
    async with place.client.get(f"/api/v1/scada/readings/export?{query}", headers=me) as answer:
        assert answer.status == 200
        book = zipfile.ZipFile(io.BytesIO(await answer.read()))
    text = book.read("xl/worksheets/sheet1.xml").decode() + str(book.namelist())
    assert "switch.position" in text + book.read("xl/worksheets/sheet1.xml").decode()


async def test_a_gateway_joins_by_the_command_of_the_centres_machine(place, me):
    async def enrol(*words):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hub.cli", "enrol", "substation-8",
            "-c", str(place.folder / "centre.toml"), *words,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()

    code, said, trouble = await enrol("--url", "https://hub.example.org", "--company", "main")
    assert code == 0, trouble
    table = tomllib.loads(said)
    assert table["gateway"]["name"] == "substation-8"
    assert table["central"]["url"] == "https://hub.example.org"
    headers = {"Authorization": f"Bearer {table['central']['key']}"}
    async with place.client.ws_connect("/api/v1/sync/link", headers=headers) as socket:
        assert not socket.closed
    assert "substation-8" in [g["name"] for g in (await place.get("sync/gateways", me))["items"]]
    code, _, trouble = await enrol()
    assert (code, "renew" in trouble) == (1, True)
