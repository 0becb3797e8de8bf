"""What surrounds every request: ids, errors, headers, health, figures."""

import asyncio
import io
import logging

import pytest
from yarl import URL


async def test_health_tells_of_database_and_schema(client):
    body = await (await client.get("/health")).json()
    assert (body["status"], body["checks"]) == ("ok", {"database": "ok", "migrations": "ok"})
    assert (await client.get("/health/ready")).status == 200
    assert (await (await client.get("/health/live")).json())["alive"] is True


async def test_a_proper_request_id_is_kept_and_a_strange_one_replaced(client):
    good = await client.get("/health/live", headers={"X-Request-ID": "abcdefgh-1"})
    assert good.headers["X-Request-ID"] == good.headers["X-Correlation-ID"] == "abcdefgh-1"
    bad = await client.get("/health/live", headers={"X-Request-ID": "<bad>"})
    assert len(bad.headers["X-Request-ID"]) == 32


async def test_an_error_is_a_problem_with_our_fields(client):
    answer = await client.get("/api/v1/nowhere")
    body = await answer.json()
    assert answer.content_type == "application/problem+json"
    assert (answer.status, body["status"], body["error_code"]) == (404, 404, "RESOURCE_NOT_FOUND")
    assert body["success"] is False
    wrong = await client.delete("/api/v1/auth/login")
    assert (wrong.status, wrong.headers["Allow"]) == (405, "POST")


async def test_a_failure_that_nobody_foresaw_tells_nothing(
    client, central, sign_in, caplog, monkeypatch
):
    me = await sign_in("*")

    async def broken(*_):
        raise RuntimeError("the secret is 42")

    monkeypatch.setattr("hub.kernel.crud.list_", broken)
    with caplog.at_level(logging.ERROR):
        answer = await client.get("/api/v1/scada/stations", headers=me)
    assert answer.status == 500
    assert "secret" not in await answer.text()
    assert caplog.records[-1].request_id == answer.headers["X-Request-ID"]


async def test_bodies_have_a_type_and_a_size(client, sign_in):
    me, url = await sign_in("*"), "/api/v1/scada/stations"
    assert (await client.post(url, data=b"{}", headers=me)).status == 415
    js = me | {"Content-Type": "application/json"}
    assert (await client.post(url, data=b"{", headers=js)).status == 400
    assert (await client.post(url, data=b"[" * 10_000, headers=js)).status in (400, 422)
    assert (
        await client.post(url, data=io.BytesIO(b" " * (1 << 20) + b"{}"), headers=js)
    ).status == 413


async def test_security_headers_and_compression(client):
    answer = await client.get("/openapi.json")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


async def test_nobody_learns_which_software_answers(client):
    assert "Server" not in (await client.get("/health/live")).headers


async def test_requests_are_counted(client):
    await client.get("/health/live")
    text = await (await client.get("/metrics")).text()
    assert 'http_requests_total{method="GET",route="/health/live",status="200"} 1.0' in text
    assert "database_connections" in text


@pytest.mark.parametrize("name", ["X-Request-ID", "X-Correlation-ID"])
async def test_an_id_that_would_end_a_header_is_not_repeated(client, name):
    for bad in (
        "abcdefgh%0d%0aSet-Cookie:x",
        "a b c d e f",
        "x" * 101,
        "<script>alert(1)</script>",
    ):
        answer = await client.get("/health/live", headers={name: bad})
        assert answer.headers[name] != bad
        assert "Set-Cookie" not in answer.headers


async def test_an_address_cannot_write_headers(client, sign_in):
    me = await sign_in("*")
    evil = "%0d%0aSet-Cookie:%20a=b%0d%0a"
    for path in (
        f"/api/v1/scada/stations/{evil}",
        f"/api/v1/{evil}",
        f"/api/v1/scada/stations?q={evil}",
    ):
        answer = await client.get(URL(path, encoded=True), headers=me)
        assert answer.status in (200, 400, 404)
        assert "Set-Cookie" not in answer.headers


async def test_a_header_with_a_line_end_in_it_is_refused_by_the_parser(client):
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-A: b\rSet-Cookie: c=d\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(2_000), 5)
    head, _, _ = answer.partition(b"\r\n\r\n")
    assert b" 400 " in head
    assert b"Set-Cookie" not in head
    assert b"Traceback" not in answer
    writer.close()


@pytest.mark.parametrize("depth", [100, 5_000, 100_000])
async def test_a_body_nested_without_end_is_refused_and_nothing_falls_over(client, sign_in, depth):
    me = await sign_in("*")
    js = me | {"Content-Type": "application/json"}
    deep = b'{"settings":{"a":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}}"
    tenant = (await (await client.get("/api/v1/auth/me", headers=me)).json())["tenant_id"]
    url = f"/api/v1/identity/tenants/{tenant}/settings"
    answer = await client.put(url, data=deep, headers=js)
    assert answer.status in ((200,) if depth == 100 else (400, 422))
    assert (await client.get("/health/live")).status == 200
