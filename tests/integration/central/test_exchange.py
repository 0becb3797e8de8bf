"""Lists as files, files as rows, undo, and one verb on many rows; shown on stations."""

import csv
import io
import json
import zipfile

import psycopg
import pytest

URL = "/api/v1/scada/stations"
CSV = {"Content-Type": "text/csv"}
LINES = {"Content-Type": "application/x-ndjson"}


def table(*rows):
    return "\n".join(["code,name,station_type", *rows]).encode()


async def sent(client, me, data, query="", kind=CSV):
    answer = await client.post(f"{URL}/import{query}", data=data, headers=me | kind)
    return answer.status, await answer.json()


async def total(client, me):
    return (await (await client.get(f"{URL}?limit=1", headers=me)).json())["total"]


def count(dsn, what):
    with psycopg.connect(dsn) as connection:
        return connection.execute(f"SELECT count(*) FROM {what}").fetchone()[0]


async def exported(client, me, form, query=""):
    answer = await client.get(f"{URL}?format={form}{query}", headers=me)
    assert answer.status == 200, await answer.text()
    return answer, await answer.read()


async def three(client, me):
    status, report = await sent(
        client,
        me,
        table("S1,شمال,substation", 'S2,"=1+2, ""x""",solar', "S3,'quoted,mixed"),
    )
    assert status == 201, report
    return report


async def test_what_is_exported_is_what_the_list_says(client, sign_in):
    me = await sign_in("scada.*")
    await three(client, me)
    listed = (await (await client.get(f"{URL}?sort=code", headers=me)).json())["items"]
    answer, data = await exported(client, me, "ndjson", "&sort=code")
    assert [json.loads(line) for line in data.splitlines()] == listed
    assert answer.headers["Content-Disposition"] == 'attachment; filename="scada-stations.ndjson"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Request-ID"]
    _, data = await exported(client, me, "csv", "&sort=-code&station_type__in=solar,mixed")
    assert data.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    assert [r["name"] for r in rows] == ["''quoted", '\'=1+2, "x"']
    assert [r["created_at"] for r in rows] == [r["created_at"] for r in listed[:0:-1]]


async def test_a_workbook_holds_texts_that_are_no_formulas(client, sign_in):
    me = await sign_in("scada.*")
    await three(client, me)
    answer, data = await exported(client, me, "xlsx")
    assert int(answer.headers["Content-Length"]) == len(data)
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert "شمال" in sheet
    assert "=1+2, &quot;x&quot;" in sheet or '=1+2, "x"' in sheet


async def test_the_accept_header_asks_for_a_file_too(client, sign_in):
    me = await sign_in("scada.*")
    answer = await client.get(URL, headers=me | {"Accept": "text/csv"})
    assert (answer.status, answer.content_type) == (200, "text/csv")


async def test_an_export_obeys_filters_and_refuses_pages(client, sign_in):
    me = await sign_in("scada.*")
    for query in ("format=csv&page=2", "format=pdf", "format=csv&color=1", "format=csv&limit=5"):
        assert (await client.get(f"{URL}?{query}", headers=me)).status == 400, query


async def test_an_export_is_audited_and_shows_only_ones_own(client, sign_in, migrated):
    me, other = await sign_in("scada.*"), await sign_in("scada.*", tenant="other")
    await three(client, me)
    _, data = await exported(client, other, "ndjson")
    assert data == b""
    assert count(migrated, "hub_audit WHERE action = 'export'") == 1
    stranger = await sign_in("scada.stations.write")
    assert (await client.get(f"{URL}?format=csv", headers=stranger)).status == 403


