"""What every Resource does, shown on stations."""

import asyncio

import psycopg

STATION = {"code": "S1", "name": "North", "station_type": "substation"}
URL = "/api/v1/scada/stations"


async def made(client, headers, **given):
    answer = await client.post(URL, json=STATION | given, headers=headers)
    assert answer.status == 201, await answer.text()
    return await answer.json()


async def test_a_row_is_created_read_changed_and_deleted(client, sign_in):
    me = await sign_in("scada.*")
    answer = await client.post(URL, json=STATION, headers=me)
    row = await answer.json()
    assert (answer.status, answer.headers["ETag"], row["priority"]) == (201, '"1"', 5)
    one = answer.headers["Location"]
    assert (await (await client.get(one, headers=me)).json()) == row
    changed = await client.patch(one, json={"name": "South", "region": None}, headers=me)
    assert (changed.status, (await changed.json())["name"]) == (200, "South")
    assert changed.headers["ETag"] == '"2"'
    assert (await client.delete(one, headers=me)).status == 204
    assert (await client.get(one, headers=me)).status == 404


async def test_a_stale_revision_changes_nothing(client, sign_in):
    me = await sign_in("scada.*")
    row = await made(client, me)
    one = f"{URL}/{row['id']}"
    await client.put(one, json={"name": "B"}, headers=me | {"If-Match": '"1"'})
    late = await client.put(one, json={"name": "C"}, headers=me | {"If-Match": '"1"'})
    assert (late.status, (await late.json())["error_code"]) == (412, "PRECONDITION_FAILED")
    assert (await (await client.get(one, headers=me)).json())["name"] == "B"


async def test_an_unknown_field_is_named(client, sign_in):
    me = await sign_in("scada.*")
    answer = await client.post(URL, json=STATION | {"colour": "red"}, headers=me)
    body = await answer.json()
    assert answer.status == 422
    assert body["details"][0]["field"] == "colour"
    assert body["request_id"] == answer.headers["X-Request-ID"]


async def test_lists_filter_sort_and_page(client, sign_in):
    me = await sign_in("scada.*")
    for i in range(7):
        await made(client, me, code=f"S{i}", name=f"Station {i}", priority=i)

    async def codes(query):
        answer = await client.get(f"{URL}?{query}", headers=me)
        body = await answer.json()
        assert answer.status == 200, body
        return [r["code"] for r in body["items"]], body

    assert (await codes("priority__gte=5&sort=-code"))[0] == ["S6", "S5"]
    assert (await codes("code__in=S1,S3"))[0] == ["S1", "S3"]
    assert (await codes("region__null=true&q=tion%204"))[0] == ["S4"]
    found, body = await codes("limit=3&page=2")
    assert (found, body["total"], body["pages"]) == (["S3", "S4", "S5"], 7, 3)
    found, body = await codes(f"limit=3&cursor={body['next_cursor']}")
    assert (found, body["total"], body["next_cursor"]) == (["S6"], None, None)
    for bad in ("color=1", "priority=x", "sort=region", "limit=0", "limit=101", "cursor=%00"):
        assert (await client.get(f"{URL}?{bad}", headers=me)).status == 400, bad


async def test_a_repeated_request_is_answered_once(client, sign_in):
    me = await sign_in("scada.*") | {"Idempotency-Key": "k1"}
    first = await client.post(URL, json=STATION, headers=me)
    again = await client.post(URL, json=STATION, headers=me)
    other = await client.post(URL, json=STATION | {"code": "S2"}, headers=me)
    assert (first.status, again.status, other.status) == (201, 201, 422)
    assert again.headers["Idempotent-Replay"] == "true"
    assert await again.read() == await first.read()
    assert (await (await client.get(URL, headers=me)).json())["total"] == 1


async def test_a_reference_into_another_company_is_refused(client, sign_in):
    me, other = await sign_in("scada.*"), await sign_in("scada.*", tenant="other")
    foreign = await made(client, other)
    answer = await client.post(
        "/api/v1/scada/devices",
        json={"code": "D1", "name": "Meter", "station_id": foreign["id"]},
        headers=me,
    )
    assert (answer.status, (await answer.json())["details"][0]["field"]) == (422, "station_id")


async def test_what_is_in_use_stays(client, sign_in):
    me = await sign_in("scada.*")
    row = await made(client, me)
    device = {"code": "D1", "name": "Meter", "station_id": row["id"]}
    assert (await client.post("/api/v1/scada/devices", json=device, headers=me)).status == 201
    assert (await client.delete(f"{URL}/{row['id']}", headers=me)).status == 409
    assert (await client.post(URL, json=STATION, headers=me)).status == 409


async def test_nobody_sees_another_companys_rows(client, sign_in):
    me, other = await sign_in("scada.*"), await sign_in("scada.*", tenant="other")
    row = await made(client, me)
    one = f"{URL}/{row['id']}"
    assert (await client.get(one, headers=other)).status == 404
    assert (await client.patch(one, json={"name": "x"}, headers=other)).status == 404
    assert (await client.delete(one, headers=other)).status == 404
    assert (await (await client.get(URL, headers=other)).json())["items"] == []


async def test_the_audit_tells_old_and_new(client, sign_in, migrated):
    me = await sign_in("scada.*") | {"X-Request-ID": "audit-test-1"}
    row = await made(client, me)
    one = f"{URL}/{row['id']}"
    await client.patch(one, json={"name": "South"}, headers=me)
    await client.delete(one, headers=me)
    with psycopg.connect(migrated) as connection:
        found = connection.execute(
            "SELECT action, change, request_id FROM hub_audit WHERE row = %s ORDER BY id",
            (row["id"],),
        ).fetchall()
    assert [action for action, _, _ in found] == ["create", "update", "delete"]
    assert found[0][1]["code"] == [None, "S1"]
    assert found[1][1] == {"name": ["North", "South"]}
    assert found[2][1]["name"] == ["South", None]
    assert {ident for _, _, ident in found} == {"audit-test-1"}


async def test_a_text_loses_what_no_text_may_have(client, sign_in):
    me = await sign_in("scada.*")
    row = await made(client, me, name="a\x00b <script>x</script>hi <b>c</b> 2 < 3")
    assert row["name"] == "ab hi c 2 < 3"
    assert (await client.get(f"{URL}?q=%00", headers=me)).status in (400, 422)


async def test_of_two_writers_one_wins(client, sign_in):
    me = await sign_in("scada.*")
    row = await made(client, me)
    one, first = f"{URL}/{row['id']}", me | {"If-Match": '"1"'}
    answers = await asyncio.gather(
        *(client.patch(one, json={"name": f"N{i}"}, headers=first) for i in range(8))
    )
    outcomes = sorted(a.status for a in answers)
    assert outcomes[0] == 200
    assert set(outcomes[1:]) <= {409, 412}
    assert (await client.get(one, headers=me)).headers["ETag"] == '"2"'


async def test_the_same_request_at_once_makes_one_row(client, sign_in):
    me = await sign_in("scada.*") | {"Idempotency-Key": "at-once"}
    answers = await asyncio.gather(*(client.post(URL, json=STATION, headers=me) for _ in range(6)))
    assert {a.status for a in answers} <= {201, 409}
    assert (await (await client.get(URL, headers=me)).json())["total"] == 1
    assert (await client.post(URL, json=STATION, headers=me)).status == 201
