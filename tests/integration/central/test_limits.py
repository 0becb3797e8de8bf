"""Limits, cookies, origins, proxies: what stands between the network and a handler."""

import asyncio
import contextlib
import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from api.app import build
from api.patience import Patience
from api.state import Options
from hub import ConfigError, Plugin, action
from hub.kernel.database import DATABASE
from hub.kernel.rates import Rates

STATIONS = "/api/v1/scada/stations"
INFO = "/api/v1/system/info"


@contextlib.asynccontextmanager
async def served(central, **options):
    async with TestClient(TestServer(build(central, Options(secret=b"x" * 32, **options)))) as made:
        yield made


async def test_an_address_has_a_hundred_and_twenty_requests_a_minute(central):
    async with served(central) as client:
        statuses = [(await client.get(INFO)).status for _ in range(120)]
        last = await client.get(INFO)
        assert statuses == [200] * 120
        assert (last.status, (await last.json())["error_code"]) == (429, "RATE_LIMITED")
        assert 0 < int(last.headers["Retry-After"]) <= 60
        assert last.headers["RateLimit-Remaining"] == "0"
        assert (await client.get("/health")).status == 200
        text = await (await client.get("/metrics")).text()
        assert 'busbar_rate_limited_total{class="api"} 1.0' in text


async def test_users_behind_one_address_are_counted_apart(central, sign_in):
    one, two = await sign_in("scada.*"), await sign_in("scada.*")
    async with served(central) as client:
        for _ in range(120):
            await client.get(STATIONS, headers=one)
        assert (await client.get(STATIONS, headers=one)).status == 429
        assert (await client.get(STATIONS, headers=two)).status == 200


@pytest.mark.parametrize(
    ("patterns", "rate", "most", "seconds"),
    [
        (("shop.*",), "upload", 10, 3_600),
        (("shop.*", "media.library.bulk"), "upload", 200, 3_600),
        (("shop.*",), "ai", 20, 60),
    ],
)
async def test_an_endpoint_is_limited_by_the_figures_of_its_class(
    central, sign_in, patterns, rate, most, seconds
):
    @action("send", permission="shop.files.write", rate=rate)
    async def send(ctx) -> None:
        """Take something."""

    central.plugins["shop"] = Plugin(name="shop", actions=(send,))
    me = await sign_in(*patterns)
    async with served(central) as client:
        for left in reversed(range(most)):
            answer = await client.post("/api/v1/shop/send", headers=me)
            assert (answer.status, answer.headers["RateLimit-Remaining"]) == (204, str(left))
        last = await client.post("/api/v1/shop/send", headers=me)
        assert last.status == 429
        assert 0 < int(last.headers["Retry-After"]) <= seconds
        assert (await client.get("/api/v1/auth/me", headers=me)).status == 200


async def test_webhooks_from_one_source_are_limited_by_their_own_class(central):
    @action("hook", public=True, rate="webhook_in")
    async def hook(ctx) -> None:
        """Take a call."""

    central.plugins["shop"] = Plugin(name="shop", actions=(hook,))
    async with served(central) as client:
        answer = await client.post("/api/v1/shop/hook")
        assert answer.headers["RateLimit-Limit"] == "600"


async def test_a_misspelt_class_is_found_when_the_application_is_built(central):
    @action("send", rate="uplaod")
    async def send(ctx) -> None:
        """Take something."""

    central.plugins["shop"] = Plugin(name="shop", actions=(send,))
    with pytest.raises(ConfigError, match="uplaod"):
        build(central, Options())


async def test_a_strict_profile_is_stricter(central):
    async with served(central, rate_profile="strict") as client:
        assert (await client.get(INFO)).headers["RateLimit-Limit"] == "100"


async def test_processes_count_together(central):
    pool, now = central.get(DATABASE).pool, [1_000_000.0]
    one, two = (Rates(pool, lambda: now[0]) for _ in range(2))
    for _ in range(6):
        assert one.spend("k", 10, 60).allowed
    await one.share()
    assert two.spend("k", 10, 60).allowed
    await two.share()
    assert two.spend("k", 10, 60).remaining == 2
    await two.share()
    assert one.spend("k", 10, 60).allowed
    await one.share()
    assert [one.spend("k", 10, 60).allowed for _ in range(2)] == [True, False]


async def test_a_window_slides(central):
    now = [1_000_020.0]  # the beginning of a minute
    rates = Rates(central.get(DATABASE).pool, lambda: now[0])
    assert all(rates.spend("k", 10, 60).allowed for _ in range(10))
    now[0] += 60
    assert not rates.spend("k", 10, 60).allowed
    now[0] += 30
    assert [rates.spend("k", 10, 60).allowed for _ in range(6)] == [True] * 5 + [False]