async def test_an_export_goes_back_in_as_it_was(client, sign_in):
    me, other = await sign_in("scada.*"), await sign_in("scada.*", tenant="other")
    await three(client, me)
    for form, kind in (("csv", CSV), ("ndjson", LINES)):
        _, data = await exported(client, me, form, "&sort=code")
        status, report = await sent(client, other, data, kind=kind)
        assert status == 201, report
        assert {"id", "revision", "created_at", "status"} <= set(report["ignored"])
        _, back = await exported(client, other, "ndjson", "&sort=code")
        own = (await exported(client, me, "ndjson", "&sort=code"))[1]
        names = [[json.loads(x)["name"] for x in d.splitlines()] for d in (own, back)]
        assert names[0] == names[1] == ["شمال", '=1+2, "x"', "'quoted"]
        undo = await client.post(f"{URL}/imports/{report['id']}/undo", headers=other)
        assert (await undo.json()) == {"removed": 3, "kept": []}


async def test_ten_thousand_rows_with_faults_in_the_middle_leave_nothing(client, sign_in, migrated):
    me = await sign_in("scada.*")
    rows = [f"C{i},Name {i},solar" for i in range(10_000)]
    rows[4_000] = "C4000,Name,lunar"
    rows[5_000] = "C17,Name,solar"
    rows[6_000] = ",Name,solar"
    before = count(migrated, "hub_audit"), count(migrated, "hub_event")
    status, problem = await sent(client, me, table(*rows))
    assert status == 422
    found = [(e["row"], e["field"], e["code"]) for e in problem["details"]]
    assert found == [
        (4_002, "station_type", "validation_error"),
        (5_002, "code", "conflict"),
        (6_002, "code", "validation_error"),
    ]
    assert count(migrated, "scada_station") == count(migrated, "hub_import") == 0
    assert (count(migrated, "hub_audit"), count(migrated, "hub_event")) == before


async def test_a_dry_run_tells_and_writes_nothing(client, sign_in, migrated):
    me = await sign_in("scada.*")
    before = count(migrated, "hub_audit")
    data = table("S1,North,solar", "S1,Again,solar", "S2,South,solar")
    status, report = await sent(client, me, data, "?dry_run=true")
    assert (status, report["id"], report["rows"], report["created"]) == (200, None, 3, 2)
    assert [(e["row"], e["field"]) for e in report["errors"]] == [(3, "code")]
    assert (await total(client, me), count(migrated, "hub_audit")) == (0, before)


async def test_an_import_of_ten_thousand_is_taken_back_whole(client, sign_in, migrated):
    me = await sign_in("scada.*")
    kept = await three(client, me)
    lines = b"\n".join(
        json.dumps({"code": f"N{i}", "name": "N", "station_type": "solar"}).encode()
        for i in range(10_000)
    )
    status, report = await sent(client, me, lines, kind=LINES)
    assert (status, report["created"]) == (201, 10_000)
    assert count(migrated, "hub_audit WHERE action = 'create' AND \"table\" = 'scada_station'") == (
        10_003
    )
    undo = await client.post(f"{URL}/imports/{report['id']}/undo", headers=me)
    assert (undo.status, await undo.json()) == (200, {"removed": 10_000, "kept": []})
    assert await total(client, me) == kept["created"]
    again = await client.post(f"{URL}/imports/{report['id']}/undo", headers=me)
    assert again.status == 409


async def test_an_undo_keeps_and_names_what_was_changed_or_is_used(client, sign_in):
    me = await sign_in("scada.*")
    report = await three(client, me)
    items = (await (await client.get(f"{URL}?sort=code", headers=me)).json())["items"]
    changed, used, free = (row["id"] for row in items)
    await client.patch(f"{URL}/{changed}", json={"name": "B"}, headers=me)
    device = {"code": "D1", "name": "Meter", "station_id": used}
    await client.post("/api/v1/scada/devices", json=device, headers=me)
    answer = await client.post(f"{URL}/imports/{report['id']}/undo", headers=me)
    undone = await answer.json()
    assert undone["removed"] == 1
    assert {k["id"]: k["reason"] for k in undone["kept"]} == {
        changed: "it was changed since",
        used: "scada_device still refers to it",
    }
    assert (await client.get(f"{URL}/{free}", headers=me)).status == 404


