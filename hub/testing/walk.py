"""The rules that every endpoint keeps, tried on all that plugins declare.

async def test_every_endpoint_keeps_the_rules(client, sign_in, migrated):
    await walk(client, sign_in, migrated, [hub_plugin()])
"""

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg

from hub.contract.plugin import Plugin

from .endpoints import NOBODYS, Call, calls


async def walk(client: Any, sign_in: Any, dsn: str, plugins: Iterable[Plugin]) -> None:
    """All rules on all endpoints of the plugins. client, sign_in, dsn: of the fixtures."""
    found = list(calls(plugins))
    await strangers(client, dsn, found)
    await forbidden(client, sign_in, dsn, found)
    await missing(client, sign_in, found)
    await unknown_fields(client, sign_in, found)
    await described(client, found)


async def send(client: Any, call: Call, headers: Any = None, **extra: Any) -> Any:
    body = call.body if call.body is None else call.body | extra
    return await client.request(
        call.method, call.path, json=body, params=call.query, headers=headers
    )


def audits(dsn: str) -> Any:
    """How much was ever written."""
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT count(*), max(id) FROM hub_audit").fetchone()


async def strangers(client: Any, dsn: str, found: Sequence[Call]) -> None:
    """Nobody who has not signed in gets anything, and nothing is written."""
    before = audits(dsn)
    for call in found:
        assert (await send(client, call)).status == 401, call.name
    assert audits(dsn) == before


async def forbidden(client: Any, sign_in: Any, dsn: str, found: Sequence[Call]) -> None:
    """Whoever may not is told what it would take, and nothing is written."""
    nobody = await sign_in("nothing.at.all")
    before = audits(dsn)
    for call in found:
        if call.permission:
            answer = await send(client, call, nobody)
            assert answer.status == 403, call.name
            assert (await answer.json())["details"]["required_action"] == call.permission
    assert audits(dsn) == before


async def missing(client: Any, sign_in: Any, found: Sequence[Call]) -> None:
    """The named permission is enough, and a row that is not there is not found."""
    for call in found:
        if call.permission and str(NOBODYS) in call.path:
            answer = await send(client, call, await sign_in(call.permission))
            assert answer.status == 404, (call.name, await answer.text())


async def unknown_fields(client: Any, sign_in: Any, found: Sequence[Call]) -> None:
    """A field that there is not is named."""
    everything = await sign_in("*")
    for call in found:
        if call.body is not None and not call.free:
            answer = await send(client, call, everything, no_such_field=1)
            assert answer.status == 422, (call.name, await answer.text())
            assert (await answer.json())["details"][0]["field"] == "no_such_field", call.name


async def described(client: Any, found: Sequence[Call]) -> None:
    """Every endpoint is in the API's description, with its permission and a summary."""
    document = await (await client.get("/openapi.json")).json()
    operations = [o for path in document["paths"].values() for o in path.values()]
    names = [o["operationId"] for o in operations]
    assert len(names) == len(set(names))
    for call in found:
        entry = document["paths"][call.documented][call.method.lower()]
        assert entry.get("x-permission") == call.permission, call.name
        assert entry["summary"], call.name
