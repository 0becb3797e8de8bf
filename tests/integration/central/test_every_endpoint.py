"""One test of each kind for all endpoints there are and all there will be."""

import psycopg
import pytest

from hub.testing.endpoints import NOBODYS, calls
from plugins import billing, events, finance, identity, jobs, scada

PLUGINS = (identity, scada, finance, billing, events, jobs)
CALLS = list(calls([p.hub_plugin() for p in PLUGINS]))
each = pytest.mark.parametrize("call", CALLS, ids=lambda c: c.name)


async def send(client, call, headers=None, **extra):
    body = call.body if call.body is None else call.body | extra
    return await client.request(
        call.method, call.path, json=body, params=call.query, headers=headers
    )


def audits(dsn):
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT count(*), max(id) FROM hub_audit").fetchone()


async def test_nothing_is_open_to_strangers(client, migrated):
    for call in CALLS:
        assert (await send(client, call)).status == 401, call.name
    assert audits(migrated) == (0, None)


async def test_whoever_may_not_changes_nothing(client, sign_in, migrated):
    nobody = await sign_in("nothing.at.all")
    before = audits(migrated)
    for call in CALLS:
        if call.permission:
            answer = await send(client, call, nobody)
            assert answer.status == 403, call.name
            assert (await answer.json())["details"]["required_action"] == call.permission
    assert audits(migrated) == before


async def test_the_named_permission_is_enough_and_a_missing_row_is_not_found(client, sign_in):
    for call in CALLS:
        if call.permission and str(NOBODYS) in call.path:
            answer = await send(client, call, await sign_in(call.permission))
            assert answer.status == 404, (call.name, await answer.text())


async def test_an_unknown_field_is_refused_everywhere(client, sign_in):
    everything = await sign_in("*")
    for call in CALLS:
        if call.body is not None and not call.free:
            answer = await send(client, call, everything, no_such_field=1)
            assert answer.status == 422, (call.name, await answer.text())
            assert (await answer.json())["details"][0]["field"] == "no_such_field", call.name


async def test_every_endpoint_is_described(client):
    document = await (await client.get("/openapi.json")).json()
    operations = [o for path in document["paths"].values() for o in path.values()]
    names = [o["operationId"] for o in operations]
    assert len(names) == len(set(names))
    for call in CALLS:
        described = document["paths"][call.documented][call.method.lower()]
        assert described.get("x-permission") == call.permission, call.name
        assert described["summary"], call.name