async def test_a_cookie_needs_its_token(client):
    got = await client.get("/api/v1/system/csrf-token")
    token = (await got.json())["csrf_token"]
    assert got.cookies["busbar_csrf"]["httponly"] is True
    own = {"Origin": f"http://{client.host}:{client.port}"}
    cookies = {"busbar_refresh": "x", "busbar_csrf": got.cookies["busbar_csrf"].value}
    url = "/api/v1/auth/refresh"
    for headers in (own, own | {"X-CSRF-Token": "wrong"}, {"X-CSRF-Token": token}):
        answer = await client.post(url, json={}, headers=headers, cookies=cookies)
        assert (answer.status, (await answer.json())["error_code"]) == (403, "CSRF_FAILED")
    right = own | {"X-CSRF-Token": token}
    assert (await client.post(url, json={}, headers=right, cookies=cookies)).status == 401


async def test_only_named_origins_may_read(central):
    async with served(central, origins=frozenset({"https://console.example"})) as client:
        good = {"Origin": "https://console.example", "Access-Control-Request-Method": "PUT"}
        answer = await client.options(STATIONS, headers=good)
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == "https://console.example"
        assert "X-CSRF-Token" in answer.headers["Access-Control-Allow-Headers"]
        assert "https://console.example" in answer.headers["Content-Security-Policy"]
        bad = await client.options(STATIONS, headers=good | {"Origin": "https://evil.example"})
        assert "Access-Control-Allow-Origin" not in bad.headers


@pytest.mark.parametrize(
    ("proxies", "forwarded", "seen"),
    [
        ((), "203.0.113.9", "127.0.0.1"),
        (("127.0.0.0/8",), "203.0.113.9", "203.0.113.9"),
        (("127.0.0.1", "10.0.0.0/8"), "1.1.1.1, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
        (("127.0.0.1",), "junk", "127.0.0.1"),
    ],
)
async def test_addresses_are_believed_from_our_proxies_only(
    central, tmp_path, proxies, forwarded, seen
):
    path = tmp_path / "logs" / "access.log"
    async with served(central, proxies=frozenset(proxies), access_log=path) as client:
        await client.get(INFO, headers={"X-Forwarded-For": forwarded})
    line = json.loads(path.read_text().splitlines()[0])
    assert (line["ip"], line["path"], line["status"]) == (seen, INFO, 200)


async def test_what_came_in_clear_is_sent_to_https(central):
    async with served(central, production=True, proxies=frozenset({"127.0.0.1"})) as client:
        clear = {"X-Forwarded-Proto": "http", "X-Forwarded-For": "203.0.113.9"}
        answer = await client.get(INFO, headers=clear, allow_redirects=False)
        assert (answer.status, answer.headers["Location"][:8]) == (308, "https://")
        tls = clear | {"X-Forwarded-Proto": "https"}
        good = await client.get(INFO, headers=tls)
        assert (good.status, "max-age" in good.headers["Strict-Transport-Security"]) == (200, True)


async def test_a_head_that_does_not_come_ends_the_connection(central):
    runner = web.AppRunner(build(central, Options()))
    await runner.setup()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Patience(runner.server, 0.2), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    slow, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /health/live HTTP/1.1\r\nHost: a\r\nX-Slow: ")
    fine, asks = await asyncio.open_connection("127.0.0.1", port)
    asks.write(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await fine.readline()).startswith(b"HTTP/1.1 200")
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionError):
            assert await slow.read() == b""
    asks.write(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n")
    await fine.readuntil(b"}")
    assert (await fine.readline()).startswith(b"HTTP/1.1 200")
    for made in (writer, asks):
        made.close()
    server.close()
    await runner.cleanup()


async def test_the_documentation_needs_no_other_host(client, central):
    page = await (await client.get("/docs")).text()
    assert "/api/v1/scada/stations" in page
    assert "<script" not in page
    assert "http://" not in page.replace("http://127.0.0.1", "")
    async with served(central, open_docs=False) as closed:
        for path in ("/docs", "/openapi.json", "/api/v1/system/apis"):
            assert (await closed.get(path)).status == 401


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: x=1", "a\nb", "a\x00b"])
async def test_a_header_cannot_be_smuggled(client, value):
    reader, writer = await asyncio.open_connection(client.host, client.port)
    head = f"GET /health/live HTTP/1.1\r\nHost: x\r\nX-Request-ID: {value}\r\n"
    writer.write(head.encode() + b"Connection: close\r\n\r\n")
    answer = (await reader.read()).split(b"\r\n\r\n")[0].lower()
    assert b"set-cookie" not in answer
    writer.close()
