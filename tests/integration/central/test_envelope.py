"""What surrounds every request: ids, errors, headers, health, figures."""

import io
import logging


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
