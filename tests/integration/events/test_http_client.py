"""The client that plugins get connects to no address that it has not checked."""

import asyncio
import socket

import pytest
from aiohttp import web

from hub import AddressRefused, LinkError, TimedOut
from hub.kernel.http import Http, Resolver

LOOPBACK = ["127.0.0.0/8"]


@pytest.fixture
def names(monkeypatch):
    """Answers of a name server that somebody else runs."""
    known = {}

    async def resolve(self, host, port=0, family=socket.AF_INET):
        addresses = known[host]
        return [
            {"hostname": host, "host": a, "port": port, "family": socket.AF_INET, "proto": 0,
             "flags": 0}
            for a in addresses
        ]  # fmt: skip

    monkeypatch.setattr(Resolver, "resolve", resolve)
    return known


async def test_a_name_that_leads_into_our_network_is_refused_at_connect(receiver, names):
    names["hooks.example.com"] = ["127.0.0.1"]
    port = receiver.url.rpartition(":")[2]
    async with Http() as http:
        assert http.check(f"https://hooks.example.com:{port}/")
        with pytest.raises(AddressRefused):
            await http.request("POST", f"https://hooks.example.com:{port}/", body=b"x")
    assert receiver.got == []


async def test_plain_http_goes_to_allowed_networks_only(receiver, names):
    names["inside"], names["outside"] = ["127.0.0.1"], ["8.8.8.8"]
    port = receiver.url.rpartition(":")[2]
    async with Http(LOOPBACK) as http:
        answer = await http.request("POST", f"http://inside:{port}/x", body=b"x")
        assert answer.status == 200
        with pytest.raises(AddressRefused):
            await http.request("POST", "http://outside/x")


async def test_a_long_answer_is_cut(receiver):
    receiver.answer = lambda request: web.Response(body=b"x" * 5_000_000)
    async with Http(LOOPBACK) as http:
        answer = await http.request("GET", receiver.url, limit=4096)
    assert len(answer.body) == 4096


async def test_silence_and_refusal_have_names(receiver):
    async def never(request):
        await asyncio.sleep(5)

    receiver.answer = never
    async with Http(LOOPBACK) as http:
        with pytest.raises(TimedOut, match="did not answer"):
            await http.request("GET", receiver.url, timeout=0.1)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            dead = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(LinkError):
            await http.request("GET", dead)


async def test_no_cookie_is_kept_and_the_body_stays_as_it_came(receiver):
    def answer(request):
        made = web.Response(body=b"not gzip", headers={"Content-Encoding": "gzip"})
        made.set_cookie("session", "1")
        return made

    receiver.answer = answer
    async with Http(LOOPBACK) as http:
        for _ in range(2):
            assert (await http.request("GET", receiver.url)).body == b"not gzip"
    assert all("Cookie" not in g.headers for g in receiver.got)