async def test_nobody_undoes_another_companys_import(client, sign_in):
    me, other = await sign_in("scada.*"), await sign_in("scada.*", tenant="other")
    report = await three(client, me)
    url = f"{URL}/imports/{report['id']}/undo"
    assert (await client.post(url, headers=other)).status == 404
    elsewhere = url.replace("stations", "devices")
    assert (await client.post(elsewhere, headers=me)).status == 404
    assert await total(client, me) == 3


@pytest.mark.parametrize(
    ("data", "status", "field"),
    [
        (b"", 400, None),
        (b"colour,name\nred,x", 400, "colour"),
        (b"code,code\na,b", 400, "code"),
        (b'code,name\n"S1,x', 400, None),
        (b"code,name\n\xff,x", 400, None),
        (table("S1,x,solar,more"), 422, ""),
        (table("S1,x"), 422, "station_type"),
        (table("S1,x,solar") + b"\n" * 50 + b"S1,\x00,lunar", 422, "name"),
    ],
)
async def test_what_is_no_table_is_refused_with_its_place(client, sign_in, data, status, field):
    me = await sign_in("scada.*")
    got, problem = await sent(client, me, data)
    assert got == status, problem
    if field is not None:
        assert problem["details"][0]["field"] == field
    assert await total(client, me) == 0


async def test_lines_that_are_no_objects_are_named(client, sign_in):
    me = await sign_in("scada.*")
    good = b'{"code":"S1","name":"x","station_type":"solar"}'
    bad = b'{"code":"S2","name":"x","station_type":"solar","colour":1}'
    status, problem = await sent(client, me, b"\n".join([good, b"[1]", b"{", bad]), kind=LINES)
    assert status == 422
    assert [(e["row"], e["field"]) for e in problem["details"]] == [
        (2, ""),
        (3, ""),
        (4, "colour"),
    ]


async def test_an_import_that_is_sent_again_is_done_once(client, sign_in):
    me = await sign_in("scada.*") | {"Idempotency-Key": "i1"}
    first = await sent(client, me, table("S1,x,solar"))
    assert first == await sent(client, me, table("S1,x,solar"))
    assert await total(client, me) == 1


async def ids(client, me):
    listed = await (await client.get(f"{URL}?sort=code", headers=me)).json()
    return [row["id"] for row in listed["items"]]


async def bulk(client, me, verb, **body):
    answer = await client.post(f"{URL}/bulk/{verb}", json=body, headers=me)
    return answer.status, await answer.json()


async def test_many_rows_are_changed_together_or_not_at_all(client, sign_in, migrated):
    me, other = await sign_in("scada.*"), await sign_in("scada.*", tenant="other")
    await three(client, me)
    rows = await ids(client, me)
    assert await bulk(client, me, "update", ids=rows, body={"region": "R"}) == (200, {"done": 3})
    assert count(migrated, "scada_station WHERE region = 'R' AND revision = 2") == 3
    status, problem = await bulk(client, other, "update", ids=rows[:1], body={"region": "X"})
    assert (status, problem["details"][0]["code"]) == (422, "resource_not_found")
    device = {"code": "D1", "name": "Meter", "station_id": rows[1]}
    await client.post("/api/v1/scada/devices", json=device, headers=me)
    status, problem = await bulk(client, me, "delete", ids=rows)
    assert (status, [e["id"] for e in problem["details"]]) == (422, [rows[1]])
    assert await ids(client, me) == rows
    assert await bulk(client, me, "delete", ids=[rows[0], rows[2]]) == (200, {"done": 2})
    assert await ids(client, me) == [rows[1]]
    assert (await bulk(client, me, "delete", ids=[rows[1]] * 2))[0] == 422
    assert (await bulk(client, me, "delete", ids=[]))[0] == 422
